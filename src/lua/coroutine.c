/* SPDX-License-Identifier: MIT
 * task.c: see task.h. */
#include "lua/task.h"

#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/lexchange.h"

static void on_turn(void *arg);
static void on_alarm(void *arg);

int mcp_task_open(lua_State *L, mcp_runtime_t *rt) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  rt->L = lua_tothread(L, -1);
  lua_pop(L, 1);
  mcp_list_init(&rt->tasks);
  mcp_list_init(&rt->spare);
  mcp_list_init(&rt->ready);
  rt->turn = mcp_timer_new(rt->loop, false, on_turn, rt);
  rt->alarm = mcp_timer_new(rt->loop, true, on_alarm, rt);
  rt->alarm_at = UINT64_MAX;
  return rt->turn && rt->alarm ? 0 : MCP_ENOMEM;
}

/* What making a coroutine needs, on the far side of a protected call. */
typedef struct {
  mcp_task_t *task;
} making_t;

static int make_coroutine(lua_State *L) {
  making_t *making = lua_touserdata(L, 1);
  making->task->co = lua_newthread(L);
  making->task->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

mcp_task_t *mcp_task_new(mcp_runtime_t *rt) {
  mcp_task_t *task;
  if (rt->closing) return NULL;
  if (!mcp_list_empty(&rt->spare)) {
    task = MCP_LIST_MEMBER(rt->spare.next, mcp_task_t, of_runtime);
    mcp_list_remove(&task->of_runtime);
    rt->spare_count--;
  } else {
    making_t making;
    task = mcp_mem_zalloc(sizeof *task);
    if (!task) return NULL;
    making.task = task;
    task->anchor = LUA_NOREF;
    if (!lua_checkstack(rt->L, 3)) {
      mcp_mem_free(task);
      return NULL;
    }
    lua_pushcfunction(rt->L, make_coroutine);
    lua_pushlightuserdata(rt->L, &making);
    if (lua_pcall(rt->L, 1, 0, 0) != LUA_OK) {
      lua_pop(rt->L, 1);
      mcp_mem_free(task);
      return NULL;
    }
    task->rt = rt;
    mcp_list_init(&task->of_ready);
    mcp_list_init(&task->of_watcher);
  }
  mcp_list_append(&rt->tasks, &task->of_runtime);
  rt->task_count++;
  return task;
}

static void free_task(mcp_task_t *task) {
  mcp_runtime_t *rt = task->rt;
  luaL_unref(rt->L, LUA_REGISTRYINDEX, task->anchor);
  mcp_mem_free(task);
}

/* The coroutine has ended one way or the other. What it still owed is
 * answered with a constant. */
static void finish(mcp_task_t *task) {
  mcp_runtime_t *rt = task->rt;
  mcp_exchange_t *x = task->exchange;
  bool cancelled = task->cancelled;
  void (*ended)(void *) = task->ended;
  void *ended_arg = task->ended_arg;
  mcp_lexchange_forget(task);
  mcp_list_remove(&task->of_runtime);
  mcp_list_remove(&task->of_ready);
  mcp_list_remove(&task->of_watcher);
  rt->task_count--;
  mcp_share_release(task->share, task->charged);
  *task = (mcp_task_t){.rt = rt, .co = task->co, .anchor = task->anchor};
  mcp_list_init(&task->of_runtime);
  mcp_list_init(&task->of_ready);
  mcp_list_init(&task->of_watcher);
  if (rt->spare_count < MCP_TASK_SPARE && !rt->closing) {
    mcp_list_append(&rt->spare, &task->of_runtime);
    rt->spare_count++;
  } else {
    free_task(task);
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

void mcp_task_drop(mcp_task_t *task) {
  lua_settop(task->co, 0);
  task->exchange = NULL;
  finish(task);
}

/* An error that nobody caught: the text, with the traceback for debugging. The
 * coroutine is argument 1, the error argument 2 or the top of its stack. Runs
 * protected, because making the traceback takes memory. */
static int describe(lua_State *L) {
  lua_State *co = lua_touserdata(L, 1);
  lua_State *holder = lua_gettop(L) > 1 ? L : co;
  const char *text = lua_tostring(holder, -1);
  if (!text) text = luaL_typename(holder, -1);
  /* Of a coroutine's own stack two frames are ours. */
  luaL_traceback(L, co, text, co == L ? 2 : 0);
  /* A line of the log is a line. */
  text = luaL_gsub(L, lua_tostring(L, -1), "\t", "  ");
  for (const char *end; text; text = end ? end + 1 : NULL) {
    end = strchr(text, '\n');
    mcp_log(MCP_LOG_ERROR, "%.*s", end ? (int)(end - text) : (int)strlen(text),
            text);
  }
  return 0;
}

static void report(mcp_task_t *task) {
  lua_State *L = task->rt->L;
  if (!lua_checkstack(L, 3)) return;
  lua_pushcfunction(L, describe);
  lua_pushlightuserdata(L, task->co);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
    mcp_log(MCP_LOG_ERROR, "a task failed for lack of memory");
    lua_pop(L, 1);
  }
}

/* Ends what the coroutine still runs: its <close> variables do. Nothing in them
 * can yield, for the coroutine is not one any more; it stays the current task,
 * so that a wait in them is known for what it is (lturn.c) and tasks that they
 * wake run later. The handle of the exchange lies on the stack that is cut
 * here, so it is let go before. */
static int reset(mcp_task_t *task) {
  mcp_runtime_t *rt = task->rt;
  mcp_task_t *outer = rt->current;
  mcp_exchange_t *x = task->exchange;
  int status;
  mcp_lexchange_forget(task);
  task->exchange = x;
  task->waiting = false;
  task->closing = true;
  rt->current = task;
  status = lua_resetthread(task->co);
  rt->current = outer;
  return status;
}

/* Closes a coroutine that is not running. */
static void kill_task(mcp_task_t *task) {
  if (reset(task) != LUA_OK) report(task);
  lua_settop(task->co, 0);
  finish(task);
}

static void resume(mcp_task_t *task, int arguments) {
  mcp_runtime_t *rt = task->rt;
  mcp_task_t *outer = rt->current;
  int results = 0, status;
  task->waiting = false;
  if (rt->stress) lua_gc(rt->L, LUA_GCCOLLECT);
  rt->current = task;
  status = lua_resume(task->co, outer ? outer->co : rt->L, arguments, &results);
  rt->current = outer;
  if (rt->loop) mcp_loop_note_work(rt->loop);
  if (status == LUA_YIELD) {
    lua_pop(task->co, results);
    if (task->doomed || !task->waiting) {
      if (!task->doomed) {
        mcp_log(MCP_LOG_ERROR, "a handler yielded outside any coroutine of "
                               "its own; its task is closed");
      }
      kill_task(task);
    }
    return;
  }
  if (status != LUA_OK) {
    report(task);
    (void)reset(task);
  }
  lua_settop(task->co, 0);
  finish(task);
}

void mcp_task_run(mcp_task_t *task, int arguments) {
  resume(task, arguments);
}

/* The message handler below: the traceback, while the stack is still there. */
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
    mcp_log(MCP_LOG_ERROR, "a task failed for lack of memory");
  return 0;
}

/* The first frame of a function of the user's. Lua closes variables behind a
 * protected call in a way that may yield; behind the end of a coroutine it
 * does not. */
static int call_frame(lua_State *L) {
  int arguments = lua_gettop(L) - 1;
  lua_pushcfunction(L, on_error);
  lua_insert(L, 1);
  return called(L, lua_pcallk(L, arguments, 0, 1, 0, called), 0);
}

void mcp_task_call(mcp_task_t *task, int arguments) {
  lua_pushcfunction(task->co, call_frame);
  lua_insert(task->co, 1);
  resume(task, arguments + 1);
}

mcp_runtime_t *mcp_task_runtime(lua_State *L) {
  mcp_runtime_t *rt = lua_touserdata(L, lua_upvalueindex(1));
  if (!rt->loop) luaL_error(L, "the runtime is closed");
  return rt;
}

mcp_task_t *mcp_task_of(mcp_runtime_t *rt, lua_State *L) {
  return rt->current && rt->current->co == L ? rt->current : NULL;
}

static int never(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return luaL_error(L, "a cancelled task was resumed");
}

void mcp_task_check(lua_State *L, mcp_task_t *task) {
  if (!lua_isyieldable(L))
    luaL_error(L, "cannot wait here: inside a metamethod, an iterator or "
                  "another function that cannot yield");
  if (!task->told) return;
  /* It was told that it is cancelled and waits again: that is the end. */
  task->doomed = true;
  lua_yieldk(L, 0, 0, never);
}

/* Sees to it that the clocks are looked at no later than `at`. */
static void set_alarm(mcp_runtime_t *rt, uint64_t at) {
  uint64_t now = mcp_loop_now(rt->loop);
  if (at >= rt->alarm_at || rt->closing) return;
  rt->alarm_at = at;
  mcp_timer_set(rt->alarm, at > now ? at - now : 0);
}

/* UINT64_MAX stays what it is. */
static uint64_t later(uint64_t at, uint64_t ms) {
  return at > UINT64_MAX - ms ? UINT64_MAX : at + ms;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static void begin_clock(mcp_task_t *task) {
  const mcp_clock_t *clock = task->exchange ? task->clock : NULL;
  /* As of the last turn, in which the task has begun: that it computed before
   * it waits does count. */
  uint64_t now = mcp_loop_now(task->rt->loop);
  uint32_t most = clock && clock->most > task->time ? clock->most : task->time;
  task->ticking = true;
  task->stopped = 0;
  task->due = task->time ? now + task->time : UINT64_MAX;
  task->last = task->time ? now + most : UINT64_MAX;
  task->beat = clock && clock->beat ? now + clock->beat : UINT64_MAX;
  set_alarm(task->rt, earlier(task->due, task->beat));
}

int mcp_task_wait(lua_State *L, mcp_task_t *task,
                  void (*cancel)(mcp_task_t *, void *), void *arg,
                  lua_KFunction k) {
  if (task->cancelled) {
    /* Cancelled while it was running: the wait ends before it begins. */
    if (cancel) cancel(task, arg);
    task->told = true;
    task->wake_code = MCP_ECANCELED;
    return k(L, LUA_YIELD, (lua_KContext)task);
  }
  if (task->timed) {
    if (!task->ticking) {
      begin_clock(task);
    } else {
      /* It may have been due while it did not wait. */
      set_alarm(task->rt, earlier(task->due, task->beat));
    }
  }
  task->cancel = cancel;
  task->cancel_arg = arg;
  task->waiting = true;
  return lua_yieldk(L, 0, (lua_KContext)task, k);
}

int mcp_task_woken(lua_State *L, int status, lua_KContext context) {
  mcp_task_t *task = (mcp_task_t *)context;
  (void)status;
  if (task->wake_code < 0) return mcp_task_push_error(L, task->wake_code);
  lua_pushboolean(L, true);
  return 1;
}

static void on_turn(void *arg) {
  mcp_runtime_t *rt = arg;
  mcp_list_t due;
  /* Tasks that become ready meanwhile wait for the turn after. */
  mcp_list_init(&due);
  while (!mcp_list_empty(&rt->ready)) {
    mcp_list_t *link = rt->ready.next;
    mcp_list_remove(link);
    mcp_list_append(&due, link);
  }
  while (!mcp_list_empty(&due)) {
    mcp_task_t *task = MCP_LIST_MEMBER(due.next, mcp_task_t, of_ready);
    mcp_list_remove(&task->of_ready);
    resume(task, 0);
  }
}

static void wake(mcp_task_t *task, int code, bool later_only) {
  mcp_runtime_t *rt = task->rt;
  if (!task->waiting || rt->closing) return;
  task->waiting = false;
  task->cancel = NULL;
  task->cancel_arg = NULL;
  task->wake_code = code;
  if (code == MCP_ECANCELED) task->told = true;
  if (!rt->current && !later_only) {
    resume(task, 0);
    return;
  }
  if (mcp_list_empty(&rt->ready)) mcp_timer_set(rt->turn, 0);
  mcp_list_remove(&task->of_ready); /* on_alarm may have it */
  mcp_list_append(&rt->ready, &task->of_ready);
}

void mcp_task_wake(mcp_task_t *task, int code) {
  wake(task, code, false);
}

void mcp_task_wake_later(mcp_task_t *task, int code) {
  wake(task, code, true);
}

static void cancel_wait(mcp_task_t *task, bool later_only) {
  void (*cancel)(mcp_task_t *, void *) = task->cancel;
  if (task->cancelled) return;
  task->cancelled = true;
  if (!task->waiting) return;
  task->cancel = NULL;
  if (cancel) cancel(task, task->cancel_arg);
  wake(task, MCP_ECANCELED, later_only);
}

void mcp_task_cancel(mcp_task_t *task) {
  cancel_wait(task, false);
}

void mcp_task_cancel_later(mcp_task_t *task) {
  cancel_wait(task, true);
}

void mcp_task_limit(mcp_task_t *task, uint32_t ms) {
  if (!task->clock || !task->exchange) return;
  task->time = ms;
  task->timed = ms || task->clock->beat;
  if (task->ticking && !task->expired) begin_clock(task);
}

void mcp_task_restart_clock(mcp_task_t *task) {
  const mcp_clock_t *clock = task->exchange ? task->clock : NULL;
  uint64_t now = mcp_loop_now(task->rt->loop);
  if (!task->ticking || task->expired) return;
  if (task->stopped) task->last = later(task->last, now - task->stopped);
  task->stopped = 0;
  if (task->time) task->due = earlier(now + task->time, task->last);
  if (clock && clock->beat) task->beat = now + clock->beat;
  set_alarm(task->rt, earlier(task->due, task->beat));
}

void mcp_task_stop_clock(mcp_task_t *task) {
  if (!task->timed || task->expired || task->stopped) return;
  if (!task->ticking) begin_clock(task);
  task->stopped = mcp_loop_now(task->rt->loop);
  task->due = UINT64_MAX;
}

/* The time of a waiting task is over. */
static void expire(mcp_task_t *task) {
  void (*cancel)(mcp_task_t *, void *) = task->cancel;
  uint64_t most = task->clock && task->exchange ? task->clock->most : 0;
  bool was_last = task->due == task->last && most > task->time;
  task->due = task->beat = UINT64_MAX;
  task->cancelled = task->expired = task->told = true;
  task->cancel = NULL;
  if (cancel) cancel(task, task->cancel_arg);
  if (task->exchange && task->clock)
    task->clock->expired(task, was_last ? task->clock->most : task->time);
  mcp_task_wake(task, MCP_ETIMEDOUT);
}

static void on_alarm(void *arg) {
  mcp_runtime_t *rt = arg;
  uint64_t now = mcp_loop_now(rt->loop), next = UINT64_MAX;
  mcp_list_t due, *it, *after;
  rt->alarm_at = UINT64_MAX;
  /* A waiting task is in no list of ready ones, so its link is free. */
  mcp_list_init(&due);
  MCP_LIST_EACH(&rt->tasks, it, after) {
    mcp_task_t *task = MCP_LIST_MEMBER(it, mcp_task_t, of_runtime);
    uint64_t at;
    if (!task->ticking) continue;
    at = earlier(task->due, task->beat);
    if (at > now) {
      next = earlier(next, at);
    } else if (task->waiting) {
      mcp_list_append(&due, &task->of_ready);
    }
  }
  set_alarm(rt, next);
  while (!mcp_list_empty(&due)) {
    mcp_task_t *task = MCP_LIST_MEMBER(due.next, mcp_task_t, of_ready);
    mcp_list_remove(&task->of_ready);
    if (task->due <= now) {
      expire(task);
      continue;
    }
    if (task->exchange && task->clock) {
      task->beat = now + task->clock->beat;
      set_alarm(rt, earlier(task->due, task->beat));
      task->clock->on_beat(task);
    } else {
      task->beat = UINT64_MAX;
    }
  }
}

void mcp_task_close_all(mcp_runtime_t *rt) {
  rt->closing = true;
  mcp_timer_stop(rt->turn);
  mcp_timer_stop(rt->alarm);
  rt->turn = rt->alarm = NULL;
  while (!mcp_list_empty(&rt->tasks)) {
    mcp_task_t *task = MCP_LIST_MEMBER(rt->tasks.next, mcp_task_t, of_runtime);
    if (task == rt->current) {
      /* Its own handler closed the runtime: it goes when it yields. */
      mcp_list_remove(&task->of_runtime);
      continue;
    }
    if (task->cancel) task->cancel(task, task->cancel_arg);
    task->cancel = NULL;
    kill_task(task);
  }
  while (!mcp_list_empty(&rt->spare)) {
    mcp_task_t *task = MCP_LIST_MEMBER(rt->spare.next, mcp_task_t, of_runtime);
    mcp_list_remove(&task->of_runtime);
    free_task(task);
  }
}

int mcp_task_push_error(lua_State *L, int code) {
  lua_pushnil(L);
  lua_pushstring(L, mcp_err_text(code));
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}
