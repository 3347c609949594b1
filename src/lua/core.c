/* SPDX-License-Identifier: MIT
 * core.c: opens the C side for Lua. The table it returns is internal: the
 * public API is lua/mcp. What each function takes and gives is annotated in
 * lua/mcp/core.types.lua. */
#include "lua/core.h"

#include <lauxlib.h>
#include <signal.h>
#ifdef MCP_MEM_FAULTS
#include <stdlib.h>
#endif
#include <string.h>
#include <time.h>

#include "base/crypto.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/version.h"
#include "lua/coroutine.h"
#include "lua/lbudget.h"
#include "lua/lendpoint.h"
#include "lua/lexchange.h"
#include "lua/lfile.h"
#include "lua/lframe.h"
#include "lua/lid.h"
#include "lua/ljson.h"
#include "lua/lkind.h"
#include "lua/llog.h"
#include "lua/lluv.h"
#include "lua/lmembers.h"
#include "lua/lmessage.h"
#include "lua/lpass.h"
#include "lua/lshare.h"
#include "lua/ltrace.h"
#include "lua/lturn.h"
#include "lua/lwait.h"
#include "lua/lwatch.h"
#include "lua/lworker.h"
#include "lua/seconds.h"
#include "lua/seldom.h"
#include "lua/value.h"
#include "lua/value_decode.h"
#include "net/hangup.h"
#include "net/watchdog.h"

#define TYPE_NAME "mcp.runtime"
/* The signals that the program may handle. */
#define SIGNALS 3

typedef struct {
  mcp_runtime_t rt;
  mcp_signal_t *signals[SIGNALS];
  int on_signal; /* registry reference of the Lua function */
  mcp_watchdog_t *watchdog;
  mcp_lwatch_t loop_watch; /* over handlers that hold the loop */
  mcp_lmessage_watch_t watch;
  int watch_names; /* registry reference: the table whose strings it names */
} owner_t;

static owner_t *owner(lua_State *L) {
  /* Its first member. */
  return (owner_t *)(void *)mcp_coroutine_runtime(L);
}

static void stop_watchdog(owner_t *o) {
  mcp_lwatch_detach(&o->loop_watch);
  mcp_watchdog_stop(o->watchdog);
  o->watchdog = NULL;
}

/* The state is closing. Coroutines end first, so that their <close> variables
 * still find everything in place. */
static void close_runtime(owner_t *o) {
  if (!o->rt.loop) return;
  mcp_coroutine_close_all(&o->rt);
  stop_watchdog(o);
  for (int i = 0; i < SIGNALS; i++) mcp_signal_stop(o->signals[i]);
  mcp_loop_free(o->rt.loop);
  o->rt.loop = NULL;
}

static int collect(lua_State *L) {
  close_runtime(luaL_checkudata(L, 1, TYPE_NAME));
  return 0;
}

static int collect_early(lua_State *L) {
  close_runtime(*(owner_t **)lua_touserdata(L, 1));
  return 0;
}

/* encode(value [, sorted]) -> string | nil, text, code */
static int encode(lua_State *L) {
  mcp_value_fault_t fault = {0};
  mcp_loop_t *loop = owner(L)->rt.loop;
  mcp_buf_t *out = mcp_loop_scratch(loop);
  int code;
  luaL_checkany(L, 1);
  out->len = 0;
  code = mcp_value_write(L, 1, out, lua_toboolean(L, 2), &fault);
  if (code == MCP_EENCODE) {
    out->len = 0;
    code = mcp_lfile_encode(L, 1, out, lua_toboolean(L, 2), &fault);
  }
  if (code < 0) {
    lua_pushnil(L);
    lua_pushstring(L, fault.what[0] ? fault.what : mcp_err_text(code));
    lua_pushstring(L, mcp_err_name(code));
    return 3;
  }
  lua_pushlstring(L, out->data, out->len);
  mcp_buf_reset(out, MCP_LOOP_SCRATCH_SIZE);
  return 1;
}

/* decode(text) -> value | nil, text, code: by the strict parser that messages
 * go through. */
static int decode(lua_State *L) {
  mcp_slice_t text;
  text.data = luaL_checklstring(L, 1, &text.len);
  return mcp_value_decode(L, text);
}

