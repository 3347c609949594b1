/* SPDX-License-Identifier: MIT
 * json_write.c: see json.h. */
#include <math.h>

#include "base/err.h"
#include "wire/json.h"
#include "wire/json_blocks.h"
#include "wire/json_escape.h"
#include "wire/json_scan.h"
#include "wire/number.h"

/* The longest escape, \u001f; and a store of 16 bytes may lie over the end. */
#define ESCAPE_ROOM 6
#define SLACK       (ESCAPE_ROOM + 16 + 4)
/* After a letter that is not ASCII so many bytes are not read in blocks. */
#define LETTERS 256
/* A text that is not longer is written without blocks. */
#define BLOCKS 128

static char *escape(char *out, unsigned char c) {
  static const char digits[] = "0123456789abcdef";
  *out++ = '\\';
  if (mcp_escape_letters[c]) {
    *out++ = mcp_escape_letters[c];
  } else {
    memcpy(out, "u00", 3);
    out[3] = digits[c >> 4];
    out[4] = digits[c & 15];
    out += 5;
  }
  return out;
}

/* Are the first bytes of a text and its last ones plain, 8 of each? */
static inline bool are_plain_8(uint64_t head, uint64_t tail) {
#ifdef __SSE2__
  return mcp_scan_mask(_mm_set_epi64x((long long)tail, (long long)head)) == 0;
#else
  return mcp_scan_word((char *)&head) && mcp_scan_word((char *)&tail);
#endif
}

/* The same for 4 of each. */
static inline bool are_plain_4(uint32_t head, uint32_t tail) {
#ifdef __SSE2__
  __m128i v = _mm_unpacklo_epi32(_mm_cvtsi32_si128((int)head),
                                 _mm_cvtsi32_si128((int)tail));
  return (mcp_scan_mask(v) & 0xff) == 0;
#else
  uint64_t both = (uint64_t)tail << 32 | head;
  return mcp_scan_word((char *)&both);
#endif
}

/* Copies `n` bytes to `to` if they are at most 16 and all plain. */
static inline bool copy_plain(char *to, const char *from, size_t n) {
  if (n > 16) return false;
  if (n >= 8) {
    uint64_t head, tail;
    memcpy(&head, from, 8);
    memcpy(&tail, from + n - 8, 8);
    if (!are_plain_8(head, tail)) return false;
    memcpy(to, &head, 8);
    memcpy(to + n - 8, &tail, 8);
    return true;
  }
  if (n >= 4) {
    uint32_t head, tail;
    memcpy(&head, from, 4);
    memcpy(&tail, from + n - 4, 4);
    if (!are_plain_4(head, tail)) return false;
    memcpy(to, &head, 4);
    memcpy(to + n - 4, &tail, 4);
    return true;
  }
  for (size_t i = 0; i < n; i++) {
    if (!mcp_scan_is_plain(from[i])) return false;
    to[i] = from[i];
  }
  return true;
}

/* Copies `s` with the escapes it needs. Before each turn there is room for all
 * that is left as it stands, the closing quote and SLACK. */
static int copy_string(mcp_buf_t *out, mcp_slice_t s) {
  const char *p = s.data, *end = p + s.len;
  /* Where the next block may begin: letters are seldom alone. */
  const char *next = p;
  char *to = out->data + out->len;
  for (;;) {
    size_t n;
    int code;
    if (p >= next && end - p > BLOCKS)
      p = mcp_json_blocks()->write(p, end, &to, out->data + out->cap - SLACK);
#ifdef __SSE2__
    while (end - p >= 16) {
      __m128i v = mcp_scan_load(p);
      unsigned mask = mcp_scan_mask(v);
      n = mask ? (size_t)__builtin_ctz(mask) : 16;
      _mm_storeu_si128((__m128i *)(void *)to, v);
      p += n;
      to += n;
      if (mask) break;
    }
#endif
    if (p < end && mcp_scan_is_plain(*p)) {
      n = mcp_scan_plain(p, (size_t)(end - p));
      memcpy(to, p, n);
      p += n;
      to += n;
    }
    if (p < end && mcp_scan_is_letter(*p)) {
      n = (size_t)(mcp_scan_letters(p, end) - p);
      memcpy(to, p, n);
      p += n;
      to += n;
      if (p < end && mcp_scan_is_letter(*p)) return MCP_EUTF8;
      next = end - p > LETTERS ? p + LETTERS : end;
    }
    if (p == end) break;
    to = escape(to, (unsigned char)*p++);
    out->len = (size_t)(to - out->data);
    code = mcp_buf_reserve(out, (size_t)(end - p) + SLACK);
    if (code < 0) return code;
    to = out->data + out->len;
  }
  out->len = (size_t)(to - out->data);
  return 0;
}

/* The string from its first quote at out->len on; there is room for it as it
 * stands and SLACK. Apart, so that short strings need no large frame. */
static __attribute__((noinline)) int write_long(mcp_buf_t *out, mcp_slice_t s,
                                                size_t before) {
  int code;
  out->data[out->len++] = '"';
  code = copy_string(out, s);
  if (code < 0) {
    out->len = before;
    return code;
  }
  out->data[out->len++] = '"';
  return 0;
}

/* Most strings are short and plain and take only this path. */
static inline int write_string(mcp_buf_t *out, mcp_slice_t s, size_t before) {
  char *to = out->data + out->len;
  if (!copy_plain(to + 1, s.data, s.len)) return write_long(out, s, before);
  to[0] = to[s.len + 1] = '"';
  out->len += s.len + 2;
  return 0;
}

/* Room for `s` as it stands and SLACK. */
static inline int make_room(mcp_buf_t *out, mcp_slice_t s) {
  if (s.len > SIZE_MAX / 2) return MCP_ETOOBIG;
  if (out->cap - out->len >= s.len + SLACK) return 0;
  return mcp_buf_reserve(out, s.len + SLACK);
}

int mcp_json_write_string(mcp_buf_t *out, mcp_slice_t s) {
  int code = make_room(out, s);
  return code < 0 ? code : write_string(out, s, out->len);
}

int mcp_json_write_key(mcp_buf_t *out, mcp_slice_t key, bool first) {
  size_t before = out->len;
  int code = make_room(out, key);
  if (code < 0) return code;
  if (!first) out->data[out->len++] = ',';
  code = write_string(out, key, before);
  /* SLACK is more than a string needs. */
  if (code == 0) out->data[out->len++] = ':';
  return code;
}

int mcp_json_write_integer(mcp_buf_t *out, int64_t n) {
  int code = mcp_buf_reserve(out, MCP_NUMBER_ROOM);
  if (code < 0) return code;
  out->len += mcp_number_write_integer(out->data + out->len, n);
  return 0;
}

int mcp_json_write_double(mcp_buf_t *out, double n) {
  int code;
  if (!isfinite(n)) return MCP_ENUMBER;
  code = mcp_buf_reserve(out, MCP_NUMBER_ROOM);
  if (code < 0) return code;
  out->len += mcp_number_write_double(out->data + out->len, n);
  return 0;
}
