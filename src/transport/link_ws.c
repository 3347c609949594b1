/* SPDX-License-Identifier: MIT
 * link_ws.c: links of WebSocket messages, either side (RFC 6455; WS-02, WS-10
 * to WS-15). See link.h. The handshake is done elsewhere.
 *
 * The end: the closing side sends a close frame and waits for the other's, then
 * the server ends the connection. After a protocol error the
 * input is discarded for a moment: closing at once would make the system
 * discard our close frame, which names the error. */
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "transport/link_framing.h"
#include "wire/ws.h"

/* How long input is discarded after a protocol error, in ms. */
#define LINGER_TIME 500
/* How often an expired connection that is busy is checked, in ms. */
#define EXPIRED_AGAIN 1000
/* Times from here on never come. */
#define NEVER (UINT64_MAX / 4)

typedef struct {
  mcp_link_t base;
  mcp_loop_t *loop;
  mcp_ws_t *codec;
  mcp_timer_t *timer; /* for `early`, pings, and the end */
  mcp_link_ws_t options;
  uint64_t heard;   /* the last sign of life, ms */
  uint64_t begun;   /* first byte of an incomplete message, ms */
  uint64_t came;    /* bytes since the last complete message or control frame */
  uint64_t ping_at; /* when the next ping is due */
  uint64_t counted; /* when `controls` was last updated */
  uint64_t controls;   /* control frames still allowed, in thousandths */
  bool early;          /* bytes after the handshake are read in the next turn */
  bool said, answered; /* close frames: ours, the peer's */
  bool failed;         /* input is discarded */
  bool pong_waits;     /* for the peer to read */
  uint8_t pong_length; /* of `pong`, the latest that is owed */
  char pong[MCP_WS_CONTROL_LENGTH];
  unsigned status;  /* of our close frame; 0: usual_status */
  mcp_buf_t reason; /* of ours */
  mcp_buf_t text;   /* the reason it ended */
} socket_t;

static uint64_t now(const socket_t *s) {
  return mcp_loop_now(s->loop);
}

static void note(socket_t *s, const char *side, unsigned status,
                 mcp_slice_t reason) {
  char line[64];
  int n = status == MCP_WS_NO_STATUS
              ? snprintf(line, sizeof line, "closed by %s", side)
              : snprintf(line, sizeof line, "closed by %s with %u%s", side,
                         status, reason.len > 0 ? ": " : "");
  if (s->text.len > 0) return;
  /* Without memory there is only the code. */
  if (mcp_buf_append(&s->text, line, (size_t)n) < 0 ||
      mcp_buf_append_slice(&s->text, reason) < 0 ||
      mcp_buf_append_char(&s->text, '\0') < 0)
    mcp_buf_deinit(&s->text);
}

static void abandon(mcp_link_t *link) {
  link->out.len = link->mark;
}

static int send_control(socket_t *s, mcp_ws_op_t op, mcp_slice_t payload) {
  mcp_link_t *link = &s->base;
  int code;
  abandon(link);
  code = mcp_ws_write(&link->out, op, payload, s->options.client);
  return code < 0 ? code : mcp_link_put(link);
}

/* When unread output has waited too long. */
static uint64_t stalled_at(const socket_t *s) {
  const mcp_stream_t *stream = s->base.stream;
  return s->options.stall_time +
         (stream->queued > 0 ? stream->progress_ms : now(s));
}

static uint64_t dead_at(const socket_t *s) {
  return s->heard + s->options.dead_time;
}

static void set_timer(socket_t *s) {
  uint64_t at = now(s), due = s->ping_at;
  if (dead_at(s) < due) due = dead_at(s);
  if (stalled_at(s) < due) due = stalled_at(s);
  if (s->options.ends_at < due) due = s->options.ends_at;
  mcp_timer_set(s->timer, due > at ? due - at : 0);
}

/* Ends the connection with a reason. */
static void fail(socket_t *s, int code, unsigned status, const char *text) {
  mcp_link_t *link = &s->base;
  s->failed = true;
  if (link->closing) {
    /* It was closing already, only in order. */
    if (link->stream) mcp_stream_close(link->stream, false);
    return;
  }
  link->code = code;
  mcp_link_set_status(link, status, mcp_slice(text, strlen(text)));
  note(s, "us", status, mcp_slice(text, strlen(text)));
  mcp_link_close(link, true);
}

