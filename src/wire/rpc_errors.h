/* SPDX-License-Identifier: MIT
 * rpc_errors.h: the JSON-RPC error codes that the C side sends. Lua's list,
 * with those that only Lua sends, is lua/mcp/protocol/errors.lua. */
#ifndef MCP_WIRE_RPC_ERRORS_H
#define MCP_WIRE_RPC_ERRORS_H

/* JSON-RPC 2.0, section 5.1. */
#define MCP_RPC_PARSE_ERROR     (-32700)
#define MCP_RPC_INVALID_REQUEST (-32600)
#define MCP_RPC_INTERNAL_ERROR  (-32603)

/* From the range that JSON-RPC leaves to implementations. Other MCP
 * implementations use the same numbers. */
#define MCP_RPC_BUSY      (-32000) /* over a limit; a later retry may succeed */
#define MCP_RPC_TIMED_OUT (-32001) /* the handler exceeded its time limit */

/* The client cancelled the request. The number is LSP's RequestCancelled. */
#define MCP_RPC_CANCELLED (-32800)

#endif
