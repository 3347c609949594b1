/* SPDX-License-Identifier: MIT
 * coroutine.c: see coroutine.h. */
#include "lua/coroutine.h"

#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

static void on_turn(void *arg);
static void on_alarm(void *arg);

int mcp_coroutine_open(lua_State *L, mcp_runtime_t *rt) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  rt->L = lua_tothread(L, -1);
  lua_pop(L, 1);
  mcp_list_init(&rt->coroutines);
  mcp_list_init(&rt->spare);
  mcp_list_init(&rt->ready);
  rt->turn = mcp_timer_new(rt->loop, false, on_turn, rt);
  rt->alarm = mcp_timer_new(rt->loop, true, on_alarm, rt);
  rt->alarm_at = UINT64_MAX;
  return rt->turn && rt->alarm ? 0 : MCP_ENOMEM;
}

int mcp_coroutine_move(mcp_runtime_t *rt, void *uv) {
  if (rt->coroutine_count || rt->loop_stays) return MCP_EBUSY;
  return mcp_loop_move(rt->loop, uv, 2 /* turn, alarm */);
}

/* The argument of make_coroutine, which runs protected. */
typedef struct {
  mcp_coroutine_t *co;
} making_t;

static int make_coroutine(lua_State *L) {
  making_t *making = lua_touserdata(L, 1);
  making->co->thread = lua_newthread(L);
  making->co->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

mcp_coroutine_t *mcp_coroutine_new(mcp_runtime_t *rt) {
  mcp_coroutine_t *co;
  if (rt->closing) return NULL;
  if (!mcp_list_empty(&rt->spare)) {
    co = MCP_LIST_MEMBER(rt->spare.next, mcp_coroutine_t, of_runtime);
    mcp_list_remove(&co->of_runtime);
    rt->spare_count--;
  } else {
    making_t making;
    co = mcp_mem_zalloc(sizeof *co);
    if (!co) return NULL;
    making.co = co;
    co->anchor = LUA_NOREF;
    if (!lua_checkstack(rt->L, 3)) {
      mcp_mem_free(co);
      return NULL;
    }
    lua_pushcfunction(rt->L, make_coroutine);
    lua_pushlightuserdata(rt->L, &making);
    if (lua_pcall(rt->L, 1, 0, 0) != LUA_OK) {
      lua_pop(rt->L, 1);
      mcp_mem_free(co);
      return NULL;
    }
    co->rt = rt;
    mcp_list_init(&co->of_ready);
    mcp_list_init(&co->of_watcher);
    mcp_list_init(&co->owned);
  }
  mcp_list_append(&rt->coroutines, &co->of_runtime);
  rt->coroutine_count++;
  return co;
}

static void free_coroutine(mcp_coroutine_t *co) {
  mcp_runtime_t *rt = co->rt;
  luaL_unref(rt->L, LUA_REGISTRYINDEX, co->anchor);
  mcp_mem_free(co);
}

/* Separates `co` from its exchange, which neither reaches any more. */
static void detach(mcp_coroutine_t *co) {
  if (co->handle) co->rt->detach_handle(co);
  co->exchange = NULL;
}

void mcp_coroutine_own(mcp_runtime_t *rt, mcp_coroutine_owned_t *owned) {
  mcp_list_init(&owned->of_coroutine);
  if (rt->current) mcp_list_append(&rt->current->owned, &owned->of_coroutine);
}

static void end_owned(mcp_coroutine_t *co) {
  while (!mcp_list_empty(&co->owned)) {
    mcp_coroutine_owned_t *owned =
        MCP_LIST_MEMBER(co->owned.next, mcp_coroutine_owned_t, of_coroutine);
    mcp_list_remove(&owned->of_coroutine);
    owned->end(owned);
  }
}

/* The coroutine has ended, with or without an error. An exchange that it has
 * not answered gets a constant answer. */
static void finish(mcp_coroutine_t *co) {
  mcp_runtime_t *rt = co->rt;
  mcp_exchange_t *x = co->exchange;
  bool cancelled = co->cancelled;
  void (*ended)(void *) = co->ended;
  void *ended_arg = co->ended_arg;
  detach(co);
  end_owned(co);
  mcp_list_remove(&co->of_runtime);
  mcp_list_remove(&co->of_ready);
  mcp_list_remove(&co->of_watcher);
  rt->coroutine_count--;
  if (co->is_request) rt->request_count--;
  mcp_share_release(co->share, co->charged);
  mcp_garbage_add(&rt->garbage, co->charged);
  if (co->trace) luaL_unref(rt->L, LUA_REGISTRYINDEX, co->trace);
  *co = (mcp_coroutine_t){.rt = rt, .thread = co->thread, .anchor = co->anchor};
  mcp_list_init(&co->of_runtime);
  mcp_list_init(&co->of_ready);
  mcp_list_init(&co->of_watcher);
  mcp_list_init(&co->owned);
  if (rt->spare_count < MCP_COROUTINE_SPARE && !rt->closing) {
    mcp_list_append(&rt->spare, &co->of_runtime);
    rt->spare_count++;
  } else {
    free_coroutine(co);
  }
  if (x) {
    x->up = NULL;
    if (x->wants_answer && !cancelled) {
      mcp_exchange_fail(x, MCP_RPC_INTERNAL_ERROR, "Internal error");
    } else {
      mcp_exchange_drop(x);
    }
  }
  if (ended) ended(ended_arg);
}

void mcp_coroutine_drop(mcp_coroutine_t *co) {
  lua_settop(co->thread, 0);
  co->exchange = NULL;
  finish(co);
}

/* Logs an uncaught error with its traceback. The coroutine is argument 1; the
 * error is argument 2 or the top of its stack. Runs protected, because a
 * traceback takes memory. */
static int describe(lua_State *L) {
  lua_State *thread = lua_touserdata(L, 1);
  lua_State *holder = lua_gettop(L) > 1 ? L : thread;
  const mcp_log_about_t about = {.kind = NULL};
  const char *text = lua_tostring(holder, -1);
  size_t len;
  if (!text) text = luaL_typename(holder, -1);
  /* Called on its own stack, two of the frames are ours. */
  luaL_traceback(L, thread, text, thread == L ? 2 : 0);
  text = lua_tolstring(L, -1, &len);
  mcp_log_about(MCP_LOG_ERROR, &about, mcp_slice(text, len));
  return 0;
}

static void report(mcp_coroutine_t *co) {
  lua_State *L = co->rt->L;
  if (!lua_checkstack(L, 3)) return;
  lua_pushcfunction(L, describe);
  lua_pushlightuserdata(L, co->thread);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    mcp_log(MCP_LOG_ERROR, "out of memory: a coroutine failed");
    lua_pop(L, 1);
  }
}

