/* SPDX-License-Identifier: MIT
 * http_reply.c: see http_reply.h. A body is appended to the loop's scratch
 * buffer after a gap; when it is complete, the head is written into the end of
 * the gap, so that head and body leave in one write and neither is copied. */
#include "transport/http_reply.h"

#include <stdio.h>
#include <time.h>

#include "base/err.h"
#include "wire/http_status.h"
#include "wire/rpc.h"
#include "wire/sse.h"
#include "wire/ws_handshake.h"

/* The gap holds a status line, our own fields and the size of a chunk. `fields`
 * is added to it. */
#define GAP 384

#define JSON_FIELD MCP_SLICE("Content-Type: application/json\r\n")

#define STREAM_FIELDS                                                          \
  "Content-Type: text/event-stream\r\n"                                        \
  "Cache-Control: no-cache, no-transform\r\n"                                  \
  "X-Accel-Buffering: no\r\n"

mcp_buf_t *mcp_http_reply_begin(mcp_http_reply_t *reply) {
  mcp_buf_t *out = mcp_loop_scratch(reply->loop);
  out->len = 0;
  if (mcp_buf_reserve(out, GAP + reply->fields.len) < 0) return NULL;
  out->len = GAP + reply->fields.len;
  return out;
}

/* `last`: this ends the answer, so it may wait for others. */
static int send_from(mcp_http_reply_t *reply, mcp_buf_t *out, size_t from,
                     bool last) {
  int code;
  reply->last_sent = mcp_loop_now(reply->loop);
  reply->sent += out->len - from;
  if (reply->wire)
    mcp_log_wire(&reply->wire[MCP_LOG_OUT], MCP_LOG_OUT,
                 mcp_slice(out->data + from, out->len - from));
  code = last ? mcp_stream_send_soon(reply->stream, out, from)
              : mcp_stream_send(reply->stream, out, from);
  mcp_buf_reset(out, MCP_LOOP_SCRATCH_SIZE);
  return code;
}

