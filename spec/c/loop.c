/* SPDX-License-Identifier: MIT
 * loop.c: src/net/loop.c for the specs, without Lua between. */
#include "net/loop.h"

#include <lauxlib.h>
#include <lua.h>

typedef struct {
  mcp_loop_t *loop;
  mcp_timer_t *first;
} timers_t;

static void nothing(void *arg) {
  (void)arg;
}

static void set_and_stop(void *arg) {
  timers_t *timers = arg;
  mcp_timer_stop(mcp_timer_start(timers->loop, 60000, 0, false, nothing, NULL));
  mcp_timer_stop(timers->first);
  timers->first = NULL;
}

/* stopped_in_timer() -> is the loop alive after a timer's function has set and
 * stopped another timer? */
static int stopped_in_timer(lua_State *L) {
  timers_t timers = {0};
  int alive = 1;
  if (mcp_loop_new(&timers.loop) < 0) return luaL_error(L, "no loop");
  timers.first =
      mcp_timer_start(timers.loop, 0, 0, false, set_and_stop, &timers);
  for (int i = 0; i < 5 && alive > 0; i++)
    alive = mcp_loop_step(timers.loop, 0);
  lua_pushboolean(L, alive > 0);
  mcp_loop_free(timers.loop);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_codecs_loop(lua_State *L);

int luaopen_codecs_loop(lua_State *L) {
  static const luaL_Reg functions[] = {{"stopped_in_timer", stopped_in_timer},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
