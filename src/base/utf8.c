/* SPDX-License-Identifier: MIT
 * utf8.c: see utf8.h. Most text is ASCII, so whole words of it are stepped
 * over at once. */
#include "base/utf8.h"

#include <stdint.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

static bool follows(unsigned char c) {
  return (c & 0xC0) == 0x80;
}

size_t mcp_utf8_step(mcp_slice_t text) {
  const unsigned char *s = (const unsigned char *)text.data;
  if (text.len == 0) return 0;
  if (s[0] < 0x80) return 1;
  if (s[0] < 0xC2) return 0;
  if (text.len < 2 || !follows(s[1])) return 0;
  if (s[0] < 0xE0) return 2;
  if (text.len < 3 || !follows(s[2])) return 0;
  if (s[0] < 0xF0) {
    if (s[0] == 0xE0 && s[1] < 0xA0) return 0; /* overlong */
    if (s[0] == 0xED && s[1] > 0x9F) return 0; /* surrogate */
    return 3;
  }
  if (s[0] > 0xF4 || text.len < 4 || !follows(s[3])) return 0;
  if (s[0] == 0xF0 && s[1] < 0x90) return 0; /* overlong */
  if (s[0] == 0xF4 && s[1] > 0x8F) return 0; /* beyond U+10FFFF */
  return 4;
}

/* The first place from `at` on that is not ASCII, or the end. */
static size_t skip_ascii(mcp_slice_t text, size_t at) {
  uint64_t w[4];
  while (text.len - at >= sizeof w) {
    memcpy(w, text.data + at, sizeof w);
    if ((w[0] | w[1] | w[2] | w[3]) & HIGH_BITS) break;
    at += sizeof w;
  }
  while (text.len - at >= sizeof *w) {
    memcpy(w, text.data + at, sizeof *w);
    if (*w & HIGH_BITS) break;
    at += sizeof *w;
  }
  while (at < text.len && !(text.data[at] & 0x80)) at++;
  return at;
}

size_t mcp_utf8_prefix(mcp_slice_t text) {
  size_t at = 0;
  while ((at = skip_ascii(text, at)) < text.len) {
    /* A run of other letters: stay with it instead of looking for words. */
    do {
      size_t n = mcp_utf8_step(mcp_slice(text.data + at, text.len - at));
      if (n == 0) return at;
      at += n;
    } while (at < text.len && (text.data[at] & 0x80));
  }
  return at;
}

bool mcp_utf8_valid(mcp_slice_t text) {
  return mcp_utf8_prefix(text) == text.len;
}

size_t mcp_utf8_cut(mcp_slice_t text, size_t most) {
  size_t at = most;
  if (text.len <= most) return text.len;
  /* Back to the beginning of the character that the cut would split. */
  while (at > 0 && most - at < 3 && follows((unsigned char)text.data[at])) at--;
  return follows((unsigned char)text.data[at]) ? most : at;
}
