/* SPDX-License-Identifier: MIT
 * lwait.c: see lwait.h. Inside a coroutine waiting yields; on the main thread,
 * outside any coroutine, it turns the loop until it is done. */
#include "lua/lwait.h"

#include <lauxlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/lturn.h"
#include "lua/seconds.h"

#define TYPE_NAME "mcp.waiter"

/* A wait. `co` is NULL unless a coroutine waits. */
typedef struct {
  mcp_runtime_t *rt;
  mcp_coroutine_t *co;
  mcp_timer_t *timer;
  mcp_list_t watched; /* coroutines that it started and that have not ended */
  bool has_watched;   /* there were some: when the last has ended it wakes */
  bool waiting, woken, timed_out;
} waiter_t;

static mcp_runtime_t *runtime(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static void stop_timer(waiter_t *w) {
  mcp_timer_stop(w->timer);
  w->timer = NULL;
}

static void on_time(void *arg) {
  waiter_t *w = arg;
  stop_timer(w);
  w->timed_out = true;
  if (w->co) {
    mcp_coroutine_t *co = w->co;
    w->co = NULL;
    mcp_coroutine_wake(co, MCP_ETIMEDOUT);
  } else {
    mcp_loop_wake(w->rt->loop);
  }
}

static void cancel_wait(mcp_coroutine_t *co, void *arg) {
  waiter_t *w = arg;
  (void)co;
  stop_timer(w);
  w->co = NULL;
}

/* Ends the wait, if there is one. */
static void wake(waiter_t *w) {
  mcp_coroutine_t *co = w->co;
  w->woken = true;
  stop_timer(w);
  w->co = NULL;
  if (co) {
    mcp_coroutine_wake(co, 0);
  } else if (w->rt->loop) {
    mcp_loop_wake(w->rt->loop);
  }
}

static void on_ended(void *arg) {
  waiter_t *w = arg;
  if (mcp_list_empty(&w->watched) && w->waiting && !w->woken) wake(w);
}

/* Pushes what the waiter (argument 1) was woken with. */
static int push_payload(lua_State *L) {
  lua_pushboolean(L, true);
  lua_getiuservalue(L, 1, 1);
  return 2;
}

static int waited(lua_State *L, int status, lua_KContext context) {
  mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  (void)status;
  if (co->wake_code < 0) return mcp_coroutine_push_error(L, co->wake_code);
  return push_payload(L);
}

/* waiter:wait([seconds]) -> true, value | nil, text, code ("ETIMEDOUT",
 * "ECANCELED"). One waits at a time; a waiter woken before returns at once, as
 * does one whose coroutines have all ended. */
static int waiter_wait(lua_State *L) {
  waiter_t *w = luaL_checkudata(L, 1, TYPE_NAME);
  mcp_coroutine_t *co;
  bool limited = !lua_isnoneornil(L, 2);
  uint64_t ms = limited ? mcp_seconds_read(L, 2, "timeout") : 0;
  if (w->has_watched && mcp_list_empty(&w->watched)) w->woken = true;
  if (w->woken) return push_payload(L);
  if (w->co || w->timer)
    return luaL_error(L, "another coroutine is waiting already");
  if (!mcp_lturn_begin(L, w->rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  w->timed_out = false;
  w->waiting = true;
  if (limited) {
    w->timer = mcp_timer_start(w->rt->loop, ms, 0, false, on_time, w);
    if (!w->timer) return mcp_coroutine_push_error(L, MCP_ENOMEM);
  }
  lua_settop(L, 1);
  if (co) {
    w->co = co;
    return mcp_coroutine_wait(L, co, cancel_wait, w, waited);
  }
  while (!w->woken && !w->timed_out) {
    if (!mcp_lturn_once(L, w->rt, -1) && !w->timer && !w->woken &&
        !w->timed_out)
      return luaL_error(L, "the wait would never end: no handle of the loop "
                           "is open");
  }
  stop_timer(w);
  if (!w->woken) return mcp_coroutine_push_error(L, MCP_ETIMEDOUT);
  return push_payload(L);
}

/* waiter:wake([value]): ends the wait; the first call counts. */
static int waiter_wake(lua_State *L) {
  waiter_t *w = luaL_checkudata(L, 1, TYPE_NAME);
  if (w->woken) return 0;
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, 1);
  wake(w);
  return 0;
}

/* waiter:cancel(): cancels the coroutines that it has started and that have not
 * ended. */
static int waiter_cancel(lua_State *L) {
  waiter_t *w = luaL_checkudata(L, 1, TYPE_NAME);
  mcp_list_t *at = w->watched.next;
  while (at != &w->watched) {
    mcp_coroutine_t *co = MCP_LIST_MEMBER(at, mcp_coroutine_t, of_watcher);
    at = at->next;
    if (co->cancelled) continue;
    mcp_coroutine_cancel(co);
    /* It may have run, and others have ended with it. */
    at = w->watched.next;
  }
  return 0;
}

/* waiter:is_woken() -> boolean */
static int waiter_is_woken(lua_State *L) {
  waiter_t *w = luaL_checkudata(L, 1, TYPE_NAME);
  lua_pushboolean(L, w->woken);
  return 1;
}

static int waiter_collect(lua_State *L) {
  waiter_t *w = luaL_checkudata(L, 1, TYPE_NAME);
  stop_timer(w);
  while (!mcp_list_empty(&w->watched)) {
    mcp_coroutine_t *co =
        MCP_LIST_MEMBER(w->watched.next, mcp_coroutine_t, of_watcher);
    mcp_list_remove(&co->of_watcher);
    co->ended = NULL;
  }
  return 0;
}

/* waiter() -> waiter */
static int new_waiter(lua_State *L) {
  waiter_t *w = lua_newuserdatauv(L, sizeof *w, 1);
  *w = (waiter_t){.rt = runtime(L)};
  mcp_list_init(&w->watched);
  luaL_setmetatable(L, TYPE_NAME);
  return 1;
}

typedef struct {
  mcp_coroutine_t *co;
  mcp_timer_t *timer;
} nap_t;

static void end_nap(nap_t *nap) {
  mcp_timer_stop(nap->timer);
  mcp_mem_free(nap);
}

static void on_nap_over(void *arg) {
  nap_t *nap = arg;
  mcp_coroutine_t *co = nap->co;
  end_nap(nap);
  mcp_coroutine_wake(co, 0);
}

static void cancel_nap(mcp_coroutine_t *co, void *arg) {
  (void)co;
  end_nap(arg);
}

static void note(void *arg) {
  *(bool *)arg = true;
}

/* sleep(seconds) -> true | nil, text, "ECANCELED" */
static int sleep_for(lua_State *L) {
  mcp_runtime_t *rt = runtime(L);
  mcp_coroutine_t *co;
  uint64_t ms = mcp_seconds_read(L, 1, "sleep");
  nap_t *nap;
  if (!mcp_lturn_begin(L, rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  if (!co) {
    bool over = false;
    mcp_timer_t *timer;
    timer = mcp_timer_start(rt->loop, ms, 0, false, note, &over);
    if (!timer) return mcp_coroutine_push_error(L, MCP_ENOMEM);
    while (!over && !mcp_coroutine_is_stopped(rt) &&
           mcp_loop_step(rt->loop, -1) >= 0)
      continue;
    mcp_timer_stop(timer);
    if (!over && mcp_coroutine_is_stopped(rt))
      return mcp_coroutine_push_error(L, MCP_ECANCELED);
    lua_pushboolean(L, true);
    return 1;
  }
  nap = mcp_mem_alloc(sizeof *nap);
  if (!nap) return mcp_coroutine_push_error(L, MCP_ENOMEM);
  nap->co = co;
  nap->timer = mcp_timer_start(rt->loop, ms, 0, false, on_nap_over, nap);
  if (!nap->timer) {
    mcp_mem_free(nap);
    return mcp_coroutine_push_error(L, MCP_ENOMEM);
  }
  return mcp_coroutine_wait(L, co, cancel_nap, nap, mcp_coroutine_woken);
}

/* A coroutine with the function at `first` and its arguments, which are the top
 * of the stack, moved over to it. [-n, +0, v] */
static mcp_coroutine_t *new_coroutine(lua_State *L, mcp_runtime_t *rt,
                                      int first) {
  int n = lua_gettop(L) - first + 1;
  mcp_coroutine_t *co;
  luaL_checktype(L, first, LUA_TFUNCTION);
  co = mcp_coroutine_new(rt);
  if (co && !lua_checkstack(co->thread, n + 1)) {
    mcp_coroutine_drop(co);
    co = NULL;
  }
  if (!co)
    mcp_lturn_raise(L, rt->closing ? "the runtime is closing"
                                   : "not enough memory for a coroutine");
  lua_xmove(L, co->thread, n);
  return co;
}

/* spawn(fn, …): runs fn(…) in a coroutine of its own, at once up to its first
 * wait. An error it does not catch goes to the log. */
static int spawn(lua_State *L) {
  int arguments = lua_gettop(L) - 1;
  mcp_coroutine_call(new_coroutine(L, runtime(L), 1), arguments);
  return 0;
}

/* waiter:spawn(fn, …): the same; a wait ends when all that were started so have
 * ended, in whatever way: not even lack of memory can make it wait for ever. */
static int waiter_spawn(lua_State *L) {
  waiter_t *w = luaL_checkudata(L, 1, TYPE_NAME);
  int arguments = lua_gettop(L) - 2;
  mcp_coroutine_t *co = new_coroutine(L, w->rt, 2);
  w->has_watched = true;
  mcp_list_append(&w->watched, &co->of_watcher);
  co->ended = on_ended;
  co->ended_arg = w;
  mcp_coroutine_call(co, arguments);
  return 0;
}

/* in_task() -> boolean */
static int in_coroutine(lua_State *L) {
  mcp_runtime_t *rt = runtime(L);
  lua_pushboolean(L, mcp_coroutine_of(rt, L) != NULL);
  return 1;
}

/* may_wait() -> boolean: would a wait wait here? */
static int may_wait(lua_State *L) {
  lua_pushboolean(L, mcp_lturn_may_wait(L, runtime(L)));
  return 1;
}

void mcp_lwait_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {
      {"spawn", spawn},          {"sleep", sleep_for},   {"waiter", new_waiter},
      {"in_task", in_coroutine}, {"may_wait", may_wait}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"wait", waiter_wait},         {"wake", waiter_wake},
      {"spawn", waiter_spawn},       {"cancel", waiter_cancel},
      {"is_woken", waiter_is_woken}, {NULL, NULL}};
  luaL_newmetatable(L, TYPE_NAME);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, waiter_collect);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
