/* SPDX-License-Identifier: MIT
 * memory.c: two streams back to back (mcp_stream_pair in stream.h), for tests
 * and for a client and a server in one process. Bytes arrive a turn of the
 * loop later, as they would from a socket: nobody is called back from inside
 * his own send. */
#include "base/err.h"
#include "base/mem.h"
#include "net/stream.h"

typedef struct end {
  mcp_stream_t base;
  mcp_loop_t *loop;
  struct end *other;  /* NULL once the other end is closed */
  mcp_timer_t *turn;  /* the next delivery */
  mcp_buf_t incoming; /* sent by the other end, not delivered */
  bool started, ended, end_told, flushing;
} end_t;

static void deliver(void *arg);

/* A turn must come: without memory for it, the end is told at the next send. */
static int schedule(end_t *e) {
  if (e->turn) return 0;
  e->turn = mcp_timer_start(e->loop, 0, 0, false, deliver, e);
  return e->turn ? 0 : MCP_ENOMEM;
}

static void finish_close(end_t *e) {
  mcp_timer_stop(e->turn);
  mcp_buf_deinit(&e->incoming);
  if (e->other) {
    e->other->other = NULL;
    e->other->ended = true;
    (void)schedule(e->other);
  }
  if (e->base.events) e->base.events->on_closed(e->base.owner);
  mcp_mem_free(e);
}

static void deliver(void *arg) {
  end_t *e = arg;
  mcp_buf_t bytes;
  mcp_timer_stop(e->turn);
  e->turn = NULL;
  if (e->base.closing) {
    if (!e->flushing || !e->other || e->other->incoming.len == 0) {
      finish_close(e);
    } else {
      (void)schedule(e);
    }
    return;
  }
  if (!e->started || e->base.paused) return;
  if (e->incoming.len > 0) {
    bytes = mcp_buf_take(&e->incoming);
    if (e->other) {
      end_t *o = e->other;
      o->base.queued = 0;
      o->base.progress_ms = mcp_loop_now(e->loop);
      if (!o->base.closing && o->started)
        o->base.events->on_drain(o->base.owner);
    }
    e->base.events->on_data(e->base.owner, mcp_buf_slice(&bytes));
    mcp_buf_deinit(&bytes);
    return; /* e may be gone */
  }
  if (e->ended && !e->end_told) {
    e->end_told = true;
    e->base.events->on_end(e->base.owner, 0);
  }
}

static int start(mcp_stream_t *stream) {
  end_t *e = (end_t *)stream;
  e->started = true;
  return e->incoming.len > 0 || e->ended ? schedule(e) : 0;
}

static void pause_reading(mcp_stream_t *stream, bool pause) {
  end_t *e = (end_t *)stream;
  if (!pause) (void)schedule(e);
}

static int send_bytes(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from) {
  end_t *e = (end_t *)stream;
  int code;
  if (!e->other || e->other->base.closing) return MCP_EGONE;
  code = mcp_buf_append(&e->other->incoming, bytes->data + from,
                        bytes->len - from);
  if (code < 0) return code;
  e->base.queued += bytes->len - from;
  return schedule(e->other);
}

static void close_end(mcp_stream_t *stream, bool flush) {
  end_t *e = (end_t *)stream;
  e->base.closing = true;
  e->flushing = flush;
  if (schedule(e) < 0) finish_close(e);
}

static const mcp_stream_ways_t memory_ways = {start, pause_reading, send_bytes,
                                              close_end};

int mcp_stream_pair(mcp_loop_t *loop, mcp_stream_t **one,
                    mcp_stream_t **other) {
  end_t *a = mcp_mem_zalloc(sizeof *a), *b = mcp_mem_zalloc(sizeof *b);
  if (!a || !b) {
    mcp_mem_free(a);
    mcp_mem_free(b);
    return MCP_ENOMEM;
  }
  a->base.ways = b->base.ways = &memory_ways;
  a->loop = b->loop = loop;
  a->other = b;
  b->other = a;
  *one = &a->base;
  *other = &b->base;
  return 0;
}
