/* SPDX-License-Identifier: MIT
 * lwatch.h: watches over the handlers of a runtime. One that holds the loop
 * longer than a limit is logged with its tool, resource or prompt, the line
 * where it was, and the time. The watchdog's thread finds it (net/monitor.h)
 * and interrupts the loop's thread, where a hook finds the line at the next
 * instruction: in a C function that is the one after its end.
 *
 * A handler whose budget of time is spent (lbudget.h) is stopped in the same
 * way: the hook raises an error at the next instruction, and again at each one
 * after that until the handler has ended, so pcall cannot swallow it. Code of
 * lua/mcp is not stopped in the middle, only what it calls. */
#ifndef MCP_LUA_LWATCH_H
#define MCP_LUA_LWATCH_H

#include <lua.h>

#include "lua/coroutine.h"
#include "lua/stop.h"
#include "net/watchdog.h"

/* The texts in a line of the log. */
#define MCP_LWATCH_NAME  200
#define MCP_LWATCH_PLACE 200

typedef struct {
  mcp_runtime_t *rt;
  uint32_t limit;   /* ms; 0: no handler is reported */
  lua_Integer held; /* how often a handler was over the limit */
  /* The function whose frame has the context of the request, and at which
   * position among its locals; NULL: not known. */
  const void *request;
  int request_ref;
  int context;
  /* Of the work that is over the limit: its name and where it was. */
  char name[MCP_LWATCH_NAME];
  char place[MCP_LWATCH_PLACE];
  mcp_stop_t stop;    /* for functions that look at it (stop_lib.c) */
  bool stops;         /* those are installed */
  volatile bool over; /* what runs now is to be stopped */
  bool has_stopped;   /* something, since the last outermost resume began */
  char stop_place[MCP_LWATCH_PLACE]; /* where that was, such as "a.lua:3" */
  int stop_line;
  /* Read in the signal handler. The coroutine of the program's own that runs,
   * or NULL. */
  lua_State *volatile running;
  /* Attaches it, where that has not happened. 0 or a code. */
  int (*start)(void *arg);
  void *start_arg;
} mcp_lwatch_t;

/* For the runtime of this state. [-0, +0, m] */
void mcp_lwatch_open(lua_State *L, mcp_lwatch_t *watch, mcp_runtime_t *rt);

/* Begins; the thread of `watchdog` runs. Before that one is stopped, detach. 0
 * or MCP_ENOMEM. */
int mcp_lwatch_attach(mcp_lwatch_t *watch, mcp_watchdog_t *watchdog);
void mcp_lwatch_detach(mcp_lwatch_t *watch);

/* Installs functions of Lua's libraries that can be stopped, once. [-0, +0, m]
 */
void mcp_lwatch_prepare(lua_State *L, mcp_lwatch_t *watch);

/* The handler in the coroutine `L` has ended: its stop is over. True: there was
 * one. [-0, +0, -] */
bool mcp_lwatch_end_stop(mcp_lwatch_t *watch, lua_State *L);

/* The function at `index` is that of a request; `position`: of the context
 * among its locals. [-0, +0, m] */
void mcp_lwatch_set_request(lua_State *L, mcp_lwatch_t *watch, int index,
                            int position);

#endif
