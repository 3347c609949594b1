/* SPDX-License-Identifier: MIT
 * lluv.h: running on the loop of luv, the Lua binding of libuv, where the host
 * asked for it (lua/mcp/on_luv.lua). Nothing of luv is needed otherwise. */
#ifndef MCP_LUA_LLUV_H
#define MCP_LUA_LLUV_H

#include <lua.h>

#include "net/loop.h"

/* In the registry, set by on_luv.lua: where luv's module lies (or true: in the
 * program itself), and its functions loop_mode and run. */
#define MCP_LLUV_PATH "mcp.luv"
#define MCP_LLUV_MODE "mcp.luv_mode"
#define MCP_LLUV_RUN  "mcp.luv_run"

/* luv's uv_loop_t, or NULL where it was not asked for. Raises if it was and
 * cannot be had. [-0, +0, e] */
void *mcp_lluv_loop(lua_State *L);

/* Is `loop` luv's and running already, so that the code on `L` was called by
 * it? luv calls back on `main`, the main thread. [-0, +0, e] */
bool mcp_lluv_is_running(lua_State *L, lua_State *main, const mcp_loop_t *loop);

#endif
