/* SPDX-License-Identifier: MIT
 * worker_load.h: compiles code that is not trusted, in pieces between which it
 * can be stopped. Lua's compiler runs in C, where no hook runs, and some
 * programs take it hours: a name is searched in every function around it. */
#ifndef MCP_LUA_WORKER_LOAD_H
#define MCP_LUA_WORKER_LOAD_H

#include "lua/worker_state.h"

/* Pushes the text file as a function, or an error. LUA_OK or the status.
 * [-0, +1, m] */
int mcp_worker_load_file(lua_State *L, const mcp_worker_t *worker,
                         const char *path);

/* load(chunk [, name [, mode [, env]]]) of text; the worker is upvalue 1. */
int mcp_worker_load(lua_State *L);

#endif
