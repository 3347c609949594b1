/* SPDX-License-Identifier: MIT
 * json.c: see json.h. The reader walks the text with one loop and no stack:
 * while a container is open, the `next` of its token holds the container
 * around it. It must not know what a document means. */
#include "wire/json.h"

#include <math.h>

#include "base/err.h"
#include "base/mem.h"
#include "wire/json_keys.h"
#include "wire/json_scan.h"
#include "wire/number.h"

const mcp_json_limits_t mcp_json_default_limits = {
    .depth = MCP_JSON_DEPTH, .nodes = MCP_JSON_NODES, .duplicates = false};

_Static_assert(MCP_JSON_NUMBER_LENGTH == MCP_NUMBER_LENGTH,
               "number.c reads what the limit lets through");

/* No container: the parent of the outermost value. */
#define NOWHERE UINT32_MAX

/* What the `count` of a token can hold. */
#define COUNT_MASK 0x7ffffffu

typedef struct {
  mcp_json_doc_t *doc;
  const char *begin, *end;
  mcp_json_limits_t limits;
  uint32_t room; /* tokens there is room for and leave to use */
  uint32_t parent;
  size_t depth;
  int code; /* of the fault, with where and what */
  const char *where, *what;
} reader_t;

/* Notes a fault. The readers of parts return the place behind what they read,
 * or this NULL. */
static const char *refuse(reader_t *r, int code, const char *where,
                          const char *what) {
  r->code = code;
  r->where = where;
  r->what = what;
  return NULL;
}

