/* SPDX-License-Identifier: MIT
 * arena.c: see arena.h. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

#if defined(MCP_MEM_FAULTS) || defined(__SANITIZE_ADDRESS__)
#define SMALL 0
#else
#define SMALL 256 /* the largest block served from the arena, in bytes */
#endif

#define STEP    16 /* sizes are rounded up to a multiple of this */
#define CLASSES (SMALL / STEP + 1)
/* Blocks are cut from pieces of this size. */
#define PIECE 16384

typedef struct block {
  struct block *next;
} block_t;

typedef struct piece {
  struct piece *next;
  size_t cut;  /* bytes that were cut into blocks, once it is full */
  size_t free; /* during mcp_arena_trim: those of them that are free */
  alignas(max_align_t) char bytes[];
} piece_t;

#define ROOM (PIECE - sizeof(piece_t))

struct mcp_arena {
  block_t *free[CLASSES]; /* by rounded size */
  piece_t *pieces;
  char *at; /* the unused part of the newest piece */
  size_t left;
};

mcp_arena_t *mcp_arena_new(void) {
  return mcp_mem_zalloc(sizeof(mcp_arena_t));
}

void mcp_arena_free(mcp_arena_t *arena) {
  if (!arena) return;
  while (arena->pieces) {
    piece_t *piece = arena->pieces;
    arena->pieces = piece->next;
    mcp_mem_free(piece);
  }
  mcp_mem_free(arena);
}

static inline bool is_small(size_t size) {
  return size > 0 && size <= SMALL;
}

static inline size_t class_of(size_t size) {
  return (size + STEP - 1) / STEP;
}

/* All of a piece is used soon: its pages are asked for together, which takes
 * half the time of as many page faults. */
static void touch(char *piece) {
#ifdef MADV_POPULATE_WRITE
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t from = ((uintptr_t)piece + page - 1) / page * page;
  uintptr_t to = ((uintptr_t)piece + PIECE) / page * page;
  if (from < to) (void)madvise((void *)from, to - from, MADV_POPULATE_WRITE);
#else
  (void)piece;
#endif
}

/* A new piece. What was left of the last one is lost: less than a block. */
static bool add_piece(mcp_arena_t *arena) {
  piece_t *piece = mcp_mem_alloc(PIECE);
  if (!piece) return false;
  touch((char *)piece);
  if (arena->pieces) arena->pieces->cut = ROOM - arena->left;
  *piece = (piece_t){.next = arena->pieces};
  arena->pieces = piece;
  arena->at = piece->bytes;
  arena->left = ROOM;
  return true;
}

/* A block that was not used before, of a new piece. */
static __attribute__((noinline)) void *cut_new(mcp_arena_t *arena,
                                               size_t size) {
  block_t *block;
  if (!add_piece(arena)) return NULL;
  block = (block_t *)(void *)arena->at;
  arena->at += size;
  arena->left -= size;
  return block;
}

static inline void *take(mcp_arena_t *arena, size_t size) {
  size_t class = class_of(size);
  block_t *block = arena->free[class];
  if (block) {
    arena->free[class] = block->next;
    return block;
  }
  size = class * STEP;
  if (arena->left < size) return cut_new(arena, size);
  block = (block_t *)(void *)arena->at;
  arena->at += size;
  arena->left -= size;
  return block;
}

static inline void give(mcp_arena_t *arena, void *memory, size_t size) {
  block_t *block = memory;
  size_t class = class_of(size);
  block->next = arena->free[class];
  arena->free[class] = block;
}

/* What is not a small block that is made or freed: it needs more registers. */
static __attribute__((noinline)) void *change(mcp_arena_t *arena, void *block,
                                              size_t osize, size_t nsize) {
  void *fresh;
  bool old_small = block && is_small(osize);
  if (nsize == 0) {
    mcp_mem_free(block);
    return NULL;
  }
  if (!old_small && !is_small(nsize)) return mcp_mem_realloc(block, nsize);
  if (old_small && is_small(nsize) && class_of(osize) == class_of(nsize))
    return block;
  fresh = is_small(nsize) ? take(arena, nsize) : mcp_mem_alloc(nsize);
  /* Lua holds that shrinking cannot fail. */
  if (!fresh) return nsize <= osize ? block : NULL;
  memcpy(fresh, block, osize < nsize ? osize : nsize);
  if (old_small) {
    give(arena, block, osize);
  } else {
    mcp_mem_free(block);
  }
  return fresh;
}

void *mcp_arena_lua(void *ud, void *block, size_t osize, size_t nsize) {
  mcp_arena_t *arena = ud;
  /* For a new block, osize holds the type of its future object. */
  if (!block && is_small(nsize)) return take(arena, nsize);
  if (block && nsize == 0 && is_small(osize)) {
    give(arena, block, osize);
    return NULL;
  }
  return change(arena, block, osize, nsize);
}

/* --- returning memory -------------------------------------------------- */

static int compare(const void *a, const void *b) {
  uintptr_t x = (uintptr_t) * (piece_t *const *)a;
  uintptr_t y = (uintptr_t) * (piece_t *const *)b;
  return (x > y) - (x < y);
}

/* All pieces, sorted by address; NULL when there is no memory. */
static piece_t **sort_pieces(const mcp_arena_t *arena, size_t *count) {
  piece_t **sorted;
  size_t n = 0;
  for (piece_t *p = arena->pieces; p; p = p->next) n++;
  *count = n;
  sorted = n > 1 ? mcp_mem_alloc(n * sizeof *sorted) : NULL;
  if (!sorted) return NULL;
  n = 0;
  for (piece_t *p = arena->pieces; p; p = p->next) sorted[n++] = p;
  qsort(sorted, n, sizeof *sorted, compare);
  return sorted;
}

/* The piece that `block` was cut from: the last that begins before it. */
static piece_t *piece_of(piece_t *const *sorted, size_t count,
                         const block_t *block) {
  size_t first = 0;
  while (count > 1) {
    size_t half = count / 2;
    if ((uintptr_t)sorted[first + half] < (uintptr_t)block) {
      first += half;
      count -= half;
    } else {
      count = half;
    }
  }
  return sorted[first];
}

static bool is_unused(const piece_t *piece) {
  return piece->cut > 0 && piece->free == piece->cut;
}

size_t mcp_arena_trim(mcp_arena_t *arena) {
  size_t count, bytes = 0;
  piece_t **sorted = sort_pieces(arena, &count);
  if (!sorted) return 0;
  for (size_t i = 0; i < count; i++) sorted[i]->free = 0;
  for (size_t class = 1; class < CLASSES; class ++)
    for (const block_t *b = arena->free[class]; b; b = b->next)
      piece_of(sorted, count, b)->free += class * STEP;
  for (size_t class = 1; class < CLASSES; class ++) {
    block_t **link = &arena->free[class];
    while (*link) {
      if (is_unused(piece_of(sorted, count, *link))) {
        *link = (*link)->next;
      } else {
        link = &(*link)->next;
      }
    }
  }
  /* The newest is never among them: blocks are still cut from it. */
  for (piece_t **link = &arena->pieces; *link;) {
    piece_t *piece = *link;
    if (is_unused(piece)) {
      *link = piece->next;
      mcp_mem_free(piece);
      bytes += PIECE;
    } else {
      link = &piece->next;
    }
  }
  mcp_mem_free(sorted);
  return bytes;
}
