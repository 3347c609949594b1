/* SPDX-License-Identifier: MIT
 * regex_ecma.c: see regex_ecma.h. One pass; what is appended is ASCII except
 * for literal characters of the pattern itself. */
#include "wire/regex_ecma.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "wire/regex.h"

/* WhiteSpace and LineTerminator of ECMA-262 12.2 and 12.3, as the inside of a
 * class, and everything else. */
#define SPACE                                                                  \
  "\\x{9}-\\x{d}\\x{20}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"  \
  "\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
#define NOT_SPACE                                                              \
  "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}"                \
  "\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}"                  \
  "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}"                  \
  "\\x{ff00}-\\x{10ffff}"

typedef struct {
  const char *at, *end;
  mcp_buf_t *out;
  mcp_regex_ecma_facts_t *facts;
  const char *start;
  int code;        /* the first failure, sticky */
  bool repeatable; /* may a quantifier stand here? */
} reader_t;

static void fault(reader_t *r, const char *what) {
  if (r->code) return;
  r->code = MCP_EPATTERN;
  r->facts->what = what;
  r->facts->offset = (size_t)(r->at - r->start);
}

static void put(reader_t *r, const char *data, size_t len) {
  if (!r->code) r->code = mcp_buf_append(r->out, data, len);
}

static void put_text(reader_t *r, const char *text) {
  put(r, text, strlen(text));
}

static void put_point(reader_t *r, uint32_t point) {
  char text[16];
  int n = snprintf(text, sizeof text, "\\x{%x}", (unsigned)point);
  put(r, text, (size_t)n);
}

/* The byte `ahead` of the reader, or -1. */
static int peek(const reader_t *r, size_t ahead) {
  return (size_t)(r->end - r->at) > ahead ? (unsigned char)r->at[ahead] : -1;
}

static bool starts(const reader_t *r, const char *text) {
  size_t len = strlen(text);
  return (size_t)(r->end - r->at) >= len && memcmp(r->at, text, len) == 0;
}

static bool is_digit(int c) {
  return c >= '0' && c <= '9';
}

