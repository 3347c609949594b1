/* SPDX-License-Identifier: MIT
 * line.c: any bytes on standard input. */
#include "wire/line.h"

#include "target.h"

static void take(mcp_buf_t *log, const mcp_line_event_t *event) {
  if (event->kind == MCP_LINE_TEXT) {
    MUST(event->text.len <= 32);
    note(log, 't', event->text);
  } else {
    note(log, 'l', MCP_SLICE(""));
  }
}

static void pull(mcp_slice_t bytes, size_t piece, mcp_buf_t *log) {
  mcp_line_t line;
  mcp_line_event_t event;
  mcp_line_init(&line, 32);
  for (size_t at = 0; at < bytes.len; at += piece) {
    size_t left = bytes.len - at;
    mcp_line_feed(&line,
                  mcp_slice(bytes.data + at, left < piece ? left : piece));
    for (;;) {
      MUST(mcp_line_next(&line, &event) == 0);
      if (event.kind == MCP_LINE_MORE) break;
      take(log, &event);
    }
  }
  for (;;) {
    MUST(mcp_line_finish(&line, &event) == 0);
    if (event.kind == MCP_LINE_MORE) break;
    take(log, &event);
  }
  mcp_line_deinit(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  must_not_depend_on_pieces(input(data, size), pull);
  return 0;
}
