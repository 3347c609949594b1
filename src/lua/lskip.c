/* SPDX-License-Identifier: MIT
 * lskip.c: see lskip.h. Time jumps from one timer to the next, and between two
 * jumps everything runs that is ready, so that what a timer starts happens at
 * the moment of the timer. */
#include "lua/lskip.h"

#include <lauxlib.h>

#include "lua/lturn.h"
#include "lua/seconds.h"

/* Turns between two jumps, at most: handlers that always have more to do must
 * not stop the clock for ever. */
#define TURNS 10000

/* Runs what is ready. May raise. [-0, +0, e] */
static void settle(lua_State *L, mcp_runtime_t *rt) {
  for (int i = 0; i < TURNS && mcp_loop_is_ready(rt->loop); i++)
    (void)mcp_lturn_once(L, rt, 0);
}

/* skip(seconds): lets so much time pass. Raises inside a handler. */
static int skip(lua_State *L) {
  mcp_runtime_t *rt = lua_touserdata(L, lua_upvalueindex(1));
  uint64_t left = mcp_seconds_read(L, 1, "advance");
  if (rt->current || mcp_loop_is_turning(rt->loop))
    return mcp_lturn_raise(L, "the clock cannot be advanced from inside a "
                              "handler");
  settle(L, rt);
  for (;;) {
    uint64_t due = mcp_loop_next_due(rt->loop);
    if (due > left) break;
    mcp_loop_skip(rt->loop, due);
    left -= due;
    settle(L, rt);
  }
  mcp_loop_skip(rt->loop, left);
  settle(L, rt);
  return 0;
}

void mcp_lskip_open(lua_State *L, mcp_runtime_t *rt) {
  lua_pushlightuserdata(L, rt);
  lua_pushcclosure(L, skip, 1);
  lua_setfield(L, -2, "skip");
}
