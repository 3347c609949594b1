/* SPDX-License-Identifier: MIT
 * lbudget.h: calls a handler within budgets: of the time that it runs, and of
 * what it returns. */
#ifndef MCP_LUA_LBUDGET_H
#define MCP_LUA_LBUDGET_H

#include "lua/lwatch.h"

/* Adds to the table at the top:
 *   within(time, output, on_error, fn, ...) -> true, results… |
 *     false, "error", value | false, "time", place, line | false, "output"
 *   prepare_budgets()
 * `time` in seconds, `output` in bytes as they are counted for workers
 * (copy.h); 0 is no limit. The time counts while the coroutine runs, not while
 * it waits. on_error is a message handler. prepare_budgets puts functions that
 * can be stopped in the place of Lua's own. [-0, +0, m] */
void mcp_lbudget_open(lua_State *L, mcp_lwatch_t *watch);

#endif
