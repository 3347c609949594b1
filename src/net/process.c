/* SPDX-License-Identifier: MIT
 * process.c: see process.h. The stream that the user sees lies over two: one
 * that is read and one that is written, because the end of the child's input
 * comes long before the end of its output. */
#include "net/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/guard.h"

/* How long the end of the loop waits for a child that has been killed, in
 * turns of a millisecond. */
#define LAST_WAIT 1000
/* "the process was ended by signal 9" and the like. */
#define REASON_SIZE 48

struct mcp_process {
  mcp_stream_t base;
  mcp_loop_t *loop;
  mcp_loop_cleanup_t cleanup;
  mcp_stream_t *in, *out, *err; /* NULL once they are closed */
  uv_pipe_t line;               /* to the guard */
  int line_fd;                  /* -1 once it is closed */
  int input_fd;                 /* of `out` */
  mcp_timer_t *drain;
  mcp_guard_news_t news;
  size_t news_size; /* bytes of it that have come */
  void (*on_error)(void *, mcp_slice_t);
  void (*on_exit)(void *, int, int);
  void (*on_lost)(void *);
  void (*on_gone)(void *);
  void *owner;
  pid_t guard; /* 0 once it is reaped */
  pid_t child;
  uint32_t grace;
  uint32_t drained; /* ms that its last words have taken */
  unsigned open;    /* streams and the line that are not closed yet */
  bool in_ended, err_ended;
  int unread; /* why it reads its input no more: a code, 0 while it does */
  bool apart;
  bool active; /* something came since the last look */
  bool exited; /* there is no child any more */
  bool failed; /* and it did not end well */
  char reason[REASON_SIZE];
};

static void release(mcp_process_t *p) {
  void (*on_gone)(void *) = p->on_gone;
  void *owner = p->owner;
  const mcp_stream_events_t *up = p->base.events;
  if (p->open > 0) return;
  if (up) up->on_closed(p->base.owner);
  mcp_loop_drop_cleanup(&p->cleanup);
  mcp_timer_stop(p->drain);
  mcp_mem_free(p);
  if (on_gone) on_gone(owner);
}

