/* SPDX-License-Identifier: MIT
 * lsignal.h: signals by name, as Lua code states and reads them. */
#ifndef MCP_LUA_LSIGNAL_H
#define MCP_LUA_LSIGNAL_H

#include <lua.h>

/* Pushes "SIGTERM"; "SIG40" for one without a name. [-0, +1, m] */
void mcp_lsignal_push(lua_State *L, int number);

/* The number of the signal at `index`: "SIGTERM", "TERM" or a number; SIGTERM
 * for nil. Raises on anything else. [-0, +0, v] */
int mcp_lsignal_check(lua_State *L, int index);

#endif
