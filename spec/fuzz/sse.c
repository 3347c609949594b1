/* SPDX-License-Identifier: MIT
 * sse.c: any bytes as an event stream. */
#include "wire/sse.h"

#include "target.h"

static void pull(mcp_slice_t bytes, size_t piece, mcp_buf_t *log) {
  mcp_sse_t *sse = mcp_sse_new(512);
  mcp_sse_event_t event;
  int code = 0;
  MUST(sse);
  for (size_t at = 0; code == 0 && at < bytes.len; at += piece) {
    size_t left = bytes.len - at;
    mcp_sse_feed(sse, mcp_slice(bytes.data + at, left < piece ? left : piece));
    while ((code = mcp_sse_next(sse, &event)) == 0 &&
           event.kind != MCP_SSE_MORE) {
      note(log, 'n', event.name);
      note(log, 'd', event.data);
      note(log, 'i', event.id);
      note_number(log, 'r', (long long)event.retry_ms * 2 + event.has_id);
    }
  }
  note_number(log, 'c', code);
  mcp_sse_free(sse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  must_not_depend_on_pieces(input(data, size), pull);
  return 0;
}
