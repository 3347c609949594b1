/* SPDX-License-Identifier: MIT
 * lfolder.h: net/folder.h for Lua. */
#ifndef MCP_LUA_LFOLDER_H
#define MCP_LUA_LFOLDER_H

#include <lua.h>

#include "lua/coroutine.h"

/* Adds the function `folder` to the table at the top. [-0, +0, m] */
void mcp_lfolder_open(lua_State *L, mcp_runtime_t *rt);

#endif
