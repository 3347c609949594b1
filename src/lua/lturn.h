/* SPDX-License-Identifier: MIT
 * lturn.h: may Lua wait at this place, and how? A coroutine yields. Code
 * outside any coroutine turns the loop, unless the loop is what called it. What
 * waits (sleep, a waiter, a request, a connection) asks here, so that all give
 * one answer. */
#ifndef MCP_LUA_LTURN_H
#define MCP_LUA_LTURN_H

#include <lua.h>
#include <stdbool.h>

#include "lua/coroutine.h"

/* Asks whether the code that runs on `L` may wait now.
 * True: sets *coroutine to the coroutine that is to yield, or to NULL for code
 * outside any coroutine, which turns the loop by mcp_lturn_once. False: the
 * wait is over before it begins, and what would have been waited for must not
 * be opened; the caller returns mcp_coroutine_push_error(L, MCP_ECANCELED).
 * That is so while a cancelled or failed coroutine is being closed, and once
 * the runtime is. Raises, at the line of the user, where a wait is a mistake:
 * in a coroutine of the user's inside a handler, in a finalizer, in a callback
 * of the loop, in luv's. A cancelled coroutine that waits again is closed here.
 * [-0, +0, v] */
bool mcp_lturn_begin(lua_State *L, mcp_runtime_t *rt, mcp_coroutine_t **co);

/* The same question, for code that would rather leave the wait to a coroutine
 * of its own: true if a wait would begin. Never raises for the answer. [-0, +0,
 * e] */
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
