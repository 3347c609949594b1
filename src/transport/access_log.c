/* SPDX-License-Identifier: MIT
 * access_log.c: see access_log.h. */
#include "transport/access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"

struct mcp_access_log {
  int fd;
  unsigned references;
  bool json;
  size_t dropped;
  mcp_buf_t waiting; /* whole lines, but for the first one's beginning */
  char path[];       /* empty: standard output */
};

/* O_NONBLOCK: a FIFO without a reader is an error, and not a wait. */
static int open_file(const char *path) {
  int fd =
      open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
  return fd < 0 ? -errno : fd;
}

mcp_access_log_t *mcp_access_log_open(const char *path, bool json, int *code) {
  size_t length = path ? strlen(path) : 0;
  mcp_access_log_t *log = mcp_mem_zalloc(sizeof *log + length + 1);
  if (!log) {
    *code = MCP_ENOMEM;
    return NULL;
  }
  if (path) memcpy(log->path, path, length);
  log->fd = path ? open_file(path) : dup(STDOUT_FILENO);
  if (log->fd < 0) {
    *code = path ? log->fd : -errno;
    mcp_mem_free(log);
    return NULL;
  }
  if (!path) (void)fcntl(log->fd, F_SETFD, FD_CLOEXEC);
  log->json = json;
  log->references = 1;
  return log;
}

/* How much of `bytes` the file takes now. Standard output may be shared with
 * others, so it is not made non-blocking: a pipe that is ready takes PIPE_BUF.
 */
static size_t put(mcp_access_log_t *log, mcp_slice_t bytes) {
  size_t done = 0;
  while (done < bytes.len) {
    struct pollfd ready = {.fd = log->fd, .events = POLLOUT};
    size_t piece = bytes.len - done;
    ssize_t n;
    if (poll(&ready, 1, 0) <= 0 || !(ready.revents & POLLOUT)) break;
    if (piece > PIPE_BUF) piece = PIPE_BUF;
    n = write(log->fd, bytes.data + done, piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += (size_t)n;
  }
  return done;
}

static void flush(mcp_access_log_t *log) {
  size_t done = put(log, mcp_buf_slice(&log->waiting));
  if (done == log->waiting.len) {
    mcp_buf_reset(&log->waiting, 0);
  } else if (done > 0) {
    memmove(log->waiting.data, log->waiting.data + done,
            log->waiting.len - done);
    log->waiting.len -= done;
  }
}

static void write_text(mcp_access_log_t *log, mcp_slice_t line) {
  int saved = errno;
  size_t done = 0;
  if (log->waiting.len > 0) flush(log);
  if (log->waiting.len == 0) done = put(log, line);
  line.data += done;
  line.len -= done;
  if (line.len > 0 && (log->waiting.len + line.len > MCP_ACCESS_LOG_QUEUE ||
                       mcp_buf_append_slice(&log->waiting, line) < 0))
    log->dropped++;
  errno = saved;
}

/* Bytes beyond ASCII are no part of a path (RFC 3986). */
void mcp_access_log_escape(const mcp_access_log_t *log, mcp_slice_t path,
                           char *to) {
  size_t at = 0;
  for (size_t i = 0; i < path.len && i < MCP_ACCESS_LOG_PATH; i++) {
    unsigned char c = (unsigned char)path.data[i];
    if (c == '"' || c == '\\') {
      to[at++] = '\\';
      to[at++] = (char)c;
    } else if (c < 0x20 || c > 0x7E) {
      at += (size_t)snprintf(to + at, 7, log->json ? "\\u%04x" : "\\x%02X", c);
    } else {
      to[at++] = (char)c;
    }
  }
  if (path.len > MCP_ACCESS_LOG_PATH) {
    memcpy(to + at, "...", 3);
    at += 3;
  }
  to[at] = '\0';
}

/* `2026-11-30T01:20:00.123Z` */
static void write_time(char *to, size_t size) {
  struct timespec now;
  struct tm utc;
  size_t n;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  n = strftime(to, size, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(to + n, size - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

void mcp_access_log_write(mcp_access_log_t *log,
                          const mcp_access_line_t *line) {
  char text[MCP_ACCESS_LOG_ESCAPED + MCP_ACCESS_LOG_NOTE + 320], when[40];
  struct timespec now;
  double ms;
  int n;
  clock_gettime(CLOCK_MONOTONIC, &now);
  ms = (double)(now.tv_sec - line->began.tv_sec) * 1e3 +
       (double)(now.tv_nsec - line->began.tv_nsec) / 1e6;
  write_time(when, sizeof when);
  n = snprintf(text, sizeof text,
               log->json
                   ? "{\"time\":\"%s\",\"remote\":\"%s\",\"method\":\"%s\","
                     "\"path\":\"%s\",\"status\":%u,\"bytes\":%llu,\"ms\":%.3f"
                     "%.*s}\n"
                   : "time=%s remote=%s method=%s path=\"%s\" status=%u "
                     "bytes=%llu ms=%.3f%.*s\n",
               when, line->remote, line->method, line->path, line->status,
               (unsigned long long)line->bytes, ms, (int)line->note.len,
               line->note.len > 0 ? line->note.data : "");
  if (n > 0) write_text(log, mcp_slice(text, (size_t)n));
}

int mcp_access_log_reopen(mcp_access_log_t *log) {
  int fd;
  if (!log->path[0]) return 0;
  fd = open_file(log->path);
  if (fd < 0) return fd;
  flush(log);
  close(log->fd);
  log->fd = fd;
  return 0;
}

void mcp_access_log_retain(mcp_access_log_t *log) {
  log->references++;
}

void mcp_access_log_release(mcp_access_log_t *log) {
  if (!log || --log->references > 0) return;
  flush(log);
  close(log->fd);
  mcp_buf_deinit(&log->waiting);
  mcp_mem_free(log);
}

size_t mcp_access_log_dropped(const mcp_access_log_t *log) {
  return log->dropped;
}