/* `co` runs from now on; and after it `outer`, which ran before, or NULL. */
static void enter(mcp_coroutine_t *co) {
  mcp_runtime_t *rt = co->rt;
  if (!rt->current) mcp_monitor_begin(&rt->monitor);
  if (co->budget.set) mcp_budget_run(&co->budget, &rt->monitor);
  rt->current = co;
}

static void leave(mcp_coroutine_t *co, mcp_coroutine_t *outer) {
  mcp_runtime_t *rt = co->rt;
  bool late;
  if (co->budget.set) mcp_budget_pause(&co->budget, &rt->monitor);
  late = !outer && mcp_monitor_end(&rt->monitor);
  rt->current = outer;
  if (late || rt->alerted) rt->alert(rt, co, late);
}

/* Closes what the coroutine still has open: its <close> variables run. They
 * cannot yield. The coroutine stays the current one meanwhile, so that lturn.c
 * recognizes a wait in them, and coroutines that they wake run later. The
 * exchange's userdata is on the stack that is cleared here, so it is detached
 * before. */
static int reset(mcp_coroutine_t *co) {
  mcp_runtime_t *rt = co->rt;
  mcp_coroutine_t *outer = rt->current;
  mcp_exchange_t *x = co->exchange;
  int status;
  detach(co);
  co->exchange = x;
  co->waiting = false;
  co->closing = true;
  enter(co);
  status = lua_resetthread(co->thread);
  leave(co, outer);
  return status;
}

void mcp_coroutine_loosen(lua_State *L, mcp_coroutine_t *co) {
  /* The place stays taken: holding it again must not need memory. */
  lua_pushboolean(L, false);
  lua_rawseti(L, LUA_REGISTRYINDEX, co->anchor);
  co->loose = true;
}

static void hold(mcp_coroutine_t *co) {
  if (!co->loose) return;
  co->loose = false;
  lua_pushthread(co->thread);
  lua_rawseti(co->thread, LUA_REGISTRYINDEX, co->anchor);
}

/* Closes a coroutine that is not running. */
static void kill_coroutine(mcp_coroutine_t *co) {
  hold(co);
  if (reset(co) != LUA_OK) report(co);
  lua_settop(co->thread, 0);
  finish(co);
}

