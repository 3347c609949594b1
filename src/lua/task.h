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

/* One per Lua state; owned by a userdata in its registry. */
typedef struct {
  lua_State *L; /* the main thread */
  mcp_loop_t *loop;
  mcp_task_t *current; /* the task now running Lua, or NULL */
  mcp_list_t tasks;    /* all that are not finished */
  mcp_list_t spare;
  mcp_list_t ready; /* to be resumed at the next turn */
  mcp_timer_t *turn; /* when `ready` is looked at */
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
  void (*cancel)(mcp_task_t *task, void *arg); /* of the wait, or NULL */
  void *cancel_arg;
  mcp_list_t of_watcher; /* whoever wants to know of its end */
  void (*ended)(void *arg);
  void *ended_arg;
  int wake_code;
  bool waiting;   /* has yielded in mcp_task_wait */
  bool cancelled; /* waits return MCP_ECANCELED; the second one ends it */
  bool told;      /* a wait has returned so */
  bool doomed;    /* to be closed at its next yield */
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

/* The task that is running on `L`, or NULL: the main thread, or a coroutine of
 * somebody else's. */
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

/* Ends the wait of `task` with `code`: at once from the loop, at the next turn
 * from inside Lua. Does nothing if it does not wait. */
void mcp_task_wake(mcp_task_t *task, int code);

/* Cancels: a wait returns MCP_ECANCELED, and the next one closes the coroutine
 * so that a handler that does not listen ends too. */
void mcp_task_cancel(mcp_task_t *task);

/* Pushes nil, text, name for `code`; returns 3. [-0, +3, m] */
int mcp_task_push_error(lua_State *L, int code);

#endif
