/* SPDX-License-Identifier: MIT
 * http_access.c: see http_access.h. `status` is 0 if the client has gone before
 * it was answered; `bytes` are those sent, with the head. */
#include "transport/http_access.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

struct mcp_http_access {
  struct timespec began; /* CLOCK_MONOTONIC */
  bool open;             /* between begin and end */
  uint64_t sent;         /* of the connection, when the request began */
  size_t note;
  char peer[48], method[16];
  char path[MCP_ACCESS_LOG_ESCAPED];
  char text[MCP_ACCESS_LOG_NOTE];
};

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
  mcp_access_log_escape(log, head->path, record->path);
}

void mcp_http_access_note(mcp_http_connection_t *conn, mcp_slice_t text) {
  mcp_http_access_t *record = conn->access;
  if (!record || !record->open || text.len > sizeof record->text) return;
  memcpy(record->text, text.data, text.len);
  record->note = text.len;
}

void mcp_http_access_end(mcp_http_connection_t *conn) {
  mcp_http_access_t *record = conn->access;
  if (!record || !record->open) return;
  record->open = false;
  mcp_access_log_write(
      conn->service->options.access,
      &(mcp_access_line_t){.remote = record->peer,
                           .method = record->method,
                           .path = record->path,
                           .status = conn->reply.status,
                           .bytes = conn->reply.sent - record->sent,
                           .began = record->began,
                           .note = mcp_slice(record->text, record->note)});
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

mcp_link_access_t *mcp_http_access_link(mcp_http_connection_t *conn,
                                        const char *method) {
  const mcp_http_access_t *record = conn->access;
  if (!record || !record->open) return NULL;
  return mcp_link_access_new(conn->service->options.access, conn->share,
                             record->peer, method, record->path);
}

void mcp_http_access_free(mcp_http_connection_t *conn) {
  if (!conn->access) return;
  mcp_http_access_end(conn);
  mcp_share_release(conn->share, sizeof *conn->access);
  mcp_mem_free(conn->access);
  conn->access = NULL;
}
