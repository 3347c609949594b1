/* SPDX-License-Identifier: MIT
 * gather.c: see gather.h. */
#include "net/gather.h"

#include <time.h>
#include <uv.h>

#include "base/mem.h"

/* With less room than this, a pass begins by writing what is there. */
#define ROOM 2048

/* So many ms after its beginning, too: what holds the loop then holds no answer
 * that is ready. */
#define SOON 5

typedef struct {
  void *owner; /* NULL: taken back, or written */
  size_t from, len;
} piece_t;

struct mcp_gather {
  uv_check_t uv; /* libuv calls it after each pass; the loop frees it */
  mcp_gather_fn write;
  bool open; /* a pass is going on, and nothing is being written */
  unsigned count;
  size_t used;
  piece_t pieces[MCP_GATHER_PIECES];
  char bytes[MCP_GATHER_SIZE];
};

/* An owner whose write fails is called back from here. It may take back what it
 * has left, but nothing new is taken meanwhile. */
static void write_all(mcp_gather_t *g) {
  g->open = false;
  for (unsigned i = 0; i < g->count; i++) {
    piece_t *p = &g->pieces[i];
    void *owner = p->owner;
    p->owner = NULL;
    if (owner) g->write(owner, mcp_slice(g->bytes + p->from, p->len));
  }
  g->count = 0;
  g->used = 0;
}

static void on_pass_end(uv_check_t *uv) {
  write_all((mcp_gather_t *)uv);
}

mcp_gather_t *mcp_gather_of(mcp_loop_t *loop, mcp_gather_fn write) {
  mcp_gather_t *g = mcp_loop_pass_end(loop);
  if (g) return g;
  g = mcp_mem_alloc(sizeof *g);
  if (!g) return NULL;
  g->write = write;
  g->open = false;
  g->count = 0;
  g->used = 0;
  uv_check_init(mcp_loop_uv(loop), &g->uv);
  uv_check_start(&g->uv, on_pass_end);
  uv_unref((uv_handle_t *)&g->uv);
  mcp_loop_set_pass_end(loop, g);
  return g;
}

/* By the clock that the loop has, as coarse as it may be. */
static uint64_t now_ms(void) {
#ifdef CLOCK_MONOTONIC_COARSE
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0)
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
#endif
  return uv_hrtime() / 1000000;
}

/* Only asked where something waits: a pass over one socket reads no clock. */
static bool takes_long(const mcp_gather_t *g) {
  return now_ms() > uv_now(g->uv.loop) + SOON;
}

void mcp_gather_begin(mcp_gather_t *g) {
  if (g->count > 0 && (g->count == MCP_GATHER_PIECES ||
                       g->used > MCP_GATHER_SIZE - ROOM || takes_long(g)))
    write_all(g);
  g->open = true;
}

bool mcp_gather_leave(mcp_gather_t *g, void *owner, mcp_slice_t bytes) {
  piece_t *last = g->count > 0 ? &g->pieces[g->count - 1] : NULL;
  if (!g->open || bytes.len > MCP_GATHER_SIZE - g->used) return false;
  if (bytes.len == 0) return true;
  if (last && last->owner == owner) {
    last->len += bytes.len;
  } else if (g->count < MCP_GATHER_PIECES) {
    g->pieces[g->count++] =
        (piece_t){.owner = owner, .from = g->used, .len = bytes.len};
  } else {
    return false;
  }
  memcpy(g->bytes + g->used, bytes.data, bytes.len);
  g->used += bytes.len;
  return true;
}

bool mcp_gather_take(mcp_gather_t *g, const void *owner, mcp_slice_t *bytes) {
  for (unsigned i = 0; i < g->count; i++) {
    piece_t *p = &g->pieces[i];
    if (p->owner != owner) continue;
    p->owner = NULL;
    *bytes = mcp_slice(g->bytes + p->from, p->len);
    return true;
  }
  return false;
}
