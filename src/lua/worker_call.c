/* SPDX-License-Identifier: MIT
 * worker_call.c: see worker_call.h. */
#include "lua/worker_call.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "lua/copy.h"
#include "lua/value.h"
#include "lua/worker_lib.h"
#include "lua/worker_load.h"

/* Their addresses are keys of the registry: what the worker's file has
 * returned, the traceback of an error, the length of the position before its
 * text. */
static const char registry_keys[3];
#define OFFER (&registry_keys[0])
#define TRACE (&registry_keys[1])
#define PLACE (&registry_keys[2])

/* An error has this much room, however small the budget of results is. The text
 * of one that is too large is cut. In bytes. */
#define ERROR_ROOM (16u << 10)
#define ERROR_TEXT (4u << 10)

/* How many stack levels are searched for the function that an error names. */
#define LEVELS 20
/* A deeper stack has a short traceback. */
#define DEEP 1000

/* One call, for the C functions that are run protected. */
typedef struct {
  mcp_worker_t *worker;
  mcp_slice_t bytes;
  mcp_buf_t *answer;
  bool opening; /* the state is being made */
} call_t;

/* --- opening ---------------------------------------------------------------
 */

/* Pushes the field `name` of the setup, which lies at 1. [-0, +1, m] */
static const char *field(lua_State *L, const char *name, size_t *size) {
  lua_getfield(L, 1, name);
  return lua_tolstring(L, -1, size);
}

static void set_path(lua_State *L, const char *from, const char *to) {
  size_t size;
  lua_getglobal(L, "package");
  if (lua_istable(L, -1) && field(L, from, &size)) {
    lua_setfield(L, -2, to);
    lua_pop(L, 1);
  } else {
    lua_settop(L, 1);
  }
}

static void open_trusted(lua_State *L, const mcp_worker_limits_t *limits) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, limits->open_core);
  lua_setfield(L, -2, "mcp.core");
  lua_pop(L, 1);
  set_path(L, "package_path", "path");
  set_path(L, "package_cpath", "cpath");
  if (limits->prepare) {
    lua_pushcfunction(L, limits->prepare);
    lua_call(L, 0, 0);
  }
}

static void open_untrusted(lua_State *L) {
  static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},
                                       {LUA_COLIBNAME, luaopen_coroutine},
                                       {LUA_TABLIBNAME, luaopen_table},
                                       {LUA_STRLIBNAME, luaopen_string},
                                       {LUA_MATHLIBNAME, luaopen_math},
                                       {LUA_UTF8LIBNAME, luaopen_utf8},
                                       {NULL, NULL}};
  for (const luaL_Reg *l = libraries; l->name; l++) {
    luaL_requiref(L, l->name, l->func, 1);
    lua_pop(L, 1);
  }
}

/* Pushes the worker's own code as a function. Raises its syntax errors.
 * [-0, +1, e] */
static void load_code(lua_State *L, const mcp_worker_t *worker,
                      bool untrusted) {
  size_t size;
  const char *file = field(L, "file", &size), *code;
  bool own;
  int status;
  lua_getfield(L, 1, "own");
  own = lua_toboolean(L, -1);
  if (file) {
    status = untrusted ? mcp_worker_load_file(L, worker, file)
                       : luaL_loadfilex(L, file, "t");
  } else {
    code = field(L, "code", &size);
    status = luaL_loadbufferx(L, code ? code : "", code ? size : 0, "=worker",
                              untrusted && !own ? "t" : "bt");
  }
  if (status != LUA_OK) lua_error(L);
}

/* Opens everything and keeps what the code offers: a table of functions, or one
 * function. The argument is a light userdata: the call_t. */
static int open_state(lua_State *L) {
  mcp_worker_t *worker = ((call_t *)lua_touserdata(L, 1))->worker;
  bool untrusted;
  int type;
  lua_settop(L, 0);
  mcp_worker_register(worker);
  mcp_value_open(L);
  if (mcp_copy_push(L, mcp_buf_slice(&worker->setup)) != 1)
    return luaL_error(L, "cannot read the setup of a worker");
  lua_getfield(L, 1, "untrusted");
  untrusted = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (untrusted) {
    open_untrusted(L);
  } else {
    open_trusted(L, &worker->limits);
  }
  mcp_worker_lib_open(L, worker, untrusted);
  lua_getfield(L, 1, "own");
  if (lua_toboolean(L, -1)) {
    mcp_worker_lib_extend(L, worker);
    if (worker->ops->confine) worker->ops->confine();
  }
  lua_settop(L, 1);
  load_code(L, worker, untrusted);
  lua_call(L, 0, 1);
  type = lua_type(L, -1);
  if (type != LUA_TTABLE && type != LUA_TFUNCTION)
    return luaL_error(
        L, "expected a table of functions or a function to be returned, got %s",
        luaL_typename(L, -1));
  lua_rawsetp(L, LUA_REGISTRYINDEX, OFFER);
  return 0;
}

/* --- calling ---------------------------------------------------------------
 */

static int begin_answer(mcp_buf_t *answer, const char *kind) {
  answer->len = 0;
  return mcp_copy_write_text(answer, mcp_slice(kind, strlen(kind)));
}