static inline const char *skip_space(const char *p, const char *end) {
  while (p < end && (unsigned char)*p <= ' ' &&
         (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
    p++;
  }
  return p;
}

/* -- tokens -- */

static bool grow(reader_t *r, const char *at) {
  mcp_json_doc_t *doc = r->doc;
  mcp_json_token_t *tokens = doc->tokens;
  size_t cap = (size_t)doc->cap * 4;
  if (doc->count >= r->limits.nodes) {
    refuse(r, MCP_ENODES, at, "more values than the limit");
    return false;
  }
  if (cap > r->limits.nodes) cap = r->limits.nodes;
  if (tokens == doc->few) {
    tokens = mcp_mem_alloc(cap * sizeof *tokens);
    if (tokens) memcpy(tokens, doc->few, doc->count * sizeof *tokens);
  } else {
    tokens = mcp_mem_realloc(tokens, cap * sizeof *tokens);
  }
  if (!tokens) {
    refuse(r, MCP_ENOMEM, at, "not enough memory");
    return false;
  }
  doc->tokens = tokens;
  doc->cap = r->room = (uint32_t)cap;
  return true;
}

static inline bool add(reader_t *r, mcp_json_kind_t kind, const char *start,
                       const char *end, bool escaped) {
  mcp_json_doc_t *doc = r->doc;
  uint32_t at = doc->count;
  if (at == r->room && !grow(r, start)) return false;
  doc->count++;
  doc->tokens[at] = (mcp_json_token_t){.start = (uint32_t)(start - r->begin),
                                       .length = (uint32_t)(end - start),
                                       .next = at + 1,
                                       .kind = kind,
                                       .escaped = escaped};
  return true;
}

/* Opens a container. Its `next` is its parent until it is closed. */
static bool open_container(reader_t *r, mcp_json_kind_t kind, const char *at) {
  uint32_t parent = r->parent;
  if (r->depth == r->limits.depth) {
    refuse(r, MCP_EDEPTH, at, "nested deeper than the limit");
    return false;
  }
  r->parent = r->doc->count;
  if (!add(r, kind, at, at, false)) return false;
  r->doc->tokens[r->parent].next = parent;
  r->depth++;
  return true;
}

static void close_container(reader_t *r, const char *end) {
  mcp_json_token_t *t = &r->doc->tokens[r->parent];
  t->length = (uint32_t)(end - r->begin) - t->start;
  r->parent = t->next;
  t->next = r->doc->count;
  r->depth--;
}

/* -- strings -- */

/* The value of a hexadecimal digit; 16 and above for anything else. */
static unsigned hex(char c) {
  unsigned digit = (unsigned)(unsigned char)c - '0';
  unsigned letter = ((unsigned)(unsigned char)c | 0x20) - 'a';
  if (digit < 10) return digit;
  return letter < 6 ? letter + 10 : 16;
}

/* The code unit of four hexadecimal digits that were checked. */
static unsigned unit_of(const char *p) {
  return hex(p[0]) << 12 | hex(p[1]) << 8 | hex(p[2]) << 4 | hex(p[3]);
}

static bool is_high(unsigned unit) {
  return (unit & 0xfc00) == 0xd800;
}

static bool is_low(unsigned unit) {
  return (unit & 0xfc00) == 0xdc00;
}

/* The four digits behind "\u" at `p`. */
static const char *read_unit(reader_t *r, const char *p) {
  for (int i = 2; i < 6; i++) {
    if (p + i >= r->end)
      return refuse(r, MCP_EJSON, r->end, "the text ends inside a string");
    if (hex(p[i]) > 15)
      return refuse(r, MCP_EJSON, p + i,
                    "expected four hexadecimal digits behind \\u");
  }
  return p + 6;
}

/* What a backslash and this letter stand for; 0 if that is nothing, or 'u'. */
static const char short_escapes[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

/* The escape at `p`, which is a backslash. */
static const char *read_escape(reader_t *r, const char *p) {
  const char *behind;
  unsigned unit;
  if (p + 1 == r->end)
    return refuse(r, MCP_EJSON, r->end, "the text ends inside a string");
  if (short_escapes[(unsigned char)p[1]]) return p + 2;
  if (p[1] != 'u') return refuse(r, MCP_EJSON, p, "unknown escape in a string");
  behind = read_unit(r, p);
  if (!behind) return NULL;
  unit = unit_of(p + 2);
  if (is_low(unit))
    return refuse(r, MCP_EUTF8, p, "second half of a surrogate pair alone");
  if (!is_high(unit)) return behind;
  if (r->end - behind < 2 || behind[0] != '\\' || behind[1] != 'u')
    return refuse(r, MCP_EUTF8, p, "first half of a surrogate pair alone");
  if (!read_unit(r, behind)) return NULL;
  if (!is_low(unit_of(behind + 2)))
    return refuse(r, MCP_EUTF8, p, "first half of a surrogate pair alone");
  return behind + 6;
}

/* Is what stopped a scan at `p` a byte of a character? */
static inline bool is_letter(const char *p) {
  return (unsigned char)*p >= 0x80;
}

/* The string from `start`, behind its quote, of which the bytes before `p`
 * are plain. */
static const char *read_rest(reader_t *r, const char *start, const char *p,
                             size_t limit) {
  const char *end = r->end;
  bool escaped = false;
  for (;;) {
    p += mcp_scan_plain(p, (size_t)(end - p));
    if (p < end && is_letter(p)) p = mcp_scan_letters(p, end);
    if (p == end)
      return refuse(r, MCP_EJSON, p, "the text ends inside a string");
    if (*p == '"') break;
    if (*p == '\\') {
      escaped = true;
      p = read_escape(r, p);
      if (!p) return NULL;
    } else if (is_letter(p)) {
      return refuse(r, MCP_EUTF8, p, "not valid UTF-8");
    } else {
      return refuse(r, MCP_EJSON, p, "raw control character in a string");
    }
  }
  if ((size_t)(p - start) > limit)
    return refuse(r, MCP_ETOOBIG, start - 1, "a key longer than the limit");
  if (!add(r, MCP_JSON_STRING, start, p, escaped)) {
    r->where--; /* the string begins with its quote */
    return NULL;
  }
  return p + 1;
}

/* The string whose opening quote is at `p`; adds its token. Most end within
 * 16 bytes and come past here only. */
static inline const char *read_string(reader_t *r, const char *p,
                                      size_t limit) {
  const char *start = ++p;
#ifdef __SSE2__
  if (r->end - p >= 16 && r->doc->count < r->room) {
    unsigned mask = mcp_scan_mask(mcp_scan_load(p));
    p += mask ? __builtin_ctz(mask) : 16;
    if (mask && *p == '"') {
      add(r, MCP_JSON_STRING, start, p, false);
      return p + 1;
    }
  }
#endif
  return read_rest(r, start, p, limit);
}

/* The code point of the escape at *p, which was checked; steps over it. */
static uint32_t undo_escape(const char **p) {
  const char *s = *p;
  uint32_t unit;
  *p += 2;
  if (s[1] != 'u') return (unsigned char)short_escapes[(unsigned char)s[1]];
  *p += 4;
  unit = unit_of(s + 2);
  if (!is_high(unit)) return unit;
  *p += 6;
  return 0x10000 + ((unit & 0x3ff) << 10) + (unit_of(s + 8) & 0x3ff);
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
#ifdef __SSE2__
    /* An escape is never shorter than what it stands for, so there is as much
     * room ahead of `out` as there is text ahead of `p`. */
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
        *out++ = short_escapes[(unsigned char)p[1]];
        p += 2;
      }
    }
  }
  return (size_t)(out - to);
}

