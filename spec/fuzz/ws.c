/* SPDX-License-Identifier: MIT
 * ws.c: any bytes as WebSocket frames; the first says whose and with what
 * limits. */
#include "wire/ws.h"

#include "target.h"

static mcp_ws_options_t options;

static void pull(mcp_slice_t bytes, size_t piece, mcp_buf_t *log) {
  mcp_ws_t *ws = mcp_ws_new(&options);
  mcp_ws_event_t event;
  int code = 0;
  MUST(ws);
  for (size_t at = 0; code == 0 && at < bytes.len; at += piece) {
    size_t left = bytes.len - at;
    mcp_ws_feed(ws, mcp_slice(bytes.data + at, left < piece ? left : piece));
    while ((code = mcp_ws_next(ws, &event)) == 0 && event.kind != MCP_WS_MORE) {
      note_number(log, 'k', event.kind * 2 + event.binary);
      note_number(log, 's', event.status);
      note(log, 't', event.text);
      if (event.kind == MCP_WS_MESSAGE)
        MUST(event.text.len <= options.message_limit);
    }
  }
  note_number(log, 'c', code);
  note_number(log, 'e', mcp_ws_status(ws));
  mcp_ws_free(ws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  options = (mcp_ws_options_t){.client = data[0] & 1,
                               .binary = data[0] & 2,
                               .message_limit = data[0] & 4 ? 100 : 65536,
                               .fragments = data[0] & 8 ? 3 : 100};
  must_not_depend_on_pieces(input(data + 1, size - 1), pull);
  return 0;
}