static bool is_letter(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_value(int c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Reads exactly `digits` hex digits at the reader; false if they are not
 * there, and then nothing is consumed. */
static bool read_hex(reader_t *r, int digits, uint32_t *point) {
  uint32_t n = 0;
  for (int i = 0; i < digits; i++) {
    int v = hex_value(peek(r, (size_t)i));
    if (v < 0) return false;
    n = n * 16 + (uint32_t)v;
  }
  r->at += digits;
  *point = n;
  return true;
}

/* What follows \u: XXXX, a pair of surrogates, or {X...}. */
static void unicode(reader_t *r) {
  uint32_t point = 0, low;
  if (peek(r, 0) == '{') {
    int v;
    for (r->at++; (v = hex_value(peek(r, 0))) >= 0; r->at++) {
      if (point <= 0x10ffff) point = point * 16 + (uint32_t)v;
    }
    if (peek(r, 0) != '}') {
      fault(r, "\\u{: expected }");
      return;
    }
    r->at++;
  } else if (!read_hex(r, 4, &point)) {
    fault(r, "\\u: expected four hexadecimal digits or {...}");
    return;
  } else if (point >= 0xd800 && point < 0xdc00 && starts(r, "\\u")) {
    r->at += 2;
    if (!read_hex(r, 4, &low) || low < 0xdc00 || low > 0xdfff) {
      fault(r, "unpaired surrogate");
      return;
    }
    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
  }
  if (point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
    fault(r, "not a Unicode character");
    return;
  }
  put_point(r, point);
}

/* Long names of general categories, which PCRE2 knows by their short ones
 * only (Unicode Standard Annex 44, table 12). */
static const struct {
  const char *name, *brief;
} categories[] = {
    {"Letter", "L"},
    {"Cased_Letter", "L&"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Other", "C"},
    {"Control", "Cc"},
    {"cntrl", "Cc"},
    {"Format", "Cf"},
    {"Surrogate", "Cs"},
    {"Private_Use", "Co"},
    {"Unassigned", "Cn"},
    {"LC", "L&"},
};

/* What follows \p or \P (`kind`): {Name} or {Name=Value}. */
static void property(reader_t *r, char kind) {
  const char *name, *close;
  size_t len;
  if (peek(r, 0) != '{' ||
      !(close = memchr(r->at, '}', (size_t)(r->end - r->at)))) {
    fault(r, "\\p: expected {name}");
    return;
  }
  r->at++;
  if (starts(r, "General_Category=")) r->at += strlen("General_Category=");
  if (starts(r, "gc=")) r->at += strlen("gc=");
  name = r->at;
  len = (size_t)(close - name);
  for (size_t i = 0; i < len; i++) {
    int c = (unsigned char)name[i];
    if (is_letter(c) || is_digit(c) || c == '_' || c == '=') continue;
    fault(r, "\\p: unknown property name");
    return;
  }
  put(r, kind == 'P' ? "\\P{" : "\\p{", 3);
  for (size_t i = 0; i < sizeof categories / sizeof *categories; i++) {
    if (strlen(categories[i].name) == len &&
        memcmp(categories[i].name, name, len) == 0) {
      name = categories[i].brief;
      len = strlen(name);
      break;
    }
  }
  put(r, name, len);
  put(r, "}", 1);
  r->at = close + 1;
}

/* Copies one literal character, with a backslash if it is punctuation. */
static void literal(reader_t *r) {
  size_t len = mcp_utf8_step(mcp_slice(r->at, (size_t)(r->end - r->at)));
  int c = peek(r, 0);
  if (len == 1 && c > ' ' && c < 0x7f && !is_letter(c) && !is_digit(c)) {
    put(r, "\\", 1);
  }
  put(r, r->at, len);
  r->at += len;
}

/* An escape that means one character or a set of them, inside and outside a
 * class; the reader is after the backslash. */
static void escape(reader_t *r, bool in_class) {
  char c;
  uint32_t point;
  if (r->at == r->end) {
    fault(r, "\\ at the end");
    return;
  }
  c = *r->at;
  if (!is_letter(c) && !is_digit(c)) {
    literal(r);
    return;
  }
  r->at++;
  switch (c) {
  case 'd': put_text(r, "\\d"); return;
  case 'D': put_text(r, "\\D"); return;
  case 'w': put_text(r, "\\w"); return;
  case 'W': put_text(r, "\\W"); return;
  case 's': put_text(r, in_class ? SPACE : "[" SPACE "]"); return;
  case 'S': put_text(r, in_class ? NOT_SPACE : "[" NOT_SPACE "]"); return;
  case 't': put_point(r, 9); return;
  case 'n': put_point(r, 10); return;
  case 'v': put_point(r, 11); return;
  case 'f': put_point(r, 12); return;
  case 'r': put_point(r, 13); return;
  case 'p':
  case 'P': property(r, c); return;
  case 'u': unicode(r); return;
  case 'x':
    if (read_hex(r, 2, &point)) {
      put_point(r, point);
    } else {
      fault(r, "\\x: expected two hexadecimal digits");
    }
    return;
  case 'c':
    if (is_letter(peek(r, 0))) {
      put_point(r, (uint32_t)*r->at++ & 31);
    } else {
      fault(r, "\\c: expected a letter");
    }
    return;
  case '0':
    if (!is_digit(peek(r, 0))) {
      put_point(r, 0);
      return;
    }
    break;
  default: break;
  }
  r->at--;
  fault(r, "unknown escape");
}

/* An escape outside a class: those that only make sense there, too. */
static void outer_escape(reader_t *r) {
  int c = peek(r, 0);
  r->repeatable = true;
  if (c == 'b' || c == 'B') {
    put_text(r, c == 'b' ? "\\b" : "\\B");
    r->at++;
    r->repeatable = false;
  } else if (c >= '1' && c <= '9') {
    put_text(r, "\\g{");
    while (is_digit(peek(r, 0))) put(r, r->at++, 1);
    put_text(r, "}");
    r->facts->numbered = r->facts->referring = true;
  } else if (c == 'k') {
    const char *close = memchr(r->at, '>', (size_t)(r->end - r->at));
    if (peek(r, 1) != '<' || !close) {
      fault(r, "\\k: expected <name>");
      return;
    }
    put_text(r, "\\");
    put(r, r->at, (size_t)(close + 1 - r->at));
    r->at = close + 1;
    r->facts->referring = true;
  } else {
    escape(r, false);
  }
}

/* A class; the reader is after its "[". */
static void set(reader_t *r) {
  bool negated = peek(r, 0) == '^';
  r->repeatable = true;
  if (negated) r->at++;
  if (peek(r, 0) == ']') {
    put_text(r, negated ? "[\\x{0}-\\x{10ffff}]" : "(?!)");
    r->at++;
    return;
  }
  put_text(r, negated ? "[^" : "[");
  while (!r->code && peek(r, 0) != ']') {
    if (r->at == r->end) {
      fault(r, "[: expected ]");
    } else if (*r->at == '\\') {
      r->at++;
      if (peek(r, 0) == 'b') {
        put_point(r, 8);
        r->at++;
      } else {
        escape(r, true);
      }
    } else if (*r->at == '-') {
      put(r, r->at++, 1);
    } else {
      literal(r);
    }
  }
  put(r, "]", 1);
  if (!r->code) r->at++;
}

/* The opening of a group, "(" and what belongs to it. */
static void group(reader_t *r) {
  static const char *const kinds[] = {"(?:",  "(?=",   "(?!",  "(?<=", "(?<!",
                                      "(?i:", "(?-i:", "(?i)", "(?-i)"};
  const char *name, *close;
  r->repeatable = false;
  if (peek(r, 1) != '?') {
    put(r, r->at++, 1);
    return;
  }
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (starts(r, kinds[i])) {
      put_text(r, kinds[i]);
      r->at += strlen(kinds[i]);
      return;
    }
  }
  name = r->at + 3;
  close = memchr(r->at, '>', (size_t)(r->end - r->at));
  if (peek(r, 2) != '<' || !close) {
    fault(r, "unsupported group syntax");
    return;
  }
  for (const char *c = name; c < close; c++) {
    if (is_letter(*c) || *c == '_' || (c > name && is_digit(*c))) continue;
    fault(r, "invalid group name");
    return;
  }
  put(r, r->at, (size_t)(close + 1 - r->at));
  r->at = close + 1;
}

/* Reads {n}, {n,} or {n,m}; false, with nothing consumed, if it is not one. */
static bool braces(reader_t *r) {
  const char *c = r->at + 1;
  size_t n = 0, max = 0;
  int digits = 0;
  for (; c < r->end && (is_digit(*c) || (*c == ',' && digits > 0)); c++) {
    if (*c == ',') {
      if (memchr(r->at, ',', (size_t)(c - r->at))) return false;
      n = 0;
      continue;
    }
    digits++;
    if (n < 1000000) n = n * 10 + (size_t)(*c - '0');
    if (n > max) max = n;
  }
  if (c == r->end || *c != '}' || digits == 0) return false;
  if (max > r->facts->repeat) r->facts->repeat = max;
  put(r, r->at, (size_t)(c + 1 - r->at));
  r->at = c + 1;
  return true;
}

/* Ends a quantifier: a "?" makes it lazy, and nothing may repeat it again (a
 * "+" would make it possessive in PCRE2). */
static void end_quantifier(reader_t *r) {
  if (!r->repeatable) fault(r, "nothing to repeat");
  if (peek(r, 0) == '?') put(r, r->at++, 1);
  r->repeatable = false;
}

static void step(reader_t *r) {
  switch (*r->at) {
  case '\\':
    r->at++;
    outer_escape(r);
    return;
  case '[':
    r->at++;
    set(r);
    return;
  case '(': group(r); return;
  case '*':
  case '+':
  case '?':
    put(r, r->at++, 1);
    end_quantifier(r);
    return;
  case '{':
    if (!braces(r)) break;
    end_quantifier(r);
    return;
  case '.':
    put_text(r, "[^\\n\\r\\x{2028}\\x{2029}]");
    r->at++;
    r->repeatable = true;
    return;
  case ')':
    put(r, r->at++, 1);
    r->repeatable = true;
    return;
  case '^':
  case '$':
  case '|':
    put(r, r->at++, 1);
    r->repeatable = false;
    return;
  default: break;
  }
  literal(r);
  r->repeatable = true;
}

int mcp_regex_ecma_write_pcre(mcp_buf_t *out, mcp_slice_t pattern,
                              mcp_regex_ecma_facts_t *facts) {
  reader_t r = {.at = pattern.data,
                .end = pattern.data + pattern.len,
                .start = pattern.data,
                .out = out,
                .facts = facts};
  *facts = (mcp_regex_ecma_facts_t){0};
  if (!mcp_utf8_valid(pattern)) return MCP_EUTF8;
  while (!r.code && r.at < r.end) step(&r);
  return r.code;
}