/* Is one more control frame over the limit? */
static bool is_flood(socket_t *s) {
  uint64_t at = now(s), max = (uint64_t)s->options.control_burst * 1000;
  s->controls += (at - s->counted) * s->options.control_rate;
  if (s->controls > max) s->controls = max;
  s->counted = at;
  if (s->controls < 1000) return true;
  s->controls -= 1000;
  return false;
}

/* A ping that could not be answered yet is superseded by the next. */
static void answer_ping(socket_t *s, mcp_slice_t text) {
  mcp_link_t *link = &s->base;
  if (s->said) return;
  if (link->large || (link->stream && link->stream->queued > 0)) {
    s->pong_waits = true;
    s->pong_length = (uint8_t)text.len;
    if (text.len > 0) memcpy(s->pong, text.data, text.len);
  } else {
    (void)send_control(s, MCP_WS_OP_PONG, text);
  }
}

/* The peer's close frame has come. */
static void on_close_frame(socket_t *s, const mcp_ws_event_t *event) {
  mcp_link_t *link = &s->base;
  s->answered = true;
  if (link->closing) {
    /* A client leaves it to the server to end the connection. */
    if (link->stream && !s->options.client)
      mcp_stream_close(link->stream, true);
    return;
  }
  note(s, "the peer", event->status, event->text);
  link->code =
      event->status <= MCP_WS_GOING_AWAY || event->status == MCP_WS_NO_STATUS
          ? 0
          : MCP_EGONE;
  s->status = event->status;
  mcp_link_close(link, true);
}

/* Bytes arrived. They are a sign of life if there are enough of them. */
static void note_bytes(socket_t *s, size_t count) {
  uint64_t at = now(s);
  if (s->came == 0) s->begun = at;
  s->came += count;
  if (s->came * 1000 >= (at - s->begun) * MCP_LINK_MESSAGE_RATE) s->heard = at;
}

static void on_event(socket_t *s, const mcp_ws_event_t *event) {
  mcp_link_t *link = &s->base;
  s->heard = now(s);
  s->came = 0;
  switch (event->kind) {
  case MCP_WS_MESSAGE:
    if (link->closing) break;
    if (s->options.on_message) {
      s->options.on_message(link->up, link, event->text, event->binary);
    } else {
      (void)mcp_link_arrive(link, event->text, true);
    }
    break;
  case MCP_WS_PING:
  case MCP_WS_PONG:
    if (is_flood(s)) {
      fail(s, MCP_EBUSY, MCP_WS_POLICY, "too many control frames");
    } else if (event->kind == MCP_WS_PING) {
      answer_ping(s, event->text);
    }
    break;
  case MCP_WS_CLOSE: on_close_frame(s, event); break;
  case MCP_WS_MORE: break;
  }
}

static void pump(socket_t *s) {
  mcp_ws_event_t event;
  while (!s->failed && !mcp_link_is_held_up(&s->base)) {
    int code = mcp_ws_next(s->codec, &event);
    if (code < 0) {
      fail(s, code, mcp_ws_status(s->codec), mcp_ws_error_text(s->codec));
    } else if (event.kind == MCP_WS_MORE) {
      return;
    } else {
      on_event(s, &event);
    }
  }
}

/* Do the bytes end with a close frame of a client? */
static bool ends_in_close(mcp_slice_t bytes) {
  for (size_t n = 0; n <= MCP_WS_CONTROL_LENGTH && n + 6 <= bytes.len; n++) {
    const char *at = bytes.data + bytes.len - n - 6;
    if ((unsigned char)at[0] == (0x80 | MCP_WS_OP_CLOSE) &&
        (unsigned char)at[1] == (0x80 | n))
      return true;
  }
  return false;
}

static mcp_slice_t read_bytes(mcp_link_t *link, mcp_slice_t bytes) {
  socket_t *s = (socket_t *)link;
  mcp_slice_t none = {0};
  note_bytes(s, bytes.len);
  if (s->failed) {
    /* Its frames are no longer readable, but it may have received ours. */
    if (link->closing && link->stream && ends_in_close(bytes))
      mcp_stream_close(link->stream, true);
    return none;
  }
  mcp_ws_feed(s->codec, bytes);
  pump(s);
  return mcp_ws_take_rest(s->codec);
}

static void end_expired(socket_t *s) {
  mcp_slice_t text = MCP_SLICE("The access token has expired");
  mcp_link_t *link = &s->base;
  link->code = MCP_EGONE;
  mcp_link_set_status(link, MCP_WS_POLICY, text);
  note(s, "us", MCP_WS_POLICY, text);
  mcp_link_close(link, true);
}