/* The Date field (RFC 9110 6.6.1), written once a second. */
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
static size_t write_head(mcp_http_reply_t *reply, mcp_buf_t *out, size_t end,
                         unsigned status, mcp_slice_t fields, int64_t length) {
  size_t at = end;
  reply->status = status;
  put(out, &at, MCP_SLICE("\r\n\r\n"));
  put(out, &at, date_field());
  if (reply->fields.len > 0) put(out, &at, mcp_buf_slice(&reply->fields));
  if (!reply->keep_alive) {
    put(out, &at, MCP_SLICE("Connection: close\r\n"));
  } else if (reply->http_1_0) {
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
static size_t write_stream_head(mcp_http_reply_t *reply, mcp_buf_t *out,
                                size_t end) {
  reply->streaming = true;
  if (reply->http_1_0) {
    reply->keep_alive = false;
    return write_head(reply, out, end, 200, MCP_SLICE(STREAM_FIELDS), -1);
  }
  return write_head(reply, out, end, 200,
                    MCP_SLICE(STREAM_FIELDS "Transfer-Encoding: chunked\r\n"),
                    -1);
}

void mcp_http_reply_follow(mcp_http_reply_t *reply,
                           const mcp_http_head_t *head) {
  reply->keep_alive = head->keep_alive;
  reply->http_1_0 = head->http_1_0;
}

void mcp_http_reply_close_after(mcp_http_reply_t *reply) {
  reply->keep_alive = false;
}

void mcp_http_reply_abandon(mcp_http_reply_t *reply) {
  mcp_loop_scratch(reply->loop)->len = 0;
}

int mcp_http_reply_send_json(mcp_http_reply_t *reply, unsigned status) {
  mcp_buf_t *out = mcp_loop_scratch(reply->loop);
  size_t gap = GAP + reply->fields.len;
  return send_from(reply, out,
                   write_head(reply, out, gap, status, JSON_FIELD,
                              (int64_t)(out->len - gap)),
                   true);
}

int mcp_http_reply_begin_json(mcp_http_reply_t *reply, unsigned status,
                              uint64_t more) {
  mcp_buf_t *out = mcp_loop_scratch(reply->loop);
  size_t gap = GAP + reply->fields.len;
  return send_from(reply, out,
                   write_head(reply, out, gap, status, JSON_FIELD,
                              (int64_t)(out->len - gap + more)),
                   false);
}

int mcp_http_reply_send_more(mcp_http_reply_t *reply, mcp_buf_t *part) {
  return send_from(reply, part, 0, false);
}

int mcp_http_reply_send_event(mcp_http_reply_t *reply, bool last) {
  mcp_buf_t *out = mcp_loop_scratch(reply->loop);
  size_t gap = GAP + reply->fields.len, from = gap, size = out->len - gap;
  int code = 0;
  if (!reply->http_1_0 && size > 0) {
    char line[24];
    int n = snprintf(line, sizeof line, "%zx\r\n", size);
    from -= (size_t)n;
    memcpy(out->data + from, line, (size_t)n);
    code = mcp_buf_append_literal(out, "\r\n");
  }
  if (code == 0 && last && !reply->http_1_0)
    code = mcp_buf_append_literal(out, "0\r\n\r\n");
  if (code < 0) return code;
  if (!reply->streaming) from = write_stream_head(reply, out, from);
  if (last) reply->streaming = false;
  if (from == out->len) return 0;
  return send_from(reply, out, from, last);
}

int mcp_http_reply_end(mcp_http_reply_t *reply) {
  if (!mcp_http_reply_begin(reply)) return MCP_ENOMEM;
  return mcp_http_reply_send_event(reply, true);
}

int mcp_http_reply_event(mcp_http_reply_t *reply, mcp_slice_t name,
                         mcp_slice_t data) {
  mcp_buf_t *out = mcp_http_reply_begin(reply);
  if (!out || mcp_sse_write_begin(out, name, MCP_SLICE(""), -1) < 0 ||
      mcp_buf_append_slice(out, data) < 0 || mcp_sse_write_end(out) < 0)
    return MCP_ENOMEM;
  return mcp_http_reply_send_event(reply, false);
}

int mcp_http_reply_heartbeat(mcp_http_reply_t *reply) {
  mcp_buf_t *out = mcp_http_reply_begin(reply);
  if (!out || mcp_sse_write_comment(out, MCP_SLICE("keep-alive")) < 0)
    return MCP_ENOMEM;
  return mcp_http_reply_send_event(reply, false);
}

int mcp_http_reply_continue(mcp_http_reply_t *reply) {
  mcp_buf_t *out = mcp_loop_scratch(reply->loop);
  out->len = 0;
  if (mcp_buf_append_literal(out, "HTTP/1.1 100 Continue\r\n\r\n") < 0)
    return MCP_ENOMEM;
  return send_from(reply, out, 0, false);
}

int mcp_http_reply_upgrade(mcp_http_reply_t *reply,
                           const mcp_http_head_t *head) {
  size_t before = reply->fields.len;
  mcp_buf_t *out = NULL;
  int code = mcp_ws_write_answer(&reply->fields, head);
  if (code == 0) {
    out = mcp_http_reply_begin(reply);
    if (!out) code = MCP_ENOMEM;
  }
  if (code < 0) {
    reply->fields.len = before;
    return code;
  }
  return send_from(reply, out,
                   write_head(reply, out, out->len, 101, MCP_SLICE(""), -1),
                   false);
}

static int reply_text(mcp_http_reply_t *reply, unsigned status,
                      mcp_slice_t type, const char *text, bool no_body) {
  mcp_buf_t *out = mcp_http_reply_begin(reply);
  size_t gap = GAP + reply->fields.len, length = strlen(text);
  if (!out) return MCP_ENOMEM;
  if (length > 0) length++; /* its newline */
  if (length > 0 && !no_body) {
    if (mcp_buf_append(out, text, length - 1) < 0 ||
        mcp_buf_append_char(out, '\n') < 0)
      return MCP_ENOMEM;
  }
  /* 204 has neither body nor length (RFC 9110 8.6). */
  return send_from(reply, out,
                   write_head(reply, out, gap, status,
                              length ? type : MCP_SLICE(""),
                              status == 204 ? -1 : (int64_t)length),
                   true);
}

int mcp_http_reply_text(mcp_http_reply_t *reply, unsigned status,
                        const char *text, bool no_body) {
  return reply_text(reply, status,
                    MCP_SLICE("Content-Type: text/plain; charset=utf-8\r\n"),
                    text, no_body);
}

int mcp_http_reply_page(mcp_http_reply_t *reply, unsigned status,
                        const char *text, bool no_body) {
  return reply_text(reply, status, MCP_SLICE(""), text, no_body);
}

int mcp_http_reply_bytes(mcp_http_reply_t *reply, unsigned status,
                         mcp_slice_t body, bool no_body) {
  mcp_buf_t *out = mcp_http_reply_begin(reply);
  size_t gap = GAP + reply->fields.len;
  /* These end with their head (RFC 9110 15.3.5, 15.3.6, 15.4.5): the client
   * would read what follows as its next response. */
  bool bare = status == 204 || status == 304;
  if (bare || status == 205) body = mcp_slice(NULL, 0);
  if (!out || (!no_body && body.len > 0 && mcp_buf_append_slice(out, body) < 0))
    return MCP_ENOMEM;
  return send_from(reply, out,
                   write_head(reply, out, gap, status, MCP_SLICE(""),
                              bare ? -1 : (int64_t)body.len),
                   true);
}

int mcp_http_reply_error(mcp_http_reply_t *reply, unsigned status,
                         mcp_slice_t id, int error, const char *text) {
  mcp_buf_t *out = mcp_http_reply_begin(reply);
  if (!out || mcp_rpc_write_error(out, id, error, text) < 0) return MCP_ENOMEM;
  return mcp_http_reply_send_json(reply, status);
}
