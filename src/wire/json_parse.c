/* SPDX-License-Identifier: MIT
 * json_parse.c: see json.h. The reader walks the text in one loop, without
 * recursion and without a stack of its own: while a container is open, the
 * `next` of its token holds the index of the container around it. */
#include <math.h>

#include "base/err.h"
#include "base/mem.h"
#include "wire/json.h"
#include "wire/json_blocks.h"
#include "wire/json_escape.h"
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
  uint32_t room; /* number of tokens that fit and are allowed */
  uint32_t parent;
  size_t depth;
  int code; /* of the fault, with where and what */
  const char *where, *what;
} reader_t;

/* Records a fault and returns NULL. A function that reads a part of the text
 * returns the position after it, or NULL. */
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
    refuse(r, MCP_ENODES, at, "too many values");
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

/* Is `p` where what is known stands, with room for all its tokens? */
static inline bool is_known(const reader_t *r, const char *p) {
  const mcp_json_known_t *known = r->limits.known;
  return known && r->depth == known->depth && r->doc->known == 0 &&
         (size_t)(r->end - p) >= known->text.len &&
         memcmp(p, known->text.data, known->text.len) == 0 &&
         known->nodes <= r->limits.nodes - r->doc->count;
}

/* Adds its token, and takes the others off what is allowed. */
static const char *skip_known(reader_t *r, const char *p) {
  const mcp_json_known_t *known = r->limits.known;
  r->doc->known = r->doc->count;
  if (!add(r, MCP_JSON_OBJECT, p, p + known->text.len, false)) return NULL;
  r->limits.nodes -= known->nodes - 1;
  if (r->room > r->limits.nodes) r->room = (uint32_t)r->limits.nodes;
  return p + known->text.len;
}

/* -- strings -- */

/* The four digits after "\u" at `p`. */
static const char *read_unit(reader_t *r, const char *p) {
  for (int i = 2; i < 6; i++) {
    if (p + i >= r->end)
      return refuse(r, MCP_EJSON, r->end, "unterminated string");
    if (mcp_escape_hex(p[i]) > 15)
      return refuse(r, MCP_EJSON, p + i,
                    "expected four hexadecimal digits after \\u");
  }
  return p + 6;
}

/* The escape at `p`, which is a backslash. */
static const char *read_escape(reader_t *r, const char *p) {
  const char *rest;
  unsigned unit;
  if (p + 1 == r->end)
    return refuse(r, MCP_EJSON, r->end, "unterminated string");
  if (mcp_escape_short(p[1])) return p + 2;
  if (p[1] != 'u') return refuse(r, MCP_EJSON, p, "unknown escape in a string");
  rest = read_unit(r, p);
  if (!rest) return NULL;
  unit = mcp_escape_unit(p + 2);
  if (mcp_escape_is_low(unit))
    return refuse(r, MCP_EUTF8, p, "unpaired low surrogate");
  if (!mcp_escape_is_high(unit)) return rest;
  if (r->end - rest < 2 || rest[0] != '\\' || rest[1] != 'u')
    return refuse(r, MCP_EUTF8, p, "unpaired high surrogate");
  if (!read_unit(r, rest)) return NULL;
  if (!mcp_escape_is_low(mcp_escape_unit(rest + 2)))
    return refuse(r, MCP_EUTF8, p, "unpaired high surrogate");
  return rest + 6;
}

/* A string that is longer than this has its escapes undone on the way. */
#define UNDO_LEAST 2048

/* The escape at `p`, and mostly more of them with what is between. */
static const char *read_escapes(reader_t *r, const char *p) {
  const char *end = r->end;
  p = read_escape(r, p);
  /* While it is not known whether the string is long, not all of it. */
  if (p && r->limits.undo && end - p > 2 * UNDO_LEAST) end = p + 2 * UNDO_LEAST;
  return p && end - p > 64 ? mcp_json_blocks()->skip(p, end) : p;
}

/* Is this a string to undo, of which as much as is before `p` was checked? */
static bool is_to_undo(const reader_t *r, const char *start, const char *p) {
  return r->limits.undo && p - start > UNDO_LEAST && mcp_json_blocks()->read;
}

/* Checks the string that begins at `start` from `p` on, and undoes all its
 * escapes. Returns where it ends or goes wrong, or `p` where there is no memory
 * for that; NULL as read_escape does. */
static const char *read_undoing(reader_t *r, const char *start, const char *p) {
  const char *end = r->end;
  mcp_buf_t *out = &r->doc->undone;
  char *to;
  r->limits.undo = false;
  /* It reads shorter than it is written. */
  if (mcp_buf_reserve(out, (size_t)(end - start)) < 0) return p;
  to = out->data;
  to += mcp_json_unescape(mcp_slice(start, (size_t)(p - start)), to);
  while (p < end) {
    const char *from;
    if (end - p > 64) p = mcp_json_blocks()->read(p, end, &to);
    from = p;
    if (*p == '\\') {
      p = read_escape(r, p);
      if (!p) return NULL;
      to += mcp_json_unescape(mcp_slice(from, (size_t)(p - from)), to);
      continue;
    }
    p += mcp_scan_plain(p, (size_t)(end - p));
    if (p < end && mcp_scan_is_letter(*p)) p = mcp_scan_letters(p, end);
    if (p == from) break;
    memcpy(to, from, (size_t)(p - from));
    to += p - from;
  }
  out->len = (size_t)(to - out->data);
  r->doc->undone_at = r->doc->count;
  return p;
}

