/* SPDX-License-Identifier: MIT
 * garbage.c: see garbage.h. */
#include "lua/garbage.h"

#include "base/account.h"
#include "base/arena.h"
#include "base/mem.h"

/* Garbage that waits for the collector: a part of the limit, and the least
 * number of bytes for which it runs. Handlers often leave as much again. */
#define PART  32
#define LEAST (1u << 20)

static size_t max_of(size_t limit) {
  size_t max = limit / PART;
  return max < LEAST ? LEAST : max;
}

static void collect(lua_State *L, mcp_garbage_t *garbage) {
  void *arena;
  garbage->bytes = 0;
  lua_gc(L, LUA_GCCOLLECT);
  if (lua_getallocf(L, &arena) == mcp_arena_lua) (void)mcp_arena_trim(arena);
  mcp_mem_trim();
}

void mcp_garbage_add(mcp_garbage_t *garbage, size_t bytes) {
  garbage->bytes += bytes;
}

void mcp_garbage_collect_near_limit(lua_State *L, mcp_garbage_t *garbage) {
  size_t limit = mcp_account_limit();
  if (garbage->bytes <= max_of(limit)) return;
  if (garbage->bytes < limit - limit / 8 &&
      mcp_account_held() < limit - limit / 8 - garbage->bytes)
    return;
  collect(L, garbage);
}

void mcp_garbage_collect(lua_State *L, mcp_garbage_t *garbage) {
  size_t limit = mcp_account_limit(), max = max_of(limit), heap;
  if (garbage->bytes <= max) return;
  /* A program whose own heap is larger than the limit is not slowed down for
   * less than a quarter of the difference. */
  heap = (size_t)lua_gc(L, LUA_GCCOUNT) << 10;
  if (heap > limit && garbage->bytes <= max + (heap - limit) / 4) return;
  collect(L, garbage);
}
