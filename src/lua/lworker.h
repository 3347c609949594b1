/* SPDX-License-Identifier: MIT
 * lworker.h: worker pools, as their caller sees them: calls that wait for a
 * thread or a process, and for its answer. lua/mcp/worker.lua makes the public
 * API of it. */
#ifndef MCP_LUA_LWORKER_H
#define MCP_LUA_LWORKER_H

#include <lua.h>

#include "lua/task.h"

/* Waiting calls together hold no more, in bytes of their arguments. */
#define MCP_WORKER_QUEUE_BYTES (64u << 20)
/* The arguments of one call, in bytes: a process's standard input takes twice
 * that in one piece. */
#define MCP_WORKER_ARGUMENTS (32u << 20)
/* Threads of one pool that are held by a C function which does not return.
 * There is no way to end them, so at this number the pool opens no more. */
#define MCP_WORKER_LOST 4
/* How long the end of a runtime waits for its threads, in ms. */
#define MCP_WORKER_LAST_WAIT 500

/* Adds worker_pool and worker_child to the table at the top. [-0, +0, m] */
void mcp_lworker_open(lua_State *L, mcp_runtime_t *rt);

#endif
