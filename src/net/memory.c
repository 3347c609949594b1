/* SPDX-License-Identifier: MIT
 * memory.c: two streams back to back (mcp_stream_pair in stream.h), for tests
 * and for a client and a server in one process. Bytes arrive a turn of the loop
 * later, as they would from a socket: no callback runs inside the send that
 * caused it. */
#include "base/err.h"
#include "base/mem.h"
#include "net/stream.h"

typedef struct end {
  mcp_stream_t base;
  mcp_loop_t *loop;
  struct end *other;  /* NULL once the other end is closed */
  mcp_timer_t *turn;  /* the next delivery, or the end of a close */
  mcp_buf_t incoming; /* sent by the other end, not delivered */
  bool due;           /* the turn is to come */
  bool started;
  bool ended; /* the other end is closed */
} end_t;

static void schedule(end_t *e) {
  if (e->due) return;
  e->due = true;
  mcp_timer_set(e->turn, 0);
}

static void free_end(end_t *e) {
  mcp_share_drop(e->base.share);
  mcp_mem_free(e);
}

static void finish_close(end_t *e) {
  mcp_timer_stop(e->turn);
  mcp_buf_deinit(&e->incoming);
  if (e->other) {
    e->other->other = NULL;
    e->other->ended = true;
    schedule(e->other);
  }
  if (e->base.events) e->base.events->on_closed(e->base.owner);
  free_end(e);
}

static void deliver(void *arg) {
  end_t *e = arg;
  mcp_buf_t bytes;
  e->due = false;
  if (e->base.closing) {
    finish_close(e);
    return;
  }
  if (!e->started || e->base.paused) return;
  if (e->incoming.len > 0) {
    bytes = mcp_buf_take(&e->incoming);
    if (e->ended) schedule(e);
    if (e->other) {
      end_t *o = e->other;
      o->base.queued = 0;
      o->base.progress_ms = mcp_loop_now(e->loop);
      if (!o->base.closing && o->started)
        o->base.events->on_drain(o->base.owner);
    }
    if (!e->base.closing)
      e->base.events->on_data(e->base.owner, mcp_buf_slice(&bytes));
    mcp_buf_deinit(&bytes);
    return;
  }
  if (e->ended) mcp_stream_end(&e->base, 0);
}

static int start(mcp_stream_t *stream) {
  end_t *e = (end_t *)stream;
  e->started = true;
  if (e->incoming.len > 0 || e->ended) schedule(e);
  return 0;
}

static void pause_reading(mcp_stream_t *stream, bool pause) {
  end_t *e = (end_t *)stream;
  if (!pause) schedule(e);
}

static int send_bytes(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from) {
  end_t *e = (end_t *)stream;
  int code;
  if (!e->other || e->other->base.closing) return MCP_EGONE;
  if (from == bytes->len) return 0;
  code = mcp_buf_append(&e->other->incoming, bytes->data + from,
                        bytes->len - from);
  if (code < 0) return code;
  e->base.queued = e->other->incoming.cap;
  schedule(e->other);
  return 0;
}

/* Sent bytes are already at the other end: there is nothing to flush. */
static void close_end(mcp_stream_t *stream, bool flush) {
  end_t *e = (end_t *)stream;
  (void)flush;
  e->base.closing = true;
  schedule(e);
}

static const mcp_stream_ops_t memory_ops = {.start = start,
                                            .pause = pause_reading,
                                            .send = send_bytes,
                                            .close = close_end};

static end_t *new_end(mcp_loop_t *loop) {
  end_t *e = mcp_mem_zalloc(sizeof *e);
  if (!e) return NULL;
  e->base.share = mcp_share_new(NULL, MCP_SHARE_CONNECTION);
  if (e->base.share) e->turn = mcp_timer_new(loop, false, deliver, e);
  if (!e->turn) {
    free_end(e);
    return NULL;
  }
  e->incoming.share = e->base.share;
  e->base.ops = &memory_ops;
  e->loop = loop;
  return e;
}

int mcp_stream_pair(mcp_loop_t *loop, mcp_stream_t **left,
                    mcp_stream_t **right) {
  end_t *a = new_end(loop), *b = a ? new_end(loop) : NULL;
  if (!b) {
    if (a) mcp_timer_stop(a->turn);
    if (a) free_end(a);
    return MCP_ENOMEM;
  }
  a->other = b;
  b->other = a;
  *left = &a->base;
  *right = &b->base;
  return 0;
}
