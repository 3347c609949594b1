/* SPDX-License-Identifier: MIT
 * task.h: the one door into Lua. A task is a coroutine that the loop may
 * resume. Only task.c calls lua_resume; from the loop it uses only functions
 * that cannot raise, so a message that costs too much memory ends as an error
 * inside its task and never as a panic.
 *
 * Waiting: a C function called by Lua records what would wake it (and what
 * cancels that), then yields; its continuation turns the wake-up code into
 * values. */
#ifndef MCP_LUA_TASK_H
#define MCP_LUA_TASK_H

#include <lua.h>
#include <stdbool.h>

#include "base/list.h"
#include "net/loop.h"
#include "transport/exchange.h"

/* Finished coroutines kept for the next message. */
#define MCP_TASK_SPARE 64

typedef struct mcp_task mcp_task_t;

/* How long tasks of one kind may take, in ms; 0 is no limit. The functions are
 * called only while the task has its exchange. */
typedef struct {
  uint32_t time; /* from its start, or the last restart of its clock */
  uint32_t most; /* in all, however often that was; no less than `time` */
  uint32_t beat; /* between two signs of life while it waits */
  /* Its time (`ms`) is over, and its wait has ended, but it does not know yet:
   * answers its exchange, or lets the task lose it. */
  void (*expired)(mcp_task_t *task, uint32_t ms);
  void (*on_beat)(mcp_task_t *task); /* a sign of life is due */
} mcp_clock_t;

/* One per Lua state; owned by a userdata in its registry. */
typedef struct {
  lua_State *L;        /* the main thread */
  mcp_loop_t *loop;    /* NULL once all is closed */
  mcp_task_t *current; /* the task now running Lua, or NULL */
  mcp_list_t tasks;    /* all that are not finished */
  mcp_list_t spare;
  mcp_list_t ready;   /* to be resumed at the next turn */
  mcp_timer_t *turn;  /* when `ready` is looked at */
  mcp_timer_t *alarm; /* when the clocks of `tasks` are looked at */
  uint64_t alarm_at;  /* no clock is due before; UINT64_MAX: not going */
  unsigned spare_count, task_count;
  bool closing;      /* the door is shut: nothing is started or woken */
  bool stress;       /* a hunt: all garbage is collected at the door */
  const void *watch; /* lexchange.c's, what it shows of params._meta */
} mcp_runtime_t;

struct mcp_task {
  mcp_runtime_t *rt;
  lua_State *co;
  int anchor; /* keeps `co` from the collector */
  mcp_list_t of_runtime, of_ready;
  mcp_exchange_t *exchange; /* whose answer it owes, or NULL */
  void *handle;             /* lexchange.c's view of that exchange */
  mcp_share_t *share;       /* whose request it works on; NULL: nobody's */
  size_t charged;           /* to that, until it ends */
  void (*cancel)(mcp_task_t *task, void *arg); /* of the wait, or NULL */
  void *cancel_arg;
  mcp_list_t of_watcher; /* whoever wants to know of its end */
  void (*ended)(void *arg);
  void *ended_arg;
  const mcp_clock_t *clock; /* alive as long as `exchange`; NULL: no limit */
  uint32_t time;            /* its own limit, or its clock's */
  uint64_t due, last; /* when its time is over, and cannot be put off further;
                         UINT64_MAX: never, or not now */
  uint64_t beat;      /* when its next sign of life is due; UINT64_MAX */
  uint64_t stopped;   /* since when its clock stands, 0: it does not */
  int wake_code;
  bool timed;     /* its clock begins with its first wait */
  bool ticking;   /* its clock has begun */
  bool expired;   /* cancelled, because its time was over */
  bool waiting;   /* has yielded in mcp_task_wait */
  bool cancelled; /* waits return MCP_ECANCELED; the second one ends it */
  bool told;      /* a wait has returned so */
  bool doomed;    /* to be closed at its next yield */
  bool closing;   /* its coroutine is being closed: waits are over at once */
};

/* Sets `rt`, whose loop is open, up on the state's main thread. 0 or
 * MCP_ENOMEM. [-0, +0, -] */
