/* SPDX-License-Identifier: MIT
 * lcatch.h: waiting for a browser that is sent back to us, for Lua. */
#ifndef MCP_LUA_LCATCH_H
#define MCP_LUA_LCATCH_H

#include <lua.h>

#include "lua/task.h"

/* Adds catch_redirect to the table at the top. [-0, +0, m] */
void mcp_lcatch_open(lua_State *L, mcp_runtime_t *rt);

#endif
