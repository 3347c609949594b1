/* SPDX-License-Identifier: MIT
 * worker_pool.h: workers' threads or processes, and the calls that wait for
 * them. Used on the loop's thread only.
 *
 * A pool has slots, each a thread or a process that runs one call at a time,
 * and a queue. A call ends for its caller at once when it is cancelled or out
 * of time; its slot is asked to stop, and is free again once it has stopped. A
 * slot that does not stop within the pool's `stuck` is lost: it no longer
 * counts, another one is opened in its place, and it is closed if it stops
 * later. */
#ifndef MCP_LUA_WORKER_POOL_H
#define MCP_LUA_WORKER_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "lua/coroutine.h"
#include "lua/worker_state.h"

/* The limit of all queued calls together, in bytes of their arguments. */
#define MCP_WORKER_QUEUE_BYTES (64u << 20)
/* Threads of one pool that run a C function which does not return. A thread
 * cannot be ended, so at this number the pool opens no more. */
#define MCP_WORKER_LOST 4
/* How long the end of a runtime waits for its threads, in ms. */
#define MCP_WORKER_LAST_WAIT 500

#define MCP_POOL_NAME   80
#define MCP_POOL_REASON 96

/* The options of a pool. */
typedef struct {
  unsigned threads, queue;
  uint64_t time, stuck; /* ms; time 0: no limit */
  mcp_worker_limits_t limits;
  mcp_buf_t setup;        /* the pool's */
  const char **arguments; /* of a process, or NULL; one block, the pool's */
  bool clean;             /* a process gets a minimal environment */
  bool fresh;             /* a process runs one call */
  char name[MCP_POOL_NAME];
} mcp_pool_options_t;

typedef struct mcp_pool mcp_pool_t;
struct mcp_slot;

/* One call, in memory of the function that waits for it. */
typedef struct {
  mcp_list_t of_waiting;
  mcp_pool_t *pool;      /* a reference; NULL: the call was not submitted */
  struct mcp_slot *slot; /* runs it, or NULL */
  mcp_coroutine_t *co;   /* waits for it, or NULL */
  mcp_buf_t request, answer;
  mcp_list_t notes; /* mcp_note_t */
  bool ended;
  int code;                     /* of the failure; 0: there is an answer */
  char reason[MCP_POOL_REASON]; /* more about the code, or "" */
} mcp_call_t;

typedef struct {
  mcp_list_t of_call;
  mcp_buf_t bytes;
} mcp_note_t;

typedef struct {
  unsigned slots, busy, waiting, lost;
} mcp_pool_counts_t;

/* A pool with one reference, the caller's: closed, until its options have been
 * filled and it is opened. NULL: no memory. */
mcp_pool_t *mcp_pool_new(mcp_runtime_t *rt);
mcp_pool_options_t *mcp_pool_options(mcp_pool_t *pool);

/* 0 or MCP_ENOMEM. */
int mcp_pool_open(mcp_pool_t *pool);
void mcp_pool_unref(mcp_pool_t *pool);

mcp_runtime_t *mcp_pool_runtime(const mcp_pool_t *pool);
bool mcp_pool_is_closed(const mcp_pool_t *pool);
mcp_pool_counts_t mcp_pool_count(const mcp_pool_t *pool);

/* How many bytes of arguments another call may have; 0: it would be refused, so
 * nothing need be copied. */
size_t mcp_pool_room(const mcp_pool_t *pool);

/* Ends the calls (ECLOSED), and the slots as soon as they can. */
void mcp_pool_close(mcp_pool_t *pool);

/* An empty call of this pool; its request is then written. */
void mcp_call_init(mcp_call_t *call, mcp_pool_t *pool);

/* Why a call is refused that finds no place. */
#define MCP_POOL_FULL "as many calls as may wait are waiting already"

/* Starts the call or queues it. 0, or a code: it has ended. A coroutine that
 * waits for its end or a note is set as `co`. */
int mcp_call_submit(mcp_call_t *call);

/* Takes the next note, or returns NULL. mcp_call_use gives it back. */
mcp_note_t *mcp_call_next_note(const mcp_call_t *call);
void mcp_call_use(mcp_call_t *call, mcp_note_t *note);

/* Sends a reply to a note of this call: for processes. The time until the first
 * reply for which it waits does not count. 0, or a code: it has ended or will.
 */
int mcp_call_reply(mcp_call_t *call, mcp_slice_t bytes);

/* The caller has no use for it any more: it is stopped if it has not ended. */
void mcp_call_drop(mcp_call_t *call);

/* Drops it and lets go of the pool; safe to call twice. */
void mcp_call_deinit(mcp_call_t *call);

#endif
