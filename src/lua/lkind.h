/* SPDX-License-Identifier: MIT
 * lkind.h: what a table is in JSON, for Lua code: an array or an object. */
#ifndef MCP_LUA_LKIND_H
#define MCP_LUA_LKIND_H

#include <lua.h>

/* Adds is_array and is_object to the table at the top. [-0, +0, m] */
void mcp_lkind_open(lua_State *L);

#endif
