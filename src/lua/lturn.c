/* SPDX-License-Identifier: MIT
 * lturn.c: see lturn.h. */
#include "lua/lturn.h"

#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/lluv.h"

/* Where a wait stands. */
typedef enum {
  YIELDS,    /* in a coroutine */
  TURNS,     /* outside any: the loop turns */
  CLOSING,   /* the coroutine, or all, is being closed */
  STUCK,     /* in a coroutine, where nothing can yield */
  FOREIGN,   /* in a coroutine of the user's inside a coroutine */
  FINALIZES, /* in a __gc */
  INSIDE,    /* in a callback of the loop */
  LUVS       /* in a callback of luv's */
} place_t;

static const char *const mistakes[] = {
    [STUCK] = "cannot wait here: inside a metamethod, an iterator or another "
              "function that cannot yield; use mcp.spawn",
    [FOREIGN] = "cannot wait in a coroutine of your own inside a handler; use "
                "mcp.spawn",
    [FINALIZES] = "cannot wait here: inside a finalizer (__gc); use mcp.spawn",
    [INSIDE] = "cannot wait here: the event loop is running, and cannot be "
               "turned from inside; use mcp.spawn",
    [LUVS] = "cannot wait here: luv's loop is running, and cannot be turned "
             "from inside; use mcp.spawn"};

/* [-0, +0, e] */
static place_t find_place(lua_State *L, mcp_runtime_t *rt) {
  mcp_coroutine_t *co = mcp_coroutine_of(rt, L);
  if (rt->closing || (co && co->closing)) return CLOSING;
  if (co) return lua_isyieldable(L) ? YIELDS : STUCK;
  if (rt->current) return rt->current->closing ? CLOSING : FOREIGN;
  if (mcp_loop_is_turning(rt->loop)) return INSIDE;
  /* Lua answers nothing about its collector while one of its finalizers
   * runs. */
  if (lua_gc(L, LUA_GCCOUNT) < 0) return FINALIZES;
  return mcp_lluv_is_running(L, rt->L, rt->loop) ? LUVS : TURNS;
}

int mcp_lturn_raise(lua_State *L, const char *text) {
  const char *ours;
  size_t length;
  lua_Debug at;
  int level = 1;
  lua_getfield(L, LUA_REGISTRYINDEX, MCP_LTURN_OURS);
  ours = lua_tolstring(L, -1, &length);
  while (lua_getstack(L, level, &at) && lua_getinfo(L, "S", &at)) {
    bool is_ours = ours && strncmp(at.source, ours, length) == 0;
    if (*at.what != 'C' && !is_ours) break;
    level++;
  }
  luaL_where(L, level);
  lua_pushstring(L, text);
  lua_concat(L, 2);
  return lua_error(L);
}

bool mcp_lturn_begin(lua_State *L, mcp_runtime_t *rt, mcp_coroutine_t **co) {
  place_t place = find_place(L, rt);
  *co = mcp_coroutine_of(rt, L);
  if (place == CLOSING) return false;
  if (place > CLOSING) mcp_lturn_raise(L, mistakes[place]);
  if (*co) mcp_coroutine_check(L, *co);
  return true;
}

bool mcp_lturn_has_place(lua_State *L, mcp_runtime_t *rt) {
  return find_place(L, rt) <= TURNS;
}

bool mcp_lturn_may_wait(lua_State *L, mcp_runtime_t *rt) {
  place_t place = find_place(L, rt);
  const mcp_coroutine_t *co = mcp_coroutine_of(rt, L);
  return place == TURNS || (place == YIELDS && !co->cancelled);
}

bool mcp_lturn_once(lua_State *L, mcp_runtime_t *rt, int64_t timeout_ms) {
  int open = mcp_loop_step(rt->loop, timeout_ms);
  if (open < 0) mcp_lturn_raise(L, mistakes[INSIDE]);
  /* That is the end of this state, and of what it has opened. */
  if (mcp_coroutine_is_stopped(rt)) luaL_error(L, "stopped");
  return open > 0;
}
