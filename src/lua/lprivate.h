/* SPDX-License-Identifier: MIT
 * lprivate.h: small files that only their owner may read, for Lua. */
#ifndef MCP_LUA_LPRIVATE_H
#define MCP_LUA_LPRIVATE_H

#include <lua.h>

/* Adds read_private and write_private to the table at the top. [-0, +0, m] */
void mcp_lprivate_open(lua_State *L);

#endif
