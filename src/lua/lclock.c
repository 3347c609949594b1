/* SPDX-License-Identifier: MIT
 * lclock.c: see lclock.h. Each call of a Lua function is a coroutine of its
 * own, since only coroutine.c may run Lua. */
#include "lua/lclock.h"

#include <lauxlib.h>

#include "lua/lexchange_handle.h"
#include "lua/lhandler.h"
#include "lua/seconds.h"

/* What the frame needs; lives on the C stack of on_expired. */
typedef struct {
  mcp_coroutine_t *co;
  int function, thread; /* registry references */
  uint32_t ms;
} start_t;

/* The first frame of the coroutine that answers: argument 1 is a light
 * userdata, the start_t. */
static int answer_frame(lua_State *L) {
  start_t start = *(const start_t *)lua_touserdata(L, 1);
  lua_settop(L, 0);
  lua_rawgeti(L, LUA_REGISTRYINDEX, start.function);
  lua_rawgeti(L, LUA_REGISTRYINDEX, start.thread);
  lua_pushnumber(L, (lua_Number)start.ms / 1000);
  return mcp_lhandler_answer(L, start.co, 2);
}

/* A coroutine with room on its stack for the first call, or NULL. */
static mcp_coroutine_t *new_coroutine(mcp_runtime_t *rt) {
  mcp_coroutine_t *co = mcp_coroutine_new(rt);
  if (co && !lua_checkstack(co->thread, 3)) {
    mcp_coroutine_drop(co);
    co = NULL;
  }
  return co;
}

static void on_expired(mcp_coroutine_t *late, uint32_t ms) {
  const mcp_lclock_t *lclock = (const mcp_lclock_t *)(const void *)late->clock;
  mcp_exchange_t *x = late->exchange;
  mcp_coroutine_t *co = new_coroutine(late->rt);
  start_t start = {co, lclock->expired, late->anchor, ms};
  mcp_lexchange_detach_exchange(late);
  if (!co) {
    x->up = NULL;
    mcp_exchange_fail(x, MCP_RPC_TIMED_OUT, "Timed out");
    return;
  }
  co->exchange = x;
  x->up = co;
  lua_pushcfunction(co->thread, answer_frame);
  lua_pushlightuserdata(co->thread, &start);
  mcp_coroutine_run(co, 1);
}

static void on_heartbeat(mcp_coroutine_t *waiting) {
  const mcp_lclock_t *lclock =
      (const mcp_lclock_t *)(const void *)waiting->clock;
  mcp_coroutine_t *co;
  /* A peer that does not read would not receive it. */
  if (waiting->exchange->ops->congested(waiting->exchange)) return;
  co = new_coroutine(waiting->rt);
  if (!co) return;
  lua_rawgeti(co->thread, LUA_REGISTRYINDEX, lclock->on_heartbeat);
  lua_rawgeti(co->thread, LUA_REGISTRYINDEX, waiting->anchor);
  mcp_coroutine_run(co, 1);
}

static uint32_t ms_field(lua_State *L, int index, const char *name) {
  uint32_t ms = 0;
  if (lua_getfield(L, index, name) != LUA_TNIL)
    ms = mcp_seconds_read32(L, -1, name);
  lua_pop(L, 1);
  return ms;
}

static void function_field(lua_State *L, int index, const char *name,
                           int *ref) {
  if (lua_getfield(L, index, name) != LUA_TFUNCTION)
    luaL_error(L, "clock: %s: expected a function, got %s", name,
               luaL_typename(L, -1));
  luaL_unref(L, LUA_REGISTRYINDEX, *ref);
  *ref = LUA_NOREF;
  *ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

void mcp_lclock_init(mcp_lclock_t *lclock) {
  *lclock = (mcp_lclock_t){.expired = LUA_NOREF, .on_heartbeat = LUA_NOREF};
}

void mcp_lclock_set(lua_State *L, mcp_lclock_t *lclock, int index) {
  mcp_clock_t clock = {.expired = on_expired, .on_heartbeat = on_heartbeat};
  index = lua_absindex(L, index);
  luaL_checktype(L, index, LUA_TTABLE);
  clock.time = ms_field(L, index, "time");
  clock.max = ms_field(L, index, "max");
  clock.interval = ms_field(L, index, "interval");
  function_field(L, index, "expired", &lclock->expired);
  function_field(L, index, "on_heartbeat", &lclock->on_heartbeat);
  lclock->clock = clock;
}

void mcp_lclock_unset(lua_State *L, mcp_lclock_t *lclock) {
  luaL_unref(L, LUA_REGISTRYINDEX, lclock->expired);
  luaL_unref(L, LUA_REGISTRYINDEX, lclock->on_heartbeat);
  mcp_lclock_init(lclock);
}
