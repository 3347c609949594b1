/* SPDX-License-Identifier: MIT
 * json.c: see json.h. A parsed document and the values in it. */
#include "wire/json.h"

#include "base/mem.h"
#include "wire/json_blocks.h"
#include "wire/json_escape.h"
#include "wire/json_scan.h"
#include "wire/number.h"

void mcp_json_doc_init(mcp_json_doc_t *doc) {
  doc->text = (mcp_slice_t){NULL, 0};
  doc->undone = (mcp_buf_t){0};
  doc->undone_at = 0;
  doc->tokens = doc->few;
  doc->count = 0;
  doc->cap = MCP_JSON_INLINE_TOKENS;
}

void mcp_json_doc_deinit(mcp_json_doc_t *doc) {
  if (doc->tokens != doc->few) mcp_mem_free(doc->tokens);
  if (doc->undone.data) mcp_buf_deinit(&doc->undone);
  mcp_json_doc_init(doc);
}

/* The code point of the escape at *p, which was checked; steps over it. */
static uint32_t undo_escape(const char **p) {
  const char *s = *p;
  uint32_t unit;
  *p += 2;
  if (s[1] != 'u') return (unsigned char)mcp_escape_short(s[1]);
  *p += 4;
  unit = mcp_escape_unit(s + 2);
  if (!mcp_escape_is_high(unit)) return unit;
  *p += 6;
  return 0x10000 + ((unit & 0x3ff) << 10) + (mcp_escape_unit(s + 8) & 0x3ff);
}

/* Writes the UTF-8 of `c` to `to`; returns its length, 1 to 4. */
static size_t put(char *to, uint32_t c) {
  if (c < 0x80) {
    to[0] = (char)c;
    return 1;
  }
  if (c < 0x800) {
    to[0] = (char)(0xc0 | c >> 6);
    to[1] = (char)(0x80 | (c & 0x3f));
    return 2;
  }
  if (c < 0x10000) {
    to[0] = (char)(0xe0 | c >> 12);
    to[1] = (char)(0x80 | (c >> 6 & 0x3f));
    to[2] = (char)(0x80 | (c & 0x3f));
    return 3;
  }
  to[0] = (char)(0xf0 | c >> 18);
  to[1] = (char)(0x80 | (c >> 12 & 0x3f));
  to[2] = (char)(0x80 | (c >> 6 & 0x3f));
  to[3] = (char)(0x80 | (c & 0x3f));
  return 4;
}

size_t mcp_json_unescape(mcp_slice_t raw, char *to) {
  const char *p = raw.data, *end = p + raw.len;
  char *out = to;
  while (p < end) {
    /* An escape is never shorter than what it stands for, so there is as much
     * room ahead of `out` as there is text ahead of `p`. */
    if (end - p > 64) p = mcp_json_blocks()->undo(p, end, &out);
#ifdef __SSE2__
    while (end - p >= 16) {
      __m128i v = mcp_scan_load(p);
      __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
      unsigned mask = (unsigned)_mm_movemask_epi8(slash);
      int n = mask ? __builtin_ctz(mask) : 16;
      _mm_storeu_si128((__m128i *)(void *)out, v);
      p += n;
      out += n;
      if (mask) break;
    }
#endif
    while (p < end && *p != '\\') *out++ = *p++;
    while (p < end && *p == '\\') {
      if (p[1] == 'u') {
        out += put(out, undo_escape(&p));
      } else {
        *out++ = mcp_escape_short(p[1]);
        p += 2;
      }
    }
  }
  return (size_t)(out - to);
}

bool mcp_json_reads(mcp_slice_t raw, mcp_slice_t text) {
  const char *p = raw.data, *end = p + raw.len;
  size_t at = 0;
  if (raw.len < text.len) return false;
  while (p < end) {
    char letter[4];
    size_t n = 1;
    if (*p == '\\')
      n = put(letter, undo_escape(&p));
    else
      letter[0] = *p++;
    if (text.len - at < n || memcmp(text.data + at, letter, n) != 0)
      return false;
    at += n;
  }
  return at == text.len;
}

uint32_t mcp_json_member(const mcp_json_doc_t *doc, uint32_t object,
                         mcp_slice_t key) {
  const mcp_json_token_t *t = &doc->tokens[object];
  uint32_t at = object + 1;
  if (t->kind != MCP_JSON_OBJECT) return 0;
  for (unsigned i = t->count; i > 0; i--) {
    if (mcp_json_string_is(doc, at, key)) return at + 1;
    at = doc->tokens[at + 1].next;
  }
  return 0;
}

int64_t mcp_json_integer(const mcp_json_doc_t *doc, uint32_t at) {
  mcp_slice_t raw = mcp_json_raw(doc, at);
  bool negative = raw.data[0] == '-';
  uint64_t n = 0;
  for (size_t i = negative; i < raw.len; i++)
    n = n * 10 + (uint64_t)(raw.data[i] - '0');
  /* -2^63 has no positive counterpart, so the sign comes in first. */
  return negative ? -(int64_t)(n - 1) - 1 : (int64_t)n;
}

double mcp_json_double(const mcp_json_doc_t *doc, uint32_t at) {
  if (doc->tokens[at].kind == MCP_JSON_INTEGER)
    return (double)mcp_json_integer(doc, at);
  return mcp_number_read(mcp_json_raw(doc, at));
}
