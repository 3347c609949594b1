/* SPDX-License-Identifier: MIT
 * buf.h: bytes. A slice is borrowed, a buffer is owned and grows.
 *
 * A buffer belongs to exactly one owner and moves (`take`); it is never
 * shared. All zero is an empty buffer, so `mcp_buf_t b = {0}` needs no init. */
#ifndef MCP_BASE_BUF_H
#define MCP_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/account.h"

/* Borrowed bytes: valid while their owner says so, at least during the call.
 * `data` may be NULL only where `len` is 0. */
typedef struct {
  const char *data;
  size_t len;
} mcp_slice_t;

/* Owned bytes. `len` of `cap` allocated bytes are in use. */
typedef struct {
  char *data;
  size_t len;
  size_t cap;
  mcp_share_t *share; /* `cap` is charged to it; NULL: not charged */
} mcp_buf_t;

/* A slice over a string literal. */
#define MCP_SLICE(literal) ((mcp_slice_t){"" literal, sizeof(literal) - 1})

static inline mcp_slice_t mcp_slice(const char *data, size_t len) {
  return (mcp_slice_t){data, len};
}

static inline mcp_slice_t mcp_buf_slice(const mcp_buf_t *buf) {
  return (mcp_slice_t){buf->data, buf->len};
}

static inline bool mcp_slice_equal(mcp_slice_t a, mcp_slice_t b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Are `len` bytes the same, ASCII letters compared without case? */
bool mcp_slice_same_nocase(const char *a, const char *b, size_t len);

/* mcp_slice_equal, ASCII letters compared without case (RFC 9110 5.1). Most
 * names differ in length already. */
static inline bool mcp_slice_equal_nocase(mcp_slice_t a, mcp_slice_t b) {
  return a.len == b.len && mcp_slice_same_nocase(a.data, b.data, a.len);
}

/* `s` without leading and trailing spaces and tabs (RFC 9110 OWS). */
mcp_slice_t mcp_slice_trim(mcp_slice_t s);

/* Makes room for `extra` more bytes after `len`, growing by doubling. 0,
 * MCP_ENOMEM, MCP_EBUDGET if its share may not hold that much, or MCP_ETOOBIG
 * if the sum overflows. */
int mcp_buf_reserve(mcp_buf_t *buf, size_t extra);

/* Lets `share` hold what is allocated, now and from now on. 0, or MCP_EBUDGET:
 * nothing has changed then. */
int mcp_buf_charge(mcp_buf_t *buf, mcp_share_t *share);

/* Moves from->data[at…] to `to`, which is empty, as something that is to be
 * kept: in a block that has not much room to spare, charged to the share of
 * `to`. `from` keeps its memory where a copy costs less. 0, MCP_ENOMEM or
 * MCP_EBUDGET; `from` still has it all then. */
int mcp_buf_move_rest(mcp_buf_t *to, mcp_buf_t *from, size_t at);

/* Appends `len` bytes. 0 or the errors of mcp_buf_reserve. */
int mcp_buf_append(mcp_buf_t *buf, const char *data, size_t len);

static inline int mcp_buf_append_slice(mcp_buf_t *buf, mcp_slice_t s) {
  return mcp_buf_append(buf, s.data, s.len);
}

/* Appends a string literal. */
#define mcp_buf_append_literal(buf, literal)                                   \
  mcp_buf_append((buf), "" literal, sizeof(literal) - 1)

static inline int mcp_buf_append_char(mcp_buf_t *buf, char c) {
  if (buf->len < buf->cap) {
    buf->data[buf->len++] = c;
    return 0;
  }
  return mcp_buf_append(buf, &c, 1);
}

/* Appends the decimal digits of `n`. 0 or the errors of mcp_buf_reserve. */
int mcp_buf_append_uint(mcp_buf_t *buf, unsigned long long n);

/* Drops the first `n` bytes (at most `len`) and moves the rest down. */
void mcp_buf_consume(mcp_buf_t *buf, size_t n);

/* Moves the bytes out: the result owns them, `buf` is empty afterwards. Both
 * have the same share. */
mcp_buf_t mcp_buf_take(mcp_buf_t *buf);

/* Frees the bytes; `buf` is empty and usable afterwards, with its share. */
void mcp_buf_deinit(mcp_buf_t *buf);

/* Empties `buf`, keeping up to `keep` bytes of capacity for the next use. */
void mcp_buf_reset(mcp_buf_t *buf, size_t keep);

#endif