/* How much of the text at 1 is the position that error() put before it: of a
 * function that is running now. */
static size_t length_of_place(lua_State *L) {
  const char *text = lua_tostring(L, 1);
  lua_Debug ar;
  for (int level = 1; text && level <= LEVELS && lua_getstack(L, level, &ar);
       level++) {
    size_t n, digits;
    lua_getinfo(L, "S", &ar);
    n = strlen(ar.short_src);
    if (strncmp(text, ar.short_src, n) != 0 || text[n] != ':') continue;
    digits = strspn(text + n + 1, "0123456789");
    n += 1 + digits;
    if (digits > 0 && strncmp(text + n, ": ", 2) == 0) return n + 2;
  }
  return 0;
}

/* Pushes where the error came from. Lua's own traceback looks for the far end
 * of the stack, which takes it seconds where that is a recursion without an
 * end. [-0, +1, m] */
static void push_traceback(lua_State *L) {
  lua_Debug ar;
  if (!lua_getstack(L, DEEP, &ar)) {
    luaL_traceback(L, L, NULL, 1);
    return;
  }
  lua_pushliteral(L, "stack traceback:");
  for (int level = 1; level <= LEVELS && lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    lua_pushfstring(L, "\n\t%s:%d:", ar.short_src, ar.currentline);
    lua_concat(L, 2);
  }
  lua_pushliteral(L, "\n\t...");
  lua_concat(L, 2);
}

/* The message handler: keeps the traceback and the length of the position. */
static int on_error(lua_State *L) {
  const mcp_worker_t *worker = mcp_worker_of(L);
  size_t place;
  /* The caller of a call that was stopped needs neither. */
  if (worker && mcp_worker_is_stopped(worker)) return 1;
  place = lua_type(L, 1) == LUA_TSTRING ? length_of_place(L) : 0;
  lua_pushinteger(L, (lua_Integer)place);
  lua_rawsetp(L, LUA_REGISTRYINDEX, PLACE);
  push_traceback(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, TRACE);
  return 1;
}

/* Appends the values from `first` to the top. A value that cannot be copied
 * is an error of the function that returned it. [-0, +0, e] */
static void put_values(lua_State *L, const call_t *call, int first) {
  mcp_copy_fault_t fault;
  int last = lua_gettop(L);
  for (int i = first; i <= last; i++) {
    int code =
        mcp_copy_write(L, i, call->answer, call->worker->limits.output, &fault);
    if (code == 0) continue;
    if (code == MCP_ENOMEM) luaL_error(L, "not enough memory");
    if (code == MCP_ETOOBIG) {
      if (begin_answer(call->answer, "large") < 0) call->answer->len = 0;
      return;
    }
    luaL_error(L, "result %d cannot be sent: %s", i - first + 1, fault.what);
  }
}

/* The answer if there is no such function: the names of the functions. */
static int put_unknown(lua_State *L, const call_t *call) {
  if (begin_answer(call->answer, "unknown") < 0) return 0;
  lua_settop(L, 0);
  lua_newtable(L);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, OFFER) == LUA_TTABLE) {
    lua_Integer n = 0;
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
      if (lua_type(L, 3) != LUA_TSTRING) continue;
      lua_pushvalue(L, 3);
      lua_rawseti(L, 1, ++n);
    }
  }
  lua_settop(L, 1);
  put_values(L, call, 1);
  return 0;
}

/* Argument: a light userdata, the call_t. */
static int perform(lua_State *L) {
  call_t *call = lua_touserdata(L, 1);
  int count;
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, TRACE);
  lua_settop(L, 0);
  count = mcp_copy_push(L, call->bytes);
  if (count < 1) return luaL_error(L, "cannot read the call");
  lua_rawgetp(L, LUA_REGISTRYINDEX, OFFER);
  if (lua_isnil(L, 1)) {
    if (!lua_isfunction(L, -1)) return put_unknown(L, call);
    mcp_worker_lib_push_ctx(L);
    count++;
    lua_insert(L, -2);
  } else {
    if (!lua_istable(L, -1)) return put_unknown(L, call);
    lua_pushvalue(L, 1);
    lua_rawget(L, -2);
    lua_remove(L, -2);
    if (!lua_isfunction(L, -1)) return put_unknown(L, call);
  }
  /* In the place of the name. */
  lua_replace(L, 1);
  lua_call(L, count - 1, LUA_MULTRET);
  if (begin_answer(call->answer, "result") < 0)
    return luaL_error(L, "not enough memory");
  put_values(L, call, 1);
  return 0;
}

/* Is it an mcp.error, of any copy of that module? [-0, +0, m] */
static bool is_failure(lua_State *L, int index) {
  bool is = false;
  if (lua_istable(L, index) && luaL_getmetafield(L, index, "__name")) {
    const char *name = lua_tostring(L, -1);
    is = name && strcmp(name, "mcp.error") == 0;
    lua_pop(L, 1);
  }
  return is;
}

