/* SPDX-License-Identifier: MIT
 * lconnect.h: connections that are opened by us and carry a message a line, as
 * Lua sees them. */
#ifndef MCP_LUA_LCONNECT_H
#define MCP_LUA_LCONNECT_H

#include <lua.h>

#include "lua/coroutine.h"

/* How long connecting may take by default, in milliseconds. */
#define MCP_LCONNECT_TIME 10000

/* Adds connect_socket to the table at the top. [-0, +0, m] */
void mcp_lconnect_open(lua_State *L, mcp_runtime_t *rt);

#endif
