/* SPDX-License-Identifier: MIT
 * http_response.c: any bytes from a server that our client talks to. */
#include "http_pull.h"

static void pull(mcp_slice_t bytes, size_t piece, mcp_buf_t *log) {
  pull_http(bytes, piece, log, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  must_not_depend_on_pieces(input(data, size), pull);
  return 0;
}
