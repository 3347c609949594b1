/* SPDX-License-Identifier: MIT
 * worker_lib.c: see worker_lib.h. The worker is upvalue 1 of every function. */
#include "lua/worker_lib.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "lua/copy.h"
#include "lua/seconds.h"
#include "lua/worker_pattern.h"

/* Its address is a key of the registry: the ctx. */
static const char registry_key;

/* coroutine.close inside coroutine.close uses the C stack, and Lua 5.4.4 has no
 * limit for it. */
#define CLOSING_MAX 100

static mcp_worker_t *worker_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* --- coroutines ------------------------------------------------------------
 */

/* Resumes `co` with the `count` values at the top. The number of results that
 * were moved here, or -1 with the error. [-count, +?, m] */
static int resume(lua_State *L, lua_State *thread, int count) {
  mcp_worker_t *worker = worker_of(L);
  lua_State *outer;
  int status, results = 0;
  if (!lua_checkstack(thread, count)) {
    lua_pop(L, count);
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, thread, count);
  outer = mcp_worker_enter(worker, thread);
  status = lua_resume(thread, L, count, &results);
  (void)mcp_worker_enter(worker, outer);
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
  mcp_worker_t *worker = worker_of(L);
  unsigned *depth = mcp_worker_depth(worker);
  lua_State *outer;
  int status;
  if (*depth == CLOSING_MAX)
    return luaL_error(L, "coroutines are closed inside each other too deep");
  ++*depth;
  outer = mcp_worker_enter(worker, thread);
  status = lua_resetthread(thread);
  (void)mcp_worker_enter(worker, outer);
  --*depth;
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
  lua_pushlightuserdata(L, worker_of(L));
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
  if (mcp_worker_is_stopped(worker_of(L))) {
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
  lua_pushlightuserdata(L, worker_of(L));
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, handle, 2);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish_xpcall);
  return finish_xpcall(L, status, 2);
}

/* On a thread it would end everything. */
static int refuse_exit(lua_State *L) {
  return luaL_error(L, "os.exit: this worker is a thread of the program, which "
                       "would end; return, or use a process (process = true)");
}

/* Standard output may be the wire. */
static int print(lua_State *L) {
  int n = lua_gettop(L);
  luaL_Buffer line;
  luaL_buffinit(L, &line);
  for (int i = 1; i <= n; i++) {
    if (i > 1) luaL_addchar(&line, '\t');
    luaL_tolstring(L, i, NULL);
    luaL_addvalue(&line);
  }
  luaL_addchar(&line, '\n');
  luaL_pushresult(&line);
  fwrite(lua_tostring(L, -1), 1, lua_rawlen(L, -1), stderr);
  return 0;
}

/* --- ctx -------------------------------------------------------------------
 */

/* Sends its arguments from 2 on as a note. */
static int send_note(lua_State *L, const char *kind) {
  mcp_worker_t *worker = worker_of(L);
  mcp_copy_fault_t fault = {{0}};
  mcp_buf_t bytes = {0};
  void *carrier;
  const mcp_worker_ops_t *ops = mcp_worker_ops(worker, &carrier);
  int code = mcp_copy_write_text(&bytes, mcp_slice(kind, strlen(kind)));
  for (int i = 2; code == 0 && i <= lua_gettop(L); i++) {
    code = mcp_copy_write(L, i, &bytes, mcp_worker_output(worker), &fault);
    if (code == MCP_EENCODE || code == MCP_EDEPTH) {
      mcp_buf_deinit(&bytes);
      return luaL_error(L, "ctx:%s: argument %d: cannot be sent: %s", kind,
                        i - 1, fault.what);
    }
  }
  if (code == 0) {
    code = ops->note(carrier, &bytes);
  } else {
    mcp_buf_deinit(&bytes);
  }
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, 1);
  return 1;
}

static int ctx_progress(lua_State *L) {
  luaL_argexpected(L, lua_istable(L, 1), 1, "ctx, with a colon: ctx:progress");
  luaL_checknumber(L, 2);
  return send_note(L, "progress");
}

static int ctx_log(lua_State *L) {
  luaL_argexpected(L, lua_istable(L, 1), 1, "ctx, with a colon: ctx:log");
  luaL_checkstring(L, 2);
  return send_note(L, "log");
}

static int ctx_cancelled(lua_State *L) {
  lua_pushboolean(L, mcp_worker_is_stopped(worker_of(L)));
  return 1;
}

static int ctx_sleep(lua_State *L) {
  uint64_t ms = mcp_seconds_read(L, 2, "sleep");
  void *carrier;
  const mcp_worker_ops_t *ops = mcp_worker_ops(worker_of(L), &carrier);
  if (!ops->sleep(carrier, ms))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  lua_pushboolean(L, 1);
  return 1;
}

void mcp_worker_lib_push_ctx(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
}

/* --- what is not trusted ---------------------------------------------------
 */

