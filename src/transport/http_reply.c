/* SPDX-License-Identifier: MIT
 * http_reply.c: what goes out on a connection of the HTTP server. A message is
 * appended to the loop's scratch buffer behind a gap; when it is complete, the
 * head is written into the end of the gap, so that head and body leave in one
 * write and neither is copied. */
#include <stdio.h>
#include <time.h>

#include "base/err.h"
#include "transport/http_conn.h"
#include "wire/http_status.h"
#include "wire/sse.h"
#include "wire/ws_handshake.h"

/* The gap: a status line, our own fields, a chunk's size. Fields set by the
 * upper side come on top. */
#define GAP 384

#define JSON_FIELD MCP_SLICE("Content-Type: application/json\r\n")

#define STREAM_FIELDS                                                          \
  "Content-Type: text/event-stream\r\n"                                        \
  "Cache-Control: no-cache, no-transform\r\n"                                  \
  "X-Accel-Buffering: no\r\n"

static mcp_buf_t *open_gap(mcp_http_conn_t *conn) {
  mcp_buf_t *out = mcp_loop_scratch(mcp_http_conn_loop(conn));
  out->len = 0;
  if (mcp_buf_reserve(out, GAP + conn->extra.len) < 0) return NULL;
  out->len = GAP + conn->extra.len;
  return out;
}

static int send_from(mcp_http_conn_t *conn, mcp_buf_t *out, size_t from) {
  int code;
  conn->last_sent = mcp_loop_now(mcp_http_conn_loop(conn));
  if (conn->logged)
    mcp_log_wire(&conn->wire[MCP_LOG_OUT], MCP_LOG_OUT,
                 mcp_slice(out->data + from, out->len - from));
  code = mcp_stream_send(conn->stream, out, from);
  mcp_buf_reset(out, MCP_LOOP_SCRATCH_SIZE);
  return code;
}

/* The Date field (RFC 9110 6.6.1), made anew once a second. */
static mcp_slice_t date_field(void) {
  static _Thread_local char line[40];
  static _Thread_local size_t length;
  static _Thread_local time_t of;
  time_t t = time(NULL);
  if (t != of) {
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;
    gmtime_r(&t, &tm);
    /* Not strftime: its names follow the locale. */
    length = (size_t)snprintf(
        line, sizeof line, "Date: %.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
        days + 3 * tm.tm_wday, (unsigned)tm.tm_mday % 32,
        months + 3 * tm.tm_mon, (unsigned)(tm.tm_year + 1900) % 10000,
        (unsigned)tm.tm_hour % 24, (unsigned)tm.tm_min % 60,
        (unsigned)tm.tm_sec % 61);
    of = t;
  }
  return mcp_slice(line, length);
}

/* A head is written from its end to its beginning: its end is where the body
 * begins. */
static void put(mcp_buf_t *out, size_t *at, mcp_slice_t s) {
  *at -= s.len;
  memcpy(out->data + *at, s.data, s.len);
}

static void put_number(mcp_buf_t *out, size_t *at, size_t n) {
  do {
    out->data[--*at] = (char)('0' + n % 10);
    n /= 10;
  } while (n > 0);
}

/* Writes status line and fields so that they end at `end`; returns where they
 * begin. `length` < 0: no Content-Length. */
static size_t write_head(mcp_http_conn_t *conn, mcp_buf_t *out, size_t end,
                         unsigned status, mcp_slice_t fields, int64_t length) {
  size_t at = end;
  put(out, &at, MCP_SLICE("\r\n\r\n"));
  put(out, &at, date_field());
  if (conn->extra.len > 0) put(out, &at, mcp_buf_slice(&conn->extra));
  if (!conn->keep_alive) {
    put(out, &at, MCP_SLICE("Connection: close\r\n"));
  } else if (conn->http_1_0) {
    put(out, &at, MCP_SLICE("Connection: keep-alive\r\n"));
  }
  if (length >= 0) {
    put(out, &at, MCP_SLICE("\r\n"));
    put_number(out, &at, (size_t)length);
    put(out, &at, MCP_SLICE("Content-Length: "));
  }
  put(out, &at, fields);
  put(out, &at, MCP_SLICE("\r\n"));
  if (status == 200) {
    put(out, &at, MCP_SLICE("HTTP/1.1 200 OK"));
  } else {
    const char *reason = mcp_http_status_phrase(status);
    put(out, &at, mcp_slice(reason, strlen(reason)));
    put(out, &at, MCP_SLICE(" "));
    put_number(out, &at, status);
    put(out, &at, MCP_SLICE("HTTP/1.1 "));
  }
  return at;
}

