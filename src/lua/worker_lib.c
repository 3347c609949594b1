/* SPDX-License-Identifier: MIT
 * worker_lib.c: see worker_lib.h. The worker is upvalue 1 of every function. */
#include "lua/worker_lib.h"

#include <lauxlib.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "lua/copy.h"
#include "lua/ljson.h"
#include "lua/seconds.h"
#include "lua/stop_lib.h"
#include "lua/worker_load.h"

/* Its address is the key of the ctx in the registry. */
static const char registry_key;

static mcp_worker_t *worker_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* --- what ends or prints --------------------------------------------------
 */

/* On a thread it would end the whole process. */
static int refuse_exit(lua_State *L) {
  return luaL_error(L, "os.exit: this worker is a thread of the program, which "
                       "would end; return, or use a process (process = true)");
}

/* A pipe that accepts data accepts at least this many bytes: the smallest
 * PIPE_BUF. */
#define PRINT_PIECE 512

/* Pushes the line that `print` writes for the arguments. [-0, +1, e] */
static void push_line(lua_State *L) {
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
}

/* Standard output may carry the protocol. */
static int print(lua_State *L) {
  push_line(L);
  fwrite(lua_tostring(L, -1), 1, lua_rawlen(L, -1), stderr);
  return 0;
}

/* Untrusted code must not flood the log, send control sequences to a terminal,
 * or block in C on standard error: text for which there is no room is dropped.
 */
static int safe_print(lua_State *L) {
  size_t *printed = mcp_worker_printed(worker_of(L)), size;
  struct pollfd error = {.fd = STDERR_FILENO, .events = POLLOUT};
  char piece[PRINT_PIECE];
  const char *text;
  push_line(L);
  text = lua_tolstring(L, -1, &size);
  while (size > 0 && *printed < MCP_WORKER_PRINT) {
    size_t n = size < sizeof piece ? size : sizeof piece;
    for (size_t i = 0; i < n; i++) {
      unsigned char c = (unsigned char)text[i];
      bool control = (c < ' ' && c != '\n' && c != '\t') || c == 0x7F;
      piece[i] = control ? '?' : (char)c;
    }
    if (poll(&error, 1, 0) == 1 && (error.revents & POLLOUT))
      (void)!write(STDERR_FILENO, piece, n);
    *printed += n;
    text += n;
    size -= n;
  }
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

/* ctx:ask(…): a note that will be replied to. For code of ours. */
static int ctx_ask(lua_State *L) {
  return send_note(L, "ask");
}

/* ctx:receive() -> what the next reply holds */
static int ctx_receive(lua_State *L) {
  mcp_worker_t *worker = worker_of(L);
  mcp_buf_t *reply = mcp_worker_reply(worker);
  void *carrier;
  const mcp_worker_ops_t *ops = mcp_worker_ops(worker, &carrier);
  int count;
  if (!ops->receive) return luaL_error(L, "ctx:receive: a process is needed");
  if (ops->receive(carrier, reply) < 0)
    return luaL_error(L, "ctx:receive: the caller is gone");
  lua_settop(L, 0);
  count = mcp_copy_push(L, mcp_buf_slice(reply));
  mcp_buf_reset(reply, 65536);
  if (count < 0) return luaL_error(L, "ctx:receive: a reply cannot be read");
  return count;
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

/* collectgarbage that only returns the kilobytes in use. */
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

/* Elements that table.move may copy in one call. */
#define ELEMENTS_MAX 10000000

/* A __len could claim any number, and another one when it is asked again. */
static void check_length(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (luaL_getmetafield(L, 1, "__len") != LUA_TNIL)
    luaL_error(L, "a table with a __len is not accepted here");
}

/* table.insert, remove, concat, unpack */
static int safe_length(lua_State *L) {
  check_length(L);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static int is_less(lua_State *L) {
  lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
  return 1;
}

/* Without a comparison function no hook runs: sorting long strings in C could
 * take hours. */
static int safe_sort(lua_State *L) {
  check_length(L);
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_pushcfunction(L, is_less);
    lua_replace(L, 2);
  }
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, 2, 0);
  return 0;
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

/* Replaces `name` in the table at the top by `fn` with two upvalues: the worker
 * and the earlier value. [-0, +0, m] */
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
  static const char *const lengths[] = {"insert", "remove", "concat", "unpack",
                                        NULL};
  static const luaL_Reg clock_functions[] = {
      {"time", safe_time}, {"clock", safe_clock}, {NULL, NULL}};
  lua_pushglobaltable(L);
  remove_names(L, gone);
  wrap(L, worker, "print", safe_print);
  wrap(L, worker, "setmetatable", safe_setmetatable);
  wrap(L, worker, "load", mcp_worker_load);
  wrap(L, worker, "collectgarbage", safe_collectgarbage);
  luaL_newlib(L, clock_functions);
  lua_setfield(L, -2, "os");
  lua_getfield(L, -1, "string");
  remove_names(L, gone_strings);
  mcp_stop_lib_open_strings(L, &worker->stop);
  lua_pop(L, 1);
  lua_getfield(L, -1, "table");
  for (const char *const *name = lengths; *name; name++)
    wrap(L, worker, *name, safe_length);
  wrap(L, worker, "sort", safe_sort);
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

void mcp_worker_lib_extend(lua_State *L, mcp_worker_t *worker) {
  static const luaL_Reg functions[] = {
      {"ask", ctx_ask}, {"receive", ctx_receive}, {NULL, NULL}};
  mcp_worker_lib_push_ctx(L);
  lua_pushlightuserdata(L, worker);
  luaL_setfuncs(L, functions, 1);
  mcp_ljson_open(L);
  lua_pop(L, 1);
}

void mcp_worker_lib_open(lua_State *L, mcp_worker_t *worker, bool untrusted) {
  static const luaL_Reg functions[] = {{"print", print}, {NULL, NULL}};
  static const luaL_Reg ctx[] = {{"progress", ctx_progress},
                                 {"log", ctx_log},
                                 {"cancelled", ctx_cancelled},
                                 {"sleep", ctx_sleep},
                                 {NULL, NULL}};
  void *carrier;
  lua_pushglobaltable(L);
  lua_pushlightuserdata(L, worker);
  luaL_setfuncs(L, functions, 1);
  lua_pop(L, 1);
  mcp_stop_lib_open(L, &worker->stop);
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
