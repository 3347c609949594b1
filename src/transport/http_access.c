/* SPDX-License-Identifier: MIT
 * http_access.c: see http_access.h. A line has, in this order: time, remote,
 * method, path, status (0: the client has gone before it was answered), bytes
 * (sent, with the head), ms, and what the upper side has added. */
#include "transport/http_access.h"

#include <stdio.h>
#include <time.h>

#include "base/mem.h"

struct mcp_http_access {
  struct timespec began; /* CLOCK_MONOTONIC */
  bool open;             /* between begin and end */
  uint64_t sent;         /* of the connection, when the request began */
  size_t note;
  char peer[48], method[16];
  char path[MCP_HTTP_ACCESS_PATH * 6 + 4]; /* escaped */
  char text[MCP_HTTP_ACCESS_NOTE];
};

/* Writes `s` so that it can stand between quotes. Bytes beyond ASCII are no
 * part of a path (RFC 3986). */
static void escape(mcp_slice_t s, bool json, char *to, size_t max) {
  size_t at = 0;
  for (size_t i = 0; i < s.len && i < max; i++) {
    unsigned char c = (unsigned char)s.data[i];
    if (c == '"' || c == '\\') {
      to[at++] = '\\';
      to[at++] = (char)c;
    } else if (c < 0x20 || c > 0x7E) {
      at += (size_t)snprintf(to + at, 7, json ? "\\u%04x" : "\\x%02X", c);
    } else {
      to[at++] = (char)c;
    }
  }
  if (s.len > max) {
    memcpy(to + at, "...", 3);
    at += 3;
  }
  to[at] = '\0';
}

static mcp_http_access_t *record_of(mcp_http_connection_t *conn) {
  mcp_http_access_t *made = conn->access;
  if (made) return made;
  if (mcp_share_charge(conn->share, sizeof *made) < 0) return NULL;
  made = mcp_mem_zalloc(sizeof *made);
  if (!made) {
    mcp_share_release(conn->share, sizeof *made);
    return NULL;
  }
  mcp_stream_peer(conn->stream, made->peer, sizeof made->peer);
  conn->access = made;
  return made;
}

static const char *method_of(const mcp_http_head_t *head) {
  switch (head->method) {
  case MCP_HTTP_GET: return "GET";
  case MCP_HTTP_HEAD: return "HEAD";
  case MCP_HTTP_POST: return "POST";
  case MCP_HTTP_DELETE: return "DELETE";
  case MCP_HTTP_OPTIONS: return "OPTIONS";
  default: return "OTHER";
  }
}

void mcp_http_access_begin(mcp_http_connection_t *conn) {
  mcp_access_log_t *log = conn->service->options.access;
  const mcp_http_head_t *head;
  mcp_http_access_t *record;
  if (!log) return;
  if (conn->access && conn->access->open) mcp_http_access_end(conn);
  record = record_of(conn);
  if (!record) return;
  head = mcp_http_head(conn->http);
  clock_gettime(CLOCK_MONOTONIC, &record->began);
  record->open = true;
  record->sent = conn->reply.sent;
  record->note = 0;
  conn->reply.status = 0;
  snprintf(record->method, sizeof record->method, "%s", method_of(head));
  escape(head->path, mcp_access_log_is_json(log), record->path,
         MCP_HTTP_ACCESS_PATH);
}

void mcp_http_access_note(mcp_http_connection_t *conn, mcp_slice_t text) {
  mcp_http_access_t *record = conn->access;
  if (!record || !record->open || text.len > sizeof record->text) return;
  memcpy(record->text, text.data, text.len);
  record->note = text.len;
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

void mcp_http_access_end(mcp_http_connection_t *conn) {
  mcp_http_access_t *record = conn->access;
  mcp_access_log_t *log = conn->service->options.access;
  char line[sizeof record->path + sizeof record->text + 320], when[40];
  struct timespec now;
  double ms;
  int n;
  if (!record || !record->open) return;
  record->open = false;
  clock_gettime(CLOCK_MONOTONIC, &now);
  ms = (double)(now.tv_sec - record->began.tv_sec) * 1e3 +
       (double)(now.tv_nsec - record->began.tv_nsec) / 1e6;
  write_time(when, sizeof when);
  n = snprintf(line, sizeof line,
               mcp_access_log_is_json(log)
                   ? "{\"time\":\"%s\",\"remote\":\"%s\",\"method\":\"%s\","
                     "\"path\":\"%s\",\"status\":%u,\"bytes\":%llu,\"ms\":%.3f"
                     "%.*s}\n"
                   : "time=%s remote=%s method=%s path=\"%s\" status=%u "
                     "bytes=%llu ms=%.3f%.*s\n",
               when, record->peer, record->method, record->path,
               conn->reply.status,
               (unsigned long long)(conn->reply.sent - record->sent), ms,
               (int)record->note, record->text);
  if (n > 0) mcp_access_log_write(log, mcp_slice(line, (size_t)n));
}

void mcp_http_access_settle(mcp_http_connection_t *conn) {
  if (conn->access && conn->access->open && conn->reply.status &&
      conn->state != MCP_HTTP_BUSY)
    mcp_http_access_end(conn);
}

void mcp_http_access_bad(mcp_http_connection_t *conn) {
  mcp_http_access_t *record;
  if (!conn->service->options.access) return;
  record = record_of(conn);
  if (!record) return;
  if (!record->open) {
    clock_gettime(CLOCK_MONOTONIC, &record->began);
    record->note = 0;
    strcpy(record->method, "-");
    strcpy(record->path, "-");
    record->open = true;
  }
  mcp_http_access_end(conn);
}

void mcp_http_access_free(mcp_http_connection_t *conn) {
  if (!conn->access) return;
  mcp_http_access_end(conn);
  mcp_share_release(conn->share, sizeof *conn->access);
  mcp_mem_free(conn->access);
  conn->access = NULL;
}