/* The head of an event stream. An HTTP/1.0 peer cannot be sent chunks, so for
 * it the stream ends with the connection. */
static size_t write_stream_head(mcp_http_conn_t *conn, mcp_buf_t *out,
                                size_t end) {
  conn->streaming = true;
  if (conn->http_1_0) {
    conn->keep_alive = false;
    return write_head(conn, out, end, 200, MCP_SLICE(STREAM_FIELDS), -1);
  }
  return write_head(conn, out, end, 200,
                    MCP_SLICE(STREAM_FIELDS "Transfer-Encoding: chunked\r\n"),
                    -1);
}

/* Puts what stands behind `gap` into a chunk, and the stream's head before it
 * if it has not gone out yet. `last`: the stream ends with it. */
static int send_event(mcp_http_conn_t *conn, mcp_buf_t *out, size_t gap,
                      bool last) {
  size_t from = gap, size = out->len - gap;
  int code = 0;
  if (!conn->http_1_0 && size > 0) {
    char line[24];
    int n = snprintf(line, sizeof line, "%zx\r\n", size);
    from -= (size_t)n;
    memcpy(out->data + from, line, (size_t)n);
    code = mcp_buf_append_literal(out, "\r\n");
  }
  if (code == 0 && last && !conn->http_1_0)
    code = mcp_buf_append_literal(out, "0\r\n\r\n");
  if (code < 0) return code;
  if (!conn->streaming) from = write_stream_head(conn, out, from);
  if (from == out->len) return 0;
  return send_from(conn, out, from);
}

/* Goes `what` into an event stream? An answer that tells of an error by its
 * status is JSON even for those who asked for events only. */
static bool is_event(const mcp_http_conn_t *conn, mcp_out_t what) {
  unsigned status = conn->x.status;
  return conn->streaming || what == MCP_OUT_NOTICE ||
         (conn->no_json && (status == 0 || status == 200));
}

static mcp_buf_t *begin(mcp_exchange_t *x, mcp_out_t what) {
  mcp_http_conn_t *conn = (mcp_http_conn_t *)x;
  mcp_buf_t *out = open_gap(conn);
  if (!out) return NULL;
  if (is_event(conn, what)) {
    const mcp_exchange_event_t *event = x->event;
    bool named = !event || event->is_message;
    if (mcp_sse_write_begin(out, named ? MCP_SLICE("message") : MCP_SLICE(""),
                            event ? event->id : MCP_SLICE(""),
                            event ? event->retry_ms : -1) < 0)
      return NULL;
  }
  return out;
}

static int commit(mcp_exchange_t *x, mcp_out_t what) {
  mcp_http_conn_t *conn = (mcp_http_conn_t *)x;
  mcp_buf_t *out = mcp_loop_scratch(mcp_http_conn_loop(conn));
  size_t gap = GAP + conn->extra.len;
  bool last = what == MCP_OUT_ANSWER;
  int code;
  if (is_event(conn, what)) {
    code = mcp_sse_write_end(out);
    if (code == 0) code = send_event(conn, out, gap, last);
  } else {
    size_t from = write_head(conn, out, gap, x->status ? x->status : 200,
                             JSON_FIELD, (int64_t)(out->len - gap));
    code = send_from(conn, out, from);
  }
  if (code < 0) {
    mcp_http_conn_close(conn, false);
  } else if (last) {
    mcp_http_conn_done(conn);
  }
  return code;
}

static void abandon(mcp_exchange_t *x) {
  mcp_loop_scratch(mcp_http_conn_loop((mcp_http_conn_t *)x))->len = 0;
}

static bool can_stream(mcp_exchange_t *x) {
  return !((mcp_http_conn_t *)x)->no_events;
}

