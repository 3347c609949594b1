/* SPDX-License-Identifier: MIT
 * lworker.h: worker pools, as their caller sees them: calls that wait for a
 * thread or a process, and for its answer. lua/mcp/worker.lua makes the public
 * API of it. */
#ifndef MCP_LUA_LWORKER_H
#define MCP_LUA_LWORKER_H

#include <lua.h>

#include "lua/coroutine.h"

/* The arguments of one call, in bytes: a process's standard input takes twice
 * that in one piece. */
#define MCP_WORKER_ARGUMENTS (32u << 20)
/* Adds worker_pool and worker_child to the table at the top. [-0, +0, m] */
void mcp_lworker_open(lua_State *L, mcp_runtime_t *rt);

#endif
