/* SPDX-License-Identifier: MIT
 * lfile_watch.h: watching folders from Lua. */
#ifndef MCP_LUA_LFILE_WATCH_H
#define MCP_LUA_LFILE_WATCH_H

#include <lua.h>

#include "lua/coroutine.h"

/* Adds watch_path to the table at the top. [-0, +0, m] */
void mcp_lfile_watch_open(lua_State *L, mcp_runtime_t *rt);

#endif
