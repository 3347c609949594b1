/* SPDX-License-Identifier: MIT
 * lwait.c: see lwait.h. Inside a coroutine waiting yields; on the main thread,
 * outside any coroutine, it turns the loop until it is done. */
#include "lua/lwait.h"

#include <lauxlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/lself.h"
#include "lua/ltrace.h"
#include "lua/lturn.h"
#include "lua/seconds.h"

#define TYPE_NAME "mcp.waiter"

/* A waiter. `co` is NULL unless a coroutine waits. Its user values are the
 * values it was woken with, and the thread of a coroutine that nothing else
 * references. */
enum { VALUES = 1, THREAD };
typedef struct {
  mcp_runtime_t *rt;
  mcp_coroutine_t *co;
  mcp_timer_t *timer;
  mcp_list_t watched; /* running coroutines that it has started */
  int count;          /* the values that it was woken with */
  bool has_watched; /* it has started some: it wakes when the last has ended */
  bool turning;     /* code outside coroutines waits */
  bool woken, timed_out;
} waiter_t;

static mcp_runtime_t *runtime(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static waiter_t *check_self(lua_State *L, const char *method) {
  return mcp_lself_check(L, TYPE_NAME, method);
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

/* Ends the wait, if there is one. The coroutine is never resumed inside this
 * function, which may be called from a callback of another library or from a
 * finalizer. */
static void wake(waiter_t *w) {
  mcp_coroutine_t *co = w->co;
  w->woken = true;
  stop_timer(w);
  w->co = NULL;
  if (co) mcp_coroutine_wake_later(co, 0);
  if (w->turning && w->rt->loop) mcp_loop_wake(w->rt->loop);
}

static void on_ended(void *arg) {
  waiter_t *w = arg;
  if (mcp_list_empty(&w->watched) && (w->co || w->turning) && !w->woken)
    wake(w);
}

/* Pushes the values that the waiter (argument 1) was woken with, or true
 * without any. */
static int push_values(lua_State *L) {
  waiter_t *w = lua_touserdata(L, 1);
  int count = w->count;
  if (!count) {
    lua_pushboolean(L, true);
    return 1;
  }
  luaL_checkstack(L, count, "too many values");
  lua_getiuservalue(L, 1, VALUES);
  if (count == 1) return 1;
  for (int i = 1; i <= count; i++) lua_rawgeti(L, -i, i);
  return count;
}

static int waited(lua_State *L, int status, lua_KContext context) {
  mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  waiter_t *w = lua_touserdata(L, 1);
  (void)status;
  lua_pushnil(L);
  lua_setiuservalue(L, 1, THREAD);
  /* Woken after its timeout but before it was resumed: the values count. */
  if (co->wake_code >= 0 || (w->timed_out && w->woken && !co->cancelled))
    return push_values(L);
  return mcp_coroutine_push_error(L, co->wake_code);
}

/* The wait of code outside coroutines. */
static int turn(lua_State *L, waiter_t *w) {
  bool open = true;
  w->turning = true;
  while (open && !w->woken && !w->timed_out)
    open = mcp_lturn_once(L, w->rt, -1) || w->timer;
  w->turning = false;
  stop_timer(w);
  if (w->woken) return push_values(L);
  if (w->timed_out) return mcp_coroutine_push_error(L, MCP_ETIMEDOUT);
  return mcp_lturn_raise(L, "the wait would never end: no handle of the loop "
                            "is open");
}

/* waiter:wait([seconds]) -> the values it was woken with | nil, text, code
 * ("ETIMEDOUT", "ECANCELED"). One caller waits at a time. Returns at once if
 * the waiter was woken before, or if all its coroutines have ended. */
static int waiter_wait(lua_State *L) {
  waiter_t *w = check_self(L, "waiter:wait");
  mcp_coroutine_t *co;
  bool limited = !lua_isnoneornil(L, 2);
  uint64_t ms = limited ? mcp_seconds_read(L, 2, "timeout") : 0;
  lua_settop(L, 1);
  if (w->has_watched && mcp_list_empty(&w->watched)) w->woken = true;
  if (w->woken) return push_values(L);
  if (w->co || w->turning)
    return mcp_lturn_raise(L, "another coroutine is waiting already: use a "
                              "waiter for each");
  if (!mcp_lturn_begin(L, w->rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  w->timed_out = false;
  if (limited) {
    w->timer = mcp_timer_start(w->rt->loop, ms, 0, false, on_time, w);
    if (!w->timer) return mcp_coroutine_push_error(L, MCP_ENOMEM);
  }
  if (!co) return turn(L, w);
  w->co = co;
  /* Without a timeout, a call or coroutines of its own, only the program can
   * wake it. If the program has dropped the waiter, the coroutine is garbage
   * too. */
  if (!limited && !w->has_watched && !co->exchange && !co->cancelled) {
    lua_pushthread(L);
    lua_setiuservalue(L, 1, THREAD);
    mcp_coroutine_loosen(L, co);
  }
  return mcp_coroutine_wait(L, co, cancel_wait, w, waited);
}

/* waiter:wake(…) -> boolean: ends the wait, which returns these values. False
 * if it was woken already. */
static int waiter_wake(lua_State *L) {
  waiter_t *w = check_self(L, "waiter:wake");
  int count = lua_gettop(L) - 1;
  if (!w->woken) {
    if (count > 1) {
      lua_createtable(L, count, 0);
      lua_insert(L, 2);
      for (int i = count; i; i--) lua_rawseti(L, 2, i);
    }
    if (count) lua_setiuservalue(L, 1, VALUES);
    w->count = count;
    wake(w);
    lua_pushboolean(L, true);
  } else {
    lua_pushboolean(L, false);
  }
  return 1;
}

/* waiter:cancel(): cancels the running coroutines that it has started. */
static int waiter_cancel(lua_State *L) {
  waiter_t *w = check_self(L, "waiter:cancel");
  mcp_list_t *at = w->watched.next;
  while (at != &w->watched) {
    mcp_coroutine_t *co = MCP_LIST_MEMBER(at, mcp_coroutine_t, of_watcher);
    at = at->next;
    if (co->cancelled) continue;
    mcp_coroutine_cancel(co);
    /* Cancelling may have run it, and other coroutines may have ended
     * meanwhile. */
    at = w->watched.next;
  }
  return 0;
}

/* waiter:is_woken() -> boolean */
static int waiter_is_woken(lua_State *L) {
  waiter_t *w = check_self(L, "waiter:is_woken");
  lua_pushboolean(L, w->woken);
  return 1;
}

/* Nothing can wake it any more: a coroutine that only the waiter references is
 * cancelled. */
static int waiter_collect(lua_State *L) {
  waiter_t *w = luaL_checkudata(L, 1, TYPE_NAME);
  if (w->co && w->co->loose) mcp_coroutine_cancel_later(w->co);
  stop_timer(w);
  while (!mcp_list_empty(&w->watched)) {
    mcp_coroutine_t *co =
        MCP_LIST_MEMBER(w->watched.next, mcp_coroutine_t, of_watcher);
    mcp_list_remove(&co->of_watcher);
    co->ended = NULL;
  }
  return 0;
}

static int waiter_name(lua_State *L) {
  const waiter_t *w = luaL_checkudata(L, 1, TYPE_NAME);
  lua_pushfstring(L, "mcp.waiter (%s)",
                  w->woken              ? "woken"
                  : w->co || w->turning ? "waited for"
                                        : "not woken");
  return 1;
}

/* waiter() -> waiter */
static int new_waiter(lua_State *L) {
  waiter_t *w = lua_newuserdatauv(L, sizeof *w, 2);
  *w = (waiter_t){.rt = runtime(L)};
  mcp_list_init(&w->watched);
  luaL_setmetatable(L, TYPE_NAME);
  return 1;
}

/* waiter_renew(waiter): makes one that no one waits for as new, for a program
 * that needs one after the other. */
static int renew(lua_State *L) {
  waiter_t *w = luaL_checkudata(L, 1, TYPE_NAME);
  luaL_argcheck(L, !w->co && !w->turning && mcp_list_empty(&w->watched), 1,
                "it is in use");
  if (w->count) {
    lua_pushnil(L);
    lua_setiuservalue(L, 1, VALUES);
  }
  w->count = 0;
  w->has_watched = w->woken = w->timed_out = false;
  return 0;
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
                                      int first, const char *what) {
  int n = lua_gettop(L) - first + 1, trace;
  mcp_coroutine_t *co;
  if (!lua_isfunction(L, first))
    mcp_lturn_raise(L, lua_pushfstring(L, "%s: expected a function, got %s",
                                       what, luaL_typename(L, first)));
  trace = mcp_ltrace_inherit(L, rt);
  co = mcp_coroutine_new(rt);
  if (co && !lua_checkstack(co->thread, n + 1)) {
    mcp_coroutine_drop(co);
    co = NULL;
  }
  if (!co && trace) luaL_unref(L, LUA_REGISTRYINDEX, trace);
  if (!co)
    mcp_lturn_raise(L, rt->closing ? "the runtime is closing"
                                   : "not enough memory for a coroutine");
  co->trace = trace;
  lua_xmove(L, co->thread, n);
  return co;
}

/* spawn(fn, …): runs fn(…) in a coroutine of its own, at once up to its first
 * wait. An error it does not catch goes to the log. */
static int spawn(lua_State *L) {
  int arguments = lua_gettop(L) - 1;
  mcp_coroutine_call(new_coroutine(L, runtime(L), 1, "mcp.spawn"), arguments);
  return 0;
}

/* waiter:spawn(fn, …): the same; a wait ends when all that were started so have
 * ended, in whatever way: not even lack of memory can make it wait for ever. */
static int waiter_spawn(lua_State *L) {
  waiter_t *w = check_self(L, "waiter:spawn");
  int arguments = lua_gettop(L) - 2;
  mcp_coroutine_t *co = new_coroutine(L, w->rt, 2, "waiter:spawn");
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

/* may_wait() -> boolean: is waiting possible here? */
static int may_wait(lua_State *L) {
  lua_pushboolean(L, mcp_lturn_may_wait(L, runtime(L)));
  return 1;
}

/* task_count() -> integer: coroutines that have not ended */
static int coroutine_count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)runtime(L)->coroutine_count);
  return 1;
}

void mcp_lwait_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"spawn", spawn},
                                       {"sleep", sleep_for},
                                       {"waiter", new_waiter},
                                       {"waiter_renew", renew},
                                       {"in_task", in_coroutine},
                                       {"may_wait", may_wait},
                                       {"task_count", coroutine_count},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"wait", waiter_wait},         {"wake", waiter_wake},
      {"spawn", waiter_spawn},       {"cancel", waiter_cancel},
      {"is_woken", waiter_is_woken}, {NULL, NULL}};
  luaL_newmetatable(L, TYPE_NAME);
  mcp_lself_set_methods(L, methods);
  lua_pushcfunction(L, waiter_collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, waiter_name);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
