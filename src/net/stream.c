/* SPDX-License-Identifier: MIT
 * stream.c: streams over libuv handles. See stream.h. */
#include "net/stream.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/gather.h"

typedef struct {
  mcp_stream_t base;
  mcp_loop_t *loop;
  uv_stream_t *in, *out; /* NULL once they are closed */
  unsigned open;         /* handles whose close callback is pending */
  unsigned writes;       /* write requests in progress */
  bool flushing;
  bool left; /* bytes of its own may be in the loop's gather */
} carrier_t;

typedef struct {
  uv_write_t uv;
  carrier_t *carrier;
  mcp_buf_t bytes;
  size_t held; /* with the record itself */
} write_t;

/* What a stream costs before anything is sent: itself, its handles, and what
 * libuv keeps for them. */
#define STREAM_COST (sizeof(carrier_t) + 2 * sizeof(uv_tcp_t))

int mcp_stream_start(mcp_stream_t *stream, const mcp_stream_events_t *events,
                     void *owner) {
  stream->events = events;
  stream->owner = owner;
  return stream->ops->start(stream);
}

void mcp_stream_pause(mcp_stream_t *stream, bool pause) {
  if (stream->closing || stream->paused == pause) return;
  stream->paused = pause;
  /* Reading an ended stream again would find its end again. */
  if (!stream->ended) stream->ops->pause(stream, pause);
}

void mcp_stream_end(mcp_stream_t *stream, int code) {
  if (stream->ended) return;
  stream->ended = true;
  stream->events->on_end(stream->owner, code);
}

const char *mcp_stream_error_text(const mcp_stream_t *stream, int code) {
  return stream->reason ? stream->reason : mcp_err_text(code);
}

typedef int (*send_fn)(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from);

static int send_by(send_fn send, mcp_stream_t *stream, mcp_buf_t *bytes,
                   size_t from) {
  int code = MCP_ECLOSED;
  if (!stream->closing) {
    code = stream->queued > MCP_STREAM_HARD_LIMIT ? MCP_EBUSY
                                                  : send(stream, bytes, from);
  }
  bytes->len = 0;
  return code;
}

int mcp_stream_send(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from) {
  return send_by(stream->ops->send, stream, bytes, from);
}

int mcp_stream_send_soon(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from) {
  const mcp_stream_ops_t *ops = stream->ops;
  return send_by(ops->send_soon ? ops->send_soon : ops->send, stream, bytes,
                 from);
}

bool mcp_stream_is_quiet(mcp_stream_t *stream) {
  if (stream->closing || stream->ended) return false;
  return !stream->ops->is_quiet || stream->ops->is_quiet(stream);
}

void mcp_stream_peer(mcp_stream_t *stream, char *out, size_t size) {
  snprintf(out, size, "-");
  if (stream->ops->peer) stream->ops->peer(stream, out, size);
}

void mcp_stream_close(mcp_stream_t *stream, bool flush) {
  stream->ops->close(stream, flush);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  carrier_t *c = handle->data;
  (void)size;
  *buf = uv_buf_init(mcp_loop_read_buffer(c->loop), MCP_LOOP_READ_SIZE);
}

static void on_read(uv_stream_t *in, ssize_t n, const uv_buf_t *buf) {
  carrier_t *c = in->data;
  if (c->base.closing || n == 0) return;
  if (n > 0) {
    mcp_gather_t *gather = mcp_loop_pass_end(c->loop);
    if (gather) {
      mcp_gather_begin(gather);
      /* A write that failed may have closed it. */
      if (c->base.closing) return;
    }
    c->base.events->on_data(c->base.owner, mcp_slice(buf->base, (size_t)n));
    return;
  }
  uv_read_stop(in);
  mcp_stream_end(&c->base, n == UV_EOF ? 0 : (int)n);
}

static int write_left(carrier_t *c);

static int start(mcp_stream_t *stream) {
  carrier_t *c = (carrier_t *)stream;
  return c->in ? uv_read_start(c->in, on_alloc, on_read) : 0;
}

static void pause_reading(mcp_stream_t *stream, bool pause) {
  carrier_t *c = (carrier_t *)stream;
  if (!c->in) return;
  if (pause) {
    uv_read_stop(c->in);
  } else {
    /* It was reading before with the same callbacks, so it cannot fail. */
    (void)uv_read_start(c->in, on_alloc, on_read);
  }
}