static void resume(mcp_coroutine_t *co, int arguments) {
  mcp_runtime_t *rt = co->rt;
  mcp_coroutine_t *outer = rt->current;
  int results = 0, status;
  co->waiting = false;
  if (rt->stress) lua_gc(rt->L, LUA_GCCOLLECT);
  mcp_garbage_collect_near_limit(rt->L, &rt->garbage);
  enter(co);
  status = lua_resume(co->thread, outer ? outer->thread : rt->L, arguments,
                      &results);
  leave(co, outer);
  if (rt->loop) mcp_loop_note_work(rt->loop);
  if (status == LUA_YIELD) {
    lua_pop(co->thread, results);
    if (co->close_on_yield || !co->waiting) {
      if (!co->close_on_yield) {
        mcp_log(MCP_LOG_ERROR, "a handler called coroutine.yield outside a "
                               "coroutine of its own; the handler is closed");
      }
      kill_coroutine(co);
    }
    return;
  }
  if (status != LUA_OK) {
    report(co);
    (void)reset(co);
  }
  lua_settop(co->thread, 0);
  finish(co);
}

void mcp_coroutine_run(mcp_coroutine_t *co, int arguments) {
  resume(co, arguments);
}

/* The message handler of call_frame: logs while the stack still exists. */
static int on_error(lua_State *L) {
  lua_settop(L, 1);
  lua_pushcfunction(L, describe);
  lua_pushlightuserdata(L, L);
  lua_pushvalue(L, 1);
  lua_call(L, 2, 0);
  return 1;
}

static int called(lua_State *L, int status, lua_KContext context) {
  (void)L;
  (void)context;
  if (status == LUA_ERRMEM || status == LUA_ERRERR)
    mcp_log(MCP_LOG_ERROR, "out of memory: a coroutine failed");
  return 0;
}

/* The first frame of a function of the user. When a protected call ends, Lua
 * closes variables in a way that may yield; when a coroutine ends, it does not.
 */
static int call_frame(lua_State *L) {
  int arguments = lua_gettop(L) - 1;
  lua_pushcfunction(L, on_error);
  lua_insert(L, 1);
  return called(L, lua_pcallk(L, arguments, 0, 1, 0, called), 0);
}

void mcp_coroutine_call(mcp_coroutine_t *co, int arguments) {
  lua_pushcfunction(co->thread, call_frame);
  lua_insert(co->thread, 1);
  resume(co, arguments + 1);
}

mcp_runtime_t *mcp_coroutine_runtime(lua_State *L) {
  mcp_runtime_t *rt = lua_touserdata(L, lua_upvalueindex(1));
  if (!rt->loop) luaL_error(L, "the runtime is closed");
  return rt;
}

mcp_coroutine_t *mcp_coroutine_of(mcp_runtime_t *rt, lua_State *L) {
  return rt->current && rt->current->thread == L ? rt->current : NULL;
}

static int never(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return luaL_error(L, "a cancelled coroutine was resumed");
}

void mcp_coroutine_check(lua_State *L, mcp_coroutine_t *co) {
  if (!lua_isyieldable(L))
    luaL_error(L, "cannot wait here: inside a metamethod, an iterator or "
                  "another function that cannot yield");
  if (!co->cancel_seen) return;
  /* It has seen that it is cancelled, and waits again: it is closed. */
  co->close_on_yield = true;
  lua_yieldk(L, 0, 0, never);
}

/* Makes sure that the clocks are checked at `at` or earlier. */
static void set_alarm(mcp_runtime_t *rt, uint64_t at) {
  uint64_t now = mcp_loop_now(rt->loop);
  if (at >= rt->alarm_at || rt->closing) return;
  rt->alarm_at = at;
  mcp_timer_set(rt->alarm, at > now ? at - now : 0);
}

