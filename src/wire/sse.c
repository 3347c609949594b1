/* SPDX-License-Identifier: MIT
 * sse.c: see sse.h. The reader goes line by line (CR, LF or CRLF, HTML 9.2.5)
 * and gathers fields until an empty line.
 *
 * Data is copied as little as its cutting allows: one data line that lies in
 * the feed with its event's end is handed out from there; one that was put
 * together from pieces is handed out from where that was done; only further
 * data lines, and data whose event goes on in the next feed, are copied. */
#include "wire/sse.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

/* Capacity of each buffer that stays with an idle reader. */
#define KEEP 1024

struct mcp_sse {
  mcp_slice_t rest; /* fed and not yet read */
  const char *lf;   /* the first LF in `rest`, or the end of it: found once, so
                       that many lines ended by CR are not searched each time */
  size_t limit;
  mcp_buf_t line;    /* the beginning of an unfinished line */
  mcp_buf_t data;    /* the event's data, from `from` on */
  size_t from;       /* before it may stand the "data: " it came with */
  mcp_slice_t whole; /* or, while `in_feed`, the one line of data so far */
  mcp_buf_t name;
  mcp_buf_t id; /* outlives the event */
  int64_t retry_ms;
  int failed;
  bool in_feed;
  bool has_data, has_id;
  bool seen;     /* a field that we know: the event will be handed over */
  bool given;    /* it was, by the last call */
  bool started;  /* the first line, which may begin with a BOM, has been read */
  bool after_cr; /* an LF that comes now belongs to the line before */
};

mcp_sse_t *mcp_sse_new(size_t limit) {
  mcp_sse_t *sse = mcp_mem_zalloc(sizeof *sse);
  if (!sse) return NULL;
  sse->limit = limit ? limit : MCP_SSE_EVENT_LENGTH;
  sse->retry_ms = -1;
  return sse;
}

static void drop_buffers(mcp_sse_t *sse) {
  mcp_buf_deinit(&sse->line);
  mcp_buf_deinit(&sse->data);
  mcp_buf_deinit(&sse->name);
  mcp_buf_deinit(&sse->id);
}

void mcp_sse_free(mcp_sse_t *sse) {
  if (!sse) return;
  drop_buffers(sse);
  mcp_mem_free(sse);
}

void mcp_sse_set_share(mcp_sse_t *sse, mcp_share_t *share) {
  sse->line.share = sse->data.share = share;
  sse->name.share = sse->id.share = share;
}

static const char *find_lf(mcp_slice_t bytes) {
  const char *lf = NULL;
  if (bytes.len == 0) return bytes.data;
  lf = memchr(bytes.data, '\n', bytes.len);
  return lf ? lf : bytes.data + bytes.len;
}

void mcp_sse_feed(mcp_sse_t *sse, mcp_slice_t bytes) {
  sse->rest = bytes;
  sse->lf = find_lf(bytes);
}

static void advance(mcp_sse_t *sse, size_t n) {
  sse->rest.data += n;
  sse->rest.len -= n;
  if (sse->rest.data > sse->lf) sse->lf = find_lf(sse->rest);
}

static void forget_event(mcp_sse_t *sse) {
  mcp_buf_reset(&sse->data, KEEP);
  mcp_buf_reset(&sse->name, KEEP);
  sse->from = 0;
  sse->whole = mcp_slice(NULL, 0);
  sse->retry_ms = -1;
  sse->in_feed = sse->has_data = sse->has_id = false;
  sse->seen = sse->given = false;
}

static mcp_slice_t data_of(const mcp_sse_t *sse) {
  if (sse->in_feed) return sse->whole;
  if (sse->data.len == sse->from) return mcp_slice(NULL, 0);
  return mcp_slice(sse->data.data + sse->from, sse->data.len - sse->from);
}

/* What the limit counts, without the line that is being read: the same however
 * the bytes were cut. */
static size_t held(const mcp_sse_t *sse) {
  return data_of(sse).len + sse->name.len + (sse->has_id ? sse->id.len : 0);
}

/* The next line without its end: 1, 0 when its end has not come, or an error.
 * It lies in the feed, or in `line` if a part of it was kept there. */
