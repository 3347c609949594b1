/* SPDX-License-Identifier: MIT
 * log.c: see log.h.
 *
 * All Lua states of a process share the threshold: the environment and standard
 * error belong to the process too, and a function without access to a runtime
 * (a codec, a failed allocation) must be able to log. It is read once, because
 * getenv races with setenv in another thread; two threads that read it at the
 * same time store the same value. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"

#define ELLIPSIS "\xE2\x80\xA6"
#define HIDDEN   "[hidden]"

/* So many bytes of the wire go on one line: escaped they fit. As JSON a byte
 * takes up to 6. */
#define WIRE_PIECE      480
#define WIRE_PIECE_JSON 300

/* The longest escape of a character: four bytes as \\xNN. */
#define UNIT 24

typedef struct {
  bool json;
  size_t len, room; /* up to which text may go */
  char bytes[MCP_LOG_LINE];
} line_t;

static const char *const names[] = {"wire",    "debug", "info", "notice",
                                    "warning", "error", "off"};

/* -1: not read yet. */
static atomic_int threshold = -1, shape = -1;

/* The bits of `shape`. */
enum { TIMED = 1, JSON = 2 };

/* --- the line ---------------------------------------------------------- */

static void put(line_t *line) {
  int saved = errno;
  ssize_t n;
  if (line->json) {
    memcpy(line->bytes + line->len, "\"}", 2);
    line->len += 2;
  }
  line->bytes[line->len++] = '\n';
  /* What does not go now (full pipe, closed) is lost: logging never waits. */
  do n = write(STDERR_FILENO, line->bytes, line->len);
  while (n < 0 && errno == EINTR);
  errno = saved;
}

static int read_shape(void) {
  int is = atomic_load_explicit(&shape, memory_order_relaxed);
  if (is < 0) {
    const char *time = getenv("MCP_LOG_TIME"), *as = getenv("MCP_LOG_FORMAT");
    is = (time && strcmp(time, "0") == 0 ? 0 : TIMED) |
         (as && strcmp(as, "json") == 0 ? JSON : 0);
    atomic_store_explicit(&shape, is, memory_order_relaxed);
  }
  return is;
}

bool mcp_log_is_json(void) {
  return (read_shape() & JSON) != 0;
}

void mcp_log_set_json(bool json) {
  int others = read_shape() & ~JSON;
  (void)setenv("MCP_LOG_FORMAT", json ? "json" : "text", 1);
  atomic_store_explicit(&shape, others | (json ? JSON : 0),
                        memory_order_relaxed);
}

/* `2026-11-30T01:20:00.123Z` */
static size_t write_time(char *to, size_t size) {
  struct timespec now;
  struct tm utc;
  size_t n;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0 || !gmtime_r(&now.tv_sec, &utc))
    return 0;
  n = strftime(to, size, "%Y-%m-%dT%H:%M:%S", &utc);
  return n + (size_t)snprintf(to + n, size - n, ".%03dZ",
                              (int)(now.tv_nsec / 1000000));
}

/* ASCII's controls, and those of U+0080 to U+009F: some terminals obey the
 * second kind as well. */
static bool is_control(const unsigned char *s) {
  return s[0] < 0x20 || s[0] == 0x7F || (s[0] == 0xC2 && s[1] < 0xA0);
}

/* What makes text look other than it is: U+061C, U+200E, U+200F, U+2028 to
 * U+202E, U+2066 to U+2069 turn its direction or end its line. */
static bool is_turn(const unsigned char *s) {
  if (s[0] == 0xD8) return s[1] == 0x9C;
  if (s[0] != 0xE2) return false;
  if (s[1] == 0x81) return s[2] >= 0xA6 && s[2] <= 0xA9;
  return s[1] == 0x80 &&
         (s[2] == 0x8E || s[2] == 0x8F || (s[2] >= 0xA8 && s[2] <= 0xAE));
}

/* Writes the printable form of the first character of `text` to `unit`; returns
 * how many bytes of the text it covers. */
