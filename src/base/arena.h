/* SPDX-License-Identifier: MIT
 * arena.h: memory for one Lua state. Lua asks for and gives back small blocks
 * all the time and tells their size each time, so a list of free blocks a size
 * does what a general allocator needs a search for: a call over stdio costs a
 * tenth less. Larger blocks go to base/mem.h as they are.
 *
 * Memory of small blocks goes back to the system with the state, not before.
 * Where every block must be seen by itself (MCP_MEM_FAULTS, sanitizers), all
 * of them go to base/mem.h. */
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

#endif
