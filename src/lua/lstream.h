/* SPDX-License-Identifier: MIT
 * lstream.h: a connection as bytes, for protocols that are read in Lua
 * (core.connect_stream). MCP's own connections carry messages: lendpoint.h. */
#ifndef MCP_LUA_LSTREAM_H
#define MCP_LUA_LSTREAM_H

#include <lua.h>

#include "lua/coroutine.h"

/* What has come and was not received: above this the other side has to wait. In
 * bytes. */
#define MCP_LSTREAM_UNREAD (1u << 20)
/* What may wait to be written: the other side does not read. In bytes. */
#define MCP_LSTREAM_QUEUE (16u << 20)

/* Adds connect_stream to the table on top. [-0, +0, m] */
void mcp_lstream_open(lua_State *L, mcp_runtime_t *rt);

#endif
