/* SPDX-License-Identifier: MIT
 * llog.h: lines of the log from Lua, with the request that they are about. */
#ifndef MCP_LUA_LLOG_H
#define MCP_LUA_LLOG_H

#include <lua.h>

#include "lua/coroutine.h"

/* Adds log, log_lines, log_asked, log_refusal and log_format to the table at
 * the top. [-0, +0, m] */
void mcp_llog_open(lua_State *L, mcp_runtime_t *rt);

#endif
