/* SPDX-License-Identifier: MIT
 * worker_child.c: a worker's state as the only thing a process does: the other
 * end of worker_carrier.c. It has one thread and no loop; that it is stopped is
 * that it is killed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/worker_call.h"
#include "lua/worker_carrier.h"
#include "lua/worker_confine.h"
#include "net/pipe.h"
#include "net/thread.h"

/* What a process of ours takes beside the memory of Lua: buffers, stacks, C
 * modules. In bytes. */
#define HEADROOM (64u << 20)
/* A frame of the caller's is never larger. */
#define FRAME_MAX (1u << 30)

typedef struct {
  int in, out;
  uint32_t replies; /* received in this call */
} line_t;

/* Reads or writes all of it. False: the caller is gone. */
static bool read_all(int fd, void *to, size_t size) {
  for (char *at = to; size > 0;) {
    ssize_t n = read(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

static bool write_all(int fd, const void *from, size_t size) {
  for (const char *at = from; size > 0;) {
    ssize_t n = write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= (size_t)n;
  }
  return true;
}

static bool read_frame(const line_t *line, char *kind, mcp_buf_t *bytes) {
  uint32_t size;
  bytes->len = 0;
  if (!read_all(line->in, &size, sizeof size) || !read_all(line->in, kind, 1) ||
      size > FRAME_MAX || mcp_buf_reserve(bytes, size) < 0 ||
      !read_all(line->in, bytes->data, size))
    return false;
  bytes->len = size;
  return true;
}

static bool write_frame(const line_t *line, char kind, mcp_slice_t bytes) {
  char head[sizeof(uint32_t) + 1];
  uint32_t size = (uint32_t)bytes.len;
  memcpy(head, &size, sizeof size);
  head[sizeof size] = kind;
  return write_all(line->out, head, sizeof head) &&
         write_all(line->out, bytes.data, bytes.len);
}

static bool never(void *carrier) {
  (void)carrier;
  return false;
}

static bool sleep_for(void *carrier, uint64_t ms) {
  struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
  (void)carrier;
  while (nanosleep(&left, &left) < 0 && errno == EINTR) continue;
  return true;
}

static int send_note(void *carrier, mcp_buf_t *bytes) {
  bool sent = write_frame(carrier, 'N', mcp_buf_slice(bytes));
  mcp_buf_deinit(bytes);
  return sent ? 0 : MCP_EGONE;
}

/* While there is no reply, the time of the call does not count: the caller is
 * notified, with the number of replies up to then. */
static int receive_reply(void *carrier, mcp_buf_t *bytes) {
  line_t *line = carrier;
  struct pollfd input = {.fd = line->in, .events = POLLIN};
  mcp_slice_t count = {(const char *)&line->replies, sizeof line->replies};
  char kind;
  if (poll(&input, 1, 0) == 0 && !write_frame(line, 'W', count))
    return MCP_EGONE;
  if (!read_frame(line, &kind, bytes) || kind != 'R') return MCP_EGONE;
  line->replies++;
  return 0;
}

static const mcp_worker_ops_t ops = {
    true, never, sleep_for, send_note, receive_reply, mcp_worker_confine};

/* Bytes of address space now in use, or 0 where that cannot be known. */
static size_t size_of_process(void) {
  size_t pages = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file && fscanf(file, "%zu", &pages) != 1) pages = 0;
  if (file) fclose(file);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* The allocator keeps Lua within its limit; this keeps C modules in theirs. */
static void limit_process(size_t memory) {
  struct rlimit none = {0, 0}, space;
  size_t now = size_of_process();
  (void)setrlimit(RLIMIT_CORE, &none);
  if (memory == 0 || now == 0 || getrlimit(RLIMIT_AS, &space) < 0) return;
  now += memory + memory / 2 + HEADROOM;
  if (space.rlim_max != RLIM_INFINITY && space.rlim_max < now) return;
  space.rlim_cur = space.rlim_max = now;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  (void)setrlimit(RLIMIT_AS, &space);
#endif
}

/* What the worker's code does with its standard streams must not meet ours. */
static bool take_line(line_t *line) {
  int null = mcp_pipe_open_empty();
  line->in = fcntl(0, F_DUPFD_CLOEXEC, 3);
  line->out = fcntl(1, F_DUPFD_CLOEXEC, 3);
  if (null < 0 || line->in < 0 || line->out < 0) return false;
  return dup2(null, 0) == 0 && dup2(2, 1) == 1 && close(null) == 0;
}

static mcp_worker_t *read_setup(const line_t *line, lua_CFunction open_core,
                                lua_CFunction prepare, mcp_buf_t *bytes) {
  mcp_worker_limits_t limits;
  char kind;
  if (!read_frame(line, &kind, bytes) || kind != 'S' ||
      bytes->len < sizeof limits)
    return NULL;
  memcpy(&limits, bytes->data, sizeof limits);
  limits.open_core = open_core;
  limits.prepare = prepare;
  limit_process(limits.memory);
  return mcp_worker_new(
      mcp_slice(bytes->data + sizeof limits, bytes->len - sizeof limits),
      &limits, &ops, (void *)(uintptr_t)line);
}

int mcp_worker_child(lua_CFunction open_core, lua_CFunction prepare) {
  line_t line = {0};
  mcp_buf_t bytes = {0}, answer = {0};
  mcp_worker_t *worker;
  char kind;
  signal(SIGPIPE, SIG_IGN);
  mcp_thread_step_back();
  if (!take_line(&line)) return EXIT_FAILURE;
  worker = read_setup(&line, open_core, prepare, &bytes);
  if (!worker) return EXIT_FAILURE;
  while (read_frame(&line, &kind, &bytes) && kind == 'C') {
    line.replies = 0;
    mcp_worker_call(worker, mcp_buf_slice(&bytes), &answer);
    if (!write_frame(&line, 'A', mcp_buf_slice(&answer))) break;
    mcp_buf_reset(&answer, 65536);
    mcp_buf_reset(&bytes, 65536);
  }
  mcp_worker_free(worker);
  mcp_buf_deinit(&bytes);
  mcp_buf_deinit(&answer);
  return EXIT_SUCCESS;
}
