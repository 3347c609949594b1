/* SPDX-License-Identifier: MIT
 * tls.c: a TLS stream over a stream. See tls.h. It moves bytes between the
 * stream below, the engine and the stream's user, and keeps what has to wait:
 *
 *   held   ciphertext that came while the user did not read
 *   queue  plaintext that was sent before the handshake was over, or while the
 *          stream below had enough to write; in the buffers it was sent in
 *
 * Ciphertext is made only MCP_TLS_FLIGHT ahead: what a slow peer makes us keep
 * is kept once. Nothing is known here of certificates and ciphers. */
#include "net/tls.h"

#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"

/* The first byte of a TLS connection: the type of a record (RFC 8446 5.1). */
#define TYPE_ALERT     21
#define TYPE_HANDSHAKE 22

typedef struct piece {
  struct piece *next;
  mcp_buf_t bytes;
  size_t from;
} piece_t;

typedef struct {
  mcp_stream_t base;
  mcp_loop_t *loop;
  mcp_stream_t *under;
  mcp_tls_t *tls;
  mcp_tls_session_t *session;
  mcp_tls_wire_t wire;
  mcp_timer_t *turn; /* continues with held input */
  mcp_buf_t out;     /* ciphertext of the current step */
  mcp_buf_t held;
  piece_t *first, *last; /* the queue */
  size_t pending;        /* what it holds, in bytes */
  size_t chatter;        /* ciphertext queued while reading, not yet written */
  int code;              /* of the failure; 0 while all is well */
  bool started;
  bool begun;       /* a byte has come */
  bool ready;       /* the handshake is over */
  bool reading;     /* inside read_records */
  bool under_ended; /* nothing more comes from below */
  bool owes_drain;
  bool flushing;
  bool over; /* the stream below is closing */
} tls_stream_t;

static int put(void *owner, const char *bytes, size_t len) {
  tls_stream_t *t = owner;
  return mcp_buf_append(&t->out, bytes, len);
}

/* The part of the queue that users see. The handshake's own bytes do not count.
 */
static void refresh(tls_stream_t *t) {
  t->base.queued = t->pending + (t->ready ? t->under->queued : 0);
  if (t->under->progress_ms > t->base.progress_ms)
    t->base.progress_ms = t->under->progress_ms;
}

/* The stream below is read when the input is needed: always for the handshake,
 * then unless the user pauses or earlier input has to be read first. */
static void update_reading(tls_stream_t *t) {
  bool idle = t->base.ended || t->flushing || t->base.paused ||
              t->held.len > 0 || t->chatter > MCP_TLS_CHATTER;
  mcp_stream_pause(t->under, t->ready ? idle : t->code < 0);
}

/* `soon`: see mcp_stream_send_soon. */
static int send_out(tls_stream_t *t, bool soon) {
  int code = 0;
  if (t->out.len > 0)
    code = soon ? mcp_stream_send_soon(t->under, &t->out, 0)
                : mcp_stream_send(t->under, &t->out, 0);
  /* An idle connection keeps no buffer. */
  mcp_buf_deinit(&t->out);
  return code;
}

static void finish(tls_stream_t *t, bool flush) {
  t->flushing = false;
  if (t->over) {
    mcp_stream_close(t->under, flush);
    return;
  }
  t->over = true;
  /* close_notify says that everything has been sent, so it comes last. */
  if (t->ready && t->code == 0 && !t->first &&
      (flush || t->under->queued == 0)) {
    t->tls->ops->end(t->session);
    (void)send_out(t, false);
  }
  mcp_stream_close(t->under, flush);
}

/* Reports its end to the user. A callback: the last thing to do. */
static void end(tls_stream_t *t, int code) {
  if (code < 0) {
    t->code = code;
    /* The alert, if there is one. */
    if (!t->over) (void)send_out(t, false);
    if (t->wire.reason[0]) t->base.reason = t->wire.reason;
  }
  if (t->flushing && code < 0) {
    finish(t, false);
  } else if (!t->base.closing) {
    mcp_buf_deinit(&t->held);
    mcp_stream_pause(t->under, true);
    mcp_stream_end(&t->base, code);
  }
}