static int read_line(mcp_sse_t *sse, mcp_slice_t *line) {
  mcp_slice_t piece;
  const char *end;
  bool whole;
  int code;
  if (sse->rest.len > 0 && sse->after_cr) {
    sse->after_cr = false;
    if (*sse->rest.data == '\n') advance(sse, 1);
  }
  if (sse->rest.len == 0) return 0;
  end = sse->lf;
  if (end > sse->rest.data) {
    const char *cr =
        memchr(sse->rest.data, '\r', (size_t)(end - sse->rest.data));
    if (cr) end = cr;
  }
  piece = mcp_slice(sse->rest.data, (size_t)(end - sse->rest.data));
  whole = piece.len < sse->rest.len;
  if (held(sse) + sse->line.len + piece.len > sse->limit) return MCP_ETOOBIG;
  if (whole && sse->line.len == 0) {
    *line = piece;
  } else {
    code = mcp_buf_append_slice(&sse->line, piece);
    if (code < 0) return code;
    *line = mcp_buf_slice(&sse->line);
  }
  if (whole) sse->after_cr = *end == '\r';
  advance(sse, piece.len + whole);
  return whole;
}

/* Moves data from the feed to memory that outlives it. */
static int keep_data(mcp_sse_t *sse) {
  if (!sse->in_feed) return 0;
  sse->in_feed = false;
  return mcp_buf_append_slice(&sse->data, sse->whole);
}

static int add_data(mcp_sse_t *sse, mcp_slice_t value) {
  int code;
  if (!sse->has_data) {
    sse->has_data = true;
    if (sse->line.len == 0) {
      sse->in_feed = true;
      sse->whole = value;
    } else {
      mcp_buf_t empty = sse->data;
      sse->data = sse->line;
      sse->line = empty;
      sse->from = sse->data.len - value.len;
    }
    return 0;
  }
  code = keep_data(sse);
  if (code < 0) return code;
  code = mcp_buf_reserve(&sse->data, 1 + value.len);
  if (code < 0) return code;
  mcp_buf_append_char(&sse->data, '\n');
  return mcp_buf_append_slice(&sse->data, value);
}

static int set(mcp_buf_t *field, mcp_slice_t value) {
  field->len = 0;
  return mcp_buf_append_slice(field, value);
}

/* -1 unless `text` is digits and nothing else. */
static int64_t read_retry(mcp_slice_t text) {
  int64_t n = 0;
  if (text.len == 0) return -1;
  for (size_t i = 0; i < text.len; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return -1;
    n = n * 10 + (text.data[i] - '0');
    if (n > MCP_SSE_RETRY) n = MCP_SSE_RETRY;
  }
  return n;
}

static bool contains(mcp_slice_t text, char c) {
  return text.len > 0 && memchr(text.data, c, text.len) != NULL;
}

/* Names are compared with case; those we do not know are ignored. */
static int read_field(mcp_sse_t *sse, mcp_slice_t line) {
  const char *colon = memchr(line.data, ':', line.len);
  mcp_slice_t name = line, value = {NULL, 0};
  int code = 0;
  if (colon) {
    name.len = (size_t)(colon - line.data);
    value = mcp_slice(colon + 1, line.len - name.len - 1);
    if (value.len > 0 && value.data[0] == ' ') {
      value.data++;
      value.len--;
    }
  }
  if (mcp_slice_equal(name, MCP_SLICE("data"))) {
    code = add_data(sse, value);
  } else if (mcp_slice_equal(name, MCP_SLICE("event"))) {
    code = set(&sse->name, value);
  } else if (mcp_slice_equal(name, MCP_SLICE("id"))) {
    if (contains(value, '\0')) return 0;
    sse->has_id = true;
    code = set(&sse->id, value);
  } else if (mcp_slice_equal(name, MCP_SLICE("retry"))) {
    int64_t ms = read_retry(value);
    if (ms < 0) return 0;
    sse->retry_ms = ms;
  } else {
    return 0;
  }
  sse->seen = true;
  return code;
}