/* raw(value) -> raw value: encoded once with sorted keys, written as it is.
 * raw(text, true): `text` is JSON already, and is checked. */
static int raw(lua_State *L) {
  if (lua_toboolean(L, 2)) {
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    mcp_json_doc_t doc;
    mcp_json_fault_t fault = {0};
    int code;
    mcp_json_doc_init(&doc);
    code = mcp_json_parse(&doc, mcp_slice(text, length),
                          &mcp_json_default_limits, &fault);
    mcp_json_doc_deinit(&doc);
    if (code < 0) return luaL_error(L, "raw: %s", mcp_err_text(code));
    mcp_value_push_raw(L, mcp_slice(text, length));
    return 1;
  }
  lua_settop(L, 1);
  lua_pushboolean(L, 1);
  if (encode(L) != 1) {
    return luaL_error(L, "cannot be JSON: %s", lua_tostring(L, -2));
  } else {
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    mcp_value_push_raw(L, mcp_slice(text, length));
    return 1;
  }
}

/* step([seconds]) -> boolean: turns the loop until something has happened, or
 * for that time; false if nothing is open any more. */
static int step(lua_State *L) {
  mcp_runtime_t *rt = &owner(L)->rt;
  mcp_coroutine_t *co;
  int64_t ms = -1;
  if (rt->current)
    return mcp_lturn_raise(L, "the loop cannot be turned from inside a "
                              "handler; use mcp.sleep to wait");
  if (!mcp_lturn_begin(L, rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  if (!lua_isnoneornil(L, 1)) {
    ms = (int64_t)mcp_seconds_to_ms(luaL_checknumber(L, 1));
  }
  lua_pushboolean(L, mcp_lturn_once(L, rt, ms));
  return 1;
}

/* fd() -> integer: becomes readable when step has something to do */
static int fd(lua_State *L) {
  lua_pushinteger(L, mcp_loop_fd(owner(L)->rt.loop));
  return 1;
}

/* timeout() -> seconds until step has something to do, or nil for never */
static int timeout(lua_State *L) {
  int ms = mcp_loop_timeout(owner(L)->rt.loop);
  if (ms < 0) return 0;
  lua_pushnumber(L, (lua_Number)ms / 1000);
  return 1;
}

/* now() -> seconds of a clock that never goes back */
static int now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)mcp_loop_now(owner(L)->rt.loop) /
                        (lua_Number)1000);
  return 1;
}

static double seconds_of(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* time() -> seconds since 1970, seconds of a clock that never goes back; now,
 * and not as of the last turn */
static int wall_and_monotonic(lua_State *L) {
  lua_pushnumber(L, seconds_of(CLOCK_REALTIME));
  lua_pushnumber(L, seconds_of(CLOCK_MONOTONIC));
  return 2;
}

/* move_to_luv() -> true | nil, text, code: goes on with luv's loop, if nothing
 * uses ours. lluv.h has what must be in the registry. */
static int move_to_luv(lua_State *L) {
  owner_t *o = owner(L), **early;
  void *host = mcp_lluv_loop(L);
  int code = MCP_EBUSY;
  if (!host) return mcp_coroutine_push_error(L, code);
  /* Finalizers run in reverse order, and luv's frees its loop: it is younger
   * than the runtime, which must be closed before. */
  early = lua_newuserdatauv(L, sizeof *early, 0);
  *early = o;
  lua_pushvalue(L, -1);
  luaL_ref(L, LUA_REGISTRYINDEX);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, collect_early);
  lua_setfield(L, -2, "__gc");
  /* The watchdog's thread may be using the loop at any time. */
  if (!o->watchdog) code = mcp_coroutine_move(&o->rt, host);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_setmetatable(L, -2);
  lua_pushboolean(L, true);
  return 1;
}

static int call_on_signal(lua_State *L) {
  owner_t *o = lua_touserdata(L, 1);
  lua_Integer number = lua_tointeger(L, 2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, o->on_signal);
  lua_pushinteger(L, number);
  lua_call(L, 1, 0);
  return 0;
}

