/* SPDX-License-Identifier: MIT
 * worker_state.h: the Lua state of a worker: made for the first call, used by
 * one call after the other, thrown away when a call had to be stopped. Knows
 * neither threads nor processes: what carries it fills a table of functions
 * (worker_thread.c, worker_child.c).
 *
 * A call is stopped by a hook. mcp_worker_interrupt sets it on whatever runs at
 * that moment; it raises an error at the next instruction, and again at each
 * one after that until the call has ended, so pcall cannot swallow it. Hooks
 * are off in finalizers, and a C function that does not return has no next
 * instruction: those are left to the carrier. */
#ifndef MCP_LUA_WORKER_STATE_H
#define MCP_LUA_WORKER_STATE_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "lua/coroutine.h"
#include "lua/stop.h"

typedef struct mcp_worker mcp_worker_t;

/* What carries a state. All are called on its thread. */
typedef struct {
  bool own_process; /* its end is the end of nothing else */
  bool (*stopped)(void *carrier);
  /* Waits; false: stopped meanwhile. */
  bool (*sleep)(void *carrier, uint64_t ms);
  /* Sends a note, taking it. 0, MCP_ENOMEM, MCP_ECANCELED, MCP_EGONE. */
  int (*note)(void *carrier, mcp_buf_t *bytes);
  /* Waits for the next reply to notes, which replaces `bytes`. 0 or MCP_EGONE.
   * NULL where there are none. */
  int (*receive)(void *carrier, mcp_buf_t *bytes);
  /* Takes from the process what code that is not trusted need not have. NULL on
   * a thread. */
  void (*confine)(void);
} mcp_worker_ops_t;

typedef struct {
  size_t memory;           /* bytes of Lua, 0: no limit */
  size_t output;           /* bytes of one answer or note */
  lua_CFunction open_core; /* opens mcp.core in a new state */
  lua_CFunction prepare;   /* what the program adds to a new state, or NULL */
} mcp_worker_limits_t;

/* `setup` is one table (copy.h), which is copied: name, file or code,
 * package_path, package_cpath, untrusted, and for code of ours that confines
 * what it runs itself: own. NULL: no memory. */
mcp_worker_t *mcp_worker_new(mcp_slice_t setup,
                             const mcp_worker_limits_t *limits,
                             const mcp_worker_ops_t *ops, void *carrier);

/* Ends the state: its finalizers run. NULL is accepted. */
void mcp_worker_free(mcp_worker_t *worker);

/* Sets the hook. Called on the worker's own thread, from a signal handler too.
 * It does something only while `stopped` is true. */
void mcp_worker_interrupt(mcp_worker_t *worker);

/* The worker whose state this is, or NULL. [-0, +0, -] */
mcp_worker_t *mcp_worker_of(lua_State *L);

/* Where a runtime of its own is opened in a worker's state (core.c): its
 * coroutines are stopped as well. */
void mcp_worker_adopt(lua_State *L, mcp_runtime_t *rt);

/* --- for worker_call.c and worker_lib.c ------------------------------------
 */

struct mcp_worker {
  mcp_stop_t stop;
  lua_State *L; /* NULL: to be made */
  mcp_arena_t *arena;
  mcp_worker_limits_t limits;
  const mcp_worker_ops_t *ops;
  void *carrier;
  mcp_runtime_t *rt; /* of the state itself, or NULL */
  mcp_buf_t setup;
  mcp_buf_t reply; /* the last one that was received */
  size_t used;     /* bytes of Lua */
  /* Read in the signal handler. */
  lua_State *volatile running; /* NULL: no call is running */
  bool over;                   /* the limit of memory: the hook is to look */
  bool spoilt;                 /* the state is not to be used again */
  size_t printed;              /* bytes, by this call (worker_lib.c) */
};

/* Makes the Lua state; false: no memory. mcp_worker_drop_state frees it. */
bool mcp_worker_make_state(mcp_worker_t *worker);
void mcp_worker_drop_state(mcp_worker_t *worker);

/* Makes mcp_worker_of find it in its own state. [-0, +0, m] */
void mcp_worker_register(mcp_worker_t *worker);

bool mcp_worker_is_stopped(const mcp_worker_t *worker);

/* How many bytes the call has printed, for code that is not trusted. */
size_t *mcp_worker_printed(mcp_worker_t *worker);

/* `co` runs from now on; returns what ran before, to be set again after. */
lua_State *mcp_worker_enter(mcp_worker_t *worker, lua_State *thread);

const mcp_worker_ops_t *mcp_worker_ops(const mcp_worker_t *worker,
                                       void **carrier);

/* What holds the reply that is being read. */
mcp_buf_t *mcp_worker_reply(mcp_worker_t *worker);
size_t mcp_worker_output(const mcp_worker_t *worker);

#endif