int mcp_task_open(lua_State *L, mcp_runtime_t *rt);

/* Shuts the door: every task is closed (its <close> variables run), spare
 * coroutines are given back. */
void mcp_task_close_all(mcp_runtime_t *rt);

/* A task with an empty coroutine, or NULL: no memory, or the door is shut. The
 * caller pushes a function and its arguments on `co`, then runs it. */
mcp_task_t *mcp_task_new(mcp_runtime_t *rt);

/* Gives back a task that has not been run. */
void mcp_task_drop(mcp_task_t *task);

/* Resumes `task` for the first time with the function and the `arguments` on
 * its stack. It may be finished, and `task` gone, when this returns. */
void mcp_task_run(mcp_task_t *task, int arguments);

/* The same, for a function of the user's that nothing of ours protects: after
 * an error its <close> variables may wait. Results are dropped. */
void mcp_task_call(mcp_task_t *task, int arguments);

/* The runtime that is upvalue 1 of the running C function. Raises once it is
 * closed: the finalizer of what is older than the runtime runs after that.
 * [-0, +0, v] */
mcp_runtime_t *mcp_task_runtime(lua_State *L);

/* The task that is running or being closed on `L`, or NULL: the main thread, or
 * a coroutine of somebody else's. */
mcp_task_t *mcp_task_of(mcp_runtime_t *rt, lua_State *L);

/* Raises unless `task` may wait now. Call it before opening what will wake the
 * task: a cancelled task that waits again is closed here and never returns.
 * [-0, +0, v] */
void mcp_task_check(lua_State *L, mcp_task_t *task);

/* Yields until mcp_task_wake; then `k` runs with the task as its context and
 * finds the code in task->wake_code. `cancel` undoes what would have woken it;
 * it may be NULL. Use as `return mcp_task_wait(…)`. [-0, +?, e] */
int mcp_task_wait(lua_State *L, mcp_task_t *task,
                  void (*cancel)(mcp_task_t *, void *), void *arg,
                  lua_KFunction k);

/* The continuation of a wait that brings nothing but its end: true, or nil,
 * text, name. [-0, +(1|3), m] */
int mcp_task_woken(lua_State *L, int status, lua_KContext context);

/* Ends the wait of `task` with `code`: at once from the loop, at the next turn
 * from inside Lua. Does nothing if it does not wait. */
void mcp_task_wake(mcp_task_t *task, int code);

/* Cancels: a wait returns MCP_ECANCELED, and the next one closes the coroutine
 * so that a handler that does not listen ends too. */
void mcp_task_cancel(mcp_task_t *task);

/* The same two for a collector's finalizers, which must not run Lua: the task
 * goes on at the next turn in any case. */
void mcp_task_wake_later(mcp_task_t *task, int code);
void mcp_task_cancel_later(mcp_task_t *task);

/* A task has a clock, which begins with its first wait: work that never waits
 * pays nothing for it. When its time is over its exchange is answered, and from
 * then on it is a cancelled task whose wait returned MCP_ETIMEDOUT. */

/* Puts it under the limits of `clock`, if that has got its functions. Before
 * its first run. */
static inline void mcp_task_set_clock(mcp_task_t *task,
                                      const mcp_clock_t *clock) {
  if (!clock->expired) return;
  task->clock = clock;
  task->time = clock->time;
  task->timed = clock->time || clock->beat;
}

/* Gives it a limit of its own from now on, 0 for none; not to a task without
 * clock or exchange, for which nobody would answer. */
void mcp_task_limit(mcp_task_t *task, uint32_t ms);

/* Its time begins anew, or goes on after a stop, within what it may take in
 * all; its next sign of life is as far away as can be. */
void mcp_task_restart_clock(mcp_task_t *task);

/* What it does now has a limit of its own, and does not count. */
void mcp_task_stop_clock(mcp_task_t *task);

/* Pushes nil, text, name for `code`; returns 3. [-0, +3, m] */
int mcp_task_push_error(lua_State *L, int code);

#endif
