/* SPDX-License-Identifier: MIT
 * coroutine.h: the only entry point into Lua. An mcp_coroutine_t is a Lua
 * coroutine that the loop may resume. Only coroutine.c calls lua_resume; from
 * the loop it uses only functions that cannot raise, so a message that needs
 * too much memory ends as an error inside its coroutine and never as a panic.
 *
 * Waiting: a C function called by Lua records what will wake it (and what
 * cancels that), then yields; its continuation turns the wake-up code into
 * values. */
#ifndef MCP_LUA_COROUTINE_H
#define MCP_LUA_COROUTINE_H

#include <lua.h>
#include <stdbool.h>

#include "base/list.h"
#include "lua/garbage.h"
#include "net/loop.h"
#include "net/monitor.h"
#include "transport/exchange.h"

/* Stack for the function before_wait, and what it leaves there. */
#define MCP_COROUTINE_BEFORE_WAIT 6

/* Finished coroutines kept for the next message. */
#define MCP_COROUTINE_SPARE 64

typedef struct mcp_coroutine mcp_coroutine_t;

/* The time limits of some coroutines, in ms; 0 is no limit. The functions are
 * called only while the coroutine has its exchange. */
typedef struct {
  uint32_t time;     /* from its start, or the last restart of its clock */
  uint32_t max;      /* in all, with all restarts; not less than `time` */
  uint32_t interval; /* between two heartbeats while it waits */
  /* The time of `co`, `ms`, is over. Its wait has been cancelled, and it is
   * resumed after this: answers its exchange, or detaches that. */
  void (*expired)(mcp_coroutine_t *co, uint32_t ms);
  void (*on_heartbeat)(mcp_coroutine_t *co); /* sends one */
} mcp_clock_t;

/* One per Lua state; owned by a userdata in its registry. */
typedef struct mcp_runtime mcp_runtime_t;
struct mcp_runtime {
  lua_State *L;             /* the main thread */
  mcp_loop_t *loop;         /* NULL once all is closed */
  mcp_coroutine_t *current; /* the coroutine now running Lua, or NULL */
  mcp_list_t coroutines;    /* all that are not finished */
  mcp_list_t spare;
  mcp_list_t ready;   /* to be resumed at the next turn */
  mcp_timer_t *turn;  /* resumes what is in `ready` */
  mcp_timer_t *alarm; /* checks the clocks of `coroutines` */
  uint64_t alarm_at;  /* no clock is due earlier; UINT64_MAX: none */
  unsigned spare_count, coroutine_count;
  unsigned request_count;  /* of coroutines that serve a request of a peer */
  size_t busy_count;       /* requests refused because there were too many */
  unsigned pool_count;     /* of workers that are not closed (lworker.c) */
  unsigned pools_kept;     /* that count after the last collection for them */
  mcp_garbage_t garbage;   /* values of messages that were handled */
  bool closing;            /* no coroutine is started or woken any more */
  bool loop_stays;         /* objects exist that may use the loop later */
  bool stress;             /* tests: collects all garbage before each resume */
  const void *watch;       /* lmessage.h: what messages show of params._meta */
  int on_trace;            /* ltrace.c: registry reference, 0 without one */
  lua_CFunction open_core; /* core.c's: opens mcp.core in another state */
  /* Takes co->handle, the userdata of its exchange, off `co`. */
  void (*detach_handle)(mcp_coroutine_t *co);
  /* In a worker (worker_state.c), else NULL. True: the worker's call has been
   * stopped, and waits outside coroutines end. */
  bool (*stopped)(void *arg);
  void *stopped_arg;
  /* What watches over the coroutines (lwatch.c). `alert` is called after one
   * has run, if it was over the limit of the monitor or `alerted` is set: by a
   * signal handler, which has set a hook. */
  mcp_monitor_t monitor;
  volatile bool alerted;
  void (*alert)(mcp_runtime_t *rt, mcp_coroutine_t *co, bool late);
  void *watch_arg; /* lwatch.c's */
};

