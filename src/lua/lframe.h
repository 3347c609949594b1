/* SPDX-License-Identifier: MIT
 * lframe.h: most results are one text inside JSON that is always the same. A
 * frame is that JSON, cut where the text stands; Lua makes it once. */
#ifndef MCP_LUA_LFRAME_H
#define MCP_LUA_LFRAME_H

#include <lua.h>

#include "base/buf.h"
#include "lua/coroutine.h"

typedef struct mcp_lframe mcp_lframe_t;

/* Adds frame, framed and only_text to the table at the top. [-0, +0, m] */
void mcp_lframe_open(lua_State *L, mcp_runtime_t *rt);

/* The frame at `index`, or NULL if it is something else. [-0, +0, -] */
const mcp_lframe_t *mcp_lframe_at(lua_State *L, int index);

/* Appends the frame with the string at `index` in it. 0 or a code: MCP_EUTF8,
 * MCP_ENOMEM. Then `out` may hold a part of it. [-0, +0, -] */
int mcp_lframe_write(lua_State *L, const mcp_lframe_t *frame, int index,
                     mcp_buf_t *out);

#endif
