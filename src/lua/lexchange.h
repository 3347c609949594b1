/* SPDX-License-Identifier: MIT
 * lexchange.h: the methods of an exchange in Lua: notices, events, keeping and
 * ending it, and the facts of its transport. */
#ifndef MCP_LUA_LEXCHANGE_H
#define MCP_LUA_LEXCHANGE_H

#include <lua.h>

#include "lua/coroutine.h"

/* Registers the type "mcp.exchange". [-0, +0, m] */
void mcp_lexchange_open(lua_State *L, mcp_runtime_t *rt);

#endif