static int open_stream(mcp_exchange_t *x) {
  mcp_http_conn_t *conn = (mcp_http_conn_t *)x;
  mcp_buf_t *out;
  int code;
  if (conn->streaming) return 0;
  if (conn->no_events) return MCP_ENOSTREAM;
  conn->listening = mcp_http_head(conn->http)->method == MCP_HTTP_GET;
  out = open_gap(conn);
  if (!out) return MCP_ENOMEM;
  code = send_event(conn, out, GAP + conn->extra.len, false);
  if (code < 0) mcp_http_conn_close(conn, false);
  return code;
}

int mcp_http_reply_end(mcp_http_conn_t *conn) {
  mcp_buf_t *out = open_gap(conn);
  if (!out) return MCP_ENOMEM;
  return send_event(conn, out, GAP + conn->extra.len, true);
}

int mcp_http_reply_event(mcp_http_conn_t *conn, mcp_slice_t name,
                         mcp_slice_t data) {
  mcp_buf_t *out = open_gap(conn);
  if (!out || mcp_sse_write_begin(out, name, MCP_SLICE(""), -1) < 0 ||
      mcp_buf_append_slice(out, data) < 0 || mcp_sse_write_end(out) < 0)
    return MCP_ENOMEM;
  return send_event(conn, out, GAP + conn->extra.len, false);
}

int mcp_http_reply_heartbeat(mcp_http_conn_t *conn) {
  mcp_buf_t *out = open_gap(conn);
  if (!out || mcp_sse_write_comment(out, MCP_SLICE("keep-alive")) < 0)
    return MCP_ENOMEM;
  return send_event(conn, out, GAP + conn->extra.len, false);
}

int mcp_http_reply_upgrade(mcp_http_conn_t *conn) {
  size_t before = conn->extra.len;
  mcp_buf_t *out = NULL;
  int code = mcp_ws_write_answer(&conn->extra, mcp_http_head(conn->http));
  if (code == 0) {
    out = open_gap(conn);
    if (!out) code = MCP_ENOMEM;
  }
  if (code < 0) {
    conn->extra.len = before;
    return code;
  }
  return send_from(conn, out,
                   write_head(conn, out, out->len, 101, MCP_SLICE(""), -1));
}

static int reply_text(mcp_http_conn_t *conn, unsigned status, mcp_slice_t type,
                      const char *text, bool no_body) {
  mcp_buf_t *out = open_gap(conn);
  size_t gap = GAP + conn->extra.len, length = strlen(text);
  if (!out) return MCP_ENOMEM;
  if (length > 0) length++; /* its newline */
  if (length > 0 && !no_body) {
    if (mcp_buf_append(out, text, length - 1) < 0 ||
        mcp_buf_append_char(out, '\n') < 0)
      return MCP_ENOMEM;
  }
  /* 204 has neither body nor length (RFC 9110 8.6). */
  return send_from(conn, out,
                   write_head(conn, out, gap, status,
                              length ? type : MCP_SLICE(""),
                              status == 204 ? -1 : (int64_t)length));
}

int mcp_http_reply_text(mcp_http_conn_t *conn, unsigned status,
                        const char *text, bool no_body) {
  return reply_text(conn, status,
                    MCP_SLICE("Content-Type: text/plain; charset=utf-8\r\n"),
                    text, no_body);
}

int mcp_http_reply_page(mcp_http_conn_t *conn, unsigned status,
                        const char *text, bool no_body) {
  return reply_text(conn, status, MCP_SLICE(""), text, no_body);
}

int mcp_http_reply_error(mcp_http_conn_t *conn, unsigned status, mcp_slice_t id,
                         int error, const char *text) {
  mcp_buf_t *out;
  size_t gap;
  mcp_http_conn_begin_fields(conn);
  gap = GAP + conn->extra.len;
  out = open_gap(conn);
  if (!out || mcp_rpc_write_error(out, id, error, text) < 0) return MCP_ENOMEM;
  return send_from(conn, out,
                   write_head(conn, out, gap, status, JSON_FIELD,
                              (int64_t)(out->len - gap)));
}

/* A notification was taken in: 202. A stream just ends. A request whose answer
 * will not come (it was cancelled) still needs a body where nothing has been
 * sent. */