static void free_carrier(carrier_t *c) {
  mcp_share_release(c->base.share, STREAM_COST);
  mcp_share_drop(c->base.share);
  mcp_mem_free(c);
}

static void on_handle_closed(uv_handle_t *handle) {
  carrier_t *c = handle->data;
  mcp_mem_free(handle);
  if (--c->open > 0) return;
  if (c->base.events) c->base.events->on_closed(c->base.owner);
  free_carrier(c);
}

static void close_now(carrier_t *c) {
  uv_stream_t *in = c->in, *out = c->out;
  c->flushing = false;
  c->in = c->out = NULL;
  if (in) uv_close((uv_handle_t *)in, on_handle_closed);
  if (out && out != in) uv_close((uv_handle_t *)out, on_handle_closed);
}

static void close_stream(mcp_stream_t *stream, bool flush) {
  carrier_t *c = (carrier_t *)stream;
  if (!c->in && !c->out) return;
  if (c->left && write_left(c) < 0) flush = false;
  c->base.closing = true;
  if (flush && c->writes > 0) {
    c->flushing = true;
    if (c->in) uv_read_stop(c->in);
    return;
  }
  close_now(c);
}

static void free_write(write_t *w) {
  mcp_buf_deinit(&w->bytes);
  mcp_share_release(w->carrier->base.share, sizeof *w);
  mcp_mem_free(w);
}

static void on_written(uv_write_t *uv, int status) {
  write_t *w = (write_t *)uv;
  carrier_t *c = w->carrier;
  c->base.queued -= w->held;
  c->writes--;
  c->base.progress_ms = mcp_loop_now(c->loop);
  free_write(w);
  if (c->flushing) {
    if (c->writes == 0 || status < 0) close_now(c);
    return;
  }
  if (c->base.closing) return;
  if (status < 0 && !c->base.ended) {
    if (c->in) uv_read_stop(c->in);
    mcp_stream_end(&c->base, status);
  } else if (c->base.queued == 0) {
    c->base.events->on_drain(c->base.owner);
  }
}

/* NULL: it may not be had. */
static write_t *new_write(carrier_t *c) {
  write_t *w;
  if (mcp_share_charge(c->base.share, sizeof *w) < 0) return NULL;
  w = mcp_mem_alloc(sizeof *w);
  if (!w) {
    mcp_share_release(c->base.share, sizeof *w);
    return NULL;
  }
  w->carrier = c;
  w->bytes = (mcp_buf_t){.share = c->base.share};
  return w;
}

/* Writes what the system accepts at once. How much that is, or a code. */
static int write_some(carrier_t *c, mcp_slice_t bytes) {
  uv_buf_t buf = uv_buf_init((char *)bytes.data, (unsigned)bytes.len);
  int code = c->writes == 0 ? uv_try_write(c->out, &buf, 1) : UV_EAGAIN;
  if (code < 0 && code != UV_EAGAIN) return code;
  if (c->writes == 0 && (size_t)(code < 0 ? 0 : code) < bytes.len)
    c->base.progress_ms = mcp_loop_now(c->loop);
  return code < 0 ? 0 : code;
}

/* Queues what `w` holds, which is freed if `code` or that is a failure. */
static int queue_write(carrier_t *c, write_t *w, int code) {
  if (code == 0) {
    uv_buf_t buf = uv_buf_init(w->bytes.data, (unsigned)w->bytes.len);
    code = uv_write(&w->uv, c->out, &buf, 1, on_written);
  }
  if (code < 0) {
    free_write(w);
    return code;
  }
  w->held = sizeof *w + w->bytes.cap;
  c->writes++;
  c->base.queued += w->held;
  return 0;
}

/* Of bytes that lie in the gather. 0 or a code. */
static int write_copy(carrier_t *c, mcp_slice_t bytes) {
  int n = write_some(c, bytes);
  write_t *w;
  if (n < 0 || (size_t)n == bytes.len) return n < 0 ? n : 0;
  w = new_write(c);
  if (!w) return MCP_EBUDGET;
  return queue_write(
      c, w, mcp_buf_append(&w->bytes, bytes.data + n, bytes.len - (size_t)n));
}

