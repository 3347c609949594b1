/* SPDX-License-Identifier: MIT
 * arena.h: memory for one Lua state. Lua allocates and frees small blocks all
 * the time and always passes their size, so one free list per size replaces the
 * search of a general allocator: a call over stdio costs a tenth less. Larger
 * blocks go straight to base/mem.h.
 *
 * The memory of small blocks returns with the state, or by mcp_arena_trim.
 * Where every block must be visible (MCP_MEM_FAULTS, sanitizers), all of them
 * go to base/mem.h. */
#ifndef MCP_BASE_ARENA_H
#define MCP_BASE_ARENA_H

#include <stddef.h>

typedef struct mcp_arena mcp_arena_t;

/* NULL when there is no memory. */
mcp_arena_t *mcp_arena_new(void);

/* Frees it and every small block that came from it; NULL is accepted. */
void mcp_arena_free(mcp_arena_t *arena);

/* A lua_Alloc; `arena` is its user data. */
void *mcp_arena_lua(void *arena, void *block, size_t osize, size_t nsize);

/* Returns pieces of memory in which no block is in use to base/mem.h; how many
 * bytes that were. It visits every free block, about 20 ns each, so it is for
 * the rare moments after which much is free. */
size_t mcp_arena_trim(mcp_arena_t *arena);

#endif