static void on_timer(void *arg) {
  socket_t *s = arg;
  mcp_link_t *link = &s->base;
  uint64_t at = now(s), piece = mcp_link_large_ops.progress(link);
  if (link->closing) {
    mcp_link_close(link, false);
    return;
  }
  /* A peer that takes a long answer cannot be asked whether it is there. */
  if (piece > s->heard) s->heard = piece;
  if (s->early) {
    s->early = false;
    mcp_link_read_on(link);
    if (!link->closing) set_timer(s);
    return;
  }
  if (at >= dead_at(s) || at >= stalled_at(s)) {
    link->code = MCP_ETIMEDOUT;
    mcp_link_close(link, false);
    return;
  }
  if (at >= s->options.ends_at) {
    if (mcp_link_busy(link) == 0) {
      end_expired(s);
      return;
    }
    s->options.ends_at = at + EXPIRED_AGAIN;
  }
  if (at >= s->ping_at) {
    s->ping_at = at + s->options.ping_time;
    /* Not while output is queued: the ping could not be answered. */
    if (link->stream->queued == 0 && !link->large)
      (void)send_control(s, MCP_WS_OP_PING, MCP_SLICE(""));
  }
  if (!link->closing) set_timer(s);
}

static bool end(mcp_link_t *link, int code) {
  socket_t *s = (socket_t *)link;
  if (link->closing) {
    if (link->stream) mcp_stream_close(link->stream, true);
    return false;
  }
  s->failed = true;
  /* Without a close frame the connection was lost. */
  if (code == 0) {
    link->code = MCP_EGONE;
    note(s, "the peer", MCP_WS_NO_STATUS, MCP_SLICE(" without a close frame"));
  }
  mcp_link_close(link, false);
  return false;
}

static mcp_buf_t *begin(mcp_link_t *link) {
  abandon(link);
  return mcp_ws_begin(&link->out, ((socket_t *)link)->options.client) < 0
             ? NULL
             : &link->out;
}

static int commit(mcp_link_t *link) {
  int code = mcp_ws_end(&link->out, link->mark, MCP_WS_OP_TEXT,
                        ((socket_t *)link)->options.client);
  return code < 0 ? code : mcp_link_put(link);
}

/* One frame: its length is known. Control frames wait for its end. */
static int begin_large(mcp_buf_t *out, uint64_t length) {
  return mcp_ws_write_head(out, MCP_WS_OP_TEXT, length);
}

int mcp_link_ws_send(mcp_link_t *link, mcp_slice_t message, bool binary) {
  int code;
  abandon(link);
  code = mcp_ws_write(&link->out, binary ? MCP_WS_OP_BINARY : MCP_WS_OP_TEXT,
                      message, ((socket_t *)link)->options.client);
  return code < 0 ? code : mcp_link_put(link);
}

static size_t queued(const mcp_link_t *link) {
  return link->stream ? link->stream->queued : 0;
}

static void drained(mcp_link_t *link) {
  socket_t *s = (socket_t *)link;
  if (!s->pong_waits || link->large) return;
  s->pong_waits = false;
  if (!s->said)
    (void)send_control(s, MCP_WS_OP_PONG, mcp_slice(s->pong, s->pong_length));
}

/* The close frame if none was set by mcp_link_set_status. */
static unsigned usual_status(const socket_t *s) {
  switch (s->base.code) {
  case MCP_ENOMEM: return MCP_WS_FAILED;
  case MCP_ETOOBIG: return MCP_WS_TOO_BIG;
  case MCP_ETIMEDOUT: return MCP_WS_POLICY;
  default: return s->options.client ? MCP_WS_NORMAL : MCP_WS_GOING_AWAY;
  }
}

static void say_close(socket_t *s) {
  mcp_link_t *link = &s->base;
  bool by_us; /* otherwise the code says what has ended it */
  s->said = true;
  by_us = s->status != 0 || link->code == 0;
  if (s->status == 0) s->status = usual_status(s);
  abandon(link);
  if (mcp_ws_write_close(&link->out, s->status, mcp_buf_slice(&s->reason),
                         s->options.client) == 0)
    link->mark = link->out.len;
  if (by_us) note(s, "us", s->status, mcp_buf_slice(&s->reason));
}

