/* SPDX-License-Identifier: MIT
 * ljson.h: JSON for Lua code with options, for lua/mcp/json.lua. */
#ifndef MCP_LUA_LJSON_H
#define MCP_LUA_LJSON_H

#include <lua.h>

/* Adds json_encode and json_decode to the table at the top. [-0, +0, m] */
void mcp_ljson_open(lua_State *L);

#endif