/* The first of the queue has been encrypted, or never will be. */
static void drop_first(tls_stream_t *t) {
  piece_t *p = t->first;
  t->first = p->next;
  if (!t->first) t->last = NULL;
  t->pending -= sizeof *p + p->bytes.cap;
  mcp_buf_deinit(&p->bytes);
  mcp_share_release(t->base.share, sizeof *p);
  mcp_mem_free(p);
}

/* Encrypts what waits, as much as the stream below may have. 0 or a code. */
static int fill(tls_stream_t *t) {
  if (t->code < 0 && t->first) return t->code;
  while (t->ready && t->first && t->under->queued < MCP_TLS_FLIGHT) {
    piece_t *p = t->first;
    size_t n = p->bytes.len - p->from;
    int code;
    if (n > MCP_TLS_FLIGHT) n = MCP_TLS_FLIGHT;
    code =
        t->tls->ops->write(t->session, mcp_slice(p->bytes.data + p->from, n));
    if (code == 0) code = send_out(t, false);
    if (code < 0) return code;
    p->from += n;
    if (p->from == p->bytes.len) drop_first(t);
  }
  return 0;
}

/* Continues writing and reports progress to the user: the last thing to do. */
static void go_on(tls_stream_t *t) {
  int code = fill(t);
  refresh(t);
  if (code < 0) {
    end(t, code);
  } else if (t->base.queued > 0 || t->first) {
    return;
  } else if (t->flushing) {
    finish(t, true);
  } else if (t->owes_drain && !t->base.closing) {
    t->owes_drain = false;
    t->base.events->on_drain(t->base.owner);
  }
}

/* Reads the handshake, or one record. 1: there may be more, 0: there is not,
 * MCP_TLS_END, or a code. `*done`: the handshake is over now. */
static int step(tls_stream_t *t, char *plain, size_t *got, bool *done) {
  int code;
  *got = 0;
  if (t->ready) {
    code = t->tls->ops->read(t->session, plain, got);
  } else {
    code = t->tls->ops->shake(t->session);
    t->ready = *done = code > 0;
  }
  /* The end of the handshake is sent with the first bytes that wait for it. */
  if (t->out.len > 0 && !(*done && t->first)) {
    int sent;
    t->chatter += t->out.len;
    sent = send_out(t, false);
    /* A peer that no longer reads may have sent something before. */
    if (sent < 0 && t->ready) t->code = sent;
    if (sent < 0 && !t->ready && code >= 0) code = sent;
    if (t->under->queued == 0) t->chatter = 0;
  }
  return code;
}

/* Reads wire.in until the user pauses. The rest stays there. False: the stream
 * has ended. */
static bool read_records(tls_stream_t *t) {
  char plain[MCP_TLS_RECORD];
  t->reading = true;
  for (;;) {
    bool done = false;
    size_t got;
    int code;
    if (t->ready && (t->base.paused || t->chatter > MCP_TLS_CHATTER)) break;
    code = step(t, plain, &got, &done);
    if (got > 0 && !t->base.closing)
      t->base.events->on_data(t->base.owner, mcp_slice(plain, got));
    if (done) go_on(t);
    if (code < 0 || code == MCP_TLS_END) {
      t->reading = false;
      end(t, code < 0 ? code : 0);
      return false;
    }
    if (t->base.ended || (t->base.closing && !t->flushing)) break;
    /* A session keeps nothing back but the beginning of a record. */
    if (code == 0 || (t->ready && t->wire.in.len == 0)) break;
  }
  t->reading = false;
  return !t->base.ended;
}

/* The stream below has ended, and all that came is read. */
static void on_cut(tls_stream_t *t) {
  snprintf(t->wire.reason, sizeof t->wire.reason, "%s",
           t->ready ? "" : "the connection was cut during the TLS handshake");
  end(t, MCP_ETLSCUT);
}

/* Lets the engine read `bytes`, and says in `*left` what it did not. False: the
 * stream has ended. They are the caller's again, so the wire forgets them: a
 * later write or close may make the engine look for more. */
static bool read_from(tls_stream_t *t, mcp_slice_t bytes, size_t *left) {
  bool alive;
  t->wire.in = bytes;
  alive = read_records(t);
  *left = t->wire.in.len;
  t->wire.in = (mcp_slice_t){0};
  return alive;
}

