/* SPDX-License-Identifier: MIT
 * lshare.h: the account of bytes as Lua sees it: its limit, and shares for what
 * Lua code keeps on behalf of peers. */
#ifndef MCP_LUA_LSHARE_H
#define MCP_LUA_LSHARE_H

#include <lua.h>

#include "transport/exchange.h"

/* The cost of a value of a message as a Lua value, besides the bytes of its
 * text: a member of a table, with its key. */
#define MCP_LSHARE_VALUE 72
/* The cost of a handler: its coroutine, its exchange, its context. */
#define MCP_LSHARE_TASK 2048

/* The cost of a message while it is handled, in bytes. */
size_t mcp_lshare_cost(const mcp_arrival_t *arrival);

/* The account has no room for the message of `x`: answers a request with
 * "busy", and closes the connection of anything else, since that may be the
 * response that a coroutine waits for. Ends the exchange. */
void mcp_lshare_refuse(mcp_exchange_t *x);

/* Adds share, memory and limit_memory to the module at the top.
 * [-0, +0, m] */
void mcp_lshare_open(lua_State *L);

#endif
