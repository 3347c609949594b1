/* SPDX-License-Identifier: MIT
 * ltrace.h: the trace that a coroutine works for, as a value of Lua's that this
 * file does not look into. Coroutines that it starts work for the same. */
#ifndef MCP_LUA_LTRACE_H
#define MCP_LUA_LTRACE_H

#include <lua.h>

#include "base/log.h"
#include "lua/coroutine.h"
#include "wire/json.h"

/* Adds trace, watch_trace and random_hex to the table at the top. [-0, +0, m]
 */
void mcp_ltrace_open(lua_State *L, mcp_runtime_t *rt);

/* A request has come for `co`, whose exchange is the userdata at `x`: calls
 * what core.watch_trace was given if params._meta or the header fields have a
 * traceparent. `meta` is where params._meta is in `doc`, 0 for none.
 * [-0, +0, e] */
void mcp_ltrace_arrived(lua_State *L, mcp_coroutine_t *co, int x,
                        const mcp_json_doc_t *doc, uint32_t meta);

/* A reference for a coroutine that the running one starts, 0 without a trace.
 * [-0, +0, m] */
int mcp_ltrace_inherit(lua_State *L, const mcp_runtime_t *rt);

/* Fills in the ids of the trace of `co`, if it has one. They are valid as long
 * as what this pushes is on the stack. [-0, +(0|3), m] */
void mcp_ltrace_about(lua_State *L, const mcp_coroutine_t *co,
                      mcp_log_about_t *about);

#endif
