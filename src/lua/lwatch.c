/* SPDX-License-Identifier: MIT
 * lwatch.c: see lwatch.h. */
#include "lua/lwatch.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "lua/lturn.h"
#include "lua/stop_lib.h"

/* The request's function is among the outermost frames. */
#define OUTERMOST 16

/* Its address is the registry's key of the watch. */
static const char registry_key;

/* --- which code is it? -----------------------------------------------------
 */

/* The number of frames on a stack. Looking at one takes time in proportion to
 * its depth, so this is a binary search. */
static int depth_of(lua_State *thread) {
  lua_Debug ar;
  int low = 0, high = 1;
  while (lua_getstack(thread, high - 1, &ar)) {
    low = high;
    high *= 2;
  }
  while (high - low > 1) {
    int middle = low + (high - low) / 2;
    if (lua_getstack(thread, middle - 1, &ar)) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/* Pushes on `L` the context of the request that `thread` serves. False: it
 * serves no request. [-0, +(0|1), -] */
static bool push_context(lua_State *L, const mcp_lwatch_t *watch,
                         lua_State *thread) {
  int depth = depth_of(thread);
  if (!watch->request || !lua_checkstack(thread, 2)) return false;
  for (int level = depth - 1; level >= 0 && level >= depth - OUTERMOST;
       level--) {
    lua_Debug ar;
    bool found;
    if (!lua_getstack(thread, level, &ar) || !lua_getinfo(thread, "f", &ar))
      return false;
    found = lua_topointer(thread, -1) == watch->request;
    lua_pop(thread, 1);
    if (!found) continue;
    if (!lua_getlocal(thread, &ar, watch->context)) return false;
    if (thread != L) lua_xmove(thread, L, 1);
    return true;
  }
  return false;
}

/* Pushes the member `name` of the table at the top, without metamethods. False:
 * it is no table. [-0, +(0|1), m] */
static bool push_member(lua_State *L, const char *name) {
  if (!lua_istable(L, -1)) return false;
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  return true;
}

/* What runs in `thread`, such as: tool "price". Without a request it is a
 * coroutine that the program has started. [-0, +0, m] */
static void find_name(lua_State *L, mcp_lwatch_t *watch, lua_State *thread) {
  int top = lua_gettop(L);
  const char *kind = NULL, *name = NULL, *at = NULL;
  watch->place[0] = '\0';
  snprintf(watch->name, sizeof watch->name, "a coroutine");
  if (push_context(L, watch, thread) && push_member(L, "entry")) {
    if (push_member(L, "kind")) {
      kind = lua_tostring(L, -1);
      lua_pop(L, 1);
      if (push_member(L, "name")) name = lua_tostring(L, -1);
      lua_pop(L, 1);
      if (push_member(L, "at")) at = lua_tostring(L, -1);
    } else {
      lua_pop(L, 1);
      if (push_member(L, "method")) kind = lua_tostring(L, -1);
    }
  }
  if (kind && name) {
    snprintf(watch->name, sizeof watch->name, "%s \"%s\"", kind, name);
  } else if (kind) {
    snprintf(watch->name, sizeof watch->name, "%s", kind);
  }
  /* Where the code is replaces it, if that can be found. */
  if (at) snprintf(watch->place, sizeof watch->place, " (declared at %s)", at);
  lua_settop(L, top);
}

/* Is the source of a function one of lua/mcp? [-0, +0, m] */
static bool is_ours(lua_State *L, const char *source) {
  size_t length = 0;
  const char *ours;
  bool is;
  lua_getfield(L, LUA_REGISTRYINDEX, MCP_LTURN_OURS);
  ours = lua_tolstring(L, -1, &length);
  is = ours && strncmp(source, ours, length) == 0;
  lua_pop(L, 1);
  return is;
}

/* Where the user's code in `thread` is. False: not found. [-0, +0, m] */
static bool find_user(lua_State *L, lua_State *thread, lua_Debug *ar) {
  for (int level = 0; lua_getstack(thread, level, ar); level++) {
    lua_getinfo(thread, "Sl", ar);
    if (*ar->what != 'C' && !is_ours(L, ar->source)) return true;
  }
  return false;
}

/* Finds both for the code that runs on `L`. [-0, +0, m] */
static void describe(lua_State *L, mcp_lwatch_t *watch) {
  lua_State *thread = watch->rt->current->thread;
  lua_Debug ar;
  find_name(L, watch, thread);
  if (find_user(L, L, &ar) || (thread != L && find_user(L, thread, &ar)))
    snprintf(watch->place, sizeof watch->place, " at %s:%d", ar.short_src,
             ar.currentline);
}

/* --- the hook --------------------------------------------------------------
 */

static mcp_lwatch_t *watch_of(lua_State *L) {
  mcp_lwatch_t *watch;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  watch = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return watch;
}

/* Does code of lua/mcp run, or a C function that it has called? [-0, +0, m] */
static bool runs_ours(lua_State *L) {
  lua_Debug ar;
  for (int level = 0; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "S", &ar);
    if (*ar.what != 'C') return is_ours(L, ar.source);
  }
  return false;
}

/* [-0, +0, e] */
static void stop(lua_State *L, mcp_lwatch_t *watch) {
  lua_Debug ar;
  if (runs_ours(L)) return;
  if (!watch->stop_place[0] && find_user(L, L, &ar)) {
    snprintf(watch->stop_place, sizeof watch->stop_place, "%s:%d", ar.short_src,
             ar.currentline);
    watch->stop_line = ar.currentline;
  }
  luaL_error(L, "the budget of time is spent");
}

static void on_hook(lua_State *L, lua_Debug *ar) {
  mcp_lwatch_t *watch = watch_of(L);
  mcp_monitor_t *monitor = &watch->rt->monitor;
  if (watch->over) {
    if (mcp_stop_lib_may_raise(L, ar, &watch->stop)) stop(L, watch);
    return;
  }
  lua_sethook(L, NULL, 0, 0);
  if (!watch->rt->current || !mcp_monitor_is_late(monitor)) return;
  describe(L, watch);
  if (mcp_monitor_answer(monitor))
    mcp_log(MCP_LOG_WARNING, "%s still holds the loop after %.0f s%s",
            watch->name, (double)mcp_monitor_age(monitor) / 1000, watch->place);
}

/* Sets the hook on `thread`. A debugger's is left alone, unless the code is to
 * be stopped. For that calls count too: C functions that are called by C
 * functions have no instructions. */
static void set_hook(const mcp_lwatch_t *watch, lua_State *thread) {
  lua_Hook there = lua_gethook(thread);
  if (watch->over) {
    lua_sethook(thread, on_hook, LUA_MASKCOUNT | LUA_MASKCALL, 1);
  } else if (!there || there == on_hook) {
    lua_sethook(thread, on_hook, LUA_MASKCOUNT, 1);
  }
}

static void drop_hook(lua_State *thread) {
  if (lua_gethook(thread) == on_hook) lua_sethook(thread, NULL, 0, 0);
}

/* In a signal handler on the loop's thread. */
static void on_interrupt(void *arg) {
  mcp_lwatch_t *watch = arg;
  mcp_runtime_t *rt = watch ? watch->rt : NULL;
  bool spent;
  if (!rt || !rt->current) return;
  spent = mcp_monitor_is_spent(&rt->monitor);
  if (!spent && !mcp_monitor_is_late(&rt->monitor)) return;
  rt->alerted = true;
  if (spent) watch->over = true;
  set_hook(watch, rt->current->thread);
  if (spent && watch->running) set_hook(watch, watch->running);
}

static bool is_over(void *arg) {
  const mcp_lwatch_t *watch = arg;
  return watch->over;
}

static lua_State *enter(void *arg, lua_State *thread) {
  mcp_lwatch_t *watch = arg;
  lua_State *before = watch->running;
  watch->running = thread;
  if (thread && watch->over) set_hook(watch, thread);
  return before;
}

bool mcp_lwatch_end_stop(mcp_lwatch_t *watch, lua_State *L) {
  if (!watch->over) return false;
  watch->over = false;
  watch->has_stopped = true;
  drop_hook(L);
  return true;
}

/* `co` has run, and something was asked about it or about what ran before. */
static void on_alert(mcp_runtime_t *rt, mcp_coroutine_t *co, bool late) {
  mcp_lwatch_t *watch = rt->watch_arg;
  drop_hook(co->thread);
  if (rt->current) {
    set_hook(watch, rt->current->thread);
    return;
  }
  rt->alerted = watch->over = false;
  watch->stop_place[0] = '\0';
  watch->stop_line = 0;
  if (!late) return;
  watch->held++;
  /* What was stopped is reported by its budget. */
  if (!watch->has_stopped)
    mcp_log(MCP_LOG_WARNING, "%s held the loop for %.2f s%s",
            watch->name[0] ? watch->name : "a handler",
            (double)mcp_monitor_age(&rt->monitor) / 1000, watch->place);
  watch->name[0] = watch->place[0] = '\0';
  watch->has_stopped = false;
}

/* --- opening ---------------------------------------------------------------
 */

void mcp_lwatch_open(lua_State *L, mcp_lwatch_t *watch, mcp_runtime_t *rt) {
  watch->rt = rt;
  watch->request_ref = LUA_NOREF;
  watch->stop =
      (mcp_stop_t){.is_stopped = is_over, .enter = enter, .arg = watch};
  rt->alert = on_alert;
  rt->watch_arg = watch;
  lua_pushlightuserdata(L, watch);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
}

int mcp_lwatch_attach(mcp_lwatch_t *watch, mcp_watchdog_t *watchdog) {
  mcp_runtime_t *rt = watch->rt;
  mcp_monitor_detach(&rt->monitor);
  return mcp_monitor_attach(&rt->monitor, watchdog, watch->limit,
                            rt->current != NULL, on_interrupt, watch);
}

void mcp_lwatch_detach(mcp_lwatch_t *watch) {
  /* Without it the core could not be opened, for want of memory. */
  if (watch->rt) mcp_monitor_detach(&watch->rt->monitor);
}

void mcp_lwatch_prepare(lua_State *L, mcp_lwatch_t *watch) {
  if (watch->stops || watch->rt->stopped) return;
  watch->stops = true;
  mcp_stop_lib_open(L, &watch->stop);
  if (lua_getglobal(L, "string") == LUA_TTABLE)
    mcp_stop_lib_open_strings(L, &watch->stop);
  lua_pop(L, 1);
}

void mcp_lwatch_set_request(lua_State *L, mcp_lwatch_t *watch, int index,
                            int position) {
  lua_pushvalue(L, index);
  luaL_unref(L, LUA_REGISTRYINDEX, watch->request_ref);
  watch->request_ref = LUA_NOREF;
  watch->request = NULL;
  watch->request_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  watch->request = lua_topointer(L, index);
  watch->context = position;
}
