/* SPDX-License-Identifier: MIT
 * worker_pattern.h: string.find, match, gmatch and gsub that can be stopped,
 * for code that is not trusted. Lua's own backtrack inside C, where no hook
 * runs: one call can take years. These look at the worker's flag as they go,
 * and are the same otherwise (the manual, 6.4.1);
 * spec/lua/worker_pattern_spec.lua compares the two. */
#ifndef MCP_LUA_WORKER_PATTERN_H
#define MCP_LUA_WORKER_PATTERN_H

#include "lua/worker_state.h"

/* Replaces the four in the table at the top. `worker` may be NULL: then nothing
 * stops them (specs). [-0, +0, m] */
void mcp_worker_pattern_open(lua_State *L, mcp_worker_t *worker);

#endif
