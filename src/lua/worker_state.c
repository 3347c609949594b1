/* SPDX-License-Identifier: MIT
 * worker_state.c: see worker_state.h. */
#include "lua/worker_state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "lua/copy.h"
#include "lua/core.h"
#include "lua/value.h"
#include "lua/worker_lib.h"

/* Their addresses are keys of the registry: the worker, what its file has
 * returned, the traceback of an error, the length of the position before its
 * text. */
static const char registry_keys[4];
#define WORKER (&registry_keys[0])
#define OFFER  (&registry_keys[1])
#define TRACE  (&registry_keys[2])
#define PLACE  (&registry_keys[3])

/* So many functions are asked whether a position is theirs. */
#define LEVELS 20

/* Above its limit a state may still grow by a quarter until it is looked at:
 * that happens at the next instruction, by the hook. Only a block that does not
 * fit into that either is refused to Lua itself, whose collection in the middle
 * of an allocation has had errors (5.4.4). */
#define SLACK 4

struct mcp_worker {
  lua_State *L; /* NULL: to be made */
  mcp_arena_t *arena;
  mcp_worker_limits_t limits;
  const mcp_worker_ways_t *ways;
  void *carrier;
  mcp_runtime_t *rt; /* of the state itself, or NULL */
  mcp_buf_t setup;
  size_t used; /* bytes of Lua */
  /* Read in the signal handler. */
  lua_State *volatile running; /* NULL: no call is under way */
  bool over;                   /* the limit of memory: the hook is to look */
  bool spoilt;                 /* the state is not to be used again */
  unsigned depth;              /* of closing coroutines */
};

/* One call, for the C functions that are run protected. */
typedef struct {
  mcp_worker_t *worker;
  mcp_slice_t bytes;
  mcp_buf_t *answer;
  bool opening; /* the state is being made */
} call_t;

mcp_worker_t *mcp_worker_of(lua_State *L) {
  mcp_worker_t *worker;
  if (!lua_checkstack(L, 1)) return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, WORKER);
  worker = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return worker;
}

bool mcp_worker_is_stopped(const mcp_worker_t *worker) {
  return worker->ways->stopped(worker->carrier);
}

const mcp_worker_ways_t *mcp_worker_ways(const mcp_worker_t *worker,
                                         void **carrier) {
  *carrier = worker->carrier;
  return worker->ways;
}

unsigned *mcp_worker_depth(mcp_worker_t *worker) {
  return &worker->depth;
}

size_t mcp_worker_output(const mcp_worker_t *worker) {
  return worker->limits.output;
}

static bool is_stopped(void *arg) {
  return mcp_worker_is_stopped(arg);
}

void mcp_worker_adopt(lua_State *L, mcp_runtime_t *rt) {
  mcp_worker_t *worker = mcp_worker_of(L);
  if (!worker) return;
  rt->stopped = is_stopped;
  rt->stopped_arg = worker;
  worker->rt = rt;
}

/* --- stopping --------------------------------------------------------------
 */

static void on_hook(lua_State *L, lua_Debug *ar) {
  mcp_worker_t *worker = mcp_worker_of(L);
  (void)ar;
  if (!worker) return;
  if (mcp_worker_is_stopped(worker)) {
    worker->spoilt = true;
    luaL_error(L, "stopped");
  }
  if (worker->over && worker->used > worker->limits.memory) {
    /* Most of it may be garbage that nobody has looked at. */
    lua_gc(L, LUA_GCCOLLECT);
    if (worker->used > worker->limits.memory) {
      worker->spoilt = true;
      luaL_error(L, "not enough memory");
    }
  }
  if (worker->spoilt) luaL_error(L, "not enough memory");
  worker->over = false;
  lua_sethook(L, NULL, 0, 0);
}

/* As the `lua` program does for an interrupt from its terminal: lua_sethook may
 * be called by a signal handler of the thread that runs the state. Calls count
 * too: C functions that are called by C functions have no instructions. */
