/* SPDX-License-Identifier: MIT
 * seldom.h: what few programs use of the core: it is opened when the first of
 * it is asked for, so that others start sooner. */
#ifndef MCP_LUA_SELDOM_H
#define MCP_LUA_SELDOM_H

#include <lua.h>

#include "lua/coroutine.h"

/* Lets the table on top, which stays there, have it. [-0, +0, m] */
void mcp_seldom_open(lua_State *L, mcp_runtime_t *rt);

#endif