/* To the guard; see guard.h. Fails only if the guard is dead. */
static void send_word(mcp_process_t *p, uint32_t word) {
  if (p->line_fd >= 0)
    (void)!send(p->line_fd, &word, sizeof word, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void end_stream(mcp_process_t *p, int code) {
  if (!p->base.events || p->base.closing) return;
  if (code == 0 && !p->exited && !p->in_ended) code = p->unread;
  p->base.reason = p->exited   ? p->reason
                   : code == 0 ? "the process closed its output"
                               : NULL;
  mcp_stream_end(&p->base, code == 0 && p->failed ? MCP_EGONE : code);
}

static void on_line_closed(uv_handle_t *handle) {
  mcp_process_t *p = handle->data;
  p->open--;
  release(p);
}

static void close_line(mcp_process_t *p) {
  if (p->line_fd < 0) return;
  p->line_fd = -1;
  uv_close((uv_handle_t *)&p->line, on_line_closed);
}

static void close_inner(mcp_stream_t *stream) {
  if (stream) mcp_stream_close(stream, false);
}

/* When no callback is wanted any more and no process of it is left. */
static void close_rest(mcp_process_t *p) {
  if (!p->base.closing || p->guard) return;
  close_inner(p->in);
  close_inner(p->out);
  close_inner(p->err);
}

static void set_drain(mcp_process_t *p) {
  mcp_timer_set(p->drain, MCP_PROCESS_DRAIN_TIME);
}

static void end_error(mcp_process_t *p) {
  if (p->err_ended) return;
  p->err_ended = true;
  if (p->on_error) p->on_error(p->owner, mcp_slice(NULL, 0));
}

/* All output of the child has been read, or the time to wait for it is over. */
static void finish(mcp_process_t *p) {
  end_stream(p, 0);
  if (p->exited && p->err) end_error(p);
  close_rest(p);
}

static bool is_all_read(const mcp_process_t *p) {
  return p->in_ended && (!p->err || p->err_ended);
}

/* Is some of its output not read, because we do not want more of it now? */
static bool is_held(const mcp_process_t *p) {
  return !p->base.closing &&
         (p->base.paused || (p->err && !p->err_ended && p->err->paused));
}

static void on_drain_time(void *arg) {
  mcp_process_t *p = arg;
  /* Goes on when it is read on. */
  if (p->exited && is_held(p)) return;
  p->drained += MCP_PROCESS_DRAIN_TIME;
  if (p->exited && !is_all_read(p) && p->active &&
      p->drained < MCP_PROCESS_DRAIN_MAX) {
    p->active = false;
    set_drain(p);
    return;
  }
  finish(p);
}

static void resume_drain(mcp_process_t *p) {
  if (!p->exited || is_all_read(p)) return;
  p->active = true;
  set_drain(p);
}

/* The child, or its guard, is no more. What they have written may still have to
 * be read. */
static void wind_up(mcp_process_t *p) {
  if (p->in_ended) end_stream(p, 0);
  p->active = true;
  if (is_all_read(p)) {
    close_rest(p);
  } else {
    set_drain(p);
  }
}

static void take_news(mcp_process_t *p) {
  const mcp_guard_news_t *news = &p->news;
  p->news_size = 0;
  if (news->kind != MCP_GUARD_EXITED || p->exited) return;
  p->failed = news->value != 0 || news->detail != 0;
  if (news->detail) {
    snprintf(p->reason, sizeof p->reason, "the process was ended by signal %d",
             (int)news->detail);
  } else {
    snprintf(p->reason, sizeof p->reason, "the process ended with status %d",
             (int)news->value);
  }
  p->exited = true;
  if (p->on_exit) p->on_exit(p->owner, news->value, news->detail);
  wind_up(p);
}

/* The guard has ended, as a rule because nothing is left to be watched. */
static void on_guard_gone(mcp_process_t *p) {
  close_line(p);
  /* It has closed its descriptors, so this takes no time. It does no harm if
   * other code reaps our children first. */
  while (waitpid(p->guard, NULL, 0) < 0 && errno == EINTR) continue;
  p->guard = 0;
  if (!p->exited) {
    /* The guard was killed. The child's end will not be reported. */
    kill(-p->child, SIGKILL);
    p->exited = p->failed = true;
    snprintf(p->reason, sizeof p->reason, "the process lost its guard");
    if (p->on_lost) p->on_lost(p->owner);
  }
  wind_up(p);
}

static void on_line_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
  mcp_process_t *p = handle->data;
  (void)size;
  *buf = uv_buf_init((char *)&p->news + p->news_size,
                     (unsigned)(sizeof p->news - p->news_size));
}

static void on_line(uv_stream_t *line, ssize_t n, const uv_buf_t *buf) {
  mcp_process_t *p = line->data;
  (void)buf;
  if (n > 0) {
    p->news_size += (size_t)n;
    if (p->news_size == sizeof p->news) take_news(p);
  } else if (n < 0) {
    on_guard_gone(p);
  }
}

static void in_data(void *owner, mcp_slice_t bytes) {
  mcp_process_t *p = owner;
  p->active = true;
  if (p->base.closing || p->base.ended) return;
  p->base.events->on_data(p->base.owner, bytes);
}

static void in_end(void *owner, int code) {
  mcp_process_t *p = owner;
  p->in_ended = true;
  if (p->exited || code < 0) {
    end_stream(p, code);
    if (is_all_read(p)) close_rest(p);
  } else if (!p->base.closing) {
    /* Most have ended then: it is worth waiting for the news of it. */
    set_drain(p);
  }
}

static void in_closed(void *owner) {
  mcp_process_t *p = owner;
  p->in = NULL;
  p->open--;
  release(p);
}

static void out_data(void *owner, mcp_slice_t bytes) {
  (void)owner;
  (void)bytes;
}

static void take_queue(mcp_process_t *p) {
  p->base.queued = p->out ? p->out->queued : 0;
  if (p->out) p->base.progress_ms = p->out->progress_ms;
}

/* Does the child only read no more? Most have ended then, and their status says
 * more than the failed write: it is worth waiting for the news of it. */
static bool awaits_news(mcp_process_t *p, int code) {
  if (p->apart || (code != UV_EPIPE && code != UV_ECONNRESET)) return false;
  if (!p->unread) set_drain(p);
  p->unread = code;
  return true;
}

static void out_end(void *owner, int code) {
  mcp_process_t *p = owner;
  if (p->apart) {
    close_inner(p->out);
  } else if (!awaits_news(p, code)) {
    end_stream(p, code);
  }
}

static void out_drain(void *owner) {
  mcp_process_t *p = owner;
  take_queue(p);
  if (!p->base.closing) p->base.events->on_drain(p->base.owner);
}

/* That is the end of the child's input, and of a stream that is closing. */
static void out_closed(void *owner) {
  mcp_process_t *p = owner;
  const mcp_stream_events_t *up = p->base.events;
  p->out = NULL;
  take_queue(p);
  if (p->base.closing) {
    p->base.events = NULL;
    if (up) up->on_closed(p->base.owner);
  } else if (up) {
    up->on_drain(p->base.owner);
  }
  p->open--;
  release(p);
}

static void err_data(void *owner, mcp_slice_t bytes) {
  mcp_process_t *p = owner;
  p->active = true;
  if (bytes.len > 0 && !p->err_ended && p->on_error)
    p->on_error(p->owner, bytes);
}

static void err_end(void *owner, int code) {
  mcp_process_t *p = owner;
  (void)code;
  end_error(p);
  if (is_all_read(p)) close_rest(p);
}

static void err_closed(void *owner) {
  mcp_process_t *p = owner;
  p->err = NULL;
  end_error(p);
  p->open--;
  release(p);
}

static void no_drain(void *owner) {
  (void)owner;
}

static const mcp_stream_events_t in_events = {in_data, in_end, no_drain,
                                              in_closed};
static const mcp_stream_events_t out_events = {out_data, out_end, out_drain,
                                               out_closed};
static const mcp_stream_events_t err_events = {err_data, err_end, no_drain,
                                               err_closed};

static int start(mcp_stream_t *stream) {
  mcp_process_t *p = (mcp_process_t *)stream;
  int code = mcp_stream_start(p->in, &in_events, p);
  return code < 0 ? code : mcp_stream_start(p->out, &out_events, p);
}

static void pause_reading(mcp_stream_t *stream, bool pause) {
  mcp_process_t *p = (mcp_process_t *)stream;
  if (p->in) mcp_stream_pause(p->in, pause);
  if (!pause) resume_drain(p);
}

static int send_bytes(mcp_stream_t *stream, mcp_buf_t *bytes, size_t from) {
  mcp_process_t *p = (mcp_process_t *)stream;
  int code = p->out ? mcp_stream_send(p->out, bytes, from) : MCP_ECLOSED;
  take_queue(p);
  return awaits_news(p, code) ? 0 : code;
}

/* Closes the stream. What the child still writes is read and dropped, so that
 * it can end. */
static void shut(mcp_process_t *p, bool flush) {
  bool first = !p->base.closing;
  p->base.closing = true;
  if (first && p->in) mcp_stream_pause(p->in, false);
  if (first && p->err) mcp_stream_pause(p->err, false);
  if (p->out) mcp_stream_close(p->out, flush);
  if (!p->guard) wind_up(p);
}

static void close_stream(mcp_stream_t *stream, bool flush) {
  mcp_process_t *p = (mcp_process_t *)stream;
  if (!p->base.closing || !flush)
    send_word(p, MCP_GUARD_END | (flush ? p->grace : 0));
  shut(p, flush);
}

static const mcp_stream_ops_t process_ops = {
    start, pause_reading, send_bytes, NULL, close_stream, NULL, NULL};

/* The loop ends: kills the group at once and waits a short time for the guard.
 * If the guard takes longer, it goes on alone. */
static void end_now(mcp_loop_cleanup_t *cleanup) {
  mcp_process_t *p = MCP_LIST_MEMBER(cleanup, mcp_process_t, cleanup);
  struct timespec pause = {.tv_nsec = 1000000};
  p->base.closing = true;
  send_word(p, MCP_GUARD_END);
  for (int i = 0; p->guard && i < LAST_WAIT; i++) {
    pid_t pid = waitpid(p->guard, NULL, WNOHANG);
    if (pid == p->guard || (pid < 0 && errno != EINTR)) p->guard = 0;
    if (p->guard) nanosleep(&pause, NULL);
  }
  p->guard = 0;
  p->exited = true;
  close_line(p);
  close_rest(p);
}

/* --- starting ------------------------------------------------------------ */

static void free_handle(uv_handle_t *handle) {
  mcp_mem_free(handle);
}

/* A stream that reads or writes `*fd`, which it takes. 0 or a code. */
static int wrap(mcp_process_t *p, int *fd, bool reads,
                const mcp_stream_events_t *events, mcp_stream_t **out) {
  uv_pipe_t *handle = mcp_mem_alloc(sizeof *handle);
  mcp_stream_t *stream;
  int code;
  if (!handle) return MCP_ENOMEM;
  uv_pipe_init(mcp_loop_uv(p->loop), handle, 0);
  code = uv_pipe_open(handle, *fd);
  if (code < 0) {
    uv_close((uv_handle_t *)handle, free_handle);
    return code;
  }
  *fd = -1;
  stream = reads ? mcp_stream_over(p->loop, handle, NULL, NULL)
                 : mcp_stream_over(p->loop, NULL, handle, NULL);
  if (!stream) return MCP_ENOMEM;
  /* In case it is closed before it was started. */
  stream->events = events;
  stream->owner = p;
  p->open++;
  *out = stream;
  return 0;
}

static int open_line(mcp_process_t *p, int *fd) {
  int code;
  uv_pipe_init(mcp_loop_uv(p->loop), &p->line, 0);
  p->line.data = p;
  p->open++;
  code = uv_pipe_open(&p->line, *fd);
  p->line_fd = *fd;
  if (code == 0) *fd = -1;
  return code;
}

/* Waits until the program runs: some milliseconds, as any fork takes. */
static int hear_first(int line, mcp_process_t *p, mcp_process_step_t *step) {
  mcp_guard_news_t news;
  ssize_t n;
  do {
    n = recv(line, &news, sizeof news, MSG_WAITALL);
  } while (n < 0 && errno == EINTR);
  if (n != (ssize_t)sizeof news) return MCP_EGONE;
  p->child = news.value;
  if (news.kind == MCP_GUARD_STARTED) return 0;
  *step = (mcp_process_step_t)news.value;
  return -news.detail;
}

static void bury(pid_t guard) {
  while (waitpid(guard, NULL, 0) < 0 && errno == EINTR) continue;
}

static void close_pair(int fds[2]) {
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0) close(fds[i]);
}

