/* SPDX-License-Identifier: MIT
 * target.h: what every fuzz target needs. A target is a file with
 * LLVMFuzzerTestOneInput, run by libFuzzer (`make fuzz`). */
#ifndef MCP_SPEC_FUZZ_TARGET_H
#define MCP_SPEC_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must always hold, NDEBUG or not. */
#define MUST(condition)                                                        \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);          \
      abort();                                                                 \
    }                                                                          \
  } while (0)

static inline mcp_slice_t input(const uint8_t *data, size_t size) {
  return mcp_slice((const char *)data, size);
}

/* A decoder must say the same however its bytes are cut. What it says is
 * written down in `log` as it pulls; `piece` bytes are fed at a time. */
static inline void must_not_depend_on_pieces(mcp_slice_t bytes,
                                             void (*pull)(mcp_slice_t,
                                                          size_t piece,
                                                          mcp_buf_t *log)) {
  mcp_buf_t whole = {0};
  pull(bytes, bytes.len ? bytes.len : 1, &whole);
  for (size_t piece = 1; piece <= 7; piece += 3) {
    mcp_buf_t cut = {0};
    pull(bytes, piece, &cut);
    MUST(mcp_slice_equal(mcp_buf_slice(&whole), mcp_buf_slice(&cut)));
    mcp_buf_deinit(&cut);
  }
  mcp_buf_deinit(&whole);
}

static inline void note(mcp_buf_t *log, char kind, mcp_slice_t bytes) {
  mcp_buf_append_char(log, kind);
  mcp_buf_append_uint(log, bytes.len);
  mcp_buf_append_char(log, ':');
  mcp_buf_append_slice(log, bytes);
}

static inline void note_number(mcp_buf_t *log, char kind, long long n) {
  char text[32];
  int length = snprintf(text, sizeof text, "%lld", n);
  note(log, kind, mcp_slice(text, (size_t)length));
}

#endif
