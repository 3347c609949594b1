/* SPDX-License-Identifier: MIT
 * http_request.c: any bytes from a client of the HTTP server, and the gate's
 * judgement of every head that is read. */
#include "http_pull.h"
#include "transport/http_gate.h"

static void pull(mcp_slice_t bytes, size_t piece, mcp_buf_t *log) {
  pull_http(bytes, piece, log, false);
}

static void judge(mcp_slice_t bytes) {
  static const char *hosts[] = {"example.com", NULL};
  static const char *origins[] = {"https://example.com", NULL};
  mcp_http_gate_t gate = {.path = "/mcp",
                          .check_host = true,
                          .check_origin = true,
                          .hosts = hosts,
                          .origins = origins,
                          .body_limit = 1000};
  mcp_http_t *http = mcp_http_new(false);
  mcp_http_event_t event;
  MUST(http);
  mcp_http_feed(http, bytes);
  while (mcp_http_next(http, &event) == 0 && event.kind != MCP_HTTP_MORE) {
    if (event.kind == MCP_HTTP_START) {
      mcp_http_verdict_t v = mcp_http_judge(&gate, mcp_http_head(http));
      MUST(v.status == 0 || (v.status >= 200 && v.status < 600 && v.text));
    }
    if (event.kind == MCP_HTTP_END && mcp_http_head(http)->upgrade) break;
  }
  mcp_http_free(http);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  must_not_depend_on_pieces(input(data, size), pull);
  judge(input(data, size));
  return 0;
}
