/* SPDX-License-Identifier: MIT
 * tally.c: see tally.h. */
#include "net/tally.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

struct mcp_tally {
  /* Of each process 0, or its connections and one. */
  _Atomic unsigned *places;
  unsigned own;  /* or MCP_TALLY_PLACES */
  unsigned open; /* of this process */
  bool entered;
};

#define SIZE (MCP_TALLY_PLACES * sizeof(_Atomic unsigned))

int mcp_tally_create(void) {
  int code;
#ifdef __linux__
  int fd = memfd_create("luamcp-tally", MFD_CLOEXEC);
#else
  char path[] = "/tmp/luamcp-tally-XXXXXX";
  int fd = mkstemp(path);
  if (fd >= 0) unlink(path);
#endif
  if (fd < 0) return -errno;
  if (ftruncate(fd, SIZE) == 0) return fd;
  code = -errno;
  close(fd);
  return code;
}

mcp_tally_t *mcp_tally_open(int fd, unsigned place) {
  mcp_tally_t *t;
  struct stat st;
  void *page;
  if (fstat(fd, &st) < 0 || st.st_size < (off_t)SIZE) return NULL;
  page = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) return NULL;
  t = mcp_mem_zalloc(sizeof *t);
  if (!t) {
    munmap(page, SIZE);
    return NULL;
  }
  t->places = page;
  t->own = place < MCP_TALLY_PLACES ? place : MCP_TALLY_PLACES;
  return t;
}

void mcp_tally_close(mcp_tally_t *t) {
  if (!t) return;
  mcp_tally_leave(t);
  munmap(t->places, SIZE);
  mcp_mem_free(t);
}

static void show(mcp_tally_t *t) {
  if (t->own < MCP_TALLY_PLACES)
    atomic_store_explicit(&t->places[t->own], t->entered ? t->open + 1 : 0,
                          memory_order_relaxed);
}

void mcp_tally_enter(mcp_tally_t *t) {
  t->entered = true;
  show(t);
}

void mcp_tally_leave(mcp_tally_t *t) {
  t->entered = false;
  show(t);
}

void mcp_tally_add(mcp_tally_t *t, int change) {
  t->open += (unsigned)change;
  show(t);
}

bool mcp_tally_is_above(const mcp_tally_t *t) {
  for (unsigned i = 0; i < MCP_TALLY_PLACES; i++) {
    unsigned n = atomic_load_explicit(&t->places[i], memory_order_relaxed);
    if (n && n <= t->open) return true;
  }
  return false;
}

void mcp_tally_clear(mcp_tally_t *t, unsigned place) {
  if (place < MCP_TALLY_PLACES)
    atomic_store_explicit(&t->places[place], 0, memory_order_relaxed);
}