/* The order stays: what was left before goes first. 0 or a code. */
static int write_left(carrier_t *c) {
  mcp_gather_t *gather = mcp_loop_pass_end(c->loop);
  mcp_slice_t bytes;
  int code = 0;
  c->left = false;
  while (gather && mcp_gather_take(gather, c, &bytes))
    if (code == 0) code = write_copy(c, bytes);
  return code;
}

/* At the end of a pass. */
static void write_gathered(void *owner, mcp_slice_t bytes) {
  carrier_t *c = owner;
  int code = write_copy(c, bytes);
  if (code < 0 && !c->base.ended) {
    if (c->in) uv_read_stop(c->in);
    mcp_stream_end(&c->base, code);
  }
}

static int send_bytes(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from) {
  carrier_t *c = (carrier_t *)stream;
  write_t *w;
  int code;
  if (!c->out) return MCP_ECLOSED;
  if (c->left && (code = write_left(c)) < 0) return code;
  code = write_some(c, mcp_slice(bytes->data + from, bytes->len - from));
  if (code < 0) return code;
  from += (size_t)code;
  if (from == bytes->len) return 0;
  w = new_write(c);
  if (!w) return MCP_EBUDGET;
  return queue_write(c, w, mcp_buf_move_rest(&w->bytes, bytes, from));
}

static int send_soon(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from) {
  carrier_t *c = (carrier_t *)stream;
  mcp_gather_t *gather = mcp_loop_pass_end(c->loop);
  mcp_slice_t rest = mcp_slice(bytes->data + from, bytes->len - from);
  if (!gather || !c->out || c->writes > 0 || !mcp_gather_leave(gather, c, rest))
    return send_bytes(stream, bytes, from);
  c->left = true;
  return 0;
}

static bool is_quiet(mcp_stream_t *stream) {
  carrier_t *c = (carrier_t *)stream;
  uv_os_fd_t fd;
  char byte;
  if (!c->in || uv_fileno((uv_handle_t *)c->in, &fd) < 0) return true;
  if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) return false;
  /* Only sockets can be checked. */
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ||
         errno == ENOTSOCK;
}

static void peer(mcp_stream_t *stream, char *out, size_t size) {
  carrier_t *c = (carrier_t *)stream;
  struct sockaddr_storage address;
  socklen_t length = sizeof address;
  uv_os_fd_t fd;
  if (!c->in || uv_fileno((uv_handle_t *)c->in, &fd) < 0 ||
      getpeername(fd, (struct sockaddr *)&address, &length) < 0)
    return;
  if (address.ss_family == AF_UNIX) {
    snprintf(out, size, "unix");
  } else if (uv_ip_name((const struct sockaddr *)&address, out, size) < 0) {
    snprintf(out, size, "-");
  }
}

static const mcp_stream_ops_t carrier_ops = {.start = start,
                                             .pause = pause_reading,
                                             .send = send_bytes,
                                             .send_soon = send_soon,
                                             .close = close_stream,
                                             .is_quiet = is_quiet,
                                             .peer = peer};

static void free_handle(uv_handle_t *handle) {
  mcp_mem_free(handle);
}

/* With its share, and what it costs charged to that. NULL: it may not be had.
 */
static carrier_t *new_carrier(mcp_share_t *parent) {
  mcp_share_t *share = mcp_share_new(parent, MCP_SHARE_CONNECTION);
  carrier_t *c = NULL;
  if (share && mcp_share_charge(share, STREAM_COST) == 0) {
    c = mcp_mem_zalloc(sizeof *c);
    if (c) {
      c->base.share = share;
      return c;
    }
    mcp_share_release(share, STREAM_COST);
  }
  mcp_share_drop(share);
  return NULL;
}

bool mcp_stream_gather(mcp_loop_t *loop) {
  return mcp_gather_of(loop, write_gathered) != NULL;
}

mcp_stream_t *mcp_stream_over(mcp_loop_t *loop, void *in, void *out,
                              mcp_share_t *parent) {
  carrier_t *c = new_carrier(parent);
  if (!c) {
    if (in) uv_close(in, free_handle);
    if (out && out != in) uv_close(out, free_handle);
    return NULL;
  }
  c->base.ops = &carrier_ops;
  c->loop = loop;
  c->in = in;
  c->out = out;
  if (c->in) {
    c->in->data = c;
    c->open++;
  }
  if (c->out && c->out != c->in) {
    c->out->data = c;
    c->open++;
  }
  return &c->base;
}