/* The string whose text begins at `start`, after its quote; the bytes before
 * `p` are plain. */
static const char *read_rest(reader_t *r, const char *start, const char *p,
                             size_t limit) {
  const char *end = r->end;
  bool escaped = false;
  for (;;) {
    p += mcp_scan_plain(p, (size_t)(end - p));
    if (p < end && mcp_scan_is_letter(*p)) p = mcp_scan_letters(p, end);
    if (p == end) return refuse(r, MCP_EJSON, p, "unterminated string");
    if (*p == '"') break;
    if (*p == '\\') {
      escaped = true;
      p = is_to_undo(r, start, p) ? read_undoing(r, start, p)
                                  : read_escapes(r, p);
      if (!p) return NULL;
    } else if (mcp_scan_is_letter(*p)) {
      return refuse(r, MCP_EUTF8, p, "not valid UTF-8");
    } else {
      return refuse(r, MCP_EJSON, p, "unescaped control character in a string");
    }
  }
  if ((size_t)(p - start) > limit)
    return refuse(r, MCP_ETOOBIG, start - 1, "key longer than its limit");
  if (!add(r, MCP_JSON_STRING, start, p, escaped)) {
    r->where--; /* the string begins with its quote */
    return NULL;
  }
  return p + 1;
}

/* The string whose opening quote is at `p`; adds its token. Most strings end
 * within 16 bytes and take only this path. */
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
           "duplicate key in an object");
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
    return refuse(r, MCP_EJSON, p, "expected ':' after a key");
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
    return refuse(r, MCP_EJSON, p, "expected a digit after '-'");
  p = skip_digits(p, end);
  whole = (size_t)(p - digits);
  if (*digits == '0' && whole > 1)
    return refuse(r, MCP_EJSON, start, "number with leading zeros");
  integer = fits(digits, whole, negative);
  if (p < end && *p == '.') {
    integer = false;
    if (!is_digit(++p, end))
      return refuse(r, MCP_EJSON, p, "expected a digit after '.'");
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
    return refuse(r, MCP_ENUMBER, start, "number longer than its limit");
  /* An integer has no negative zero. */
  if (integer && !(negative && *digits == '0'))
    return add(r, MCP_JSON_INTEGER, start, p, false) ? p : NULL;
  /* Without an exponent it is too short to be infinite. */
  if (p > exponent &&
      !isfinite(mcp_number_read(mcp_slice(start, (size_t)(p - start)))))
    return refuse(r, MCP_ENUMBER, start, "number too large for a double");
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

/* After a value: closes the containers that end here and moves to the next
 * value, or to the end of the text. */
static inline const char *read_on(reader_t *r, const char *p) {
  const char *end = r->end;
  while (r->parent != NOWHERE) {
    mcp_json_token_t *t = &r->doc->tokens[r->parent];
    bool object = t->kind == MCP_JSON_OBJECT;
    p = skip_space(p, end);
    if (p < end && *p == ',') {
      t->count = (t->count + 1) & COUNT_MASK;
      return object ? read_key(r, p + 1, "expected a key in quotes after ','")
                    : p + 1;
    }
    if (p == end || *p != (object ? '}' : ']'))
      return refuse(r, MCP_EJSON, p,
                    object ? "expected ',' or '}' after a member"
                           : "expected ',' or ']' after an element");
    if (object && !check_keys(r, r->parent)) return NULL;
    close_container(r, ++p);
  }
  p = skip_space(p, end);
  if (p < end)
    return refuse(r, MCP_EJSON, p, "unexpected text after the value");
  return p;
}

static bool read_text(reader_t *r) {
  const char *p = skip_space(r->begin, r->end), *end = r->end;
  if (p == end) return refuse(r, MCP_EJSON, p, "empty text: expected a value");
  if (end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
    return refuse(r, MCP_EUTF8, p, "unexpected byte order mark");
  do {
    p = skip_space(p, end);
    if (p == end)
      return refuse(r, MCP_EJSON, p,
                    "unexpected end of text: expected a value");
    if (*p == '{' && is_known(r, p)) {
      p = skip_known(r, p);
      if (!p) return false;
    } else if (*p == '{') {
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
  doc->count = doc->known = doc->undone_at = 0;
  doc->undone.len = 0;
  if (text.len > MCP_JSON_TEXT_LENGTH)
    refuse(&r, MCP_ETOOBIG, begin, "text longer than its limit");
  else if (read_text(&r))
    return 0;
  doc->count = 0;
  if (fault) {
    fault->offset = (size_t)(r.where - begin);
    fault->what = r.what;
  }
  return r.code;
}
