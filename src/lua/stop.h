/* SPDX-License-Identifier: MIT
 * stop.h: what C functions need to know of code that may be stopped while it
 * runs: in a worker (worker_state.c), and in a handler with a budget of time
 * (lwatch.c). */
#ifndef MCP_LUA_STOP_H
#define MCP_LUA_STOP_H

#include <lua.h>
#include <stdbool.h>

typedef struct {
  /* Is the code that runs now to end? */
  bool (*is_stopped)(void *arg);
  /* `thread` runs from now on: a coroutine of the program, or what ran before.
   * Returns what ran until now. */
  lua_State *(*enter)(void *arg, lua_State *thread);
  void *arg;
  unsigned depth; /* of closing coroutines inside each other */
  /* C functions that call one function once, or NULL: pcall, another one. */
  lua_CFunction calls_once[2];
} mcp_stop_t;

static inline bool mcp_stop_is_stopped(const mcp_stop_t *stop) {
  return stop->is_stopped(stop->arg);
}

#endif