static bool reads(mcp_slice_t raw, mcp_slice_t text) {
  const char *p = raw.data, *end = p + raw.len;
  size_t at = 0;
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

/* -- keys -- */

/* Sees that the object that ends here has no key twice. */
static bool check_keys(reader_t *r, uint32_t object) {
  uint32_t again = 0;
  const mcp_json_token_t *t = &r->doc->tokens[object];
  int code = t->count > 1 && !r->limits.duplicates
                 ? mcp_json_keys_check(r->doc, object, &again)
                 : 0;
  if (code == 0) return true;
  if (code == MCP_EDUPLICATE)
    refuse(r, code, r->begin + r->doc->tokens[again].start - 1,
           "the same key twice in one object");
  else
    refuse(r, code, r->begin + t->start, mcp_err_text(code));
  return false;
}

/* A key and its colon. */
static inline const char *read_key(reader_t *r, const char *p,
                                   const char *expected) {
  p = skip_space(p, r->end);
  if (p == r->end || *p != '"') return refuse(r, MCP_EJSON, p, expected);
  p = read_string(r, p, MCP_JSON_KEY_LENGTH);
  if (!p) return NULL;
  p = skip_space(p, r->end);
  if (p == r->end || *p != ':')
    return refuse(r, MCP_EJSON, p, "expected ':' behind a key");
  return p + 1;
}

/* -- numbers and names -- */

static bool is_digit(const char *p, const char *end) {
  return p < end && *p >= '0' && *p <= '9';
}

static const char *skip_digits(const char *p, const char *end) {
  while (is_digit(p, end)) p++;
  return p;
}

/* Do `n` digits without leading zeros, negative or not, fit int64? */
static bool fits(const char *digits, size_t n, bool negative) {
  const char *top = negative ? "9223372036854775808" : "9223372036854775807";
  return n < 19 || (n == 19 && memcmp(digits, top, 19) <= 0);
}

static const char *read_number(reader_t *r, const char *p) {
  const char *start = p, *end = r->end, *digits, *exponent;
  bool negative = *p == '-', integer;
  size_t whole;
  if (negative) p++;
  digits = p;
  if (!is_digit(p, end))
    return refuse(r, MCP_EJSON, p, "expected a digit behind '-'");
  p = skip_digits(p, end);
  whole = (size_t)(p - digits);
  if (*digits == '0' && whole > 1)
    return refuse(r, MCP_EJSON, start, "a number with leading zeros");
  integer = fits(digits, whole, negative);
  if (p < end && *p == '.') {
    integer = false;
    if (!is_digit(++p, end))
      return refuse(r, MCP_EJSON, p, "expected a digit behind '.'");
    p = skip_digits(p, end);
  }
  exponent = p;
  if (p < end && (*p == 'e' || *p == 'E')) {
    integer = false;
    p++;
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (!is_digit(p, end))
      return refuse(r, MCP_EJSON, p, "expected a digit in the exponent");
    p = skip_digits(p, end);
  }
  if (p - start > MCP_JSON_NUMBER_LENGTH)
    return refuse(r, MCP_ENUMBER, start, "a number longer than the limit");
  /* An integer has no negative zero. */
  if (integer && !(negative && *digits == '0'))
    return add(r, MCP_JSON_INTEGER, start, p, false) ? p : NULL;
  /* Without an exponent it is too short to be infinite. */
  if (p > exponent &&
      !isfinite(mcp_number_read(mcp_slice(start, (size_t)(p - start)))))
    return refuse(r, MCP_ENUMBER, start, "a number too large for a double");
  return add(r, MCP_JSON_DOUBLE, start, p, false) ? p : NULL;
}

static const char *read_name(reader_t *r, const char *p, const char *name,
                             size_t len, mcp_json_kind_t kind) {
  if ((size_t)(r->end - p) < len || memcmp(p, name, len) != 0)
    return refuse(r, MCP_EJSON, p, "expected a value");
  return add(r, kind, p, p + len, false) ? p + len : NULL;
}

/* -- the text -- */

/* The value that begins at `p`; of a container only its beginning. */
static inline const char *read_scalar(reader_t *r, const char *p) {
  switch (*p) {
  case '"': return read_string(r, p, SIZE_MAX);
  case 't': return read_name(r, p, "true", 4, MCP_JSON_TRUE);
  case 'f': return read_name(r, p, "false", 5, MCP_JSON_FALSE);
  case 'n': return read_name(r, p, "null", 4, MCP_JSON_NULL);
  case '-':
  case '0':
  case '1':
  case '2':
  case '3':
  case '4':
  case '5':
  case '6':
  case '7':
  case '8':
  case '9': return read_number(r, p);
  default: return refuse(r, MCP_EJSON, p, "expected a value");
  }
}

/* Behind a value: closes what ends here and steps to the next value, or to
 * the end of the text. */
static inline const char *read_on(reader_t *r, const char *p) {
  const char *end = r->end;
  while (r->parent != NOWHERE) {
    mcp_json_token_t *t = &r->doc->tokens[r->parent];
    bool object = t->kind == MCP_JSON_OBJECT;
    p = skip_space(p, end);
    if (p < end && *p == ',') {
      t->count = (t->count + 1) & COUNT_MASK;
      return object ? read_key(r, p + 1, "expected a key in quotes behind ','")
                    : p + 1;
    }
    if (p == end || *p != (object ? '}' : ']'))
      return refuse(r, MCP_EJSON, p,
                    object ? "expected ',' or '}' behind a member"
                           : "expected ',' or ']' behind an element");
    if (object && !check_keys(r, r->parent)) return NULL;
    close_container(r, ++p);
  }
  p = skip_space(p, end);
  if (p < end) return refuse(r, MCP_EJSON, p, "more text behind the value");
  return p;
}

static bool read_text(reader_t *r) {
  const char *p = skip_space(r->begin, r->end), *end = r->end;
  if (p == end) return refuse(r, MCP_EJSON, p, "no value in the text");
  if (end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
    return refuse(r, MCP_EUTF8, p, "a byte order mark");
  do {
    p = skip_space(p, end);
    if (p == end)
      return refuse(r, MCP_EJSON, p, "the text ends where a value is due");
    if (*p == '{') {
      if (!open_container(r, MCP_JSON_OBJECT, p)) return false;
      p = skip_space(p + 1, end);
      if (p == end || *p != '}') {
        r->doc->tokens[r->parent].count = 1;
        p = read_key(r, p, "expected a key in quotes or '}'");
        if (!p) return false;
        continue;
      }
    } else if (*p == '[') {
      if (!open_container(r, MCP_JSON_ARRAY, p)) return false;
      p = skip_space(p + 1, end);
      if (p == end || *p != ']') {
        r->doc->tokens[r->parent].count = 1;
        continue;
      }
    } else {
      p = read_scalar(r, p);
      if (!p) return false;
    }
    p = read_on(r, p);
    if (!p) return false;
  } while (r->parent != NOWHERE);
  return true;
}

/* -- documents -- */

void mcp_json_doc_init(mcp_json_doc_t *doc) {
  doc->text = (mcp_slice_t){NULL, 0};
  doc->tokens = doc->few;
  doc->count = 0;
  doc->cap = MCP_JSON_INLINE_TOKENS;
}

void mcp_json_doc_deinit(mcp_json_doc_t *doc) {
  if (doc->tokens != doc->few) mcp_mem_free(doc->tokens);
  mcp_json_doc_init(doc);
}

int mcp_json_parse(mcp_json_doc_t *doc, mcp_slice_t text,
                   const mcp_json_limits_t *limits, mcp_json_fault_t *fault) {
  const char *begin = text.len ? text.data : "";
  reader_t r;
  r.doc = doc;
  r.begin = begin;
  r.end = begin + text.len;
  r.limits = *limits;
  r.parent = NOWHERE;
  r.depth = 0;
  if (r.limits.depth > MCP_JSON_DEPTH) r.limits.depth = MCP_JSON_DEPTH;
  if (r.limits.nodes > COUNT_MASK) r.limits.nodes = COUNT_MASK;
  r.room = doc->cap;
  if (r.room > r.limits.nodes) r.room = (uint32_t)r.limits.nodes;
  doc->text = text;
  doc->count = 0;
  if (text.len > MCP_JSON_TEXT_LENGTH)
    refuse(&r, MCP_ETOOBIG, begin, "a text longer than the limit");
  else if (read_text(&r))
    return 0;
  doc->count = 0;
  if (fault) {
    fault->offset = (size_t)(r.where - begin);
    fault->what = r.what;
  }
  return r.code;
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

bool mcp_json_string_is(const mcp_json_doc_t *doc, uint32_t at,
                        mcp_slice_t text) {
  const mcp_json_token_t *t = &doc->tokens[at];
  mcp_slice_t raw = mcp_json_raw(doc, at);
  if (t->kind != MCP_JSON_STRING || raw.len < text.len) return false;
  return t->escaped ? reads(raw, text) : mcp_slice_equal(raw, text);
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

/* -- writing -- */

/* The longest escape, \u001f; and a store of 16 bytes may lie over the end. */
#define ESCAPE_ROOM 6
#define SLACK       (ESCAPE_ROOM + 16 + 2)

static char *escape(char *out, unsigned char c) {
  static const char letters[] = "01234567btn1fr";
  static const char digits[] = "0123456789abcdef";
  *out++ = '\\';
  if (c == '"' || c == '\\') {
    *out++ = (char)c;
  } else if (c >= '\b' && c <= '\r' && c != '\v') {
    *out++ = letters[c];
  } else {
    memcpy(out, "u00", 3);
    out[3] = digits[c >> 4];
    out[4] = digits[c & 15];
    out += 5;
  }
  return out;
}

/* Copies `s` to `to` if it is shorter than 16 bytes and all plain. */
static inline bool copy_plain(char *to, mcp_slice_t s) {
  if (s.len >= 16) return false;
  if (s.len >= 8) {
    const char *tail = s.data + s.len - 8;
    if (!mcp_scan_word(s.data) || !mcp_scan_word(tail)) return false;
    memcpy(to, s.data, 8);
    memcpy(to + s.len - 8, tail, 8);
    return true;
  }
  for (size_t i = 0; i < s.len; i++) {
    if (!mcp_scan_is_plain(s.data[i])) return false;
    to[i] = s.data[i];
  }
  return true;
}

/* The same for any `s`. Before each turn there is room for all that is left
 * as it stands, the closing quote and SLACK. */
static int copy_string(mcp_buf_t *out, mcp_slice_t s) {
  const char *p = s.data, *end = p + s.len;
  char *to = out->data + out->len;
  for (;;) {
    size_t n;
    int code;
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
    if (p < end && is_letter(p)) {
      n = (size_t)(mcp_scan_letters(p, end) - p);
      memcpy(to, p, n);
      p += n;
      to += n;
      if (p < end && is_letter(p)) return MCP_EUTF8;
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

int mcp_json_write_string(mcp_buf_t *out, mcp_slice_t s) {
  size_t before = out->len;
  int code;
  if (s.len > SIZE_MAX / 2) return MCP_ETOOBIG;
  if (out->cap - before < s.len + SLACK) {
    code = mcp_buf_reserve(out, s.len + SLACK);
    if (code < 0) return code;
  }
  out->data[out->len++] = '"';
  if (copy_plain(out->data + out->len, s)) {
    out->len += s.len;
  } else {
    code = copy_string(out, s);
    if (code < 0) {
      out->len = before;
      return code;
    }
  }
  out->data[out->len++] = '"';
  return 0;
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
