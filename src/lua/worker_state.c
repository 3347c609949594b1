/* SPDX-License-Identifier: MIT
 * worker_state.c: see worker_state.h. */
#include "lua/worker_state.h"

#include <lauxlib.h>

#include "base/arena.h"
#include "base/mem.h"
#include "lua/stop_lib.h"

/* Its address is the registry's key of the worker. */
static const char registry_key;

/* Above its limit a state may still grow by a quarter until it is looked at:
 * that happens at the next instruction, by the hook. Only a block that does not
 * fit into that either is refused to Lua itself, whose collection in the middle
 * of an allocation has had errors (5.4.4). */
#define SLACK 4

void mcp_worker_register(mcp_worker_t *worker) {
  lua_pushlightuserdata(worker->L, worker);
  lua_rawsetp(worker->L, LUA_REGISTRYINDEX, &registry_key);
}

mcp_worker_t *mcp_worker_of(lua_State *L) {
  mcp_worker_t *worker;
  if (!lua_checkstack(L, 1)) return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
  worker = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return worker;
}

bool mcp_worker_is_stopped(const mcp_worker_t *worker) {
  return worker->ops->stopped(worker->carrier);
}

const mcp_worker_ops_t *mcp_worker_ops(const mcp_worker_t *worker,
                                       void **carrier) {
  *carrier = worker->carrier;
  return worker->ops;
}

mcp_buf_t *mcp_worker_reply(mcp_worker_t *worker) {
  return &worker->reply;
}

size_t *mcp_worker_printed(mcp_worker_t *worker) {
  return &worker->printed;
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
  if (!worker || !mcp_stop_lib_may_raise(L, ar, &worker->stop)) return;
  if (mcp_worker_is_stopped(worker)) {
    worker->spoilt = true;
    luaL_error(L, "stopped");
  }
  if (worker->over && worker->used > worker->limits.memory) {
    /* Most of it may be garbage. */
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
  /* A wait in its own loop checks the flag after each turn of the loop. */
  if (worker->running && rt && rt->loop) mcp_loop_ask(rt->loop);
}

lua_State *mcp_worker_enter(mcp_worker_t *worker, lua_State *thread) {
  lua_State *before = worker->running;
  worker->running = thread;
  if (worker->over || worker->spoilt || mcp_worker_is_stopped(worker))
    arm(worker);
  return before;
}

static lua_State *enter(void *arg, lua_State *thread) {
  return mcp_worker_enter(arg, thread);
}

/* A lua_Alloc that keeps to the limit. */
static void *allocate(void *ud, void *block, size_t osize, size_t nsize) {
  mcp_worker_t *worker = ud;
  size_t before = block ? osize : 0, max = worker->limits.memory;
  void *fresh;
  if (max > 0 && nsize > before) {
    size_t more = nsize - before;
    size_t hard = max + max / SLACK;
    if (worker->used > hard || more > hard - worker->used) return NULL;
    if (worker->used + more > max && !worker->over) {
      worker->over = true;
      arm(worker);
    }
  }
  fresh = mcp_arena_lua(worker->arena, block, osize, nsize);
  if (fresh || nsize == 0) worker->used += nsize - before;
  return fresh;
}

void mcp_worker_drop_state(mcp_worker_t *worker) {
  lua_State *L = worker->L;
  worker->L = NULL;
  worker->rt = NULL;
  worker->over = worker->spoilt = false;
  if (L) lua_close(L);
  mcp_arena_free(worker->arena);
  worker->arena = NULL;
  worker->used = 0;
}

bool mcp_worker_make_state(mcp_worker_t *worker) {
  worker->arena = mcp_arena_new();
  worker->L = worker->arena ? lua_newstate(allocate, worker) : NULL;
  if (worker->L) return true;
  mcp_arena_free(worker->arena);
  worker->arena = NULL;
  worker->over = false;
  return false;
}

mcp_worker_t *mcp_worker_new(mcp_slice_t setup,
                             const mcp_worker_limits_t *limits,
                             const mcp_worker_ops_t *ops, void *carrier) {
  mcp_worker_t *worker = mcp_mem_zalloc(sizeof *worker);
  if (!worker) return NULL;
  if (mcp_buf_append_slice(&worker->setup, setup) < 0) {
    mcp_mem_free(worker);
    return NULL;
  }
  worker->stop =
      (mcp_stop_t){.is_stopped = is_stopped, .enter = enter, .arg = worker};
  worker->limits = *limits;
  worker->ops = ops;
  worker->carrier = carrier;
  return worker;
}

void mcp_worker_free(mcp_worker_t *worker) {
  if (!worker) return;
  mcp_worker_drop_state(worker);
  mcp_buf_deinit(&worker->setup);
  mcp_buf_deinit(&worker->reply);
  mcp_mem_free(worker);
}
