/* SPDX-License-Identifier: MIT
 * lwebsocket.h: WebSockets that we open, as Lua sees them. */
#ifndef MCP_LUA_LWEBSOCKET_H
#define MCP_LUA_LWEBSOCKET_H

#include <lua.h>

#include "lua/coroutine.h"

/* Adds connect_websocket to the table at the top. [-0, +0, m] */
void mcp_lwebsocket_open(lua_State *L, mcp_runtime_t *rt);

#endif
