/* SPDX-License-Identifier: MIT
 * lskip.h: the virtual clock of mcp.testing: time that passes at once. */
#ifndef MCP_LUA_LSKIP_H
#define MCP_LUA_LSKIP_H

#include <lua.h>

#include "lua/coroutine.h"

/* Adds skip to the table at the top. [-0, +0, m] */
void mcp_lskip_open(lua_State *L, mcp_runtime_t *rt);

#endif
