/* SPDX-License-Identifier: MIT
 * json_blocks.c: see json_blocks.h. With SSE2, which every x86-64 has. Where an
 * escape is, more of them follow: lines end, and quotes come in pairs. */
#include "wire/json_blocks.h"

#include <stddef.h>

#include "wire/json_escape.h"
#include "wire/json_scan.h"

#ifdef __SSE2__

static const char *skip(const char *p, const char *end) {
  /* One byte more: the last one may be a backslash. */
  while (end - p > 64) {
    uint64_t stops = mcp_scan_mask64(p);
    size_t n = 64;
    while (stops) {
      size_t at = (size_t)__builtin_ctzll(stops);
      if (p[at] != '\\' || !mcp_escape_short(p[at + 1])) return p + at;
      if (at == 63) n = 65;
      stops &= ~((uint64_t)3 << at);
    }
    p += n;
  }
  return p;
}

static const char *undo(const char *p, const char *end, char **out) {
  const __m128i slash = _mm_set1_epi8('\\');
  char *to = *out;
  while (end - p > 128) {
    size_t from = 0;
    uint64_t slashes = 0;
    for (int i = 0; i < 64; i += 16) {
      __m128i v = mcp_scan_load(p + i);
      _mm_storeu_si128((__m128i *)(void *)(to + i), v);
      slashes |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, slash))
                 << i;
    }
    while (slashes) {
      size_t at = (size_t)__builtin_ctzll(slashes);
      char byte = mcp_escape_short(p[at + 1]);
      to += at - from;
      if (!byte) {
        *out = to;
        return p + at;
      }
      *to++ = byte;
      from = at + 2;
      slashes &= ~((uint64_t)3 << at);
      mcp_scan_copy64(to, p + from);
    }
    if (from < 64) to += 64 - from;
    p += from < 64 ? 64 : from;
  }
  *out = to;
  return p;
}

static const char *write(const char *p, const char *end, char **out,
                         const char *room) {
  char *to = *out;
  /* A block of escapes becomes longer by 64 bytes. */
  while (end - p > 128 && room - to >= end - p + 64) {
    uint64_t stops = mcp_scan_mask64(p);
    size_t from = 0;
    mcp_scan_copy64(to, p);
    while (stops) {
      size_t at = (size_t)__builtin_ctzll(stops);
      char letter = mcp_escape_letter(p[at]);
      to += at - from;
      if (!letter) {
        *out = to;
        return p + at;
      }
      to[0] = '\\';
      to[1] = letter;
      to += 2;
      from = at + 1;
      stops &= stops - 1;
      mcp_scan_copy64(to, p + from);
    }
    to += 64 - from;
    p += 64;
  }
  *out = to;
  return p;
}

#else

static const char *skip(const char *p, const char *end) {
  (void)end;
  return p;
}

static const char *undo(const char *p, const char *end, char **out) {
  (void)end, (void)out;
  return p;
}

static const char *write(const char *p, const char *end, char **out,
                         const char *room) {
  (void)end, (void)out, (void)room;
  return p;
}

#endif

static const mcp_json_blocks_t basic = {skip, NULL, undo, write};

const mcp_json_blocks_t *mcp_json_blocks_basic(void) {
  return &basic;
}

const mcp_json_blocks_t *mcp_json_blocks(void) {
  const mcp_json_blocks_t *wide = mcp_json_blocks_wide();
  return wide ? wide : &basic;
}