static void arm(mcp_worker_t *worker) {
  lua_State *running = worker->running;
  mcp_runtime_t *rt = worker->rt;
  if (!running) return;
  lua_sethook(running, on_hook, LUA_MASKCOUNT | LUA_MASKCALL, 1);
  if (rt && rt->current)
    lua_sethook(rt->current->thread, on_hook, LUA_MASKCOUNT | LUA_MASKCALL, 1);
}

void mcp_worker_interrupt(mcp_worker_t *worker) {
  mcp_runtime_t *rt = worker->rt;
  if (!mcp_worker_is_stopped(worker)) return;
  arm(worker);
  /* What waits in its loop looks at the flag when that has turned. */
  if (worker->running && rt && rt->loop) mcp_loop_ask(rt->loop);
}

lua_State *mcp_worker_enter(mcp_worker_t *worker, lua_State *thread) {
  lua_State *before = worker->running;
  worker->running = thread;
  if (worker->over || worker->spoilt || mcp_worker_is_stopped(worker))
    arm(worker);
  return before;
}

/* A lua_Alloc that keeps to the limit. */
static void *allocate(void *ud, void *block, size_t osize, size_t nsize) {
  mcp_worker_t *worker = ud;
  size_t before = block ? osize : 0, most = worker->limits.memory;
  void *fresh;
  if (most > 0 && nsize > before) {
    size_t more = nsize - before;
    size_t hard = most + most / SLACK;
    if (worker->used > hard || more > hard - worker->used) return NULL;
    if (worker->used + more > most && !worker->over) {
      worker->over = true;
      arm(worker);
    }
  }
  fresh = mcp_arena_lua(worker->arena, block, osize, nsize);
  if (fresh || nsize == 0) worker->used += nsize - before;
  return fresh;
}

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

