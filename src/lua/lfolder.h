/* SPDX-License-Identifier: MIT
 * lfolder.h: net/folder.h for Lua. */
#ifndef MCP_LUA_LFOLDER_H
#define MCP_LUA_LFOLDER_H

#include <lua.h>

/* Pushes the function `folder(path)`. [-0, +1, m] */
int mcp_lfolder_open(lua_State *L);

#endif
