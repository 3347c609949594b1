/* SPDX-License-Identifier: MIT
 * lwait.h: waiting in Lua: coroutines, sleep, and the waiter that everything
 * else that waits is made of. */
#ifndef MCP_LUA_LWAIT_H
#define MCP_LUA_LWAIT_H

#include <lua.h>

#include "lua/coroutine.h"

/* Adds spawn, sleep, waiter, in_task, may_wait and task_count to the table at
 * the top. [-0, +0, m] */
void mcp_lwait_open(lua_State *L, mcp_runtime_t *rt);

#endif
