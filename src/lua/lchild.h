/* SPDX-License-Identifier: MIT
 * lchild.h: child processes that speak over their standard input and output, as
 * Lua sees them: a host whose other side was started by us. */
#ifndef MCP_LUA_LCHILD_H
#define MCP_LUA_LCHILD_H

#include <lua.h>

#include "lua/coroutine.h"

/* A line of a child's standard error: longer ones come in pieces. In bytes. */
#define MCP_LCHILD_LINE 8192
/* What is kept of it while the function that gets it waits. What comes then is
 * dropped, for a child must not stand still because we do. In bytes. */
#define MCP_LCHILD_BACKLOG 65536

/* What is known of a child. Lives while it, or somebody's reference, does. */
typedef struct mcp_lchild mcp_lchild_t;

/* Adds connect_child to the table at the top. [-0, +0, m] */
void mcp_lchild_open(lua_State *L, mcp_runtime_t *rt);

void mcp_lchild_unref(mcp_lchild_t *child);

/* Nothing of it and of its group is left. */
bool mcp_lchild_is_gone(const mcp_lchild_t *child);

/* How long each step of its end may take; 0: it ends at once. Before or while
 * it ends. */
void mcp_lchild_set_grace(mcp_lchild_t *child, uint64_t grace_ms);

/* Its number. [-0, +1, -] */
int mcp_lchild_push_pid(lua_State *L, const mcp_lchild_t *child);

/* How it ended: its status, or nil and the number of the signal; nothing
 * before. [-0, +(0|2), -] */
int mcp_lchild_push_exit(lua_State *L, const mcp_lchild_t *child);

#endif
