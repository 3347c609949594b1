/* SPDX-License-Identifier: MIT
 * lchild.h: child processes that exchange messages over their standard input
 * and output, as Lua sees them: an endpoint whose other side we have started.
 */
#ifndef MCP_LUA_LCHILD_H
#define MCP_LUA_LCHILD_H

#include <lua.h>

#include "lua/coroutine.h"

/* A line of a child's standard error: longer ones come in pieces. In bytes. */
#define MCP_LCHILD_LINE 8192
/* What is kept of it while the function that gets it waits. What comes then is
 * dropped, for a child must not stand still because we do. In bytes. */
#define MCP_LCHILD_BACKLOG 65536

/* Adds connect_child to the table at the top. [-0, +0, m] */
void mcp_lchild_open(lua_State *L, mcp_runtime_t *rt);

#endif
