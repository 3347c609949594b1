/* SPDX-License-Identifier: MIT
 * coroutine.h: the one door into Lua. A coroutine is a coroutine that the loop
 * may resume. Only coroutine.c calls lua_resume; from the loop it uses only
 * functions that cannot raise, so a message that costs too much memory ends as
 * an error inside its coroutine and never as a panic.
 *
 * Waiting: a C function called by Lua records what would wake it (and what
 * cancels that), then yields; its continuation turns the wake-up code into
 * values. */
#ifndef MCP_LUA_COROUTINE_H
#define MCP_LUA_COROUTINE_H

#include <lua.h>
#include <stdbool.h>

#include "base/list.h"
#include "net/loop.h"
#include "transport/exchange.h"

/* Finished coroutines kept for the next message. */
#define MCP_COROUTINE_SPARE 64

typedef struct mcp_coroutine mcp_coroutine_t;

/* How long coroutines of one kind may take, in ms; 0 is no limit. The functions
 * are called only while the coroutine has its exchange. */
typedef struct {
  uint32_t time; /* from its start, or the last restart of its clock */
  uint32_t most; /* in all, however often that was; no less than `time` */
  uint32_t beat; /* between two signs of life while it waits */
  /* Its time (`ms`) is over, and its wait has ended, but it does not know yet:
   * answers its exchange, or lets the coroutine lose it. */
  void (*expired)(mcp_coroutine_t *co, uint32_t ms);
  void (*on_beat)(mcp_coroutine_t *co); /* a sign of life is due */
} mcp_clock_t;

/* One per Lua state; owned by a userdata in its registry. */
typedef struct {
  lua_State *L;             /* the main thread */
  mcp_loop_t *loop;         /* NULL once all is closed */
  mcp_coroutine_t *current; /* the coroutine now running Lua, or NULL */
  mcp_list_t coroutines;    /* all that are not finished */
  mcp_list_t spare;
  mcp_list_t ready;   /* to be resumed at the next turn */
  mcp_timer_t *turn;  /* when `ready` is looked at */
  mcp_timer_t *alarm; /* when the clocks of `coroutines` are looked at */
  uint64_t alarm_at;  /* no clock is due before; UINT64_MAX: not going */
  unsigned spare_count, coroutine_count;
  unsigned request_count;  /* of coroutines that serve a peer's request */
  bool closing;            /* the door is shut: nothing is started or woken */
  bool stress;             /* a hunt: all garbage is collected at the door */
  const void *watch;       /* lmessage.h: what messages show of params._meta */
  lua_CFunction open_core; /* core.c's: opens mcp.core in another state */
  /* Takes co->handle, the userdata of its exchange, off `co`. */
  void (*detach_handle)(mcp_coroutine_t *co);
  /* Of a runtime inside a worker (worker_state.c), else NULL: the call that it
   * serves has been stopped, and what waits outside coroutines is to end. */
  bool (*stopped)(void *arg);
  void *stopped_arg;
} mcp_runtime_t;

struct mcp_coroutine {
  mcp_runtime_t *rt;
  lua_State *thread;
  int anchor; /* keeps `co` from the collector */
  mcp_list_t of_runtime, of_ready;
  mcp_exchange_t *exchange; /* whose answer it owes, or NULL */
  void *handle;             /* the userdata of that exchange, or NULL */
  mcp_share_t *share;       /* whose request it works on; NULL: nobody's */
  size_t charged;           /* to that, until it ends */
  bool is_request;          /* counted in rt->request_count */
  void (*cancel)(mcp_coroutine_t *co, void *arg); /* of the wait, or NULL */
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
  bool waiting;   /* has yielded in mcp_coroutine_wait */
  bool cancelled; /* waits return MCP_ECANCELED; the second one ends it */
  bool told;      /* a wait has returned so */
  bool doomed;    /* to be closed at its next yield */
  bool closing;   /* its coroutine is being closed: waits are over at once */
};

/* Sets `rt`, whose loop is open, up on the state's main thread. 0 or
 * MCP_ENOMEM. [-0, +0, -] */
int mcp_coroutine_open(lua_State *L, mcp_runtime_t *rt);

/* Shuts the door: every coroutine is closed (its <close> variables run), spare
 * coroutines are given back. */
void mcp_coroutine_close_all(mcp_runtime_t *rt);

