/* SPDX-License-Identifier: MIT
 * worker_lib.h: what is different in the libraries of a worker's state: ctx,
 * coroutines that can be stopped, no message handler once a call is stopped,
 * print to standard error; and for code that is not trusted what could hold a
 * thread or break out of the state. */
#ifndef MCP_LUA_WORKER_LIB_H
#define MCP_LUA_WORKER_LIB_H

#include "lua/worker_state.h"

/* What one call of code that is not trusted may print, in bytes. */
#define MCP_WORKER_PRINT (64u << 10)

/* After the standard libraries. [-0, +0, m] */
void mcp_worker_lib_open(lua_State *L, mcp_worker_t *worker, bool untrusted);

/* Adds to the ctx what code of ours needs that runs code of others: ask and
 * receive, json_encode and json_decode. [-0, +0, m] */
void mcp_worker_lib_extend(lua_State *L, mcp_worker_t *worker);

/* Pushes the ctx that handlers get. [-0, +1, -] */
void mcp_worker_lib_push_ctx(lua_State *L);

#endif
