/* SPDX-License-Identifier: MIT
 * value_fault.h: what could not be encoded, in words: the place, which grows
 * from the inside out, and the reason. For value.c alone. */
#ifndef MCP_LUA_VALUE_FAULT_H
#define MCP_LUA_VALUE_FAULT_H

#include "lua/value.h"

/* Begins with the reason. Returns `code`, as all of these do. */
int mcp_value_fault_set(mcp_value_fault_t *fault, int code, const char *reason);

/* Begins with a text that is not UTF-8: names its first bad byte, counted from
 * 1 as Lua does. Returns MCP_EUTF8. */
int mcp_value_fault_text(mcp_value_fault_t *fault, mcp_slice_t text);

/* Puts a position, or a key, before the place. A key is cut short between
 * characters, with controls and bad UTF-8 as '?'. */
int mcp_value_fault_index(mcp_value_fault_t *fault, int code, lua_Integer i);
int mcp_value_fault_key(mcp_value_fault_t *fault, int code, mcp_slice_t key);

#endif
