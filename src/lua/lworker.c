/* SPDX-License-Identifier: MIT
 * lworker.c: see lworker.h. */
#include "lua/lworker.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/copy.h"
#include "lua/lturn.h"
#include "lua/seconds.h"
#include "lua/worker_carrier.h"
#include "lua/worker_pool.h"

#define POOL_TYPE "mcp.worker_pool"
#define CALL_TYPE "mcp.worker_call"

typedef mcp_call_t call_t;
typedef mcp_pool_t pool_t;

/* --- a call ------------------------------------------------------
 */

static void cancel_wait(mcp_coroutine_t *co, void *arg) {
  call_t *call = arg;
  (void)co;
  call->co = NULL;
  mcp_call_drop(call);
}

static int call_close(lua_State *L) {
  call_t *call = luaL_checkudata(L, 1, CALL_TYPE);
  mcp_coroutine_t *co = call->co;
  /* Still waiting: only when the Lua state ends. */
  if (co && co->cancel_arg == call) co->cancel = NULL;
  mcp_call_deinit(call);
  return 0;
}

static int push_failed(lua_State *L, int code, const char *reason) {
  lua_pushliteral(L, "failed");
  lua_pushstring(L, *reason ? reason : mcp_err_text(code));
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}

/* Pushes the next note, or the end. The call lies at 1. [-0, +n, m] */
static int push_outcome(lua_State *L, call_t *call) {
  mcp_note_t *note = mcp_call_next_note(call);
  int count;
  if (note) {
    lua_pushliteral(L, "note");
    count = mcp_copy_push(L, mcp_buf_slice(&note->bytes));
    mcp_call_use(call, note);
    return count < 0 ? push_failed(L, MCP_EGONE, "a note cannot be read")
                     : count + 1;
  }
  if (call->code < 0) return push_failed(L, call->code, call->reason);
  if (call->answer.len == 0) return push_failed(L, MCP_ENOMEM, "");
  count = mcp_copy_push(L, mcp_buf_slice(&call->answer));
  mcp_buf_deinit(&call->answer);
  return count < 1 ? push_failed(L, MCP_EGONE, "an answer cannot be read")
                   : count;
}

static int waited(lua_State *L, int status, lua_KContext context) {
  mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  (void)status;
  if (co->wake_code < 0) return push_failed(L, co->wake_code, "");
  return push_outcome(L, lua_touserdata(L, 1));
}

/* call:reply(limit, …) -> true | nil, text, code: one reply to a note, at most
 * `limit` bytes */
static int call_reply(lua_State *L) {
  call_t *call = luaL_checkudata(L, 1, CALL_TYPE);
  size_t limit = (size_t)luaL_checkinteger(L, 2);
  int last = lua_gettop(L), code = call->pool ? 0 : MCP_ECLOSED;
  mcp_copy_fault_t fault = {{0}};
  mcp_buf_t bytes = {0};
  for (int i = 3; code == 0 && i <= last; i++)
    code = mcp_copy_write(L, i, &bytes, limit, &fault);
  if (code == 0) code = mcp_call_reply(call, mcp_buf_slice(&bytes));
  mcp_buf_deinit(&bytes);
  if (code == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, fault.what[0] ? fault.what : mcp_err_text(code));
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}

static bool is_ready(const call_t *call) {
  return call->ended || mcp_call_next_note(call);
}

/* call:wait() -> "note", kind, … | an answer of worker_state.h | "failed",
 * text, code */
static int call_wait(lua_State *L) {
  call_t *call = luaL_checkudata(L, 1, CALL_TYPE);
  mcp_runtime_t *rt;
  mcp_coroutine_t *co;
  if (!call->pool) return luaL_error(L, "the call is closed");
  lua_settop(L, 1);
  rt = mcp_pool_runtime(call->pool);
  if (is_ready(call)) return push_outcome(L, call);
  if (!mcp_lturn_begin(L, rt, &co)) {
    mcp_call_drop(call);
    return push_failed(L, MCP_ECANCELED, "");
  }
  if (co) {
    call->co = co;
    return mcp_coroutine_wait(L, co, cancel_wait, call, waited);
  }
  while (!is_ready(call)) {
    if (!mcp_lturn_once(L, rt, -1) && !is_ready(call))
      return luaL_error(L, "the wait would never end: no handle of the loop "
                           "is open");
  }
  return push_outcome(L, call);
}

/* --- a pool ------------------------------------------------------
 */

static pool_t *check_pool(lua_State *L) {
  return *(pool_t **)luaL_checkudata(L, 1, POOL_TYPE);
}

