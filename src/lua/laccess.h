/* SPDX-License-Identifier: MIT
 * laccess.h: the access log as Lua code holds it, and what a request's line
 * says of its message. */
#ifndef MCP_LUA_LACCESS_H
#define MCP_LUA_LACCESS_H

#include <lua.h>

#include "lua/coroutine.h"
#include "transport/access_log.h"

/* The log in the value at the top, or an error. [-0, +0, e] */
mcp_access_log_t *mcp_laccess_check(lua_State *L);

/* Adds access_log, access_note and peer_of to the table at the top. [-0, +0, m]
 */
void mcp_laccess_open(lua_State *L, mcp_runtime_t *rt);

#endif
