/* SPDX-License-Identifier: MIT
 * lluv.h: running on the loop of luv, the Lua binding of libuv, where the host
 * asked for it (lua/mcp/on_luv.lua). Nothing of luv is needed otherwise. */
#ifndef MCP_LUA_LLUV_H
#define MCP_LUA_LLUV_H

#include <lua.h>

#include "net/loop.h"

/* In the registry, set by on_luv.lua: where luv's module lies (or true: in the
 * program itself), and its function loop_mode. */
#define MCP_LLUV_PATH "mcp.luv"
#define MCP_LLUV_MODE "mcp.luv_mode"

/* luv's uv_loop_t, or NULL where it was not asked for. Raises if it was and
 * cannot be had. [-0, +0, e] */
void *mcp_lluv_loop(lua_State *L);

/* Raises if `loop` is luv's and running already: it cannot be turned from
 * inside one of luv's callbacks. [-0, +0, e] */
void mcp_lluv_check(lua_State *L, const mcp_loop_t *loop);

#endif