static int push_full(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, MCP_POOL_FULL);
  lua_pushstring(L, mcp_err_name(MCP_EBUSY));
  return 3;
}

/* Appends the arguments from 2 on within the limit. Returns 0, or the number of
 * values it has pushed: nil, text, code. */
static int write_request(lua_State *L, call_t *call, int last) {
  size_t room = mcp_pool_room(call->pool);
  size_t limit = room < MCP_WORKER_ARGUMENTS ? room : MCP_WORKER_ARGUMENTS;
  mcp_copy_fault_t fault;
  if (room == 0) return push_full(L);
  for (int i = 2; i <= last; i++) {
    int code = mcp_copy_write(L, i, &call->request, limit, &fault);
    if (code == 0) continue;
    /* Freed at once: the collector does not know of these bytes and might free
     * the call late. */
    mcp_buf_deinit(&call->request);
    if (code == MCP_ETOOBIG && limit < MCP_WORKER_ARGUMENTS)
      return push_full(L);
    lua_pushnil(L);
    lua_pushfstring(L, "argument %d cannot be sent to a worker: %s", i - 2,
                    fault.what);
    lua_pushstring(L, mcp_err_name(code));
    return 3;
  }
  return 0;
}

/* pool:start(name | nil, …) -> call | nil, text, code: "EENCODE" and "EDEPTH"
 * are programming errors */
static int pool_start(lua_State *L) {
  pool_t *pool = check_pool(L);
  int last = lua_gettop(L), pushed, code;
  mcp_coroutine_t *co;
  call_t *call;
  if (!pool || mcp_pool_is_closed(pool))
    return mcp_coroutine_push_error(L, MCP_ECLOSED);
  /* The caller waits next: where it must not wait, nothing is started. */
  if (!mcp_lturn_begin(L, mcp_pool_runtime(pool), &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  call = lua_newuserdatauv(L, sizeof *call, 1);
  mcp_call_init(call, pool);
  luaL_setmetatable(L, CALL_TYPE);
  /* The pool lives as long as its calls. */
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  pushed = write_request(L, call, last);
  if (pushed > 0) return pushed;
  code = mcp_call_submit(call);
  if (code < 0) {
    lua_pushnil(L);
    lua_pushstring(L, *call->reason ? call->reason : mcp_err_text(code));
    lua_pushstring(L, mcp_err_name(code));
    return 3;
  }
  return 1;
}

static int pool_close(lua_State *L) {
  pool_t **slot = luaL_checkudata(L, 1, POOL_TYPE);
  if (*slot) mcp_pool_close(*slot);
  return 0;
}

static int pool_collect(lua_State *L) {
  pool_t **slot = luaL_checkudata(L, 1, POOL_TYPE);
  pool_t *pool = *slot;
  *slot = NULL;
  if (!pool) return 0;
  mcp_pool_close(pool);
  mcp_pool_unref(pool);
  return 0;
}

static void set_count(lua_State *L, const char *name, unsigned count) {
  lua_pushinteger(L, (lua_Integer)count);
  lua_setfield(L, -2, name);
}

/* pool:counts() -> table: slots, busy, waiting, lost; for tests and metrics */
static int pool_counts(lua_State *L) {
  pool_t *pool = check_pool(L);
  mcp_pool_counts_t counts;
  if (!pool) return luaL_error(L, "the worker is closed");
  counts = mcp_pool_count(pool);
  lua_createtable(L, 0, 4);
  set_count(L, "slots", counts.slots);
  set_count(L, "busy", counts.busy);
  set_count(L, "waiting", counts.waiting);
  set_count(L, "lost", counts.lost);
  return 1;
}

/* --- opening a pool --------------------------------------------------------
 */

static lua_Integer integer_of(lua_State *L, const char *name) {
  lua_Integer value;
  lua_getfield(L, 1, name);
  value = luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  return value;
}

static uint64_t ms_of(lua_State *L, const char *name) {
  uint64_t ms;
  lua_getfield(L, 1, name);
  ms = mcp_seconds_read(L, -1, name);
  lua_pop(L, 1);
  return ms;
}

/* Copies the list `arguments` into one block: pointers, then the texts. */
static void take_arguments(lua_State *L, mcp_pool_options_t *to) {
  const char **list;
  size_t count, size;
  char *at;
  if (lua_getfield(L, 1, "arguments") == LUA_TNIL) return;
  count = (size_t)luaL_len(L, -1);
  size = (count + 1) * sizeof(char *);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    size += strlen(luaL_checkstring(L, -1)) + 1;
    lua_pop(L, 1);
  }
  to->arguments = list = mcp_mem_alloc(size);
  if (!list) luaL_error(L, "not enough memory");
  at = (char *)(list + count + 1);
  for (size_t i = 0; i < count; i++) {
    const char *text;
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    text = lua_tostring(L, -1);
    list[i] = at;
    at = stpcpy(at, text) + 1;
    lua_pop(L, 1);
  }
  list[count] = NULL;
  lua_pop(L, 1);
}

/* The function with which the luamcp program extends a new state (main.c), or
 * NULL. */
static lua_CFunction program_prepare(lua_State *L) {
  lua_CFunction prepare = NULL;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "mcp.program") == LUA_TTABLE) {
    lua_getfield(L, -1, "prepare");
    prepare = lua_tocfunction(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return prepare;
}

/* Creates the metatables of pools and calls at first use. [-0, +0, m] */
static void open_types(lua_State *L) {
  static const luaL_Reg pool_methods[] = {{"start", pool_start},
                                          {"close", pool_close},
                                          {"counts", pool_counts},
                                          {NULL, NULL}};
  static const luaL_Reg call_methods[] = {{"wait", call_wait},
                                          {"reply", call_reply},
                                          {"close", call_close},
                                          {NULL, NULL}};
  if (luaL_newmetatable(L, CALL_TYPE)) {
    luaL_newlib(L, call_methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, call_close);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, call_close);
    lua_setfield(L, -2, "__gc");
  }
  if (luaL_newmetatable(L, POOL_TYPE)) {
    luaL_newlib(L, pool_methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, pool_close);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, pool_collect);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 2);
}

