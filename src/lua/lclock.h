/* SPDX-License-Identifier: MIT
 * lclock.h: a clock (coroutine.h) whose functions are Lua's: they answer the
 * requests whose time is over, and send heartbeats. */
#ifndef MCP_LUA_LCLOCK_H
#define MCP_LUA_LCLOCK_H

#include <lua.h>

#include "lua/coroutine.h"

typedef struct {
  mcp_clock_t clock;
  int expired, on_heartbeat; /* registry references */
} mcp_lclock_t;

/* No limits. */
void mcp_lclock_init(mcp_lclock_t *lclock);

/* Reads the table at `index`: time, max and interval in seconds (0 or absent:
 * no limit); expired(thread, seconds) -> result | nil, error, which answers for
 * the handler that runs in `thread`; on_heartbeat(thread). Raises an error if
 * a field has the wrong type. [-0, +0, v] */
void mcp_lclock_set(lua_State *L, mcp_lclock_t *lclock, int index);

/* Releases the functions: there are no limits after this. [-0, +0, -] */
void mcp_lclock_unset(lua_State *L, mcp_lclock_t *lclock);

#endif