static void give(mcp_sse_t *sse, mcp_sse_event_t *event) {
  *event = (mcp_sse_event_t){
      .kind = MCP_SSE_EVENT,
      .name = mcp_buf_slice(&sse->name),
      .data = data_of(sse),
      .id = mcp_buf_slice(&sse->id),
      .has_id = sse->has_id,
      .retry_ms = sse->retry_ms,
  };
  sse->given = true;
}

static int take_line(mcp_sse_t *sse, mcp_slice_t line, mcp_sse_event_t *event) {
  if (!sse->started) {
    sse->started = true;
    if (line.len >= 3 && memcmp(line.data, "\xEF\xBB\xBF", 3) == 0) {
      line.data += 3;
      line.len -= 3;
    }
  }
  if (line.len == 0) {
    if (sse->seen) give(sse, event);
    return 0;
  }
  /* Line ends are ASCII, so each line of valid text is valid by itself. */
  if (!mcp_utf8_valid(line)) return MCP_EUTF8;
  return read_field(sse, line);
}

int mcp_sse_next(mcp_sse_t *sse, mcp_sse_event_t *event) {
  mcp_slice_t line = {NULL, 0};
  int code;
  *event = (mcp_sse_event_t){.kind = MCP_SSE_MORE, .retry_ms = -1};
  if (sse->failed) return sse->failed;
  if (sse->given) forget_event(sse);
  while ((code = read_line(sse, &line)) > 0) {
    code = take_line(sse, line, event);
    if (code < 0) break;
    mcp_buf_reset(&sse->line, KEEP);
    if (event->kind == MCP_SSE_EVENT) return 0;
  }
  if (code == 0) code = keep_data(sse);
  /* The bytes that were fed are the feeder's again. */
  mcp_sse_feed(sse, mcp_slice(NULL, 0));
  sse->whole = mcp_slice(NULL, 0);
  if (code == 0) return 0;
  sse->in_feed = false;
  drop_buffers(sse);
  sse->failed = code;
  return code;
}

/* --- writing ----------------------------------------------------------- */

static bool is_one_line(mcp_slice_t text) {
  return !contains(text, '\n') && !contains(text, '\r');
}

static bool is_field(mcp_slice_t text) {
  return is_one_line(text) && !contains(text, '\0');
}

/* Reserves room for the appends to `out` that follow; they cannot fail. */
static int make_room(mcp_buf_t *out, mcp_slice_t a, mcp_slice_t b) {
  static const char fixed[] = "event: \nid: \nretry: 18446744073709551615\n"
                              "data: ";
  if (a.len > SIZE_MAX / 4 || b.len > SIZE_MAX / 4) return MCP_ETOOBIG;
  return mcp_buf_reserve(out, sizeof fixed + a.len + b.len);
}

int mcp_sse_write_begin(mcp_buf_t *out, mcp_slice_t name, mcp_slice_t id,
                        int64_t retry_ms) {
  int code;
  if (!is_field(name) || !is_field(id)) return MCP_ESSE;
  code = make_room(out, name, id);
  if (code < 0) return code;
  if (name.len > 0) {
    mcp_buf_append_literal(out, "event: ");
    mcp_buf_append_slice(out, name);
    mcp_buf_append_char(out, '\n');
  }
  if (id.len > 0) {
    mcp_buf_append_literal(out, "id: ");
    mcp_buf_append_slice(out, id);
    mcp_buf_append_char(out, '\n');
  }
  if (retry_ms >= 0) {
    mcp_buf_append_literal(out, "retry: ");
    mcp_buf_append_uint(out, (unsigned long long)retry_ms);
    mcp_buf_append_char(out, '\n');
  }
  return mcp_buf_append_literal(out, "data: ");
}

int mcp_sse_write_end(mcp_buf_t *out) {
  return mcp_buf_append_literal(out, "\n\n");
}

int mcp_sse_write_comment(mcp_buf_t *out, mcp_slice_t text) {
  int code;
  if (!is_one_line(text)) return MCP_ESSE;
  code = make_room(out, text, mcp_slice(NULL, 0));
  if (code < 0) return code;
  if (text.len > 0) {
    mcp_buf_append_literal(out, ": ");
    mcp_buf_append_slice(out, text);
  } else {
    mcp_buf_append_char(out, ':');
  }
  return mcp_buf_append_literal(out, "\n\n");
}