/* The null device, or our output, in place of `*fd`. */
static int replace(int *fd, bool ours) {
  if (*fd >= 0) close(*fd);
  *fd = ours ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
             : open("/dev/null", O_WRONLY | O_CLOEXEC);
  return *fd < 0 ? -errno : 0;
}

/* Everything that can fail but the start itself comes before it. */
static int launch(mcp_process_t *p, const mcp_process_options_t *options,
                  mcp_process_step_t *step) {
  /* The first of each pair is read from; the first of `line` stays here. */
  int pairs[4][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
  int *in = pairs[0], *out = pairs[1], *err = pairs[2], *line = pairs[3];
  mcp_guard_options_t guard = {.arguments = options->arguments,
                               .environment = options->environment,
                               .folder = options->folder,
                               .fds = {-1, -1, 2},
                               .passed = options->passed,
                               .passed_count = options->passed_count,
                               .grace = MCP_PROCESS_ORPHAN_GRACE};
  int code = uv_pipe(in, 0, 0);
  if (code == 0) code = uv_pipe(out, 0, 0);
  if (code == 0 && (options->no_output || options->our_output))
    code = replace(&out[1], options->our_output);
  if (code == 0 && options->error == MCP_PROCESS_CAPTURE)
    code = uv_pipe(err, 0, 0);
  if (code == 0 && options->error == MCP_PROCESS_NULL)
    code = replace(&err[1], false);
  if (code == 0) code = uv_socketpair(SOCK_STREAM, 0, line, 0, 0);
  if (code < 0) goto done;
  guard.fds[0] = in[0];
  guard.fds[1] = out[1];
  if (options->error != MCP_PROCESS_INHERIT) guard.fds[2] = err[1];
  if (options->error == MCP_PROCESS_MERGE) guard.fds[2] = out[1];
  p->input_fd = in[1];
  code = wrap(p, &in[1], false, &out_events, &p->out);
  if (code == 0) p->base.share = p->out->share;
  if (code == 0) code = wrap(p, &out[0], true, &in_events, &p->in);
  if (code == 0 && err[0] >= 0)
    code = wrap(p, &err[0], true, &err_events, &p->err);
  if (code == 0 && p->err) code = mcp_stream_start(p->err, &err_events, p);
  if (code == 0) code = mcp_guard_start(&guard, line[1], &p->guard);
  if (code < 0) goto done;
  close(line[1]);
  line[1] = -1;
  code = hear_first(line[0], p, step);
  if (code == 0) code = open_line(p, &line[0]);
  if (code == 0)
    code = uv_read_start((uv_stream_t *)&p->line, on_line_alloc, on_line);
  if (code < 0) {
    /* That the line ends is its end, too. */
    send_word(p, MCP_GUARD_END);
    close_line(p);
    if (line[0] >= 0) close(line[0]);
    line[0] = -1;
    bury(p->guard);
    p->guard = 0;
  }
done:
  for (int i = 0; i < 4; i++) close_pair(pairs[i]);
  return code;
}

int mcp_process_open(mcp_loop_t *loop, const mcp_process_options_t *options,
                     mcp_process_t **process, mcp_stream_t **stream,
                     mcp_process_step_t *step) {
  mcp_process_t *p = mcp_mem_zalloc(sizeof *p);
  int code;
  *step = 0;
  if (!p) return MCP_ENOMEM;
  p->base.ops = &process_ops;
  p->loop = loop;
  p->line_fd = -1;
  p->grace = MCP_PROCESS_GRACE;
  p->apart = options->apart;
  mcp_list_init(&p->cleanup.of_loop);
  p->cleanup.end = end_now;
  p->drain = mcp_timer_new(loop, false, on_drain_time, p);
  code = p->drain ? launch(p, options, step) : MCP_ENOMEM;
  if (code < 0) {
    p->base.closing = p->exited = true;
    if (p->open == 0) {
      release(p);
    } else {
      close_rest(p);
    }
    return code;
  }
  p->on_error = options->on_error;
  p->on_exit = options->on_exit;
  p->on_lost = options->on_lost;
  p->on_gone = options->on_gone;
  p->owner = options->owner;
  mcp_loop_add_cleanup(loop, &p->cleanup);
  *process = p;
  *stream = &p->base;
  return 0;
}

bool mcp_process_has_unread(const mcp_process_t *p) {
  int n = 0;
  if (p->out && !p->out->closing) (void)ioctl(p->input_fd, FIONREAD, &n);
  return p->unread != 0 || n > 0;
}

int mcp_process_pid(const mcp_process_t *process) {
  return (int)process->child;
}

void mcp_process_hold(mcp_process_t *process, bool hold) {
  if (process->line_fd < 0) return;
  if (hold) {
    uv_ref((uv_handle_t *)&process->line);
  } else {
    uv_unref((uv_handle_t *)&process->line);
  }
}

static uint32_t number_of(uint64_t ms) {
  return ms < MCP_GUARD_NUMBER ? (uint32_t)ms : MCP_GUARD_NUMBER;
}

void mcp_process_end_input(mcp_process_t *process) {
  if (process->out) mcp_stream_close(process->out, true);
}

void mcp_process_pause_error(mcp_process_t *process, bool pause) {
  if (process->err) mcp_stream_pause(process->err, pause);
  if (!pause) resume_drain(process);
}

void mcp_process_end(mcp_process_t *process, uint64_t grace_ms) {
  send_word(process, MCP_GUARD_TERM | number_of(grace_ms));
  shut(process, false);
}

bool mcp_process_signal(mcp_process_t *process, int number) {
  if (process->line_fd < 0) return false;
  send_word(process, MCP_GUARD_SIGNAL | (uint32_t)number);
  return true;
}

void mcp_process_set_grace(mcp_process_t *process, uint64_t grace_ms) {
  process->grace = number_of(grace_ms);
  if (process->base.closing) send_word(process, MCP_GUARD_END | process->grace);
}
