/* SPDX-License-Identifier: MIT
 * worker_thread.h: a worker's state on a thread of this process. */
#ifndef MCP_LUA_WORKER_THREAD_H
#define MCP_LUA_WORKER_THREAD_H

#include "lua/worker_state.h"
#include "net/thread.h"

/* Starts a thread that serves a state made from `setup` (copied). Of `options`
 * the callbacks on the loop and `owner` are used. 0 or the codes of
 * mcp_thread_start. */
int mcp_worker_thread_start(mcp_loop_t *loop, mcp_slice_t setup,
                            const mcp_worker_limits_t *limits,
                            const mcp_thread_options_t *options,
                            mcp_thread_t **thread);

#endif
