/* SPDX-License-Identifier: MIT
 * worker_call.h: one call in a worker's state: opens the state if that is new,
 * calls the function, and writes the answer.
 *
 * Messages are values of copy.h, the first of which says what it is:
 *
 *   call     function name (nil: the handler), arguments…
 *   answer   "result", values… | "unknown", names | "stopped", where
 *            | "memory", where | "large"
 *            | "error", "load" or "failure" (an mcp.error), each with value,
 *            traceback, and how much of a text is its position
 *   note     "progress" | "log", arguments… */
#ifndef MCP_LUA_WORKER_CALL_H
#define MCP_LUA_WORKER_CALL_H

#include "lua/worker_state.h"

/* Runs the call in `bytes` and appends its answer to `answer`, which stays
 * empty if there is no memory for one. */
void mcp_worker_call(mcp_worker_t *worker, mcp_slice_t bytes,
                     mcp_buf_t *answer);

#endif
