/* SPDX-License-Identifier: MIT
 * work.h: a piece of work on libuv's thread pool: system calls that may take
 * long, such as reading a file. The pool has four threads (UV_THREADPOOL_SIZE
 * sets another number), which start with the first piece of work of the
 * process and which lookups of host names use too. */
#ifndef MCP_NET_WORK_H
#define MCP_NET_WORK_H

#include "net/loop.h"

typedef struct mcp_work mcp_work_t;

/* Runs `run(arg)` on a thread of the pool, then `done(arg)` on the loop. Until
 * then the loop stays alive, and `arg` must be left to `run`. A state that a
 * callback of its loop closes does not wait for it, so the module must stay
 * loaded (mcp_interrupt_stay_loaded). 0, MCP_ENOMEM, or
 * a libuv code: neither is called. */
int mcp_work_start(mcp_loop_t *loop, void (*run)(void *arg),
                   void (*done)(void *arg), void *arg, mcp_work_t **work);

/* Takes the work off the queue if no thread has begun it: `done` still follows,
 * later, but `run` does not. Work that has begun continues. */
void mcp_work_cancel(mcp_work_t *work);

#endif
