/* SPDX-License-Identifier: MIT
 * lmemory.h: a server and its peer in one process, with the real
 * framing in between: what tests and embedders use instead of a socket. */
#ifndef MCP_LUA_LMEMORY_H
#define MCP_LUA_LMEMORY_H

#include <lua.h>

#include "lua/coroutine.h"

/* Adds memory_pair to the table at the top. [-0, +0, m] */
void mcp_lmemory_open(lua_State *L, mcp_runtime_t *rt);

#endif