static void on_data(void *owner, mcp_slice_t bytes) {
  tls_stream_t *t = owner;
  size_t left;
  if (t->base.ended || (t->base.closing && !t->flushing)) return;
  if (!t->begun) {
    t->begun = true;
    if (bytes.data[0] != TYPE_HANDSHAKE && bytes.data[0] != TYPE_ALERT) {
      end(t, MCP_ETLSPLAIN);
      return;
    }
  }
  if (t->held.len == 0) {
    if (!read_from(t, bytes, &left)) return;
    bytes = mcp_slice(bytes.data + bytes.len - left, left);
  }
  if (t->base.closing && !t->flushing) return;
  if (bytes.len > 0 && mcp_buf_append_slice(&t->held, bytes) < 0) {
    end(t, MCP_ENOMEM);
    return;
  }
  if (t->held.len > 0 && !t->base.paused) mcp_timer_set(t->turn, 0);
  update_reading(t);
}

/* Continues with what is held, one turn after reading was resumed: the caller
 * that resumes it is not called back from inside that call. */
static void on_turn(void *arg) {
  tls_stream_t *t = arg;
  mcp_buf_t bytes;
  size_t left;
  bool alive;
  if (t->base.ended || t->base.closing || t->base.paused) return;
  bytes = mcp_buf_take(&t->held);
  alive = read_from(t, mcp_buf_slice(&bytes), &left);
  if (alive && !t->base.closing && left > 0) {
    mcp_buf_consume(&bytes, bytes.len - left);
    t->held = mcp_buf_take(&bytes);
  }
  mcp_buf_deinit(&bytes);
  if (!alive || t->base.closing) return;
  if (t->held.len == 0 && t->under_ended) {
    on_cut(t);
  } else {
    update_reading(t);
  }
}

static void on_end(void *owner, int code) {
  tls_stream_t *t = owner;
  t->under_ended = true;
  if (t->base.ended) return;
  if (code < 0) {
    end(t, code);
  } else if (t->held.len == 0) {
    on_cut(t);
  }
}

static void on_drain(void *owner) {
  tls_stream_t *t = owner;
  t->chatter = 0;
  if (t->held.len > 0 && !t->base.paused) mcp_timer_set(t->turn, 0);
  update_reading(t);
  if (t->code == 0) go_on(t);
}

static void on_closed(void *owner) {
  tls_stream_t *t = owner;
  mcp_timer_stop(t->turn);
  t->tls->ops->close(t->session);
  mcp_tls_release(t->tls);
  while (t->first) drop_first(t);
  mcp_share_release(t->base.share, MCP_TLS_COST);
  mcp_buf_deinit(&t->out);
  mcp_buf_deinit(&t->held);
  if (t->base.events) t->base.events->on_closed(t->base.owner);
  mcp_mem_free(t);
}

static const mcp_stream_events_t under_events = {on_data, on_end, on_drain,
                                                 on_closed};

static int start(mcp_stream_t *stream) {
  tls_stream_t *t = (tls_stream_t *)stream;
  int code = mcp_stream_start(t->under, &under_events, t);
  t->started = code == 0;
  /* A client speaks first; a server has nothing to send yet. */
  if (code == 0) code = t->tls->ops->shake(t->session);
  if (code >= 0) code = send_out(t, false);
  if (code < 0) t->code = code;
  return code;
}

static void pause_reading(mcp_stream_t *stream, bool pause) {
  tls_stream_t *t = (tls_stream_t *)stream;
  if (t->reading) return;
  if (!pause && t->held.len > 0) mcp_timer_set(t->turn, 0);
  update_reading(t);
}

/* Keeps what cannot be encrypted yet. */
static int enqueue(tls_stream_t *t, mcp_buf_t *bytes, size_t from) {
  mcp_share_t *share = t->base.share;
  int code = mcp_share_charge(share, sizeof(piece_t));
  piece_t *p = code < 0 ? NULL : mcp_mem_zalloc(sizeof *p);
  if (code < 0) return code;
  code = MCP_ENOMEM;
  if (p) {
    p->bytes.share = share;
    code = mcp_buf_move_rest(&p->bytes, bytes, from);
  }
  if (code < 0) {
    mcp_share_release(share, sizeof *p);
    mcp_mem_free(p);
    return code;
  }
  if (t->base.queued == 0) t->base.progress_ms = mcp_loop_now(t->loop);
  t->pending += sizeof *p + p->bytes.cap;
  if (t->last) {
    t->last->next = p;
  } else {
    t->first = p;
  }
  t->last = p;
  return 0;
}

