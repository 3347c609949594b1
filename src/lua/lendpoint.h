/* SPDX-License-Identifier: MIT
 * lendpoint.h: what messages come through, as Lua sees it: an HTTP listener,
 * our standard input and output, an end of a pair in memory. */
#ifndef MCP_LUA_LENDPOINT_H
#define MCP_LUA_LENDPOINT_H

#include <lua.h>

#include "lua/coroutine.h"
#include "transport/link.h"

/* How long handlers may go on when standard input has ended. The process is
 * gone within a second whatever they do. In milliseconds. */
#define MCP_LENDPOINT_STDIO_GRACE 500

/* Adds listen_http and serve_stdio to the table at the top, whose functions
 * carry the runtime as upvalue 1. [-0, +0, m] */
void mcp_lendpoint_open(lua_State *L, mcp_runtime_t *rt);

/* Pushes a host, closed as yet, whose messages go to the function at
 * `receive`; returns it for mcp_lendpoint_over. [-0, +1, m] */
void *mcp_lendpoint_push(lua_State *L, mcp_runtime_t *rt, int receive);

/* Opens the link of such a host over `stream` (an mcp_stream_t, taken). `name`
 * is static. 0 or a code. */
int mcp_lendpoint_over(void *host, void *stream, const char *name);

/* The same for a WebSocket whose handshake is over. */
int mcp_lendpoint_over_ws(void *host, void *stream,
                          const mcp_link_ws_t *options, mcp_buf_t *early);

/* Reads the limits of WebSockets out of a table: message_limit, fragments,
 * control_rate, control_burst, and in seconds ping, silence, stall_timeout,
 * close_timeout.
 * [-0, +0, e] */
void mcp_lendpoint_read_ws(lua_State *L, int table, mcp_link_ws_t *ws);

struct mcp_lchild;

/* The other side of such a host is a child (a reference to which is taken): it
 * ends with the host. */
void mcp_lendpoint_set_child(void *host, struct mcp_lchild *child);

#endif
