/* SPDX-License-Identifier: MIT
 * lclock.h: what becomes of a request whose time is over, as far as Lua says
 * it: a clock (coroutine.h) whose ends are Lua functions. What they answer is
 * not known here. */
#ifndef MCP_LUA_LCLOCK_H
#define MCP_LUA_LCLOCK_H

#include <lua.h>

#include "lua/coroutine.h"

typedef struct {
  mcp_clock_t clock;
  int expired, on_beat; /* registry references */
} mcp_lclock_t;

/* No limits. */
void mcp_lclock_init(mcp_lclock_t *lclock);

/* Reads the table at `index`: in seconds time, most, beat (0 or absent: none);
 * expired(thread, seconds) -> result | nil, error, which answers for the
 * handler that runs in `thread`; on_beat(thread). Raises what is of the wrong
 * type or no time. [-0, +0, v] */
void mcp_lclock_set(lua_State *L, mcp_lclock_t *lclock, int index);

/* Lets go of the functions: there are no limits any more. [-0, +0, -] */
void mcp_lclock_unset(lua_State *L, mcp_lclock_t *lclock);

#endif