/* A coroutine with an empty coroutine, or NULL: no memory, or the door is shut.
 * The caller pushes a function and its arguments on `co`, then runs it. */
mcp_coroutine_t *mcp_coroutine_new(mcp_runtime_t *rt);

/* Gives back a coroutine that has not been run. */
void mcp_coroutine_drop(mcp_coroutine_t *co);

/* Resumes `co` for the first time with the function and the `arguments` on
 * its stack. It may be finished, and `co` gone, when this returns. */
void mcp_coroutine_run(mcp_coroutine_t *co, int arguments);

/* The same, for a function of the user's that nothing of ours protects: after
 * an error its <close> variables may wait. Results are dropped. */
void mcp_coroutine_call(mcp_coroutine_t *co, int arguments);

static inline bool mcp_coroutine_is_stopped(const mcp_runtime_t *rt) {
  return rt->stopped && rt->stopped(rt->stopped_arg);
}

/* The runtime that is upvalue 1 of the running C function. Raises once it is
 * closed: the finalizer of what is older than the runtime runs after that.
 * [-0, +0, v] */
mcp_runtime_t *mcp_coroutine_runtime(lua_State *L);

/* The coroutine that is running or being closed on `L`, or NULL: the main
 * thread, or a coroutine of somebody else's. */
mcp_coroutine_t *mcp_coroutine_of(mcp_runtime_t *rt, lua_State *L);

/* Raises unless `co` may wait now. Call it before opening what will wake the
 * coroutine: a cancelled coroutine that waits again is closed here and never
 * returns.
 * [-0, +0, v] */
void mcp_coroutine_check(lua_State *L, mcp_coroutine_t *co);

/* Yields until mcp_coroutine_wake; then `k` runs with the coroutine as its
 * context and finds the code in co->wake_code. `cancel` undoes what would have
 * woken it; it may be NULL. Use as `return mcp_coroutine_wait(…)`. [-0, +?, e]
 */
int mcp_coroutine_wait(lua_State *L, mcp_coroutine_t *co,
                       void (*cancel)(mcp_coroutine_t *, void *), void *arg,
                       lua_KFunction k);

/* The continuation of a wait that brings nothing but its end: true, or nil,
 * text, name. [-0, +(1|3), m] */
int mcp_coroutine_woken(lua_State *L, int status, lua_KContext context);

/* Ends the wait of `co` with `code`: at once from the loop, at the next turn
 * from inside Lua. Does nothing if it does not wait. */
void mcp_coroutine_wake(mcp_coroutine_t *co, int code);

/* Cancels: a wait returns MCP_ECANCELED, and the next one closes the coroutine
 * so that a handler that does not listen ends too. */
void mcp_coroutine_cancel(mcp_coroutine_t *co);

/* The same two for a collector's finalizers, which must not run Lua: the
 * coroutine goes on at the next turn in any case. */
void mcp_coroutine_wake_later(mcp_coroutine_t *co, int code);
void mcp_coroutine_cancel_later(mcp_coroutine_t *co);

/* A coroutine has a clock, which begins with its first wait: work that never
 * waits pays nothing for it. When its time is over its exchange is answered,
 * and from then on it is a cancelled coroutine whose wait returned
 * MCP_ETIMEDOUT. */

/* Puts it under the limits of `clock`, if that has got its functions. Before
 * its first run. */
static inline void mcp_coroutine_set_clock(mcp_coroutine_t *co,
                                           const mcp_clock_t *clock) {
  if (!clock->expired) return;
  co->clock = clock;
  co->time = clock->time;
  co->timed = clock->time || clock->beat;
}

/* Gives it a limit of its own from now on, 0 for none; not to a coroutine
 * without clock or exchange, for which nobody would answer. */
void mcp_coroutine_limit(mcp_coroutine_t *co, uint32_t ms);

/* Its time begins anew, or goes on after a stop, within what it may take in
 * all; its next sign of life is as far away as can be. */
void mcp_coroutine_restart_clock(mcp_coroutine_t *co);

/* What it does now has a limit of its own, and does not count. */
void mcp_coroutine_stop_clock(mcp_coroutine_t *co);

/* Pushes nil, text, name for `code`; returns 3. [-0, +3, m] */
int mcp_coroutine_push_error(lua_State *L, int code);

#endif
