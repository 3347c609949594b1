/* SPDX-License-Identifier: MIT
 * pipe.c: see pipe.h. libuv polls pipes, sockets and terminals; for a regular
 * file it has only its thread pool, so files are read and written here,
 * a piece a turn. */
#include "net/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"

static void free_handle(uv_handle_t *handle) {
  mcp_mem_free(handle);
}

/* Opens the handle that fits `fd`. NULL if it is a regular file or the like
 * (code 0), or on failure. */
static uv_stream_t *open_handle(mcp_loop_t *loop, int fd, int *code) {
  uv_loop_t *uv = mcp_loop_uv(loop);
  uv_handle_type type = uv_guess_handle(fd);
  void *handle;
  *code = 0;
  if (type == UV_FILE || type == UV_UNKNOWN_HANDLE) return NULL;
  handle = mcp_mem_alloc(type == UV_TTY ? sizeof(uv_tty_t) : sizeof(uv_pipe_t));
  if (!handle) {
    *code = MCP_ENOMEM;
    return NULL;
  }
  if (type == UV_TTY) {
    if ((*code = uv_tty_init(uv, handle, fd, 0)) < 0) {
      mcp_mem_free(handle);
      return NULL;
    }
    return handle;
  }
  uv_pipe_init(uv, handle, 0);
  if ((*code = uv_pipe_open(handle, fd)) < 0) {
    uv_close(handle, free_handle);
    return NULL;
  }
  return handle;
}

/* A stream of which at least one side is a regular file. The other side may
 * be a handle, which then lives in `inner`. */
typedef struct {
  mcp_stream_t base;
  mcp_loop_t *loop;
  mcp_stream_t *inner;
  mcp_timer_t *turn; /* the next read, or the end of a close */
  int in, out;       /* file descriptors, -1 where inner serves that side */
} mixed_t;

static void inner_data(void *owner, mcp_slice_t bytes) {
  mixed_t *m = owner;
  m->base.events->on_data(m->base.owner, bytes);
}

static void inner_end(void *owner, int code) {
  mixed_t *m = owner;
  mcp_stream_end(&m->base, code);
}

static void inner_drain(void *owner) {
  mixed_t *m = owner;
  m->base.queued = 0;
  m->base.events->on_drain(m->base.owner);
}

static void gone(mixed_t *m) {
  if (m->in >= 0) close(m->in);
  if (m->out >= 0) close(m->out);
  mcp_timer_stop(m->turn);
  if (m->base.events) m->base.events->on_closed(m->base.owner);
  mcp_mem_free(m);
}

static void inner_closed(void *owner) {
  gone(owner);
}

static const mcp_stream_events_t inner_events = {inner_data, inner_end,
                                                 inner_drain, inner_closed};

static void on_turn(void *arg) {
  mixed_t *m = arg;
  char *at = mcp_loop_read_buffer(m->loop);
  ssize_t n;
  if (m->base.closing) {
    if (!m->inner) gone(m);
    return;
  }
  if (m->base.paused || m->base.ended) return;
  do {
    n = read(m->in, at, MCP_LOOP_READ_SIZE);
  } while (n < 0 && errno == EINTR);
  if (n > 0) {
    /* A millisecond later: a file is not a place to be fast. */
    mcp_timer_set(m->turn, 1);
    m->base.events->on_data(m->base.owner, mcp_slice(at, (size_t)n));
    return;
  }
  mcp_stream_end(&m->base, n < 0 ? -errno : 0);
}

static int start_mixed(mcp_stream_t *stream) {
  mixed_t *m = (mixed_t *)stream;
  int code = m->inner ? mcp_stream_start(m->inner, &inner_events, m) : 0;
  if (code == 0 && m->in >= 0) mcp_timer_set(m->turn, 0);
  return code;
}

