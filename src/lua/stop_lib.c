/* SPDX-License-Identifier: MIT
 * stop_lib.c: see stop_lib.h. The mcp_stop_t is upvalue 1 of every function. */
#include "lua/stop_lib.h"

#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "lua/stop_pattern.h"

/* coroutine.close inside coroutine.close uses the C stack, and Lua 5.4.4 has no
 * limit for it. */
#define CLOSING_MAX 100

/* string.rep looks at the flag after so many bytes. */
#define REP_PIECE (1u << 20)

static mcp_stop_t *stop_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* --- coroutines ------------------------------------------------------------
 */

/* Resumes `co` with the `count` values at the top. The number of results that
 * were moved here, or -1 with the error. [-count, +?, m] */
static int resume(lua_State *L, lua_State *thread, int count) {
  mcp_stop_t *stop = stop_of(L);
  lua_State *outer;
  int status, results = 0;
  if (!lua_checkstack(thread, count)) {
    lua_pop(L, count);
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, thread, count);
  outer = stop->enter(stop->arg, thread);
  status = lua_resume(thread, L, count, &results);
  (void)stop->enter(stop->arg, outer);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(thread, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(thread, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(thread, L, results);
  return results;
}

static lua_State *check_coroutine(lua_State *L) {
  lua_State *thread = lua_tothread(L, 1);
  luaL_argexpected(L, thread, 1, "coroutine");
  return thread;
}

static int co_resume(lua_State *L) {
  lua_State *thread = check_coroutine(L);
  int n = resume(L, thread, lua_gettop(L) - 1);
  lua_pushboolean(L, n >= 0);
  if (n < 0) n = 1;
  lua_insert(L, -(n + 1));
  return n + 1;
}

/* Ends `co`; its <close> variables run, and may do the same. The status, with
 * the error moved here. [-0, +(0|1), e] */
static int end_coroutine(lua_State *L, lua_State *thread) {
  mcp_stop_t *stop = stop_of(L);
  lua_State *outer;
  int status;
  if (stop->depth == CLOSING_MAX)
    return luaL_error(L, "coroutines are closed inside each other too deep");
  stop->depth++;
  outer = stop->enter(stop->arg, thread);
  status = lua_resetthread(thread);
  (void)stop->enter(stop->arg, outer);
  stop->depth--;
  if (status != LUA_OK) lua_xmove(thread, L, 1);
  return status;
}

static int call_wrapped(lua_State *L) {
  lua_State *thread = lua_tothread(L, lua_upvalueindex(2));
  int n = resume(L, thread, lua_gettop(L)), status;
  if (n >= 0) return n;
  status = lua_status(thread);
  if (status != LUA_OK && status != LUA_YIELD) {
    /* Its error may change while it is closed. */
    lua_settop(L, 0);
    status = end_coroutine(L, thread);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int co_wrap(lua_State *L) {
  lua_State *thread;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_pushlightuserdata(L, stop_of(L));
  thread = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, thread, 1);
  lua_pushcclosure(L, call_wrapped, 2);
  return 1;
}

static int co_close(lua_State *L) {
  lua_State *thread = check_coroutine(L);
  int status = lua_status(thread);
  lua_Debug ar;
  bool normal = status == LUA_OK && thread != L && lua_getstack(thread, 0, &ar);
  if (thread == L) return luaL_error(L, "cannot close a running coroutine");
  if (normal) return luaL_error(L, "cannot close a normal coroutine");
  status = end_coroutine(L, thread);
  lua_pushboolean(L, status == LUA_OK);
  if (status == LUA_OK) return 1;
  lua_insert(L, -2);
  return 2;
}

/* --- errors ----------------------------------------------------------------
 */

/* A message handler runs with hooks off where it was a hook that raised: one
 * that loops could not be stopped. */
static int handle(lua_State *L) {
  if (mcp_stop_is_stopped(stop_of(L))) {
    lua_settop(L, 1);
    return 1;
  }
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

static int finish_xpcall(lua_State *L, int status, lua_KContext context) {
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
  }
  return lua_gettop(L) - (int)context;
}

static int safe_xpcall(lua_State *L) {
  int n = lua_gettop(L), status;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushlightuserdata(L, stop_of(L));
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, handle, 2);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_xpcall);
  return finish_xpcall(L, status, 2);
}

/* --- strings ---------------------------------------------------------------
 */

/* Fills `size` bytes with the first `unit` of them, again and again. */
static void repeat(lua_State *L, char *bytes, size_t unit, size_t size) {
  const mcp_stop_t *stop = stop_of(L);
  size_t filled = unit;
  while (filled < size) {
    size_t from = filled % unit, n = filled - from;
    if (n > REP_PIECE) n = REP_PIECE;
    if (n > size - filled) n = size - filled;
    if (mcp_stop_is_stopped(stop)) luaL_error(L, "stopped");
    memcpy(bytes + filled, bytes + from, n);
    filled += n;
  }
}

/* Lua's own takes a turn for each time, also where the string is empty. */
static int rep(lua_State *L) {
  size_t size, between, total;
  const char *text = luaL_checklstring(L, 1, &size);
  lua_Integer n = luaL_checkinteger(L, 2);
  const char *separator = luaL_optlstring(L, 3, "", &between);
  luaL_Buffer out;
  char *bytes;
  if (n <= 0 || size + between == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (size + between < size || (lua_Unsigned)n > INT_MAX / (size + between))
    return luaL_error(L, "resulting string too large");
  total = (size_t)n * size + (size_t)(n - 1) * between;
  bytes = luaL_buffinitsize(L, &out, total);
  memcpy(bytes, text, size);
  if (n > 1) {
    memcpy(bytes + size, separator, between);
    repeat(L, bytes, size + between, total);
  }
  luaL_pushresultsize(&out, total);
  return 1;
}

/* --- opening ---------------------------------------------------------------
 */

/* Sets the functions in the table at the top, except where the program has put
 * functions of its own. [-0, +0, m] */
static void set_functions(lua_State *L, mcp_stop_t *stop,
                          const luaL_Reg *functions) {
  for (; functions->name; functions++) {
    lua_getfield(L, -1, functions->name);
    if (lua_iscfunction(L, -1)) {
      lua_pushlightuserdata(L, stop);
      lua_pushcclosure(L, functions->func, 1);
      lua_setfield(L, -3, functions->name);
    }
    lua_pop(L, 1);
  }
}

void mcp_stop_lib_open(lua_State *L, mcp_stop_t *stop) {
  static const luaL_Reg functions[] = {{"xpcall", safe_xpcall}, {NULL, NULL}};
  static const luaL_Reg coroutines[] = {{"resume", co_resume},
                                        {"wrap", co_wrap},
                                        {"close", co_close},
                                        {NULL, NULL}};
  lua_pushglobaltable(L);
  lua_getfield(L, -1, "pcall");
  stop->calls_once[0] = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  set_functions(L, stop, functions);
  if (lua_getfield(L, -1, "coroutine") == LUA_TTABLE)
    set_functions(L, stop, coroutines);
  lua_pop(L, 2);
}

void mcp_stop_lib_open_strings(lua_State *L, mcp_stop_t *stop) {
  static const luaL_Reg functions[] = {{"rep", rep}, {NULL, NULL}};
  set_functions(L, stop, functions);
  set_functions(L, stop, mcp_stop_pattern_functions);
}

bool mcp_stop_lib_may_raise(lua_State *L, lua_Debug *ar,
                            const mcp_stop_t *stop) {
  lua_CFunction fn;
  lua_Debug caller;
  if (ar->event == LUA_HOOKCOUNT) return true;
  lua_getinfo(L, "S", ar);
  if (*ar->what != 'C') return true;
  if (!lua_getstack(L, 1, &caller)) return false;
  lua_getinfo(L, "Sf", &caller);
  fn = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  return fn && fn != safe_xpcall && fn != stop->calls_once[0] &&
         fn != stop->calls_once[1];
}
