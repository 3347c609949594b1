/* SPDX-License-Identifier: MIT
 * garbage.h: what was released from the account as Lua values is memory of the
 * process until the collector has run and the allocator has returned it. Lua
 * collects values that were kept for long only when the heap has doubled, so a
 * process could have twice the memory that its limit allows. */
#ifndef MCP_LUA_GARBAGE_H
#define MCP_LUA_GARBAGE_H

#include <lua.h>
#include <stddef.h>

/* Of one Lua state; all zero is the start. */
typedef struct {
  size_t bytes; /* released since the last full collection by us */
} mcp_garbage_t;

/* Values of that size in bytes have been released. */
void mcp_garbage_add(mcp_garbage_t *garbage, size_t bytes);

/* Collects once the garbage, with what the account holds, comes near the
 * limit: cheap in a process that is far from it. [-0, +0, -] */
void mcp_garbage_collect_near_limit(lua_State *L, mcp_garbage_t *garbage);

/* Collects once the garbage is a part of the limit; for large values that were
 * kept for long. [-0, +0, -] */
void mcp_garbage_collect(lua_State *L, mcp_garbage_t *garbage);

#endif