/* Pools that are garbage hold threads or processes, which the collector does
 * not count. It is run when there are so many pools, and again when their
 * number has doubled. */
#define POOLS 16

static void collect_pools(lua_State *L, mcp_runtime_t *rt) {
  bool first = rt->pools_kept == 0;
  if (rt->pool_count < POOLS || rt->pool_count < 2 * rt->pools_kept) return;
  lua_gc(L, LUA_GCCOLLECT);
  if (first)
    mcp_log(MCP_LOG_WARNING,
            "%d workers have been made and not closed; make a worker once, not "
            "for each call, or close it",
            POOLS);
  rt->pools_kept = rt->pool_count > POOLS / 2 ? rt->pool_count : POOLS / 2;
}

/* worker_pool { name, threads, queue, time, stuck, memory, output, setup,
 * arguments, clean, fresh } -> pool. Seconds and bytes; checked by worker.lua.
 */
static int worker_pool(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_copy_fault_t fault;
  mcp_pool_options_t *to;
  pool_t **slot;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  open_types(L);
  collect_pools(L, rt);
  slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, POOL_TYPE);
  *slot = mcp_pool_new(rt);
  if (!*slot) return luaL_error(L, "not enough memory");
  to = mcp_pool_options(*slot);
  to->threads = (unsigned)integer_of(L, "threads");
  to->queue = (unsigned)integer_of(L, "queue");
  to->time = ms_of(L, "time");
  to->stuck = ms_of(L, "stuck");
  to->limits.memory = (size_t)integer_of(L, "memory");
  to->limits.output = (size_t)integer_of(L, "output");
  to->limits.open_core = mcp_coroutine_runtime(L)->open_core;
  to->limits.prepare = program_prepare(L);
  lua_getfield(L, 1, "name");
  snprintf(to->name, sizeof to->name, "%s", luaL_checkstring(L, -1));
  lua_getfield(L, 1, "clean");
  to->clean = lua_toboolean(L, -1);
  lua_getfield(L, 1, "fresh");
  to->fresh = lua_toboolean(L, -1);
  take_arguments(L, to);
  lua_getfield(L, 1, "setup");
  if (mcp_copy_write(L, -1, &to->setup, MCP_WORKER_ARGUMENTS, &fault) < 0)
    return luaL_error(L, "setup: %s", fault.what);
  if (mcp_pool_open(*slot) < 0) return luaL_error(L, "not enough memory");
  lua_settop(L, 2);
  return 1;
}

/* worker_child() -> exit status: for a process that was started to be a worker
 * and whose program is not luamcp */
static int worker_child(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  lua_pushinteger(L, mcp_worker_child(rt->open_core, program_prepare(L)));
  return 1;
}

void mcp_lworker_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"worker_pool", worker_pool},
                                       {"worker_child", worker_child},
                                       {NULL, NULL}};
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
  mcp_worker_adopt(L, rt);
}
