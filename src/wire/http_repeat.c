/* SPDX-License-Identifier: MIT
 * http_repeat.c: see http_repeat.h. */
#include "wire/http_repeat.h"

/* A Content-Length of so many digits is no overflow. */
#define DIGITS 15

void mcp_http_repeat_note(mcp_http_repeat_t *repeat, const llhttp_t *parser,
                          const mcp_http_head_t *head, mcp_slice_t text) {
  const mcp_http_header_t *field = head->headers;
  repeat->digits = 0;
  if (head->content_length <= 0 || head->upgrade || !head->keep_alive ||
      text.len > MCP_HTTP_HEAD_KEPT)
    return;
  while (!mcp_slice_equal_nocase(field->name, MCP_SLICE("Content-Length")))
    field++;
  if (field->value.len > DIGITS) return;
  repeat->digits_at = (size_t)(field->value.data - text.data);
  repeat->digits = field->value.len;
  repeat->parser = *parser;
}

/* The number that `digits` are, or 0 if they are something else. */
static uint64_t number_of(const char *digits, size_t len) {
  uint64_t n = 0;
  for (size_t i = 0; i < len; i++) {
    if (digits[i] < '0' || digits[i] > '9') return 0;
    n = n * 10 + (uint64_t)(digits[i] - '0');
  }
  return n;
}

uint64_t mcp_http_repeat_match(const mcp_http_repeat_t *repeat, mcp_slice_t in,
                               mcp_buf_t *text, llhttp_t *parser) {
  size_t at = repeat->digits_at, after = at + repeat->digits;
  char *bytes = text->data;
  uint64_t length;
  if (repeat->digits == 0 || in.len < text->len ||
      memcmp(in.data, bytes, at) != 0 ||
      memcmp(in.data + after, bytes + after, text->len - after) != 0)
    return 0;
  length = number_of(in.data + at, repeat->digits);
  if (length == 0) return 0;
  memcpy(bytes + at, in.data + at, repeat->digits);
  *parser = repeat->parser;
  /* What is left of the body, which it counts down. */
  parser->content_length = length;
  return length;
}
