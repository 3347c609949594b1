/* SPDX-License-Identifier: MIT
 * mem.h: every allocation of the core goes through here, and the program's
 * Lua state uses mcp_mem_lua, so one counter sees them all. A build with
 * MCP_MEM_FAULTS can make the nth request fail: that is how the hunt
 * `make failalloc` walks over every allocation point. */
#ifndef MCP_BASE_MEM_H
#define MCP_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* `size` bytes, uninitialised; NULL when there is no memory. */
void *mcp_mem_alloc(size_t size);

/* `size` bytes, all zero; NULL when there is no memory. */
void *mcp_mem_zalloc(size_t size);

/* `block` grown or shrunk to `size` bytes; NULL when there is no memory, and
 * then `block` stays valid. */
void *mcp_mem_realloc(void *block, size_t size);

/* Gives `block` back; NULL is accepted. */
void mcp_mem_free(void *block);

/* A lua_Alloc: frees on nsize 0, otherwise like mcp_mem_realloc. */
void *mcp_mem_lua(void *ud, void *block, size_t osize, size_t nsize);

/* Returns free memory to the system where the C library would keep it between
 * blocks that are in use. Takes milliseconds in a large heap: for the few
 * moments after which much is free. Does nothing outside glibc. */
void mcp_mem_trim(void);

/* The number of requests for memory so far; 0 without MCP_MEM_FAULTS. */
unsigned long mcp_mem_requests(void);

/* Bytes now held (as asked for, Lua's included); 0 without MCP_MEM_FAULTS. */
size_t mcp_mem_held(void);

/* Lets the `nth` request from now fail (1 is the next one), and every later
 * one too if `onward`; 0 switches it off. Does nothing, and returns false,
 * without MCP_MEM_FAULTS. */
bool mcp_mem_fail(unsigned long nth, bool onward);

#endif