/* UINT64_MAX is never. */
static uint64_t later(uint64_t at, uint64_t ms) {
  return at > UINT64_MAX - ms ? UINT64_MAX : at + ms;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static void begin_clock(mcp_coroutine_t *co) {
  const mcp_clock_t *clock = co->exchange ? co->clock : NULL;
  /* The loop's clock stands since the turn in which the coroutine was started,
   * so the time that it has computed since counts. */
  uint64_t now = mcp_loop_now(co->rt->loop);
  uint32_t max = clock && clock->max > co->time ? clock->max : co->time;
  co->ticking = true;
  co->stopped = 0;
  co->deadline = co->time ? now + co->time : UINT64_MAX;
  co->deadline_max = co->time ? now + max : UINT64_MAX;
  co->next_heartbeat =
      clock && clock->interval ? now + clock->interval : UINT64_MAX;
  set_alarm(co->rt, earlier(co->deadline, co->next_heartbeat));
}

/* What will wake the coroutine is open already, so nothing may raise. */
static bool call_before_wait(lua_State *L, mcp_coroutine_t *co) {
  int top = lua_gettop(L), status;
  if (!lua_checkstack(L, MCP_COROUTINE_BEFORE_WAIT)) return false;
  status = lua_pcall(L, co->before_wait(L), 0, 0);
  lua_settop(L, top);
  if (status != LUA_OK) return false;
  co->before_wait = NULL;
  return true;
}

int mcp_coroutine_wait(lua_State *L, mcp_coroutine_t *co,
                       void (*cancel)(mcp_coroutine_t *, void *), void *arg,
                       lua_KFunction k) {
  if (co->cancelled) {
    /* It was cancelled while it was running: the wait ends at once. */
    if (cancel) cancel(co, arg);
    co->cancel_seen = true;
    co->wake_code = MCP_ECANCELED;
    return k(L, LUA_YIELD, (lua_KContext)co);
  }
  if (co->before_wait && !call_before_wait(L, co)) {
    if (cancel) cancel(co, arg);
    co->wake_code = MCP_ENOMEM;
    return k(L, LUA_YIELD, (lua_KContext)co);
  }
  if (co->timed) {
    if (!co->ticking) {
      begin_clock(co);
    } else {
      /* It may have become due while it did not wait. */
      set_alarm(co->rt, earlier(co->deadline, co->next_heartbeat));
    }
  }
  co->cancel = cancel;
  co->cancel_arg = arg;
  co->waiting = true;
  return lua_yieldk(L, 0, (lua_KContext)co, k);
}

int mcp_coroutine_woken(lua_State *L, int status, lua_KContext context) {
  mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  (void)status;
  if (co->wake_code < 0) return mcp_coroutine_push_error(L, co->wake_code);
  lua_pushboolean(L, true);
  return 1;
}

static void on_turn(void *arg) {
  mcp_runtime_t *rt = arg;
  mcp_list_t due;
  /* Coroutines that become ready meanwhile are resumed in the next turn. */
  mcp_list_init(&due);
  while (!mcp_list_empty(&rt->ready)) {
    mcp_list_t *link = rt->ready.next;
    mcp_list_remove(link);
    mcp_list_append(&due, link);
  }
  while (!mcp_list_empty(&due)) {
    mcp_coroutine_t *co = MCP_LIST_MEMBER(due.next, mcp_coroutine_t, of_ready);
    mcp_list_remove(&co->of_ready);
    resume(co, 0);
  }
}

static void wake(mcp_coroutine_t *co, int code, bool later_only) {
  mcp_runtime_t *rt = co->rt;
  if (!co->waiting || rt->closing) return;
  hold(co);
  co->waiting = false;
  co->cancel = NULL;
  co->cancel_arg = NULL;
  co->wake_code = code;
  if (code == MCP_ECANCELED) co->cancel_seen = true;
  if (!rt->current && !later_only) {
    resume(co, 0);
    return;
  }
  if (mcp_list_empty(&rt->ready)) mcp_timer_set(rt->turn, 0);
  mcp_list_remove(&co->of_ready); /* on_alarm may have it */
  mcp_list_append(&rt->ready, &co->of_ready);
}

void mcp_coroutine_wake(mcp_coroutine_t *co, int code) {
  wake(co, code, false);
}

void mcp_coroutine_wake_later(mcp_coroutine_t *co, int code) {
  wake(co, code, true);
}

static void cancel_wait(mcp_coroutine_t *co, bool later_only) {
  void (*cancel)(mcp_coroutine_t *, void *) = co->cancel;
  if (co->cancelled) return;
  co->cancelled = true;
  if (!co->waiting) return;
  co->cancel = NULL;
  if (cancel) cancel(co, co->cancel_arg);
  wake(co, MCP_ECANCELED, later_only);
}

void mcp_coroutine_cancel(mcp_coroutine_t *co) {
  cancel_wait(co, false);
}

void mcp_coroutine_cancel_later(mcp_coroutine_t *co) {
  cancel_wait(co, true);
}

void mcp_coroutine_limit(mcp_coroutine_t *co, uint32_t ms) {
  if (!co->clock || !co->exchange) return;
  co->time = ms;
  co->timed = ms || co->clock->interval;
  if (co->ticking && !co->expired) begin_clock(co);
}

void mcp_coroutine_restart_clock(mcp_coroutine_t *co) {
  const mcp_clock_t *clock = co->exchange ? co->clock : NULL;
  uint64_t now = mcp_loop_now(co->rt->loop);
  if (!co->ticking || co->expired) return;
  if (co->stopped)
    co->deadline_max = later(co->deadline_max, now - co->stopped);
  co->stopped = 0;
  if (co->time) co->deadline = earlier(now + co->time, co->deadline_max);
  if (clock && clock->interval) co->next_heartbeat = now + clock->interval;
  set_alarm(co->rt, earlier(co->deadline, co->next_heartbeat));
}

void mcp_coroutine_stop_clock(mcp_coroutine_t *co) {
  if (!co->timed || co->expired || co->stopped) return;
  if (!co->ticking) begin_clock(co);
  co->stopped = mcp_loop_now(co->rt->loop);
  co->deadline = UINT64_MAX;
}

/* Ends a waiting coroutine whose time is over. */
static void expire(mcp_coroutine_t *co) {
  void (*cancel)(mcp_coroutine_t *, void *) = co->cancel;
  uint64_t max = co->clock && co->exchange ? co->clock->max : 0;
  bool was_max = co->deadline == co->deadline_max && max > co->time;
  co->deadline = co->next_heartbeat = UINT64_MAX;
  co->cancelled = co->expired = co->cancel_seen = true;
  co->cancel = NULL;
  if (cancel) cancel(co, co->cancel_arg);
  if (co->exchange && co->clock)
    co->clock->expired(co, was_max ? co->clock->max : co->time);
  mcp_coroutine_wake(co, MCP_ETIMEDOUT);
}

static void on_alarm(void *arg) {
  mcp_runtime_t *rt = arg;
  uint64_t now = mcp_loop_now(rt->loop), next = UINT64_MAX;
  mcp_list_t due, *it, *after;
  rt->alarm_at = UINT64_MAX;
  /* A waiting coroutine is in no list of ready ones, so its link is free. */
  mcp_list_init(&due);
  MCP_LIST_EACH(&rt->coroutines, it, after) {
    mcp_coroutine_t *co = MCP_LIST_MEMBER(it, mcp_coroutine_t, of_runtime);
    uint64_t at;
    if (!co->ticking) continue;
    at = earlier(co->deadline, co->next_heartbeat);
    if (at > now) {
      next = earlier(next, at);
    } else if (co->waiting) {
      mcp_list_append(&due, &co->of_ready);
    }
  }
  set_alarm(rt, next);
  while (!mcp_list_empty(&due)) {
    mcp_coroutine_t *co = MCP_LIST_MEMBER(due.next, mcp_coroutine_t, of_ready);
    mcp_list_remove(&co->of_ready);
    if (co->deadline <= now) {
      expire(co);
      continue;
    }
    if (co->exchange && co->clock) {
      co->next_heartbeat = now + co->clock->interval;
      set_alarm(rt, earlier(co->deadline, co->next_heartbeat));
      co->clock->on_heartbeat(co);
    } else {
      co->next_heartbeat = UINT64_MAX;
    }
  }
}

void mcp_coroutine_close_all(mcp_runtime_t *rt) {
  rt->closing = true;
  mcp_timer_stop(rt->turn);
  mcp_timer_stop(rt->alarm);
  rt->turn = rt->alarm = NULL;
  while (!mcp_list_empty(&rt->coroutines)) {
    mcp_coroutine_t *co =
        MCP_LIST_MEMBER(rt->coroutines.next, mcp_coroutine_t, of_runtime);
    if (co == rt->current) {
      /* Its own handler closed the runtime: it goes when it yields. */
      mcp_list_remove(&co->of_runtime);
      continue;
    }
    if (co->cancel) co->cancel(co, co->cancel_arg);
    co->cancel = NULL;
    kill_coroutine(co);
  }
  while (!mcp_list_empty(&rt->spare)) {
    mcp_coroutine_t *co =
        MCP_LIST_MEMBER(rt->spare.next, mcp_coroutine_t, of_runtime);
    mcp_list_remove(&co->of_runtime);
    free_coroutine(co);
  }
}

int mcp_coroutine_push_error(lua_State *L, int code) {
  lua_pushnil(L);
  lua_pushstring(L, mcp_err_text(code));
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}