static size_t escape(mcp_slice_t text, bool json, char unit[UNIT],
                     size_t *len) {
  const unsigned char *s = (const unsigned char *)text.data;
  size_t n = mcp_utf8_step(text), taken = n ? n : 1, at = 0;
  if (json && n == 1 && (s[0] == '"' || s[0] == '\\')) {
    unit[at++] = '\\';
    unit[at++] = (char)s[0];
  } else if (n > 0 && !is_control(s) && !is_turn(s)) {
    memcpy(unit, s, n);
    at = n;
  } else if (json && n == 1) {
    /* A control of ASCII, which a reader gets back as it was. */
    at = (size_t)snprintf(unit, UNIT, "\\u%04x", s[0]);
  } else if (n == 1 && s[0] == '\t') {
    unit[at++] = ' ';
  } else {
    /* The backslash is part of the text: JSON has another one before it. */
    for (size_t i = 0; i < taken; i++)
      at += (size_t)snprintf(unit + at, UNIT - at, "%s\\x%02X",
                             json ? "\\" : "", s[i]);
  }
  *len = at;
  return taken;
}

/* Adds `text`; what has no room is cut, between two characters or escapes. */
static void add(line_t *line, mcp_slice_t text) {
  const size_t room = line->room;
  const size_t last = room - (sizeof ELLIPSIS - 1);
  size_t cut = line->len;
  while (text.len > 0) {
    char unit[UNIT];
    size_t n, taken = escape(text, line->json, unit, &n);
    if (line->len + n > room) {
      memcpy(line->bytes + cut, ELLIPSIS, sizeof ELLIPSIS - 1);
      line->len = cut + sizeof ELLIPSIS - 1;
      return;
    }
    memcpy(line->bytes + line->len, unit, n);
    line->len += n;
    if (line->len <= last) cut = line->len;
    text.data += taken;
    text.len -= taken;
  }
}

static void add_text(line_t *line, const char *text) {
  add(line, mcp_slice(text, strlen(text)));
}

/* Adds what is JSON or a prefix already. */
static void add_raw(line_t *line, mcp_slice_t text) {
  if (text.len > line->room - line->len) return;
  memcpy(line->bytes + line->len, text.data, text.len);
  line->len += text.len;
}

/* What may stand before the message: the id of a request and a name are of any
 * length. */
#define ABOUT_MAX 512

static void begin_json(line_t *line, mcp_log_level_t level,
                       const mcp_log_about_t *about, const char *time) {
  line->len =
      (size_t)snprintf(line->bytes, sizeof line->bytes,
                       "{\"time\":\"%s\",\"level\":\"%s\"", time, names[level]);
  if (about && about->request.len > 0 && about->request.len < ABOUT_MAX / 2) {
    add_raw(line, MCP_SLICE(",\"request\":"));
    add_raw(line, about->request);
  }
  if (about && about->trace && about->span) {
    add_raw(line, MCP_SLICE(",\"trace_id\":\""));
    add_text(line, about->trace);
    add_raw(line, MCP_SLICE("\",\"span_id\":\""));
    add_text(line, about->span);
    add_raw(line, MCP_SLICE("\""));
  }
  if (about && about->kind && about->name) {
    line->room = ABOUT_MAX;
    add_raw(line, MCP_SLICE(",\""));
    add_text(line, about->kind);
    add_raw(line, MCP_SLICE("\":\""));
    line->room -= 1;
    add_text(line, about->name);
    line->room += 1;
    add_raw(line, MCP_SLICE("\""));
  }
  line->room = sizeof line->bytes - 3; /* `"}` and the LF */
  add_raw(line, MCP_SLICE(",\"message\":\""));
}

static void begin(line_t *line, mcp_log_level_t level,
                  const mcp_log_about_t *about) {
  int as = read_shape();
  char time[64] = "";
  if ((as & (TIMED | JSON)) != 0) write_time(time, sizeof time);
  line->json = (as & JSON) != 0;
  line->room = sizeof line->bytes - 1; /* the LF */
  if (line->json) {
    begin_json(line, level, about, time);
    return;
  }
  line->len = (size_t)snprintf(line->bytes, sizeof line->bytes,
                               "%s%sluamcp: %s: ", time, *time ? " " : "",
                               names[level]);
}

