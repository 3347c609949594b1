/* SPDX-License-Identifier: MIT
 * buf.c: see buf.h. */
#include "base/buf.h"

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

/* The first allocation: most messages fit, and growing starts from here. */
#define FIRST_CAPACITY 256
/* So much is copied rather than moved, if that saves memory. */
#define COPIED 65536

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

/* Allocates `cap` bytes, which is more or less than there are. */
static int resize(mcp_buf_t *buf, size_t cap) {
  char *data;
  if (cap > buf->cap) {
    int code = mcp_share_charge(buf->share, cap - buf->cap);
    if (code < 0) return code;
  }
  data = mcp_mem_realloc(buf->data, cap);
  if (!data) {
    if (cap > buf->cap) mcp_share_release(buf->share, cap - buf->cap);
    return MCP_ENOMEM;
  }
  if (cap < buf->cap) mcp_share_release(buf->share, buf->cap - cap);
  buf->data = data;
  buf->cap = cap;
  return 0;
}

int mcp_buf_reserve(mcp_buf_t *buf, size_t extra) {
  size_t need, cap;
  int code;
  if (extra <= buf->cap - buf->len) return 0;
  if (extra > SIZE_MAX / 2 - buf->len) return MCP_ETOOBIG;
  need = buf->len + extra;
  cap = buf->cap ? buf->cap : FIRST_CAPACITY;
  while (cap < need) cap *= 2;
  code = resize(buf, cap);
  /* What is needed may be there where room to spare is not. A little of it
   * first: else every further byte would copy all of them. */
  if (code == MCP_EBUDGET && cap > need + need / 8)
    code = resize(buf, need + need / 8);
  return code == MCP_EBUDGET && cap > need ? resize(buf, need) : code;
}

int mcp_buf_charge(mcp_buf_t *buf, mcp_share_t *share) {
  int code;
  if (share == buf->share) return 0;
  code = mcp_share_charge(share, buf->cap);
  if (code < 0) return code;
  mcp_share_release(buf->share, buf->cap);
  buf->share = share;
  return 0;
}

int mcp_buf_move_rest(mcp_buf_t *to, mcp_buf_t *from, size_t at) {
  size_t size = from->len - at;
  mcp_share_t *share = from->share;
  int code;
  if (size == 0) return 0;
  if (size <= COPIED && size < from->cap - from->cap / 4) {
    code = resize(to, size);
    if (code < 0) return code;
    memcpy(to->data, from->data + at, size);
    to->len = size;
    return 0;
  }
  mcp_buf_consume(from, at);
  /* Shrinking does not fail; if it did, the block would only be larger. */
  if (from->cap - from->len > from->cap / 4) (void)resize(from, from->len);
  code = mcp_buf_charge(from, to->share);
  if (code < 0) return code;
  *to = *from;
  *from = (mcp_buf_t){.share = share};
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
  *buf = (mcp_buf_t){.share = taken.share};
  return taken;
}

void mcp_buf_deinit(mcp_buf_t *buf) {
  if (buf->cap > 0) mcp_share_release(buf->share, buf->cap);
  mcp_mem_free(buf->data);
  *buf = (mcp_buf_t){.share = buf->share};
}

void mcp_buf_reset(mcp_buf_t *buf, size_t keep) {
  if (buf->cap > keep) mcp_buf_deinit(buf);
  buf->len = 0;
}