static void open_trusted(lua_State *L, lua_CFunction prepare) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_mcp_core);
  lua_setfield(L, -2, "mcp.core");
  lua_pop(L, 1);
  set_path(L, "package_path", "path");
  set_path(L, "package_cpath", "cpath");
  if (prepare) {
    lua_pushcfunction(L, prepare);
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

/* Pushes the worker's own code as a function. Raises what is wrong with it.
 * [-0, +1, e] */
static void load_code(lua_State *L, bool untrusted) {
  size_t size;
  const char *file = field(L, "file", &size), *code;
  int status;
  if (file) {
    status = luaL_loadfilex(L, file, "t");
  } else {
    code = field(L, "code", &size);
    status = luaL_loadbufferx(L, code ? code : "", code ? size : 0, "=worker",
                              untrusted ? "t" : "bt");
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
  lua_pushlightuserdata(L, worker);
  lua_rawsetp(L, LUA_REGISTRYINDEX, WORKER);
  mcp_value_open(L);
  if (mcp_copy_push(L, mcp_buf_slice(&worker->setup)) != 1)
    return luaL_error(L, "a worker's setup cannot be read");
  lua_getfield(L, 1, "untrusted");
  untrusted = lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (untrusted) {
    open_untrusted(L);
  } else {
    open_trusted(L, worker->limits.prepare);
  }
  mcp_worker_lib_open(L, worker, untrusted);
  lua_settop(L, 1);
  load_code(L, untrusted);
  lua_call(L, 0, 1);
  type = lua_type(L, -1);
  if (type != LUA_TTABLE && type != LUA_TFUNCTION)
    return luaL_error(
        L, "expected a table of functions or a function to be returned, got %s",
        luaL_typename(L, -1));
  lua_rawsetp(L, LUA_REGISTRYINDEX, OFFER);
  return 0;
}

static void drop_state(mcp_worker_t *worker) {
  lua_State *L = worker->L;
  worker->L = NULL;
  worker->rt = NULL;
  worker->over = worker->spoilt = false;
  if (L) lua_close(L);
  mcp_arena_free(worker->arena);
  worker->arena = NULL;
  worker->used = 0;
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

/* Keeps what is known of an error only here. */
static int on_error(lua_State *L) {
  size_t place = lua_type(L, 1) == LUA_TSTRING ? length_of_place(L) : 0;
  lua_pushinteger(L, (lua_Integer)place);
  lua_rawsetp(L, LUA_REGISTRYINDEX, PLACE);
  luaL_traceback(L, L, NULL, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, TRACE);
  return 1;
}

/* Appends the values from `first` to the top. One that cannot be copied is an
 * error of who returned it. [-0, +0, e] */
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

/* The answer where there is no such function: the names of those that are. */
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
  if (count < 1) return luaL_error(L, "a call cannot be read");
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

/* Is it an mcp.error, of whichever copy of that module? [-0, +0, m] */
static bool is_failure(lua_State *L, int index) {
  bool is = false;
  if (lua_istable(L, index) && luaL_getmetafield(L, index, "__name")) {
    const char *name = lua_tostring(L, -1);
    is = name && strcmp(name, "mcp.error") == 0;
    lua_pop(L, 1);
  }
  return is;
}

/* Arguments: the call_t, what was raised. What of it cannot be copied, or has a
 * text of its own to show, goes as text. */
static int put_error(lua_State *L) {
  call_t *call = lua_touserdata(L, 1);
  mcp_copy_fault_t fault;
  bool failure = is_failure(L, 2), has_text = false;
  size_t limit = call->worker->limits.output, at;
  const char *kind = failure ? "failure" : call->opening ? "load" : "error";
  if (begin_answer(call->answer, kind) < 0) return 0;
  at = call->answer->len;
  if (!failure) has_text = luaL_getmetafield(L, 2, "__tostring") != LUA_TNIL;
  if (has_text || mcp_copy_write(L, 2, call->answer, limit, &fault) < 0) {
    call->answer->len = at;
    luaL_tolstring(L, 2, NULL);
    if (mcp_copy_write(L, -1, call->answer, limit, &fault) < 0)
      return luaL_error(L, "an error cannot be sent");
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
  worker->running = L;
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    worker->spoilt = true;
    if (begin_answer(call->answer, "memory") < 0) call->answer->len = 0;
  } else if (call->opening) {
    worker->spoilt = true;
  }
  worker->running = NULL;
  lua_sethook(L, NULL, 0, 0);
}

static bool make_state(mcp_worker_t *worker) {
  worker->arena = mcp_arena_new();
  worker->L = worker->arena ? lua_newstate(allocate, worker) : NULL;
  if (worker->L) return true;
  mcp_arena_free(worker->arena);
  worker->arena = NULL;
  worker->over = false;
  return false;
}

void mcp_worker_call(mcp_worker_t *worker, mcp_slice_t bytes,
                     mcp_buf_t *answer) {
  call_t call = {worker, bytes, answer, !worker->L};
  int status = LUA_OK;
  answer->len = 0;
  worker->depth = 0;
  if (call.opening && !make_state(worker)) return;
  if (call.opening) status = run(worker, open_state, &call);
  if (status == LUA_OK) {
    call.opening = false;
    status = run(worker, perform, &call);
  }
  if (status != LUA_OK) answer_failure(worker, status, &call);
  lua_settop(worker->L, 0);
  if (worker->spoilt) drop_state(worker);
}

mcp_worker_t *mcp_worker_new(mcp_slice_t setup,
                             const mcp_worker_limits_t *limits,
                             const mcp_worker_ways_t *ways, void *carrier) {
  mcp_worker_t *worker = mcp_mem_zalloc(sizeof *worker);
  if (!worker) return NULL;
  if (mcp_buf_append_slice(&worker->setup, setup) < 0) {
    mcp_mem_free(worker);
    return NULL;
  }
  worker->limits = *limits;
  worker->ways = ways;
  worker->carrier = carrier;
  return worker;
}

void mcp_worker_free(mcp_worker_t *worker) {
  if (!worker) return;
  drop_state(worker);
  mcp_buf_deinit(&worker->setup);
  mcp_mem_free(worker);
}
