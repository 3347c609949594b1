/* SPDX-License-Identifier: MIT
 * lhttp_pool.h: pools of HTTP connections, as Lua sees them, and the requests
 * that a program makes through them. */
#ifndef MCP_LUA_LHTTP_POOL_H
#define MCP_LUA_LHTTP_POOL_H

#include <lua.h>

#include "lua/coroutine.h"

/* Adds http_pool to the table at the top, whose functions carry the runtime as
 * upvalue 1. [-0, +0, m] */
void mcp_lhttp_pool_open(lua_State *L, mcp_runtime_t *rt);

#endif
