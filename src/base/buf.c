/* SPDX-License-Identifier: MIT
 * buf.c: see buf.h. */
#include "base/buf.h"

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

/* The first allocation: most messages fit, and growing starts from here. */
#define FIRST_CAPACITY 256

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool mcp_slice_same_nocase(const char *a, const char *b, size_t len) {
  if (len > 0 && memcmp(a, b, len) == 0) return true;
  for (size_t i = 0; i < len; i++)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

mcp_slice_t mcp_slice_trim(mcp_slice_t s) {
  while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
    s.data++;
    s.len--;
  }
  while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
    s.len--;
  }
  return s;
}

int mcp_buf_reserve(mcp_buf_t *buf, size_t extra) {
  size_t need, cap;
  char *data;
  if (extra <= buf->cap - buf->len) return 0;
  if (extra > SIZE_MAX / 2 - buf->len) return MCP_ETOOBIG;
  need = buf->len + extra;
  cap = buf->cap ? buf->cap : FIRST_CAPACITY;
  while (cap < need) cap *= 2;
  data = mcp_mem_realloc(buf->data, cap);
  if (!data) return MCP_ENOMEM;
  buf->data = data;
  buf->cap = cap;
  return 0;
}

int mcp_buf_append(mcp_buf_t *buf, const char *data, size_t len) {
  int code = mcp_buf_reserve(buf, len);
  if (code < 0) return code;
  if (len > 0) memcpy(buf->data + buf->len, data, len);
  buf->len += len;
  return 0;
}

int mcp_buf_append_uint(mcp_buf_t *buf, unsigned long long n) {
  char digits[20], *first = digits + sizeof digits;
  do {
    *--first = (char)('0' + n % 10);
    n /= 10;
  } while (n > 0);
  return mcp_buf_append(buf, first, (size_t)(digits + sizeof digits - first));
}

void mcp_buf_consume(mcp_buf_t *buf, size_t n) {
  if (n >= buf->len) {
    buf->len = 0;
    return;
  }
  memmove(buf->data, buf->data + n, buf->len - n);
  buf->len -= n;
}

mcp_buf_t mcp_buf_take(mcp_buf_t *buf) {
  mcp_buf_t taken = *buf;
  *buf = (mcp_buf_t){0};
  return taken;
}

void mcp_buf_deinit(mcp_buf_t *buf) {
  mcp_mem_free(buf->data);
  *buf = (mcp_buf_t){0};
}

void mcp_buf_reset(mcp_buf_t *buf, size_t keep) {
  if (buf->cap > keep) mcp_buf_deinit(buf);
  buf->len = 0;
}
