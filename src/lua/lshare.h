/* SPDX-License-Identifier: MIT
 * lshare.h: the account of bytes as Lua sees it: its limit, and shares for what
 * Lua code keeps on behalf of peers. */
#ifndef MCP_LUA_LSHARE_H
#define MCP_LUA_LSHARE_H

#include <lua.h>

#include "transport/exchange.h"

/* What a value of a message costs as a Lua value, beside the bytes of its text:
 * a member of a table, with its key. */
#define MCP_LSHARE_VALUE 64
/* What a handler costs: its coroutine, its exchange, its context. */
#define MCP_LSHARE_TASK 2048

/* What a message costs while it is worked on, in bytes. */
size_t mcp_lshare_cost(const mcp_arrival_t *arrival);

/* The account has no room for what came with `x`, which is over afterwards:
 * answered "busy"; what wants no answer ends its connection, for it may be the
 * answer that a coroutine waits for. */
void mcp_lshare_refuse(mcp_exchange_t *x);

/* Adds share, memory and limit_memory to the module at the top.
 * [-0, +0, m] */
void mcp_lshare_open(lua_State *L);

#endif
