/* SPDX-License-Identifier: MIT
 * crypto.c: see crypto.h.
 *
 * Base64 (RFC 4648): three bytes are four letters of six bits each; one byte
 * left over is two letters, two are three, the last letter's unused bits zero,
 * and padding fills up to four. */
#include "base/crypto.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif

#include "base/err.h"

/* getentropy gives no more than this at a time. */
#define RANDOM_PIECE 256

static const char letters[2][65] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"};

/* The six bits of a letter with a mark, so that a zero entry means: not a
 * letter. */
#define LETTER      0x40
#define TWO(c, n)   [c] = LETTER | (n), [(c) + 1] = LETTER | ((n) + 1)
#define FOUR(c, n)  TWO(c, n), TWO((c) + 2, (n) + 2)
#define EIGHT(c, n) FOUR(c, n), FOUR((c) + 4, (n) + 4)
#define CASE(c, n)                                                             \
  EIGHT(c, n), EIGHT((c) + 8, (n) + 8), EIGHT((c) + 16, (n) + 16),             \
      TWO((c) + 24, (n) + 24)
#define COMMON CASE('A', 0), CASE('a', 26), EIGHT('0', 52), TWO('8', 60)

static const unsigned char bits[2][256] = {
    {COMMON, ['+'] = LETTER | 62, ['/'] = LETTER | 63},
    {COMMON, ['-'] = LETTER | 62, ['_'] = LETTER | 63}};

int mcp_crypto_random(void *bytes, size_t len) {
  char *at = bytes;
  while (len > 0) {
    size_t n = len < RANDOM_PIECE ? len : RANDOM_PIECE;
    if (getentropy(at, n) != 0) return -errno;
    at += n;
    len -= n;
  }
  return 0;
}

bool mcp_crypto_equal(mcp_slice_t a, mcp_slice_t b) {
  /* volatile: or the compiler may see that one difference is enough. */
  volatile unsigned char difference = 0;
  if (a.len != b.len) return false;
  for (size_t i = 0; i < a.len; i++)
    difference |= (unsigned char)(a.data[i] ^ b.data[i]);
  return difference == 0;
}

static int encode(mcp_buf_t *out, mcp_slice_t bytes, bool url) {
  const char *letter = letters[url];
  const unsigned char *in = (const unsigned char *)bytes.data;
  size_t left = bytes.len % 3, size, whole = bytes.len - left;
  char *to;
  int code;
  if (bytes.len / 3 >= SIZE_MAX / 4) return MCP_ETOOBIG;
  size = bytes.len / 3 * 4 + (left == 0 ? 0 : url ? left + 1 : 4);
  code = mcp_buf_reserve(out, size);
  if (code < 0 || size == 0) return code;
  to = out->data + out->len;
  for (const unsigned char *end = in + whole; in < end; in += 3, to += 4) {
    uint32_t word = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
    to[0] = letter[word >> 18];
    to[1] = letter[word >> 12 & 63];
    to[2] = letter[word >> 6 & 63];
    to[3] = letter[word & 63];
  }
  if (left > 0) {
    uint32_t word = (uint32_t)in[0] << 16;
    if (left == 2) word |= (uint32_t)in[1] << 8;
    *to++ = letter[word >> 18];
    *to++ = letter[word >> 12 & 63];
    if (left == 2) *to++ = letter[word >> 6 & 63];
    if (!url) memcpy(to, "==", 3 - left);
  }
  out->len += size;
  return 0;
}

static int decode(mcp_buf_t *out, mcp_slice_t text, bool url) {
  const unsigned char *bit = bits[url];
  const unsigned char *in = (const unsigned char *)text.data;
  size_t len = text.len, left;
  unsigned char good = LETTER;
  char *to;
  int code;
  if (!url && len > 0) {
    if (len % 4 != 0) return -EINVAL;
    /* At most two: a third '=' is a letter, and a bad one. */
    if (in[len - 1] == '=') len--;
    if (len % 4 == 3 && in[len - 1] == '=') len--;
  }
  left = len % 4;
  if (left == 1) return -EINVAL;
  if (len == 0) return 0;
  code = mcp_buf_reserve(out, len / 4 * 3 + (left ? left - 1 : 0));
  if (code < 0) return code;
  to = out->data + out->len;
  for (const unsigned char *end = in + len - left; in < end; in += 4, to += 3) {
    unsigned char a = bit[in[0]], b = bit[in[1]], c = bit[in[2]],
                  d = bit[in[3]];
    good &= a & b & c & d;
    to[0] = (char)(a << 2 | (b & 63) >> 4);
    to[1] = (char)(b << 4 | (c & 63) >> 2);
    to[2] = (char)(c << 6 | (d & 63));
  }
  if (left > 0) {
    unsigned char a = bit[in[0]], b = bit[in[1]], c = LETTER, unused;
    if (left == 3) c = bit[in[2]];
    unused = left == 3 ? c & 3 : b & 15;
    if (unused != 0) return -EINVAL;
    good &= a & b & c;
    *to++ = (char)(a << 2 | (b & 63) >> 4);
    if (left == 3) *to++ = (char)(b << 4 | (c & 63) >> 2);
  }
  if (!good) return -EINVAL;
  out->len = (size_t)(to - out->data);
  return 0;
}

int mcp_crypto_write_base64(mcp_buf_t *out, mcp_slice_t bytes) {
  return encode(out, bytes, false);
}

int mcp_crypto_write_base64url(mcp_buf_t *out, mcp_slice_t bytes) {
  return encode(out, bytes, true);
}

int mcp_crypto_read_base64(mcp_buf_t *out, mcp_slice_t text) {
  return decode(out, text, false);
}

int mcp_crypto_read_base64url(mcp_buf_t *out, mcp_slice_t text) {
  return decode(out, text, true);
}
