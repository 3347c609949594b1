/* SPDX-License-Identifier: MIT
 * lredirect.h: waiting for a browser that is sent back to us, for Lua. */
#ifndef MCP_LUA_LREDIRECT_H
#define MCP_LUA_LREDIRECT_H

#include <lua.h>

#include "lua/coroutine.h"

/* Adds listen_redirect to the table at the top. [-0, +0, m] */
void mcp_lredirect_open(lua_State *L, mcp_runtime_t *rt);

#endif