/* Appends the value at the top as text. [-0, +1, e] */
static void put_error_text(lua_State *L, const call_t *call, size_t limit) {
  mcp_copy_fault_t fault;
  size_t at = call->answer->len;
  mcp_slice_t text;
  text.data = luaL_tolstring(L, -1, &text.len);
  if (mcp_copy_write(L, -1, call->answer, limit, &fault) == 0) return;
  call->answer->len = at;
  text.len = mcp_utf8_cut(text, ERROR_TEXT);
  if (mcp_copy_write_text(call->answer, text) < 0)
    luaL_error(L, "not enough memory");
}

/* Arguments: the call_t, what was raised. A value that cannot be copied, or has
 * a __tostring, is sent as text. */
static int put_error(lua_State *L) {
  call_t *call = lua_touserdata(L, 1);
  mcp_copy_fault_t fault;
  bool failure = is_failure(L, 2), has_text = false;
  size_t limit = call->worker->limits.output, at;
  const char *kind = failure ? "failure" : call->opening ? "load" : "error";
  if (limit < ERROR_ROOM) limit = ERROR_ROOM;
  if (begin_answer(call->answer, kind) < 0) return 0;
  at = call->answer->len;
  if (!failure) has_text = luaL_getmetafield(L, 2, "__tostring") != LUA_TNIL;
  if (has_text || mcp_copy_write(L, 2, call->answer, limit, &fault) < 0) {
    call->answer->len = at;
    lua_settop(L, 2);
    put_error_text(L, call, limit);
  }
  at = call->answer->len;
  lua_rawgetp(L, LUA_REGISTRYINDEX, TRACE);
  lua_rawgetp(L, LUA_REGISTRYINDEX, PLACE);
  if (mcp_copy_write(L, -2, call->answer, limit, &fault) < 0 ||
      mcp_copy_write(L, -1, call->answer, limit, &fault) < 0)
    call->answer->len = at;
  return 0;
}

/* Runs `fn`, which is C and takes the call_t, as the worker's own code: it can
 * be stopped. Leaves what was raised on the stack. */
static int run(mcp_worker_t *worker, lua_CFunction fn, call_t *call) {
  lua_State *L = worker->L;
  int status;
  lua_settop(L, 0);
  lua_pushcfunction(L, on_error);
  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, call);
  (void)mcp_worker_enter(worker, L);
  status = lua_pcall(L, 1, 0, 1);
  worker->running = NULL;
  lua_sethook(L, NULL, 0, 0);
  return status;
}

/* What was raised has no text: its __tostring raises, or was stopped. */
static void answer_broken_error(mcp_worker_t *worker, int status,
                                const call_t *call) {
  static const char text[] = "an error object whose __tostring fails";
  bool stopped = mcp_worker_is_stopped(worker);
  bool memory = status == LUA_ERRMEM || worker->spoilt;
  const char *kind = stopped         ? "stopped"
                     : memory        ? "memory"
                     : call->opening ? "load"
                                     : "error";
  if (stopped || memory) worker->spoilt = true;
  if (begin_answer(call->answer, kind) < 0 ||
      mcp_copy_write_text(call->answer, mcp_slice(text, sizeof text - 1)) < 0)
    call->answer->len = 0;
}

/* What `run` has left on the stack becomes an answer. */
static void answer_failure(mcp_worker_t *worker, int status, call_t *call) {
  lua_State *L = worker->L;
  mcp_slice_t where = {"", 0};
  const char *kind = NULL;
  if (mcp_worker_is_stopped(worker)) {
    kind = "stopped";
  } else if (status == LUA_ERRMEM || worker->spoilt) {
    kind = "memory";
  }
  if (kind) {
    worker->spoilt = true;
    if (lua_type(L, -1) == LUA_TSTRING)
      where.data = lua_tolstring(L, -1, &where.len);
    if (begin_answer(call->answer, kind) < 0 ||
        mcp_copy_write_text(call->answer, where) < 0)
      call->answer->len = 0;
    return;
  }
  /* It raises again where even this has no memory. */
  lua_replace(L, 1);
  lua_settop(L, 1);
  lua_pushcfunction(L, put_error);
  lua_insert(L, 1);
  lua_pushlightuserdata(L, call);
  lua_insert(L, 2);
  (void)mcp_worker_enter(worker, L);
  status = lua_pcall(L, 2, 0, 0);
  worker->running = NULL;
  if (status != LUA_OK) answer_broken_error(worker, status, call);
  if (call->opening) worker->spoilt = true;
  lua_sethook(L, NULL, 0, 0);
}

void mcp_worker_call(mcp_worker_t *worker, mcp_slice_t bytes,
                     mcp_buf_t *answer) {
  call_t call = {worker, bytes, answer, !worker->L};
  int status = LUA_OK;
  answer->len = 0;
  worker->stop.depth = 0;
  worker->printed = 0;
  if (call.opening && !mcp_worker_make_state(worker)) return;
  if (call.opening) status = run(worker, open_state, &call);
  if (status == LUA_OK) {
    call.opening = false;
    status = run(worker, perform, &call);
  }
  if (status != LUA_OK) answer_failure(worker, status, &call);
  lua_settop(worker->L, 0);
  if (worker->spoilt) mcp_worker_drop_state(worker);
}
