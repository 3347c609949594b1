/* SPDX-License-Identifier: MIT
 * mem.c: see mem.h. The counters are the one mutable global of the core:
 * they exist in hunting builds only. */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifdef MCP_MEM_FAULTS

#include <stdatomic.h>

/* A header with the size of each block, so that held bytes can be counted. */
typedef union {
  size_t size;
  max_align_t align;
} header_t;

/* Threads of workers count too. Whether one of two that come together fails is
 * the hunt's luck. */
static atomic_ulong requests, countdown;
static atomic_bool fail_onward;
static atomic_size_t held;

static bool refuse(void) {
  requests++;
  if (countdown == 0) return false;
  if (countdown > 1) {
    countdown--;
    return false;
  }
  if (!fail_onward) countdown = 0;
  return true;
}

void *mcp_mem_realloc(void *block, size_t size) {
  header_t *old = block ? (header_t *)block - 1 : NULL, *fresh;
  size_t before = old ? old->size : 0;
  /* Shrinking never fails: Lua's manual requires that of an allocator. */
  if ((!old || size > before) && refuse()) return NULL;
  fresh = realloc(old, sizeof *fresh + size);
  if (!fresh) return NULL;
  fresh->size = size;
  held += size - before;
  return fresh + 1;
}

void *mcp_mem_alloc(size_t size) {
  return mcp_mem_realloc(NULL, size);
}

void *mcp_mem_zalloc(size_t size) {
  void *block = mcp_mem_alloc(size);
  if (block) memset(block, 0, size);
  return block;
}

void mcp_mem_free(void *block) {
  header_t *old = block ? (header_t *)block - 1 : NULL;
  if (old) held -= old->size;
  free(old);
}

unsigned long mcp_mem_requests(void) {
  return requests;
}

size_t mcp_mem_held(void) {
  return held;
}

bool mcp_mem_fail(unsigned long nth, bool onward) {
  countdown = nth;
  fail_onward = onward;
  return true;
}

#else

void *mcp_mem_alloc(size_t size) {
  return malloc(size);
}

void *mcp_mem_zalloc(size_t size) {
  return calloc(1, size);
}

void *mcp_mem_realloc(void *block, size_t size) {
  return realloc(block, size);
}

void mcp_mem_free(void *block) {
  free(block);
}

unsigned long mcp_mem_requests(void) {
  return 0;
}

size_t mcp_mem_held(void) {
  return 0;
}

bool mcp_mem_fail(unsigned long nth, bool onward) {
  (void)nth;
  (void)onward;
  return false;
}

#endif

void *mcp_mem_lua(void *ud, void *block, size_t osize, size_t nsize) {
  (void)ud;
  (void)osize;
  if (nsize == 0) {
    mcp_mem_free(block);
    return NULL;
  }
  return mcp_mem_realloc(block, nsize);
}

void mcp_mem_trim(void) {
#ifdef __GLIBC__
  (void)malloc_trim(0);
#endif
}