static void close_socket(mcp_link_t *link, bool flush) {
  socket_t *s = (socket_t *)link;
  if (!link->stream) return;
  if (link->cut) flush = false;
  if (!s->said && !link->cut) {
    say_close(s);
    if (mcp_link_flush(link) < 0) flush = false;
  }
  if (!flush || link->stream->ended) {
    mcp_stream_close(link->stream, flush);
    return;
  }
  if (s->timer)
    mcp_timer_set(s->timer, s->failed ? LINGER_TIME : s->options.close_time);
  if (!s->timer || (s->answered && !s->options.client)) {
    mcp_stream_close(link->stream, true);
  } else {
    mcp_stream_pause(link->stream, false);
  }
}

static const char *reason(const mcp_link_t *link) {
  return ((const socket_t *)link)->text.data;
}

static void deinit(mcp_link_t *link) {
  socket_t *s = (socket_t *)link;
  mcp_timer_stop(s->timer);
  mcp_ws_free(s->codec);
  mcp_buf_deinit(&s->reason);
  mcp_buf_deinit(&s->text);
}

static const mcp_framing_t framing = {.read = read_bytes,
                                      .end = end,
                                      .begin = begin,
                                      .commit = commit,
                                      .abandon = abandon,
                                      .queued = queued,
                                      .large = &mcp_link_large_ops,
                                      .large_end = "",
                                      .begin_large = begin_large,
                                      .drained = drained,
                                      .close = close_socket,
                                      .reason = reason,
                                      .deinit = deinit};

void mcp_link_set_status(mcp_link_t *link, unsigned status,
                         mcp_slice_t reason) {
  socket_t *s = (socket_t *)link;
  if (link->framing != &framing || link->closing) return;
  s->status = status;
  s->reason.len = 0;
  (void)mcp_buf_append_slice(&s->reason, reason);
}

bool mcp_link_is_close_status(long long status) {
  return status > 0 && mcp_ws_may_say((unsigned long)status);
}

static void set_defaults(mcp_link_ws_t *o) {
  if (o->control_rate == 0) o->control_rate = MCP_LINK_CONTROL_RATE;
  if (o->control_burst == 0) o->control_burst = MCP_LINK_CONTROL_BURST;
  if (o->ping_time == 0) o->ping_time = MCP_LINK_PING_TIME;
  /* Without pings a peer may be silent. */
  if (o->dead_time == 0)
    o->dead_time = o->ping_time < NEVER ? MCP_LINK_DEAD_TIME : NEVER;
  if (o->stall_time == 0) o->stall_time = MCP_LINK_STALL_TIME;
  if (o->ends_at == 0) o->ends_at = NEVER;
  if (o->close_time == 0) o->close_time = MCP_LINK_CLOSE_TIME;
}

int mcp_link_open_ws(mcp_loop_t *loop, mcp_stream_t *stream,
                     const mcp_link_ws_t *options, mcp_buf_t *early,
                     const mcp_upper_t *upper, void *up, mcp_link_t **out) {
  mcp_ws_options_t codec = {.client = options->client,
                            .binary = options->on_message != NULL,
                            .message_limit = options->message_limit,
                            .fragments = options->fragments};
  socket_t *s = mcp_mem_zalloc(sizeof *s);
  int code;
  if (!s) goto fail;
  mcp_link_init(&s->base, &framing, "websocket", upper, up);
  s->loop = loop;
  s->options = *options;
  set_defaults(&s->options);
  s->codec = mcp_ws_new(&codec);
  s->timer = mcp_timer_new(loop, true, on_timer, s);
  if (!s->codec || !s->timer) goto fail;
  s->heard = s->counted = now(s);
  s->ping_at = s->heard + s->options.ping_time;
  s->controls = (uint64_t)s->options.control_burst * 1000;
  /* What we send as a client is masked, and no answers of files. */
  if (options->client) s->base.ops.send_file = NULL;
  mcp_ws_set_share(s->codec, stream->share);
  s->base.unread = mcp_buf_take(early);
  s->early = s->base.unread.len > 0;
  *out = &s->base;
  code = mcp_link_start(&s->base, stream);
  if (code < 0) return code;
  if (s->early) {
    mcp_timer_set(s->timer, 0);
  } else {
    set_timer(s);
  }
  return 0;

fail:
  if (s) deinit(&s->base);
  mcp_mem_free(s);
  mcp_stream_close(stream, false);
  return MCP_ENOMEM;
}
