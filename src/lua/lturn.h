/* SPDX-License-Identifier: MIT
 * lturn.h: decides whether Lua code may wait, and how. A coroutine yields.
 * Code outside any coroutine turns the loop, unless the loop has called it.
 * Every function that waits (sleep, a waiter, a request, a connection) asks
 * here, so that all behave alike. */
#ifndef MCP_LUA_LTURN_H
#define MCP_LUA_LTURN_H

#include <lua.h>
#include <stdbool.h>

#include "lua/coroutine.h"

/* Checks whether the code that runs on `L` may wait now.
 * True: sets *coroutine to the coroutine that is to yield, or to NULL for code
 * outside any coroutine, which turns the loop by mcp_lturn_once. False: the
 * wait ends at once, and the caller opens nothing and returns
 * mcp_coroutine_push_error(L, MCP_ECANCELED). That is so while a cancelled or
 * failed coroutine is being closed, and after the runtime is closed. Raises, at
 * the user's line, where a wait is not possible: in a coroutine that a handler
 * made, in a finalizer, in a callback of the loop or of luv. A cancelled
 * coroutine that waits again is closed here. [-0, +0, v] */
bool mcp_lturn_begin(lua_State *L, mcp_runtime_t *rt, mcp_coroutine_t **co);

/* True where waits are possible at all: in a coroutine, also a cancelled one,
 * or outside any. There mcp_lturn_begin raises no mistake. [-0, +0, e] */
bool mcp_lturn_has_place(lua_State *L, mcp_runtime_t *rt);

/* True if a wait could start here, without an error otherwise: for code that
 * can leave the wait to a coroutine of its own. [-0, +0, e] */
bool mcp_lturn_may_wait(lua_State *L, mcp_runtime_t *rt);

/* Turns the loop for code outside any coroutine, once, for at most `timeout_ms`
 * (negative: as long as it takes). False when nothing is open any more. Raises
 * once a worker's call has been stopped.
 * [-0, +0, v] */
bool mcp_lturn_once(lua_State *L, mcp_runtime_t *rt, int64_t timeout_ms);

/* Raises `text` at the first line that is not of lua/mcp. [-0, +0, v] */
int mcp_lturn_raise(lua_State *L, const char *text);

/* In the registry, set by lua/mcp/async.lua: what the source names of our own
 * Lua files begin with. */
#define MCP_LTURN_OURS "mcp.sources"

#endif
