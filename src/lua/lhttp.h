/* SPDX-License-Identifier: MIT
 * lhttp.h: requests over HTTP, as Lua sees them: pools of connections, and
 * answers. */
#ifndef MCP_LUA_LHTTP_H
#define MCP_LUA_LHTTP_H

#include <lua.h>

#include "lua/coroutine.h"

/* Adds http_pool to the table at the top, whose functions carry the runtime as
 * upvalue 1. [-0, +0, m] */
void mcp_lhttp_open(lua_State *L, mcp_runtime_t *rt);

#endif