static void on_signal(void *arg, int number) {
  owner_t *o = arg;
  mcp_coroutine_t *co = mcp_coroutine_new(&o->rt);
  if (co && !lua_checkstack(co->thread, 3)) {
    mcp_coroutine_drop(co);
    co = NULL;
  }
  if (!co) {
    mcp_log(MCP_LOG_ERROR, "out of memory: a signal was not handled");
    return;
  }
  lua_pushcfunction(co->thread, call_on_signal);
  lua_pushlightuserdata(co->thread, o);
  lua_pushinteger(co->thread, number);
  mcp_coroutine_run(co, 2);
}

/* True if the process ignores it, as one started by nohup does. */
static bool is_ignored(int number) {
  struct sigaction set;
  return sigaction(number, NULL, &set) == 0 && set.sa_handler == SIG_IGN;
}

static const int numbers[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

/* catch_signals(fn | nil): fn(number) is called for SIGINT, SIGTERM and, unless
 * it was ignored, SIGHUP; nil restores them, and ends the watchdog. Only for a
 * program that owns its process. */
static int catch_signals(lua_State *L) {
  owner_t *o = owner(L);
  lua_settop(L, 1);
  stop_watchdog(o);
  for (int i = 0; i < SIGNALS; i++) {
    mcp_signal_stop(o->signals[i]);
    o->signals[i] = NULL;
  }
  luaL_unref(L, LUA_REGISTRYINDEX, o->on_signal);
  o->on_signal = LUA_NOREF;
  if (lua_isnil(L, 1)) return 0;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  o->on_signal = luaL_ref(L, LUA_REGISTRYINDEX);
  for (int i = 0; i < SIGNALS; i++) {
    if (numbers[i] == SIGHUP && is_ignored(SIGHUP)) continue;
    o->signals[i] = mcp_signal_start(o->rt.loop, numbers[i], on_signal, o);
    if (!o->signals[i]) return luaL_error(L, "cannot catch signals");
  }
  mcp_hangup_pass_on();
  return 0;
}

/* keep_hangup(): a SIGHUP is kept until signals are caught. */
static int keep_hangup(lua_State *L) {
  (void)L;
  mcp_hangup_keep();
  return 0;
}

static uint32_t ms_field(lua_State *L, const char *name) {
  uint32_t ms;
  lua_getfield(L, 1, name);
  ms = mcp_seconds_read32(L, -1, name);
  lua_pop(L, 1);
  return ms;
}

/* watch_over { drain =, leave =, stall =, hangup =, input = }
 *   -> true | nil, text, code
 * Opens the watchdog over the signals that are caught, and with `input` over
 * standard input, if that is served and still open. Times in seconds; without
 * `hangup` SIGHUP ends nothing. */
static int watch_over(lua_State *L) {
  owner_t *o = owner(L);
  mcp_watchdog_rules_t rules = {.input = -1};
  bool hangup;
  int code;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argcheck(L, !o->watchdog, 1, "the watchdog is open already");
  rules.drain = ms_field(L, "drain");
  rules.leave = ms_field(L, "leave");
  rules.stall = ms_field(L, "stall");
  lua_getfield(L, 1, "hangup");
  hangup = lua_toboolean(L, -1);
  lua_getfield(L, 1, "input");
  if (lua_toboolean(L, -1)) rules.input = mcp_loop_input(o->rt.loop);
  code = mcp_watchdog_open(o->rt.loop, &rules, &o->watchdog);
  for (int i = 0; code == 0 && i < SIGNALS; i++)
    if (o->signals[i] && (numbers[i] != SIGHUP || hangup))
      code = mcp_watchdog_catch(o->watchdog, numbers[i]);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* start_watch() -> true | nil, text, code: starts the watchdog's thread, later
 * than the watchdog so that it does not delay the first answer. No effect
 * without a watchdog. */
static int start_watch(lua_State *L) {
  owner_t *o = owner(L);
  int code = o->watchdog ? mcp_watchdog_start(o->watchdog) : 0;
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* Opens a watchdog without rules where there is none, and starts its thread. */
static int start_watching(void *arg) {
  owner_t *o = arg;
  int code = 0;
  if (!o->watchdog) code = mcp_watchdog_open(o->rt.loop, NULL, &o->watchdog);
  if (code == 0) code = mcp_watchdog_start(o->watchdog);
  if (code == 0) code = mcp_lwatch_attach(&o->loop_watch, o->watchdog);
  return code;
}

/* watch_handlers(seconds, request, position) -> true | nil, text, code: logs
 * handlers that hold the loop longer. Opens a watchdog without rules where
 * there is none, and starts its thread. A smaller limit that was set before
 * stays. */
static int watch_handlers(lua_State *L) {
  owner_t *o = owner(L);
  uint32_t limit = mcp_seconds_read32(L, 1, "watchdog");
  int code = 0;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  /* A worker's state has a hook of its own, and no loop that others share. */
  if (o->rt.stopped) {
    lua_pushboolean(L, true);
    return 1;
  }
  mcp_lwatch_set_request(L, &o->loop_watch, 2, (int)luaL_checkinteger(L, 3));
  if (limit == 0) limit = 1;
  if (o->loop_watch.limit == 0 || limit < o->loop_watch.limit)
    o->loop_watch.limit = limit;
  code = start_watching(o);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* busy_count() -> integer: requests that were refused because so many were in
 * progress in the process */
static int busy_count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)owner(L)->rt.busy_count);
  return 1;
}

/* held_count() -> integer: how often a handler has held the loop too long */
static int held_count(lua_State *L) {
  lua_pushinteger(L, owner(L)->loop_watch.held);
  return 1;
}

/* random_id() -> string: 128 bits from the system's generator, base64url */
static int random_id(lua_State *L) {
  char bytes[16];
  mcp_buf_t *out = mcp_loop_scratch(owner(L)->rt.loop);
  int code = mcp_crypto_random(bytes, sizeof bytes);
  out->len = 0;
  if (code == 0)
    code = mcp_crypto_write_base64url(out, mcp_slice(bytes, sizeof bytes));
  if (code < 0) return luaL_error(L, "random: %s", mcp_err_text(code));
  lua_pushlstring(L, out->data, out->len);
  return 1;
}

/* base64(bytes) -> text */
static int base64(lua_State *L) {
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  mcp_buf_t *out = mcp_loop_scratch(owner(L)->rt.loop);
  int code;
  out->len = 0;
  code = mcp_crypto_write_base64(out, mcp_slice(bytes, length));
  if (code < 0) return luaL_error(L, "base64: %s", mcp_err_text(code));
  lua_pushlstring(L, out->data, out->len);
  mcp_buf_reset(out, MCP_LOOP_SCRATCH_SIZE);
  return 1;
}

/* unbase64(text) -> bytes | nil: only the canonical form */
static int unbase64(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  mcp_buf_t *out = mcp_loop_scratch(owner(L)->rt.loop);
  out->len = 0;
  if (mcp_crypto_read_base64(out, mcp_slice(text, length)) < 0) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushlstring(L, out->data ? out->data : "", out->len);
  mcp_buf_reset(out, MCP_LOOP_SCRATCH_SIZE);
  return 1;
}

/* fail_allocation(nth, onward) -> boolean; allocation_count() -> integer;
 * bytes_held() -> integer: for tests; without effect in ordinary builds */
static int fail_allocation(lua_State *L) {
  lua_Integer nth = luaL_checkinteger(L, 1);
  lua_pushboolean(L, mcp_mem_fail((unsigned long)nth, lua_toboolean(L, 2)));
  return 1;
}

static int allocation_count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mcp_mem_requests());
  return 1;
}