/* --- the threshold ----------------------------------------------------- */

static int read_threshold(void) {
  const char *wanted = getenv("MCP_LOG");
  bool unknown = wanted && *wanted;
  int level = MCP_LOG_WARNING;
  for (int i = 0; unknown && i <= MCP_LOG_OFF; i++) {
    if (strcmp(wanted, names[i]) == 0) {
      level = i;
      unknown = false;
    }
  }
  atomic_store_explicit(&threshold, level, memory_order_relaxed);
  if (unknown)
    mcp_log(MCP_LOG_WARNING,
            "MCP_LOG: expected wire, debug, info, notice, warning, error or "
            "off, got %s",
            wanted);
  return level;
}

bool mcp_log_enabled(mcp_log_level_t level) {
  int least = atomic_load_explicit(&threshold, memory_order_relaxed);
  if (least < 0) least = read_threshold();
  return (int)level >= least && level < MCP_LOG_OFF;
}

static void write_line(mcp_log_level_t level, const char *format,
                       va_list arguments) {
  /* As long as a line: what is cut here would not fit there either. */
  char text[MCP_LOG_LINE];
  line_t line;
  int n = vsnprintf(text, sizeof text, format, arguments);
  begin(&line, level, NULL);
  if (n > 0) add_text(&line, text);
  put(&line);
}

void mcp_log(mcp_log_level_t level, const char *format, ...) {
  va_list arguments;
  if (!mcp_log_enabled(level)) return;
  va_start(arguments, format);
  write_line(level, format, arguments);
  va_end(arguments);
}

void mcp_log_about(mcp_log_level_t level, const mcp_log_about_t *about,
                   mcp_slice_t text) {
  if (!about->always && !mcp_log_enabled(level)) return;
  do {
    const char *end =
        mcp_log_is_json() ? NULL : memchr(text.data, '\n', text.len);
    size_t len = end ? (size_t)(end - text.data) : text.len;
    line_t line;
    begin(&line, level, about);
    for (; !line.json && len > 0 && *text.data == '\t'; len--, text.len--) {
      /* The frames of a traceback are indented. */
      add_raw(&line, MCP_SLICE("  "));
      text.data++;
    }
    add(&line, mcp_slice(text.data, len));
    put(&line);
    text.data += len;
    text.len -= len;
    if (text.len > 0) { /* the LF */
      text.data++;
      text.len--;
    }
  } while (text.len > 0);
}

/* Is there room for one more refusal in this second? Two threads that begin a
 * second together may lose a few lines, or write a few more. */
static bool admit_refusal(void) {
  static atomic_long second;
  static atomic_ulong count;
  struct timespec now;
  unsigned long n;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (atomic_exchange(&second, (long)now.tv_sec) != (long)now.tv_sec) {
    n = atomic_exchange(&count, 0);
    if (n > MCP_LOG_REFUSALS)
      mcp_log(MCP_LOG_INFO, "%lu refusals of the last second were not logged",
              n - MCP_LOG_REFUSALS);
  }
  return atomic_fetch_add(&count, 1) < MCP_LOG_REFUSALS;
}

void mcp_log_refusal(const char *format, ...) {
  va_list arguments;
  if (!mcp_log_enabled(MCP_LOG_INFO) || !admit_refusal()) return;
  va_start(arguments, format);
  write_line(MCP_LOG_INFO, format, arguments);
  va_end(arguments);
}

/* --- the wire ---------------------------------------------------------- */

enum {
  PLAIN,      /* words are read and compared */
  NAMED,      /* after "name", before its value */
  LINE,       /* in the value of a header field */
  LINE_ENDED, /* after it: a space would continue it (RFC 9112 5.2) */
  QUOTED,     /* in a JSON string */
  QUOTED_SLASH,
  FORM /* in a field of a form or a query */
};