/* What ends with the coroutine that has opened it; `end` must not run Lua. */
typedef struct mcp_coroutine_owned {
  mcp_list_t of_coroutine;
  void (*end)(struct mcp_coroutine_owned *owned);
} mcp_coroutine_owned_t;

struct mcp_coroutine {
  mcp_runtime_t *rt;
  lua_State *thread;
  int anchor; /* keeps `co` from the collector */
  mcp_list_t of_runtime, of_ready;
  mcp_exchange_t *exchange; /* whose answer it owes, or NULL */
  void *handle;             /* the userdata of that exchange, or NULL */
  mcp_share_t *share; /* of the client whose request it handles, or NULL */
  size_t charged;     /* to `share`, until it ends */
  bool is_request;    /* counted in rt->request_count */
  void (*cancel)(mcp_coroutine_t *co, void *arg); /* of the wait, or NULL */
  void *cancel_arg;
  /* Before its first wait: pushes what is called then, which must not wait, and
   * its arguments; returns how many these are. NULL: nothing is called. */
  int (*before_wait)(lua_State *L);
  mcp_list_t of_watcher; /* in the list of what watches its end */
  void (*ended)(void *arg);
  void *ended_arg;
  mcp_list_t owned;
  int trace; /* registry reference of ltrace.c's value, 0 without one */
  const mcp_clock_t *clock; /* alive as long as `exchange`; NULL: no limit */
  uint32_t time;            /* its own limit, or its clock's */
  /* By the loop's clock; UINT64_MAX: never, or not while the clock stands. */
  uint64_t deadline;       /* when its time is over */
  uint64_t deadline_max;   /* when it is over with all restarts */
  uint64_t next_heartbeat; /* when that is due */
  uint64_t stopped;        /* when its clock was stopped; 0: it runs */
  mcp_budget_t budget;     /* of the time that it runs (lbudget.c) */
  int wake_code;
  bool timed;          /* its clock starts with its first wait */
  bool ticking;        /* its clock has started */
  bool expired;        /* it was cancelled because its time was over */
  bool waiting;        /* it has yielded in mcp_coroutine_wait */
  bool cancelled;      /* its next wait returns MCP_ECANCELED */
  bool cancel_seen;    /* a wait has returned that: another one closes it */
  bool close_on_yield; /* it is closed at its next yield */
  bool closing;        /* it is being closed: waits end at once */
  bool loose;          /* mcp_coroutine_loosen: `anchor` does not keep it */
};

/* Initializes `rt`, whose loop is open, for the main thread of the state. 0 or
 * MCP_ENOMEM. [-0, +0, -] */
int mcp_coroutine_open(lua_State *L, mcp_runtime_t *rt);

/* Goes on with a host's uv_loop_t, on which the runtime must be closed. 0, or
 * MCP_EBUSY once anything uses the loop. */
int mcp_coroutine_move(mcp_runtime_t *rt, void *uv);

/* Closes every coroutine (its <close> variables run) and frees the spare ones.
 * None is started or woken after that. */
void mcp_coroutine_close_all(mcp_runtime_t *rt);

/* A coroutine with an empty stack, or NULL: no memory, or the runtime is
 * closing. The caller pushes a function and its arguments on `co->thread`, then
 * runs it. */
mcp_coroutine_t *mcp_coroutine_new(mcp_runtime_t *rt);

/* Frees a coroutine that has not been run. */
void mcp_coroutine_drop(mcp_coroutine_t *co);

/* Resumes `co` for the first time with the function and the `arguments` on
 * its stack. It may be finished, and `co` gone, when this returns. */
void mcp_coroutine_run(mcp_coroutine_t *co, int arguments);

/* The same for a function of the user, called without a frame of ours: even
 * after an error its <close> variables may wait. Results are dropped. */
void mcp_coroutine_call(mcp_coroutine_t *co, int arguments);

static inline bool mcp_coroutine_is_stopped(const mcp_runtime_t *rt) {
  return rt->stopped && rt->stopped(rt->stopped_arg);
}

