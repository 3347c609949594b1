/* SPDX-License-Identifier: MIT
 * link_access.c: see link_access.h. `status` is that of an HTTP response where
 * there is an answer, and 0 where there is none; `bytes` are those of the
 * messages that were sent because of the request. */
#include "transport/link_access.h"

#include <string.h>

#include "base/mem.h"

#define ANSWERED 200

struct mcp_link_access {
  mcp_access_log_t *log;
  mcp_share_t *share;
  const char *method;
  size_t size;
  char remote[48];
  char path[]; /* escaped */
};

struct mcp_link_request {
  struct timespec began;
  uint64_t bytes;
  bool answered;
  size_t note;
  char text[MCP_ACCESS_LOG_NOTE];
};

static void *get_room(mcp_share_t *share, size_t size) {
  void *room;
  if (mcp_share_charge(share, size) < 0) return NULL;
  room = mcp_mem_zalloc(size);
  if (!room) mcp_share_release(share, size);
  return room;
}

mcp_link_access_t *mcp_link_access_new(mcp_access_log_t *log,
                                       mcp_share_t *share, const char *remote,
                                       const char *method, const char *path) {
  size_t length = strlen(path), size = sizeof(mcp_link_access_t) + length + 1;
  mcp_link_access_t *access = get_room(share, size);
  if (!access) return NULL;
  mcp_access_log_retain(log);
  access->log = log;
  access->share = share;
  access->method = method;
  access->size = size;
  strncpy(access->remote, remote, sizeof access->remote - 1);
  memcpy(access->path, path, length);
  return access;
}

void mcp_link_access_free(mcp_link_access_t *access) {
  if (!access) return;
  mcp_access_log_release(access->log);
  mcp_share_release(access->share, access->size);
  mcp_mem_free(access);
}

mcp_link_request_t *mcp_link_access_begin(mcp_link_access_t *access) {
  mcp_link_request_t *request = get_room(access->share, sizeof *request);
  if (request) clock_gettime(CLOCK_MONOTONIC, &request->began);
  return request;
}

void mcp_link_access_note(mcp_link_request_t *request, mcp_slice_t text) {
  if (text.len > sizeof request->text) return;
  memcpy(request->text, text.data, text.len);
  request->note = text.len;
}

void mcp_link_access_sent(mcp_link_request_t *request, size_t bytes,
                          bool answer) {
  request->bytes += bytes;
  if (answer) request->answered = true;
}

void mcp_link_access_end(mcp_link_access_t *access,
                         mcp_link_request_t *request) {
  mcp_access_log_write(
      access->log,
      &(mcp_access_line_t){.remote = access->remote,
                           .method = access->method,
                           .path = access->path,
                           .status = request->answered ? ANSWERED : 0,
                           .bytes = request->bytes,
                           .began = request->began,
                           .note = mcp_slice(request->text, request->note)});
  mcp_share_release(access->share, sizeof *request);
  mcp_mem_free(request);
}