static int send_bytes(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from,
                      bool soon) {
  tls_stream_t *t = (tls_stream_t *)stream;
  size_t n = bytes->len - from;
  int code = t->code;
  if (t->over) return MCP_ECLOSED;
  if (code == 0 && t->ready && !t->first && t->under->queued < MCP_TLS_FLIGHT) {
    if (n > MCP_TLS_FLIGHT) n = MCP_TLS_FLIGHT;
    if (n > 0)
      code = t->tls->ops->write(t->session, mcp_slice(bytes->data + from, n));
    if (code == 0) code = send_out(t, soon);
    from += n;
  }
  if (code == 0 && from < bytes->len) {
    code = enqueue(t, bytes, from);
    if (code == 0) code = fill(t);
  }
  refresh(t);
  if (t->base.queued > 0) t->owes_drain = true;
  /* The data sent so far has a gap now: nothing may follow, not even
   * close_notify. */
  if (code < 0) t->code = code;
  return code;
}

static int send_now(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from) {
  return send_bytes(stream, bytes, from, false);
}

static int send_soon(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from) {
  return send_bytes(stream, bytes, from, true);
}

static void close_stream(mcp_stream_t *stream, bool flush) {
  tls_stream_t *t = (tls_stream_t *)stream;
  bool waits = flush && t->code == 0 && t->first && !t->over;
  t->base.closing = true;
  if (waits && (t->ready || (t->started && !t->under_ended))) {
    t->flushing = true;
    update_reading(t);
    return;
  }
  finish(t, flush);
}

/* What has come and is not read yet is an alert, most likely: TLS says its end
 * before the connection ends. */
static bool is_quiet(mcp_stream_t *stream) {
  tls_stream_t *t = (tls_stream_t *)stream;
  return t->code == 0 && !t->over && !t->under_ended &&
         mcp_stream_is_quiet(t->under);
}

static void peer(mcp_stream_t *stream, char *out, size_t size) {
  mcp_stream_peer(((tls_stream_t *)stream)->under, out, size);
}

static const mcp_stream_ops_t tls_ops = {.start = start,
                                         .pause = pause_reading,
                                         .send = send_now,
                                         .send_soon = send_soon,
                                         .close = close_stream,
                                         .is_quiet = is_quiet,
                                         .peer = peer};

int mcp_tls_wrap(mcp_tls_t *tls, mcp_loop_t *loop, mcp_stream_t *under,
                 const char *server_name, int port, mcp_stream_t **out) {
  int code = mcp_share_charge(under->share, MCP_TLS_COST);
  tls_stream_t *t = code < 0 ? NULL : mcp_mem_zalloc(sizeof *t);
  if (code < 0) return code;
  code = MCP_ENOMEM;
  if (!t) goto fail;
  t->turn = mcp_timer_new(loop, false, on_turn, t);
  if (!t->turn) goto fail;
  t->wire.put = put;
  t->wire.owner = t;
  code = tls->ops->open(tls, server_name, port, &t->wire, &t->session);
  if (code < 0) goto fail;
  t->base.ops = &tls_ops;
  t->base.share = t->out.share = t->held.share = under->share;
  t->loop = loop;
  t->under = under;
  t->tls = mcp_tls_retain(tls);
  /* A stream that is closed before it was started must still see its end. */
  under->events = &under_events;
  under->owner = t;
  *out = &t->base;
  return 0;

fail:
  if (t) mcp_timer_stop(t->turn);
  mcp_mem_free(t);
  mcp_share_release(under->share, MCP_TLS_COST);
  return code;
}

mcp_tls_t *mcp_tls_retain(mcp_tls_t *tls) {
  tls->ops->retain(tls);
  return tls;
}

void mcp_tls_release(mcp_tls_t *tls) {
  if (tls) tls->ops->release(tls);
}

bool mcp_tls_is_server(const mcp_tls_t *tls) {
  return tls->server;
}
