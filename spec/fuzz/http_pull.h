/* SPDX-License-Identifier: MIT
 * http_pull.h: reads a connection's bytes to their end, and writes down what
 * the decoder said. */
#ifndef MCP_SPEC_FUZZ_HTTP_PULL_H
#define MCP_SPEC_FUZZ_HTTP_PULL_H

#include "target.h"
#include "wire/http.h"

static inline void note_head(mcp_buf_t *log, const mcp_http_head_t *head) {
  note(log, 't', head->target);
  note(log, 'p', head->path);
  note(log, 'q', head->query);
  note(log, 'h', head->host);
  note_number(log, 's', (long long)head->status);
  note_number(log, 'l', (long long)head->content_length);
  note_number(log, 'f',
              head->chunked | head->keep_alive << 1 | head->upgrade << 2 |
                  head->http_1_0 << 3);
  for (size_t i = 0; i < head->header_count; i++) {
    note(log, 'n', head->headers[i].name);
    note(log, 'v', head->headers[i].value);
  }
}

static inline void pull_http(mcp_slice_t bytes, size_t piece, mcp_buf_t *log,
                             bool responses) {
  mcp_http_t *http = mcp_http_new(responses);
  mcp_http_event_t event;
  mcp_buf_t body = {0};
  int code = 0;
  MUST(http);
  for (size_t at = 0; code == 0 && at < bytes.len; at += piece) {
    size_t left = bytes.len - at;
    /* A copy: bytes after the piece must not be read. */
    char *copy = malloc(left < piece ? left : piece);
    memcpy(copy, bytes.data + at, left < piece ? left : piece);
    mcp_http_feed(http, mcp_slice(copy, left < piece ? left : piece));
    while ((code = mcp_http_next(http, &event)) == 0 &&
           event.kind != MCP_HTTP_MORE) {
      switch (event.kind) {
      case MCP_HTTP_START: note_head(log, mcp_http_head(http)); break;
      case MCP_HTTP_BODY: mcp_buf_append_slice(&body, event.body); break;
      case MCP_HTTP_END:
        note(log, 'b', mcp_buf_slice(&body));
        body.len = 0;
        break;
      case MCP_HTTP_MORE: break;
      }
      /* What follows an upgrade is no HTTP; a decoder is not asked for it. */
      if (event.kind == MCP_HTTP_END && mcp_http_head(http)->upgrade) {
        code = 1;
        break;
      }
    }
    free(copy);
  }
  /* Of a body that was cut off, how much was given out depends on the cuts of
   * the input, when it is wrong further on. */
  note_number(log, 'c', code);
  if (code < 0) MUST(mcp_http_error_text(http) && *mcp_http_error_text(http));
  mcp_buf_deinit(&body);
  mcp_http_free(http);
}

#endif
