/* SPDX-License-Identifier: MIT
 * json_scan.h: how many bytes of a JSON string can be copied as they are.
 * Reading and writing a text of 100 KB is mostly these loops, so they take 16
 * bytes at a time with SSE2. They never read past the bytes they are given. */
#ifndef MCP_WIRE_JSON_SCAN_H
#define MCP_WIRE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A plain byte stands for itself in a JSON string: ASCII, no control, neither
 * quote nor backslash. */
static inline bool mcp_scan_is_plain(char c) {
  unsigned char u = (unsigned char)c;
  return u >= 0x20 && u < 0x80 && u != '"' && u != '\\';
}

/* Is the byte part of a character outside ASCII? */
static inline bool mcp_scan_is_letter(char c) {
  return (unsigned char)c >= 0x80;
}

#ifdef __SSE2__

static inline __m128i mcp_scan_load(const char *p) {
  return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* A bit for each of 16 bytes that is not plain. What is below 0x20 as a
 * signed byte is a control or not ASCII; less 0x20 it is negative, and the sign
 * is all that is looked at. */
static inline unsigned mcp_scan_mask(__m128i v) {
  __m128i low = _mm_subs_epi8(v, _mm_set1_epi8(0x20));
  __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
  __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
  return (unsigned)_mm_movemask_epi8(
      _mm_or_si128(low, _mm_or_si128(quote, slash)));
}

/* The same for 64 bytes. */
static inline uint64_t mcp_scan_mask64(const char *p) {
  uint64_t low = mcp_scan_mask(mcp_scan_load(p)) |
                 mcp_scan_mask(mcp_scan_load(p + 16)) << 16;
  uint64_t high = mcp_scan_mask(mcp_scan_load(p + 32)) |
                  mcp_scan_mask(mcp_scan_load(p + 48)) << 16;
  return low | high << 32;
}

/* Copies 64 bytes. Of a piece that is shorter this costs less than to look how
 * long it is: the processor need not guess. */
static inline void mcp_scan_copy64(char *to, const char *from) {
  for (int i = 0; i < 64; i += 16)
    _mm_storeu_si128((__m128i *)(void *)(to + i), mcp_scan_load(from + i));
}

#endif

/* Are the 8 bytes at `p` plain? A borrow can only run out of a byte that is
 * not, so it never hides one. */
static inline bool mcp_scan_word(const char *p) {
  const uint64_t ones = 0x0101010101010101u, high = ones << 7;
  uint64_t w, quote, slash;
  memcpy(&w, p, sizeof w);
  quote = w ^ (ones * '"');
  slash = w ^ (ones * '\\');
  w |= (w - ones * 0x20) | (quote - ones) | (slash - ones);
  return (w & high) == 0;
}

/* How many of the `n` bytes at `p` are plain before the first that is not. */
static inline size_t mcp_scan_plain(const char *p, size_t n) {
  size_t i = 0;
#ifdef __SSE2__
  if (n >= 16) {
    unsigned mask;
    for (; n - i >= 16; i += 16) {
      mask = mcp_scan_mask(mcp_scan_load(p + i));
      if (mask) return i + (size_t)__builtin_ctz(mask);
    }
    if (i == n) return n;
    /* The last 16 bytes again, less those already seen. */
    mask = mcp_scan_mask(mcp_scan_load(p + n - 16)) >> (16 - (n - i));
    return mask ? i + (size_t)__builtin_ctz(mask) : n;
  }
#endif
  while (n - i >= 8 && mcp_scan_word(p + i)) i += 8;
  while (i < n && mcp_scan_is_plain(p[i])) i++;
  return i;
}

#ifdef __SSE2__

/* How many of the 16 bytes at `p`, where a character begins, form whole
 * characters that stand for themselves; sets *stop if the next one does not.
 * Returns 0 without *stop for rare or invalid input: a lead byte whose second
 * byte needs a closer check, or a character that is not UTF-8. */
static inline size_t mcp_scan_block(const char *p, bool *stop) {
  __m128i v = mcp_scan_load(p);
  __m128i pair = _mm_and_si128(v, _mm_set1_epi8((char)0xfe));
  unsigned high = (unsigned)_mm_movemask_epi8(v);
  unsigned follow =
      (unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(v, _mm_set1_epi8((char)0xc0)));
  unsigned three = high & (unsigned)_mm_movemask_epi8(
                              _mm_cmpgt_epi8(v, _mm_set1_epi8((char)0xdf)));
  unsigned four = high & (unsigned)_mm_movemask_epi8(
                             _mm_cmpgt_epi8(v, _mm_set1_epi8((char)0xef)));
  unsigned rare = (unsigned)_mm_movemask_epi8(
      _mm_or_si128(_mm_cmpeq_epi8(pair, _mm_set1_epi8((char)0xc0)),
                   _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8((char)0xe0)),
                                _mm_cmpeq_epi8(v, _mm_set1_epi8((char)0xed)))));
  unsigned lead = high & ~follow, special = mcp_scan_mask(v) & ~high;
  unsigned due = lead << 1 | three << 2;
  size_t n = 16;
  *stop = false;
  if (four | rare || (due & 0xffff) != follow) return 0;
  /* A character that the block cuts is left for the next one. */
  if (due >> 16) n = 31 - (size_t)__builtin_clz(lead);
  if (special) {
    *stop = true;
    n = (size_t)__builtin_ctz(special);
  }
  return n;
}

#endif

/* The first byte from `p` on, where a character begins, that does not stand
 * for itself: quote, backslash, control, or what is not UTF-8. */
static inline const char *mcp_scan_letters(const char *p, const char *end) {
  while (p < end) {
    size_t n;
#ifdef __SSE2__
    if (end - p >= 16) {
      bool stop;
      n = mcp_scan_block(p, &stop);
      p += n;
      if (stop) break;
      if (n > 0) continue;
    }
#endif
    n = mcp_utf8_step(mcp_slice(p, (size_t)(end - p)));
    if (n == 0 || (n == 1 && !mcp_scan_is_plain(*p))) break;
    p += n;
  }
  return p;
}

#endif
