/* SPDX-License-Identifier: MIT
 * lmembers.h: the check of most arguments: an object whose members are strings,
 * numbers and booleans. lua/mcp/schema/objects.lua says what it must check. */
#ifndef MCP_LUA_LMEMBERS_H
#define MCP_LUA_LMEMBERS_H

#include <lua.h>

/* Adds members_check to the table at the top. [-0, +0, m] */
void mcp_lmembers_open(lua_State *L);

#endif