static int bytes_held(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mcp_mem_held());
  return 1;
}

/* mark_array(mark): tables that have this metatable are encoded as arrays; a
 * light userdata is encoded as []. */
static int mark_array(lua_State *L) {
  luaL_argcheck(L, lua_istable(L, 1) || lua_islightuserdata(L, 1), 1,
                "a metatable or a light userdata expected");
  lua_settop(L, 1);
  mcp_value_mark_array(L);
  return 0;
}

/* watch_meta { name, … }: the members of params._meta that every message is
 * passed on with, in that order */
static int watch_meta(lua_State *L) {
  owner_t *o = owner(L);
  lua_Integer count = luaL_len(L, 1);
  luaL_argcheck(L, count <= MCP_LMESSAGE_WATCHED, 1, "too many names");
  lua_settop(L, 1);
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_rawgeti(L, 1, i) != LUA_TSTRING)
      return luaL_argerror(L, 1, "a list of strings expected");
    o->watch.names[i - 1] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  o->watch.count = (unsigned)count;
  luaL_unref(L, LUA_REGISTRYINDEX, o->watch_names);
  o->watch_names = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

#ifdef MCP_MEM_FAULTS
/* `make gcstress`: the collector runs all the time, and before each resume it
 * collects all there is, so that what is used without being held is found. */
