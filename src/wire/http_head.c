/* SPDX-License-Identifier: MIT
 * http_head.c: see http_head.h. Where RFC 9112 leaves a recipient a choice
 * between repairing and refusing, this refuses: a proxy in front of us may
 * have repaired the message otherwise.
 *
 *   head    = start-line CRLF *( field CRLF ) CRLF        (RFC 9112 2.1)
 *   start   = method SP target SP version                 (3)
 *           | version SP 3DIGIT [ SP reason ]             (4)
 *   field   = token ":" OWS value OWS                     (5)
 *   token   = 1*( ALPHA | DIGIT | "!#$%&'*+-.^_`|~" )     (RFC 9110 5.6.2)
 *   value   = bytes but CTL, HTAB allowed                 (RFC 9110 5.5)
 *   target  = path ["?" query] | "http(s)://" host … | "*"
 *   version = "HTTP/1.1" | "HTTP/1.0"
 */
#include "wire/http_head.h"

#include "base/err.h"
#include "base/mem.h"

/* No method is longer: MKCALENDAR has ten. */
#define METHOD_LENGTH 32
/* The header table begins with room for what clients usually send. */
#define FIRST_HEADERS 12

enum {
  TOKEN = 1,  /* may stand in a token */
  TARGET = 2, /* may stand in a request target: visible ASCII but '#' */
  NAME = 4    /* may stand in a host name: unreserved (RFC 3986 2.3) */
};

static const unsigned char classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 00 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 10 */
    0, 3, 2, 1, 3, 3, 3, 3, 2, 2, 3, 3, 2, 7, 7, 2, /* 20 */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 2, 2, 2, 2, 2, 2, /* 30 */
    2, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, /* 40 */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 2, 2, 2, 3, 7, /* 50 */
    3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, /* 60 */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 2, 3, 2, 7, 0, /* 70 */
};

/* The fields that decide how the message is read, as they were met. */
typedef struct {
  unsigned hosts, lengths, codings;
  mcp_slice_t coding;
  bool close, keep_alive, upgrade; /* tokens of Connection */
  bool upgrade_field;
} framing_t;

static int refuse(const char **reason, const char *text) {
  *reason = text;
  return MCP_EHTTP;
}