static const char *const secrets[] = {
    "authorization",  "proxy-authorization",
    "cookie",         "set-cookie",
    "mcp-session-id", "sessionid",
    "session_id",     "access_token",
    "refresh_token",  "id_token",
    "client_secret",  "code_verifier",
    "assertion",      "client_assertion",
    "password",       "subject_token",
    "actor_token",    "registration_access_token",
    "dpop",           "api-key",
    "api_key",        "apikey",
    "x-api-key",      "x-auth-token",
    "x-access-token", "x-goog-api-key",
    "private-token"};

static bool is_secret(const mcp_log_wire_t *wire) {
  for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
    if (strlen(secrets[i]) == wire->len &&
        memcmp(secrets[i], wire->word, wire->len) == 0)
      return true;
  return false;
}

/* The name of an authorization code has other meanings in JSON. */
static bool is_code(const mcp_log_wire_t *wire) {
  return wire->len == 4 && memcmp(wire->word, "code", 4) == 0;
}

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

static void read_plain(mcp_log_wire_t *wire, char c) {
  char low = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
  if (is_word(low)) {
    /* A full `word` is longer than every name, so it matches no name. */
    if (wire->len < sizeof wire->word) wire->word[wire->len++] = low;
    return;
  }
  if (wire->len > 0 && (c == ':' || c == '=' || c == '"') && is_secret(wire)) {
    if (c == '"') wire->mode = NAMED;
    if (c == '=') wire->mode = FORM;
    if (c == ':' && !wire->inside) wire->mode = LINE;
  }
  if (c == '=' && is_code(wire)) wire->mode = FORM;
  wire->len = 0;
  wire->inside = c != '\n';
}

/* Reads one byte; whether it may be shown. */
static bool read_wire(mcp_log_wire_t *wire, char c) {
  switch (wire->mode) {
  case NAMED:
    if (c == '"') {
      wire->mode = QUOTED;
      return true;
    }
    if (c == ':' || c == ' ' || c == '\t' || c == '\r' || c == '\n')
      return true;
    break;
  case LINE:
    if (c == '\n') wire->mode = LINE_ENDED;
    return c == '\r' || c == '\n';
  case LINE_ENDED:
    if (c == ' ' || c == '\t') {
      wire->mode = LINE;
      return false;
    }
    wire->inside = false;
    break;
  case QUOTED:
    if (c == '\\') wire->mode = QUOTED_SLASH;
    if (c != '"') return false;
    break;
  case QUOTED_SLASH: wire->mode = QUOTED; return false;
  case FORM:
    if (c != '&' && c != '"' && (unsigned char)c > ' ') return false;
    break;
  default: break;
  }
  wire->mode = PLAIN;
  read_plain(wire, c);
  return true;
}

void mcp_log_wire(mcp_log_wire_t *wire, mcp_log_direction_t direction,
                  mcp_slice_t bytes) {
  char piece[WIRE_PIECE + sizeof HIDDEN];
  size_t len = 0, most = mcp_log_is_json() ? WIRE_PIECE_JSON : WIRE_PIECE;
  bool shown = true;
  if (!mcp_log_enabled(MCP_LOG_WIRE)) return;
  for (size_t i = 0; i < bytes.len; i++) {
    char c = bytes.data[i];
    bool show = read_wire(wire, c);
    if (show) {
      piece[len++] = c;
    } else if (shown) {
      memcpy(piece + len, HIDDEN, sizeof HIDDEN - 1);
      len += sizeof HIDDEN - 1;
    }
    shown = show;
    if ((show && c == '\n') || len >= most || i + 1 == bytes.len) {
      line_t line;
      if (len == 0) continue;
      begin(&line, MCP_LOG_WIRE, NULL);
      add(&line, direction == MCP_LOG_IN ? MCP_SLICE("< ") : MCP_SLICE("> "));
      add(&line, mcp_slice(piece, len));
      put(&line);
      len = 0;
    }
  }
}
