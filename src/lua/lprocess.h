/* SPDX-License-Identifier: MIT
 * lprocess.h: commands that Lua code runs: child processes whose standard
 * streams are bytes. What each method takes and returns is annotated in
 * lua/mcp/core.types.lua; lua/mcp/process.lua is the public side.
 *
 * A process ends with the coroutine that has started it. Each of its outputs,
 * its input and its end may be waited for by one coroutine at a time. */
#ifndef MCP_LUA_LPROCESS_H
#define MCP_LUA_LPROCESS_H

#include <lua.h>

#include "lua/coroutine.h"

/* A longer line comes in pieces: a program may write without any newline. In
 * bytes. */
#define MCP_LPROCESS_LINE (1u << 20)
/* The most that one read or line may ask for, in bytes. */
#define MCP_LPROCESS_READ_MOST (1u << 30)
/* Adds process and process_methods to the table at the top. [-0, +0, m] */
void mcp_lprocess_open(lua_State *L, mcp_runtime_t *rt);

#endif