static void stress(lua_State *L, mcp_runtime_t *rt) {
  rt->stress = true;
  lua_gc(L, LUA_GCINC, 1, 1000, 10);
}
#endif

/* About as many functions as there are without seldom.c. */
#define MEMBERS 64

int luaopen_mcp_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"encode", encode},
                                       {"decode", decode},
                                       {"raw", raw},
                                       {"mark_array", mark_array},
                                       {"step", step},
                                       {"fd", fd},
                                       {"timeout", timeout},
                                       {"now", now},
                                       {"time", wall_and_monotonic},
                                       {"move_to_luv", move_to_luv},
                                       {"catch_signals", catch_signals},
                                       {"keep_hangup", keep_hangup},
                                       {"watch_over", watch_over},
                                       {"start_watch", start_watch},
                                       {"watch_handlers", watch_handlers},
                                       {"held_count", held_count},
                                       {"busy_count", busy_count},
                                       {"random_id", random_id},
                                       {"base64", base64},
                                       {"unbase64", unbase64},
                                       {"watch_meta", watch_meta},
                                       {"fail_allocation", fail_allocation},
                                       {"allocation_count", allocation_count},
                                       {"bytes_held", bytes_held},
                                       {NULL, NULL}};
  owner_t *o;
  void *host;
  int code;
  luaL_checkversion(L);
  o = lua_newuserdatauv(L, sizeof *o, 0);
  memset(o, 0, sizeof *o);
  o->on_signal = o->watch_names = LUA_NOREF;
  o->rt.watch = &o->watch;
  o->rt.open_core = luaopen_mcp_core;
  luaL_newmetatable(L, TYPE_NAME);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  host = mcp_lluv_loop(L);
  code = host ? mcp_loop_over(host, &o->rt.loop) : mcp_loop_new(&o->rt.loop);
  if (code == 0) code = mcp_coroutine_open(L, &o->rt);
  if (code < 0) return luaL_error(L, "event loop: %s", mcp_err_text(code));
  /* Anchored by the registry: it ends with the state, not with the module. */
  lua_pushvalue(L, -1);
  luaL_ref(L, LUA_REGISTRYINDEX);
#ifdef MCP_MEM_FAULTS
  const char *wanted = getenv("MCP_GC_STRESS");
  if (wanted && *wanted) stress(L, &o->rt);
#endif
  mcp_lwatch_open(L, &o->loop_watch, &o->rt);
  o->loop_watch.start = start_watching;
  o->loop_watch.start_arg = o;
  mcp_value_open(L);
  mcp_lexchange_open(L, &o->rt);

  lua_createtable(L, 0, MEMBERS);
  lua_pushlightuserdata(L, o);
  luaL_setfuncs(L, functions, 1);
  mcp_lid_open(L);
  mcp_lpass_open(L);
  mcp_lendpoint_open(L, &o->rt);
  mcp_lwait_open(L, &o->rt);
  mcp_llog_open(L, &o->rt);
  mcp_ltrace_open(L, &o->rt);
  mcp_lbudget_open(L, &o->loop_watch);
  mcp_lshare_open(L);
  mcp_lworker_open(L, &o->rt);
  mcp_value_push_null(L);
  lua_setfield(L, -2, "null");
  mcp_value_push_array_mt(L);
  lua_setfield(L, -2, "array_mt");
  mcp_lkind_open(L);
  mcp_lmembers_open(L);
  mcp_lframe_open(L, &o->rt);
  mcp_ljson_open(L);
  lua_pushliteral(L, MCP_VERSION);
  lua_setfield(L, -2, "version");
  mcp_seldom_open(L, &o->rt);
  return 1;
}