/* A finalizer runs with hooks off: it could hold the thread. */
static int safe_setmetatable(lua_State *L) {
  if (lua_istable(L, 2)) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL)
      return luaL_error(L, "setmetatable: __gc is not allowed here");
    lua_pop(L, 1);
  }
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* load(text [, name [, mode [, env]]]): text only. */
static int safe_load(lua_State *L) {
  int n = lua_gettop(L);
  if (n < 3) lua_settop(L, 3);
  lua_pushliteral(L, "t");
  lua_replace(L, 3);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* Nothing but the number of kilobytes in use. */
static int safe_collectgarbage(lua_State *L) {
  static const char *const options[] = {"count", "collect", NULL};
  if (luaL_checkoption(L, 1, "collect", options) == 1) {
    lua_gc(L, LUA_GCCOLLECT);
    lua_pushinteger(L, 0);
    return 1;
  }
  lua_pushnumber(L, (lua_Number)lua_gc(L, LUA_GCCOUNT) +
                        (lua_Number)lua_gc(L, LUA_GCCOUNTB) / 1024);
  return 1;
}

/* An empty string is repeated without a turn for each time. */
static int safe_rep(lua_State *L) {
  size_t size, between = 0;
  (void)luaL_checklstring(L, 1, &size);
  (void)luaL_optlstring(L, 3, "", &between);
  if (size == 0 && between == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* How many elements a function of `table` may go over in one call, beyond what
 * the table really has. */
#define ELEMENTS_MAX 10000000

/* table.insert, remove, concat, sort, unpack: a __len could claim any number.
 */
static int safe_length(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (luaL_getmetafield(L, 1, "__len")) {
    lua_pop(L, 1);
    if (luaL_len(L, 1) > ELEMENTS_MAX)
      return luaL_error(L, "a table that is too long");
  }
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static int safe_move(lua_State *L) {
  lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
  if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from > ELEMENTS_MAX)
    return luaL_error(L, "table.move: too many elements");
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

static int safe_time(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)time(NULL));
  return 1;
}

static int safe_clock(lua_State *L) {
  lua_pushnumber(L, (lua_Number)clock() / (lua_Number)CLOCKS_PER_SEC);
  return 1;
}

/* --- opening ---------------------------------------------------------------
 */

/* Sets `name` of the table at the top to `fn`, upvalues: the worker and what
 * was there. [-0, +0, m] */
static void wrap(lua_State *L, mcp_worker_t *worker, const char *name,
                 lua_CFunction fn) {
  lua_pushlightuserdata(L, worker);
  lua_getfield(L, -2, name);
  lua_pushcclosure(L, fn, 2);
  lua_setfield(L, -2, name);
}

static void remove_names(lua_State *L, const char *const *names) {
  for (; *names; names++) {
    lua_pushnil(L);
    lua_setfield(L, -2, *names);
  }
}

static void confine(lua_State *L, mcp_worker_t *worker) {
  static const char *const gone[] = {"dofile", "loadfile", "require", NULL};
  static const char *const gone_strings[] = {"dump", NULL};
  static const char *const lengths[] = {"insert", "remove", "concat",
                                        "sort",   "unpack", NULL};
  static const luaL_Reg clock_functions[] = {
      {"time", safe_time}, {"clock", safe_clock}, {NULL, NULL}};
  lua_pushglobaltable(L);
  remove_names(L, gone);
  wrap(L, worker, "setmetatable", safe_setmetatable);
  wrap(L, worker, "load", safe_load);
  wrap(L, worker, "collectgarbage", safe_collectgarbage);
  luaL_newlib(L, clock_functions);
  lua_setfield(L, -2, "os");
  lua_getfield(L, -1, "string");
  remove_names(L, gone_strings);
  wrap(L, worker, "rep", safe_rep);
  mcp_worker_pattern_open(L, worker);
  lua_pop(L, 1);
  lua_getfield(L, -1, "table");
  for (const char *const *name = lengths; *name; name++)
    wrap(L, worker, *name, safe_length);
  wrap(L, worker, "move", safe_move);
  lua_pop(L, 2);
  /* All strings have one metatable. */
  lua_pushliteral(L, "");
  if (lua_getmetatable(L, -1)) {
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

void mcp_worker_lib_open(lua_State *L, mcp_worker_t *worker, bool untrusted) {
  static const luaL_Reg functions[] = {
      {"xpcall", safe_xpcall}, {"print", print}, {NULL, NULL}};
  static const luaL_Reg coroutines[] = {{"resume", co_resume},
                                        {"wrap", co_wrap},
                                        {"close", co_close},
                                        {NULL, NULL}};
  static const luaL_Reg ctx[] = {{"progress", ctx_progress},
                                 {"log", ctx_log},
                                 {"cancelled", ctx_cancelled},
                                 {"sleep", ctx_sleep},
                                 {NULL, NULL}};
  void *carrier;
  lua_pushglobaltable(L);
  lua_pushlightuserdata(L, worker);
  luaL_setfuncs(L, functions, 1);
  lua_getfield(L, -1, "coroutine");
  lua_pushlightuserdata(L, worker);
  luaL_setfuncs(L, coroutines, 1);
  lua_pop(L, 2);
  luaL_newlibtable(L, ctx);
  lua_pushlightuserdata(L, worker);
  luaL_setfuncs(L, ctx, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
  if (untrusted) {
    confine(L, worker);
  } else if (!mcp_worker_ops(worker, &carrier)->own_process) {
    lua_getglobal(L, "os");
    lua_pushcfunction(L, refuse_exit);
    lua_setfield(L, -2, "exit");
    lua_pop(L, 1);
  }
}