/* Lets `owned` end with the coroutine that is running now, if there is one.
 * What has ended before removes itself from the list. */
void mcp_coroutine_own(mcp_runtime_t *rt, mcp_coroutine_owned_t *owned);

/* The runtime that is upvalue 1 of the running C function. Raises once it is
 * closed: finalizers of objects older than the runtime run after that.
 * [-0, +0, v] */
mcp_runtime_t *mcp_coroutine_runtime(lua_State *L);

/* The coroutine that is running or being closed on `L`, or NULL: the main
 * thread, or a coroutine that the program made. */
mcp_coroutine_t *mcp_coroutine_of(mcp_runtime_t *rt, lua_State *L);

/* Raises unless `co` may wait now. Call it before opening what will wake the
 * coroutine: one that waits again after a wait has returned MCP_ECANCELED is
 * closed here, and the call does not return. [-0, +0, v] */
void mcp_coroutine_check(lua_State *L, mcp_coroutine_t *co);

/* Yields until mcp_coroutine_wake; then `k` runs with the coroutine as its
 * context and finds the code in co->wake_code. `cancel` undoes what would have
 * woken it; it may be NULL. Use as `return mcp_coroutine_wait(…)`. [-0, +?, e]
 */
int mcp_coroutine_wait(lua_State *L, mcp_coroutine_t *co,
                       void (*cancel)(mcp_coroutine_t *, void *), void *arg,
                       lua_KFunction k);

/* The continuation of a wait without a value: pushes true, or nil, text, name.
 * [-0, +(1|3), m] */
int mcp_coroutine_woken(lua_State *L, int status, lua_KContext context);

/* Just before mcp_coroutine_wait: leaves the running coroutine, which is `L`,
 * to the collector while it waits. What can wake it must refer to its thread,
 * and must call mcp_coroutine_cancel_later when it is collected itself; any
 * wake, or the end of the runtime, keeps the coroutine again. [-0, +0, -] */
void mcp_coroutine_loosen(lua_State *L, mcp_coroutine_t *co);

/* Ends the wait of `co` with `code`: at once from the loop, at the next turn
 * from inside Lua. Does nothing if it does not wait. */
void mcp_coroutine_wake(mcp_coroutine_t *co, int code);

/* Cancels: the current or next wait returns MCP_ECANCELED, and the one after
 * that closes the coroutine, so that a handler that ignores the code ends too.
 */
void mcp_coroutine_cancel(mcp_coroutine_t *co);

/* The same two for finalizers, which must not run Lua: the coroutine is resumed
 * at the next turn of the loop in any case. */
void mcp_coroutine_wake_later(mcp_coroutine_t *co, int code);
void mcp_coroutine_cancel_later(mcp_coroutine_t *co);

/* The clock of a coroutine starts with its first wait, so work that never waits
 * does not pay for it. When its time is over its exchange is answered,
 * and from then on it is a cancelled coroutine whose wait returned
 * MCP_ETIMEDOUT. */

/* Sets the limits, if `clock` has functions. Before the first run. */
static inline void mcp_coroutine_set_clock(mcp_coroutine_t *co,
                                           const mcp_clock_t *clock) {
  if (!clock->expired) return;
  co->clock = clock;
  co->time = clock->time;
  co->timed = clock->time || clock->interval;
}

/* Sets the time that it may take from now on, 0 for no limit. Ignored without a
 * clock or an exchange: nothing would answer for it. */
void mcp_coroutine_limit(mcp_coroutine_t *co, uint32_t ms);

/* Starts its time again, or continues it after a stop, up to the max of its
 * clock; the next heartbeat is a whole interval away. */
void mcp_coroutine_restart_clock(mcp_coroutine_t *co);

/* Stops its time: what it does next has a limit of its own. */
void mcp_coroutine_stop_clock(mcp_coroutine_t *co);

/* Pushes nil, text, name for `code`; returns 3. [-0, +3, m] */
int mcp_coroutine_push_error(lua_State *L, int code);

#endif