static bool is(char c, unsigned char class) {
  return (classes[(unsigned char)c] & class) != 0;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_hex(char c) {
  return is_digit(c) || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

static bool starts(mcp_slice_t s, const char *text, size_t len) {
  return s.len >= len && memcmp(s.data, text, len) == 0;
}

static mcp_slice_t skip(mcp_slice_t s, size_t n) {
  return mcp_slice(s.data + n, s.len - n);
}

/* The first control character other than HTAB at or after `p`; `end` if there
 * is no such byte. Eight bytes at a time: a byte below 0x20 borrows into its
 * top bit, and so does a zero after the xor. */
static const char *find_control(const char *p, const char *end) {
  const uint64_t ones = UINT64_MAX / 255, high = ones << 7;
  for (;;) {
    const char *stop = end;
    if (end - p >= 8) {
      uint64_t x, del;
      memcpy(&x, p, 8);
      del = x ^ (ones * 0x7f);
      stop = p + 8;
      if (!((((x - ones * 0x20) & ~x) | ((del - ones) & ~del)) & high)) {
        p = stop;
        continue;
      }
    }
    for (; p < stop; p++) {
      unsigned char c = (unsigned char)*p;
      if ((c < 0x20 && c != '\t') || c == 0x7f) return p;
    }
    if (p == end) return end;
  }
}

/* Removes the line at the start of `rest`, without its CR LF. There is one: the
 * caller has checked that every LF follows a CR. */
static mcp_slice_t next_line(mcp_slice_t *rest) {
  const char *lf = memchr(rest->data, '\n', rest->len);
  size_t len = (size_t)(lf - rest->data);
  mcp_slice_t line = mcp_slice(rest->data, len - 1);
  *rest = skip(*rest, len + 1);
  return line;
}

static int scan_version(mcp_slice_t s, bool *http_1_0, const char **reason) {
  if (s.len != 8 || !starts(s, "HTTP/", 5) || !is_digit(s.data[5]) ||
      s.data[6] != '.' || !is_digit(s.data[7]))
    return refuse(reason, "bad HTTP version");
  if (s.data[5] != '1' || s.data[7] > '1') {
    *reason = "HTTP version not 1.0 or 1.1";
    return MCP_EVERSION;
  }
  *http_1_0 = s.data[7] == '0';
  return 0;
}

/* host [ ":" port ]. Narrower than RFC 3986 3.2.2: no percent-encoding, no
 * commas and the like, no IPvFuture, no empty name or port. No host needs
 * them, and "a,b" is what joining two Host fields makes. */
static bool is_host(mcp_slice_t s) {
  size_t i = 0, digits = 0;
  unsigned port = 0;
  if (s.len > 0 && s.data[0] == '[') {
    bool colon = false;
    for (i = 1; i < s.len &&
                (is_hex(s.data[i]) || s.data[i] == ':' || s.data[i] == '.');
         i++)
      colon = colon || s.data[i] == ':';
    if (!colon || i == s.len || s.data[i] != ']') return false;
    i++;
  } else {
    while (i < s.len && is(s.data[i], NAME)) i++;
    if (i == 0) return false;
  }
  if (i == s.len) return true;
  if (s.data[i] != ':') return false;
  for (i++; i < s.len && is_digit(s.data[i]) && digits < 5; i++, digits++)
    port = port * 10 + (unsigned)(s.data[i] - '0');
  return i == s.len && digits > 0 && port <= 65535;
}

/* Cuts the target into authority (empty in origin-form), path and query. */
static int split_target(mcp_http_head_t *head, mcp_slice_t *authority,
                        const char **reason) {
  mcp_slice_t rest = head->target;
  const char *mark;
  size_t len = 0;
  *authority = mcp_slice(NULL, 0);
  if (rest.data[0] != '/') {
    if (rest.len == 1 && rest.data[0] == '*') {
      if (head->method != MCP_HTTP_OPTIONS)
        return refuse(reason, "target * is for OPTIONS only");
      head->path = rest;
      return 0;
    }
    if (rest.len >= 7 &&
        mcp_slice_equal_nocase(mcp_slice(rest.data, 7), MCP_SLICE("http://")))
      len = 7;
    else if (rest.len >= 8 && mcp_slice_equal_nocase(mcp_slice(rest.data, 8),
                                                     MCP_SLICE("https://")))
      len = 8;
    else
      return refuse(reason, "invalid target: expected a path or an http URL");
    rest = skip(rest, len);
    for (len = 0;
         len < rest.len && rest.data[len] != '/' && rest.data[len] != '?';)
      len++;
    *authority = mcp_slice(rest.data, len);
    if (!is_host(*authority)) return refuse(reason, "bad host in the target");
    rest = skip(rest, len);
  }
  mark = rest.len ? memchr(rest.data, '?', rest.len) : NULL;
  len = mark ? (size_t)(mark - rest.data) : rest.len;
  head->path = len ? mcp_slice(rest.data, len) : MCP_SLICE("/");
  if (mark) head->query = skip(rest, len + 1);
  return 0;
}

static mcp_http_method_t method_of(mcp_slice_t name) {
  static const struct {
    mcp_slice_t name;
    mcp_http_method_t method;
  } known[] = {
      {{"POST", 4}, MCP_HTTP_POST},       {{"GET", 3}, MCP_HTTP_GET},
      {{"DELETE", 6}, MCP_HTTP_DELETE},   {{"HEAD", 4}, MCP_HTTP_HEAD},
      {{"OPTIONS", 7}, MCP_HTTP_OPTIONS}, {{"PUT", 3}, MCP_HTTP_PUT},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (mcp_slice_equal(name, known[i].name)) return known[i].method;
  return MCP_HTTP_OTHER;
}

static int scan_request_line(mcp_slice_t line, mcp_http_head_t *head,
                             mcp_slice_t *authority, const char **reason) {
  size_t i = 0;
  int code;
  while (i < line.len && is(line.data[i], TOKEN)) i++;
  if (i == 0 || i == line.len || line.data[i] != ' ')
    return refuse(reason, "bad method");
  if (i > METHOD_LENGTH) return refuse(reason, "method too long");
  head->method_name = mcp_slice(line.data, i);
  line = skip(line, i + 1);
  for (i = 0; i < line.len && is(line.data[i], TARGET);) i++;
  if (i == line.len) return refuse(reason, "no HTTP version");
  if (line.data[i] == '#') return refuse(reason, "fragment in the target");
  if (line.data[i] != ' ')
    return refuse(reason, (unsigned char)line.data[i] >= 0x80
                              ? "byte beyond ASCII in the target"
                              : "control character in the target");
  if (i == 0) return refuse(reason, "malformed request line");
  if (i > MCP_HTTP_TARGET_LENGTH) {
    *reason = "target too long";
    return MCP_ETARGET;
  }
  head->target = mcp_slice(line.data, i);
  code = scan_version(skip(line, i + 1), &head->http_1_0, reason);
  if (code < 0) return code;
  head->method = method_of(head->method_name);
  if (mcp_slice_equal(head->method_name, MCP_SLICE("CONNECT")))
    return refuse(reason, "CONNECT");
  if (mcp_slice_equal(head->method_name, MCP_SLICE("PRI")))
    return refuse(reason, "PRI, the preface of HTTP/2");
  return split_target(head, authority, reason);
}

/* RFC 9112 4 requires the space after the status. Some servers that send no
 * reason omit it; no reader takes the two for different things. */
static int scan_status_line(mcp_slice_t line, mcp_http_head_t *head,
                            const char **reason) {
  int code;
  mcp_slice_t rest;
  if (line.len < 12 || line.data[8] != ' ')
    return refuse(reason, "bad status line");
  code = scan_version(mcp_slice(line.data, 8), &head->http_1_0, reason);
  if (code < 0) return code;
  rest = skip(line, 9);
  for (int i = 0; i < 3; i++) {
    if (!is_digit(rest.data[i])) return refuse(reason, "bad status");
    head->status = head->status * 10 + (unsigned)(rest.data[i] - '0');
  }
  if (head->status < 100) return refuse(reason, "bad status");
  rest = skip(rest, 3);
  if (rest.len > 0 && rest.data[0] != ' ') return refuse(reason, "bad status");
  if (find_control(rest.data, rest.data + rest.len) != rest.data + rest.len)
    return refuse(reason, "control character in the reason");
  return 0;
}

/* Takes the field line at `rest` off it. An empty line is the end: then the
 * name is empty. */
static int scan_field(mcp_slice_t *rest, mcp_http_header_t *field,
                      const char **reason) {
  const char *p = rest->data, *end = p + rest->len, *value;
  while (is(*p, TOKEN)) p++;
  field->name = mcp_slice(rest->data, (size_t)(p - rest->data));
  if (*p != ':') {
    bool first = p == rest->data;
    if (*p == '\r' && p[1] == '\n') {
      if (!first) return refuse(reason, "field without a colon");
      *rest = skip(*rest, 2);
      return 0;
    }
    if (*p == '\r') return refuse(reason, "CR without LF");
    if (*p != ' ' && *p != '\t')
      return refuse(reason, "bad character in a field name");
    return refuse(reason, first ? "obsolete line folding"
                                : "blank before the colon or in a field name");
  }
  if (p == rest->data) return refuse(reason, "empty field name");
  value = p + 1;
  p = find_control(value, end);
  if (*p != '\r') return refuse(reason, "control character in a field value");
  if (p[1] != '\n') return refuse(reason, "CR without LF");
  field->value = mcp_slice_trim(mcp_slice(value, (size_t)(p - value)));
  *rest = mcp_slice(p + 2, (size_t)(end - p) - 2);
  return 0;
}

static int scan_length(mcp_slice_t value, int64_t *length,
                       const char **reason) {
  int64_t n = 0;
  if (value.len == 0) return refuse(reason, "empty Content-Length");
  for (size_t i = 0; i < value.len; i++) {
    int digit = value.data[i] - '0';
    if (!is_digit(value.data[i]))
      return refuse(reason, "Content-Length is not a number");
    if (n > (INT64_MAX - digit) / 10)
      return refuse(reason, "Content-Length too large");
    n = n * 10 + digit;
  }
  *length = n;
  return 0;
}

static void scan_connection(mcp_slice_t value, framing_t *framing) {
  while (value.len > 0) {
    const char *comma = memchr(value.data, ',', value.len);
    size_t len = comma ? (size_t)(comma - value.data) : value.len;
    mcp_slice_t token = mcp_slice_trim(mcp_slice(value.data, len));
    if (mcp_slice_equal_nocase(token, MCP_SLICE("close")))
      framing->close = true;
    else if (mcp_slice_equal_nocase(token, MCP_SLICE("keep-alive")))
      framing->keep_alive = true;
    else if (mcp_slice_equal_nocase(token, MCP_SLICE("upgrade")))
      framing->upgrade = true;
    value = skip(value, comma ? len + 1 : len);
  }
}

/* Has `name` the letters of a framing field, with other marks between them?
 * "Content_Length" or "Transfer--Encoding" is another field to us and the very
 * field to a front that maps names to variables. */
static bool resembles(mcp_slice_t name, const char *letters) {
  for (size_t i = 0; i < name.len; i++) {
    char c = name.data[i];
    if (is_digit(c)) return false;
    if (!is_letter(c)) continue;
    if ((c | 0x20) != *letters) return false;
    letters++;
  }
  return *letters == '\0';
}

static bool is_framing(mcp_slice_t name) {
  return mcp_slice_equal_nocase(name, MCP_SLICE("Content-Length")) ||
         mcp_slice_equal_nocase(name, MCP_SLICE("Transfer-Encoding"));
}

static bool resembles_framing(mcp_slice_t name) {
  if (name.len < sizeof "contentlength" - 1) return false;
  return resembles(name, "contentlength") ||
         resembles(name, "transferencoding");
}

/* Notes what `field` says about the message. The length of the name picks the
 * few it can be. */
static int note_field(const mcp_http_header_t *field, mcp_http_head_t *head,
                      framing_t *framing, const char **reason) {
  mcp_slice_t name = field->name, value = field->value;
  switch (name.len) {
  case 4:
    if (mcp_slice_equal_nocase(name, MCP_SLICE("Host"))) {
      if (framing->hosts++ > 0) return refuse(reason, "two Host fields");
      head->host = value;
      return 0;
    }
    break;
  case 6:
    if (mcp_slice_equal_nocase(name, MCP_SLICE("Expect"))) {
      if (mcp_slice_equal_nocase(value, MCP_SLICE("100-continue")))
        head->expect_continue = true;
      else
        head->expect_other = true;
      return 0;
    }
    break;
  case 7:
    if (mcp_slice_equal_nocase(name, MCP_SLICE("Upgrade"))) {
      framing->upgrade_field = framing->upgrade_field || value.len > 0;
      return 0;
    }
    break;
  case 10:
    if (mcp_slice_equal_nocase(name, MCP_SLICE("Connection"))) {
      scan_connection(value, framing);
      return 0;
    }
    break;
  case 14:
    if (mcp_slice_equal_nocase(name, MCP_SLICE("Content-Length"))) {
      if (framing->lengths++ > 0)
        return refuse(reason, "two Content-Length fields");
      return scan_length(value, &head->content_length, reason);
    }
    break;
  case 17:
    if (mcp_slice_equal_nocase(name, MCP_SLICE("Transfer-Encoding"))) {
      if (framing->codings++ > 0)
        return refuse(reason, "two Transfer-Encoding fields");
      framing->coding = value;
      return 0;
    }
    break;
  default: break;
  }
  if (resembles_framing(name))
    return refuse(reason, "field name resembles a framing field");
  return 0;
}

/* What all the fields together say: RFC 9112 6.1 to 6.3, without its repairs.
 */
static int settle_framing(mcp_http_head_t *head, const framing_t *framing,
                          const char **reason) {
  if (framing->codings > 0) {
    if (framing->lengths > 0)
      return refuse(reason, "Content-Length and Transfer-Encoding");
    if (head->http_1_0) return refuse(reason, "Transfer-Encoding in HTTP/1.0");
    if (!mcp_slice_equal_nocase(framing->coding, MCP_SLICE("chunked")))
      return refuse(reason, "unsupported Transfer-Encoding: expected chunked");
    head->chunked = true;
  }
  head->keep_alive =
      !framing->close && (!head->http_1_0 || framing->keep_alive);
  /* RFC 9110 7.8 and 10.1.1: HTTP/1.0 knows neither. */
  head->upgrade = framing->upgrade && framing->upgrade_field && !head->http_1_0;
  if (head->http_1_0) head->expect_continue = false;
  return 0;
}

static int settle_request(mcp_http_head_t *head, const framing_t *framing,
                          mcp_slice_t authority, const char **reason) {
  if (framing->hosts == 0 && !head->http_1_0)
    return refuse(reason, "no Host field");
  if (framing->hosts > 0 && !is_host(head->host))
    return refuse(reason, "bad Host");
  if (authority.len > 0 && framing->hosts > 0 &&
      !mcp_slice_equal_nocase(authority, head->host))
    return refuse(reason, "Host differs from the target");
  /* RFC 9110 9.3.1: content here means nothing, and fronts disagree on
   * whether it is there. */
  if ((head->method == MCP_HTTP_GET || head->method == MCP_HTTP_HEAD) &&
      (head->chunked || head->content_length > 0))
    return refuse(reason, "GET or HEAD with a body");
  return 0;
}

static int settle_response(mcp_http_head_t *head, const char **reason) {
  bool body = head->chunked || head->content_length > 0;
  if (head->status == 101 && !head->upgrade)
    return refuse(reason, "101 without an upgrade");
  if (head->status < 200 && body)
    return refuse(reason, "interim response with a body");
  if (head->status != 101) head->upgrade = false;
  /* It has no body (RFC 9112 6.3); a body that was sent anyway must not be read
   * as the next response. */
  if (head->status == 204 && body) head->keep_alive = false;
  return 0;
}

static int grow(mcp_http_table_t *table, const char **reason) {
  size_t capacity = table->capacity ? table->capacity * 2 : FIRST_HEADERS;
  mcp_http_header_t *items =
      mcp_mem_realloc(table->items, capacity * sizeof *items);
  if (!items) {
    *reason = "not enough memory";
    return MCP_ENOMEM;
  }
  table->items = items;
  table->capacity = capacity;
  return 0;
}

int mcp_http_head_scan(mcp_slice_t bytes, bool response, mcp_http_head_t *head,
                       mcp_http_table_t *table, const char **reason) {
  framing_t framing = {0};
  mcp_slice_t line, authority = {0};
  size_t count = 0;
  int code;
  *head = (mcp_http_head_t){.content_length = -1};
  line = next_line(&bytes);
  code = response ? scan_status_line(line, head, reason)
                  : scan_request_line(line, head, &authority, reason);
  if (code < 0) return code;
  for (;;) {
    mcp_http_header_t field;
    code = scan_field(&bytes, &field, reason);
    if (code < 0) return code;
    if (field.name.len == 0) break;
    if (count == table->capacity && (code = grow(table, reason)) < 0)
      return code;
    table->items[count++] = field;
    code = note_field(&field, head, &framing, reason);
    if (code < 0) return code;
  }
  head->headers = table->items;
  head->header_count = count;
  code = settle_framing(head, &framing, reason);
  if (code < 0) return code;
  return response ? settle_response(head, reason)
                  : settle_request(head, &framing, authority, reason);
}

int mcp_http_head_scan_trailer(mcp_slice_t bytes, const char **reason) {
  for (;;) {
    mcp_http_header_t field;
    int code = scan_field(&bytes, &field, reason);
    if (code < 0) return code;
    if (field.name.len == 0) return 0;
    if (is_framing(field.name) || resembles_framing(field.name))
      return refuse(reason, "framing field in a trailer");
  }
}

static bool all(mcp_slice_t text, unsigned char class) {
  for (size_t i = 0; i < text.len; i++)
    if (!is(text.data[i], class)) return false;
  return text.len > 0;
}

bool mcp_http_head_is_token(mcp_slice_t text) {
  return all(text, TOKEN);
}

bool mcp_http_head_is_target(mcp_slice_t text) {
  return all(text, TARGET);
}

bool mcp_http_head_is_name(mcp_slice_t text) {
  for (size_t i = 0; i < text.len; i++)
    if (!is(text.data[i], NAME) && text.data[i] != ':') return false;
  return text.len > 0;
}

bool mcp_http_head_is_value(mcp_slice_t text) {
  const char *end = text.data + text.len;
  return text.len == 0 || find_control(text.data, end) == end;
}