static void drop(mcp_exchange_t *x) {
  mcp_http_conn_t *conn = (mcp_http_conn_t *)x;
  int code;
  if (conn->at_head && x->status == 0) {
    mcp_http_conn_admit(conn);
    return;
  }
  if (conn->streaming) {
    code = mcp_http_reply_end(conn);
  } else if (x->wants_answer && x->status == 0) {
    code = mcp_http_reply_error(conn, 200, mcp_exchange_id(x), -32800,
                                "Request cancelled");
  } else {
    code = mcp_http_reply_text(conn, x->status ? x->status : 202, "", false);
  }
  if (code < 0) {
    mcp_http_conn_close(conn, false);
  } else {
    mcp_http_conn_done(conn);
  }
}

static bool congested(mcp_exchange_t *x) {
  mcp_http_conn_t *conn = (mcp_http_conn_t *)x;
  return conn->state == MCP_HTTP_BUSY &&
         conn->stream->queued > MCP_STREAM_HIGH_WATER;
}

static bool full(mcp_exchange_t *x) {
  return ((mcp_http_conn_t *)x)->stream->queued > MCP_EXCHANGE_QUEUE;
}

static int keep(mcp_exchange_t *x) {
  return mcp_http_conn_keep((mcp_http_conn_t *)x);
}

static void cut(mcp_exchange_t *x) {
  mcp_http_conn_close((mcp_http_conn_t *)x, false);
}

static int upgrade(mcp_exchange_t *x, mcp_stream_t **stream, mcp_buf_t *early) {
  return mcp_http_conn_give((mcp_http_conn_t *)x, stream, early);
}

static bool wants_events(mcp_exchange_t *x) {
  return ((mcp_http_conn_t *)x)->eventing;
}

static int open_events(mcp_exchange_t *x, const mcp_upper_t *upper, void *up,
                       mcp_link_t **link) {
  return mcp_http_conn_open_events((mcp_http_conn_t *)x, upper, up, link);
}

static int feed(mcp_exchange_t *x) {
  return mcp_http_conn_feed((mcp_http_conn_t *)x);
}

static bool header(mcp_exchange_t *x, mcp_slice_t name, mcp_slice_t *value,
                   bool *twice) {
  mcp_http_conn_t *conn = (mcp_http_conn_t *)x;
  bool found;
  if (!conn->http) return false;
  *value = mcp_http_header(mcp_http_head(conn->http), name, &found, twice);
  return found;
}

static size_t each_header(mcp_exchange_t *x, size_t i, mcp_slice_t *name,
                          mcp_slice_t *value) {
  mcp_http_conn_t *conn = (mcp_http_conn_t *)x;
  const mcp_http_head_t *head = conn->http ? mcp_http_head(conn->http) : NULL;
  if (!head) return 0;
  if (i < head->header_count) {
    *name = head->headers[i].name;
    *value = head->headers[i].value;
  }
  return head->header_count;
}

static bool is_clean(mcp_slice_t s) {
  for (size_t i = 0; i < s.len; i++)
    if ((unsigned char)s.data[i] < ' ' || s.data[i] == 127) return false;
  return true;
}

static int set_header(mcp_exchange_t *x, mcp_slice_t name, mcp_slice_t value) {
  mcp_http_conn_t *conn = (mcp_http_conn_t *)x;
  mcp_buf_t *extra = &conn->extra;
  size_t before = extra->len;
  int code;
  if (name.len == 0 || !is_clean(name) || !is_clean(value) ||
      memchr(name.data, ':', name.len) || memchr(name.data, ' ', name.len))
    return MCP_EHTTP;
  if ((code = mcp_buf_append_slice(extra, name)) < 0 ||
      (code = mcp_buf_append_literal(extra, ": ")) < 0 ||
      (code = mcp_buf_append_slice(extra, value)) < 0 ||
      (code = mcp_buf_append_literal(extra, "\r\n")) < 0)
    extra->len = before;
  return code;
}

const mcp_exchange_ops_t mcp_http_ways = {
    .name = "http",
    .begin = begin,
    .commit = commit,
    .abandon = abandon,
    .drop = drop,
    .congested = congested,
    .full = full,
    .keep = keep,
    .cut = cut,
    .can_stream = can_stream,
    .open_stream = open_stream,
    .header = header,
    .each_header = each_header,
    .set_header = set_header,
    .upgrade = upgrade,
    .wants_events = wants_events,
    .open_events = open_events,
    .feed = feed,
};