static void pause_mixed(mcp_stream_t *stream, bool pause) {
  mixed_t *m = (mixed_t *)stream;
  if (m->inner) mcp_stream_pause(m->inner, pause);
  if (m->in >= 0 && !pause) mcp_timer_set(m->turn, 0);
}

static int send_mixed(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from) {
  mixed_t *m = (mixed_t *)stream;
  if (m->out < 0) {
    int code = mcp_stream_send(m->inner, bytes, from);
    m->base.queued = m->inner->queued;
    return code;
  }
  while (from < bytes->len) {
    ssize_t n = write(m->out, bytes->data + from, bytes->len - from);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    from += (size_t)n;
  }
  return 0;
}

static void close_mixed(mcp_stream_t *stream, bool flush) {
  mixed_t *m = (mixed_t *)stream;
  m->base.closing = true;
  if (m->inner) {
    mcp_stream_close(m->inner, flush);
  } else {
    mcp_timer_set(m->turn, 0);
  }
}

static const mcp_stream_ops_t mixed_ops = {.start = start_mixed,
                                           .pause = pause_mixed,
                                           .send = send_mixed,
                                           .close = close_mixed};

static int private_copy(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return copy < 0 ? -errno : copy;
}

int mcp_pipe_open_empty(void) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC), ends[2];
  if (null >= 0) return null;
  if (pipe(ends) < 0) return -errno;
  close(ends[1]);
  return ends[0];
}

/* Gives 0 nothing to read and 1 a copy of standard error. */
static int replace_standard(void) {
  int null = mcp_pipe_open_empty();
  if (null < 0) return null;
  if (dup2(null, 0) < 0) return -errno;
  if (dup2(2, 1) < 0 && dup2(null, 1) < 0) return -errno;
  /* Output printed earlier is still in the buffer: it goes there as well. */
  fflush(stdout);
  /* A program that prints its progress wants the output to appear at once. */
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  if (null > 2) close(null);
  return 0;
}

int mcp_pipe_stdio(mcp_loop_t *loop, mcp_stream_t **out_stream) {
  int in = private_copy(0), out = private_copy(1), code = 0;
  uv_stream_t *reader = NULL, *writer = NULL;
  mcp_stream_t *stream = NULL;
  mixed_t *m;
  bool streamed = false;
  if (in < 0 || out < 0) {
    code = in < 0 ? in : out;
    goto fail;
  }
  if ((code = replace_standard()) < 0) goto fail;
  reader = open_handle(loop, in, &code);
  if (code < 0) goto fail;
  writer = open_handle(loop, out, &code);
  if (code < 0) goto fail;
  if (reader || writer) {
    streamed = true;
    stream = mcp_stream_over(loop, reader, writer, NULL);
    if (!stream) {
      code = MCP_ENOMEM;
      goto fail;
    }
  }
  mcp_loop_set_input(loop, in);
  if (reader && writer) {
    *out_stream = stream;
    return 0;
  }
  m = mcp_mem_zalloc(sizeof *m);
  if (m) m->turn = mcp_timer_new(loop, false, on_turn, m);
  if (!m || !m->turn) {
    mcp_mem_free(m);
    if (stream) mcp_stream_close(stream, false);
    mcp_loop_set_input(loop, -1);
    code = MCP_ENOMEM;
    goto fail;
  }
  m->base.ops = &mixed_ops;
  m->loop = loop;
  m->inner = stream;
  m->base.share = stream ? stream->share : NULL;
  /* In case it is closed before it was started. */
  if (stream) {
    stream->events = &inner_events;
    stream->owner = m;
  }
  m->in = reader ? -1 : in;
  m->out = writer ? -1 : out;
  *out_stream = &m->base;
  return 0;

fail:
  /* A handle closes its descriptor, a stream its handles. */
  if (reader && !streamed) uv_close((uv_handle_t *)reader, free_handle);
  if (in >= 0 && !reader) close(in);
  if (out >= 0 && !writer) close(out);
  return code;
}
