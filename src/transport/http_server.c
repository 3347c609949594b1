/* SPDX-License-Identifier: MIT
 * http_server.c: connections of the Streamable HTTP server. See
 * http_server.h; what may come in is http_gate.c's, what goes out is
 * http_reply.c's.
 *
 * A connection is always in one of four states:
 *   READING    between messages or within one
 *   BUSY       its exchange is the upper side's; further bytes wait
 *   GIVEN      has become something else; the stream is no longer its own
 *   LINGERING  refused and answered; what still comes is thrown away
 *   CLOSING    the stream is closing; only its last callback is awaited */
#include "transport/http_server.h"

#include <stdio.h>

#include "base/crypto.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listener.h"
#include "transport/http_conn.h"
#include "transport/http_cors.h"
#include "transport/http_refusal.h"
#include "transport/http_sse.h"
#include "transport/link.h"

/* How often deadlines are looked at. They are promises of seconds. */
#define SWEEP_TIME 1000
#define TEXT(n)    #n
#define QUOTED(n)  TEXT(n)
#define RETRY      QUOTED(MCP_EXCHANGE_RETRY)
/* A body buffer that grew beyond this is given back between messages. */
#define BODY_KEEP 4096
/* So much is reserved at once for a body that was announced. */
#define BODY_STEP (256u << 10)

struct mcp_http_server {
  mcp_loop_t *loop;
  mcp_listener_t *listener; /* NULL once closing */
  mcp_http_options_t options;
  const mcp_upper_t *upper;
  void *up;
  mcp_timer_t *sweeper;
  mcp_timer_t *ender; /* goes once nothing is left to wait for */
  mcp_list_t conns;
  mcp_http_sse_table_t *sse; /* NULL before the first */
  unsigned count, busy;
  uint64_t tickets;     /* the last one; they begin anywhere */
  uint64_t grace_until; /* while closing */
  void (*done)(void *);
  void *done_arg;
};

static void pump(mcp_http_conn_t *conn);

static uint64_t now(const mcp_http_conn_t *conn) {
  return mcp_loop_now(conn->server->loop);
}

mcp_loop_t *mcp_http_conn_loop(const mcp_http_conn_t *conn) {
  return conn->server->loop;
}

/* A client that sends requests and does not read their answers: no more are
 * taken from it until it does. */
static bool is_full(const mcp_http_conn_t *conn) {
  return conn->stream && conn->stream->queued > MCP_STREAM_HIGH_WATER;
}

void mcp_http_conn_close(mcp_http_conn_t *conn, bool flush) {
  if (conn->state == MCP_HTTP_GIVEN) return;
  if (conn->state == MCP_HTTP_BUSY) {
    conn->state = MCP_HTTP_CLOSING;
    if (!conn->x.kept) conn->server->busy--;
    conn->server->upper->on_gone(conn->server->up, &conn->x);
  }
  conn->state = MCP_HTTP_CLOSING;
  mcp_stream_close(conn->stream, flush);
}

/* What still comes is read and thrown away, so that the client gets to see why
 * it was refused. */
static void linger(mcp_http_conn_t *conn) {
  conn->state = MCP_HTTP_LINGERING;
  conn->deadline = now(conn) + MCP_HTTP_LINGER_TIME;
  mcp_buf_deinit(&conn->body);
  mcp_buf_deinit(&conn->pending);
  mcp_stream_pause(conn->stream, false);
}

/* A decoder of requests, charged to whom it reads. NULL: it may not be had. */
static mcp_http_t *new_decoder(mcp_stream_t *stream) {
  mcp_http_t *http = mcp_http_new(false);
  if (!http || mcp_http_charge(http, stream->share) == 0) return http;
  mcp_http_free(http);
  return NULL;
}

/* The exchange is over: the connection reads again, or ends. */
void mcp_http_conn_done(mcp_http_conn_t *conn) {
  if (conn->state != MCP_HTTP_BUSY) return;
  if (!conn->x.kept) conn->server->busy--;
  conn->streaming = false;
  if (conn->at_head) {
    /* Refused: its body is thrown away. */
    conn->at_head = false;
    linger(conn);
    return;
  }
  conn->state = MCP_HTTP_READING;
  conn->deadline = now(conn) + conn->server->options.idle_time;
  if (!conn->keep_alive || !conn->server->listener) {
    mcp_http_conn_close(conn, true);
  } else if (!conn->http && !(conn->http = new_decoder(conn->stream))) {
    mcp_http_conn_close(conn, false);
  } else if (!conn->pumping && !is_full(conn)) {
    pump(conn);
  }
}

static size_t conn_size(bool logged) {
  return sizeof(mcp_http_conn_t) + (logged ? 2 * sizeof(mcp_log_wire_t) : 0);
}

static void free_conn(mcp_http_conn_t *conn) {
  mcp_list_remove(&conn->of_server);
  mcp_http_free(conn->http);
  mcp_buf_deinit(&conn->body);
  mcp_buf_deinit(&conn->pending);
  mcp_buf_deinit(&conn->extra);
  mcp_share_release(conn->share, conn_size(conn->logged));
  mcp_mem_free(conn);
}

/* A stream that no connection could be made for. */
static void ignore_data(void *owner, mcp_slice_t bytes) {
  (void)owner;
  (void)bytes;
}

static void ignore_end(void *owner, int code) {
  (void)owner;
  (void)code;
}

static void ignore_drain(void *owner) {
  (void)owner;
}

static void orphan_closed(void *owner) {
  mcp_http_server_release(owner);
}

static const mcp_stream_events_t orphan_events = {ignore_data, ignore_end,
                                                  ignore_drain, orphan_closed};

int mcp_http_conn_give(mcp_http_conn_t *conn, mcp_stream_t **stream,
                       mcp_buf_t *early) {
  mcp_http_server_t *server = conn->server;
  int code = server->listener ? 0 : MCP_ECLOSED;
  /* While the decoder is at work what follows lies in what it was fed. */
  if (code == 0 && conn->pumping)
    code = mcp_buf_append_slice(&conn->pending, mcp_http_rest(conn->http));
  if (code == 0) code = mcp_http_reply_upgrade(conn);
  if (code < 0) return code;
  *early = mcp_buf_take(&conn->pending);
  *stream = conn->stream;
  /* Until somebody takes it over, it is nobody's. */
  conn->stream->events = &orphan_events;
  conn->stream->owner = server;
  conn->stream = NULL;
  conn->state = MCP_HTTP_GIVEN;
  server->busy--;
  if (!conn->pumping) free_conn(conn);
  return 0;
}

static void drop_decoder(mcp_http_conn_t *conn) {
  mcp_http_free(conn->http);
  conn->http = NULL;
}

/* There may be a thousand of these, silent for hours: what only reading needs
 * is given back. */
int mcp_http_conn_keep(mcp_http_conn_t *conn) {
  conn->server->busy--;
  mcp_buf_deinit(&conn->extra);
  if (!conn->pumping) drop_decoder(conn);
  return 0;
}

/* The header fields of the next answer: none yet but those that every answer to
 * this request has. A page that cannot be told by them reads nothing, which is
 * the safe side of having no memory. */
void mcp_http_conn_begin_fields(mcp_http_conn_t *conn) {
  conn->extra.len = 0;
  if (conn->http)
    (void)mcp_http_cors_write(&conn->server->options.gate,
                              mcp_http_head(conn->http), &conn->extra);
}

/* Answers without having handed anything up. Where the request has not been
 * read to its end, the connection cannot go on: it lingers. */
static void refuse_by(mcp_http_conn_t *conn, const mcp_http_verdict_t *verdict,
                      bool complete) {
  const mcp_http_head_t *head = mcp_http_head(conn->http);
  bool no_body = head->method == MCP_HTTP_HEAD;
  unsigned status = verdict->status;
  const char *text = verdict->text, *allow = verdict->allow;
  char line[MCP_HTTP_REFUSAL_LINE];
  int code = 0;
  if (status >= 400) {
    mcp_http_refusal_write(verdict, line);
    mcp_http_refusal_log(status, line);
    text = line;
  }
  mcp_http_conn_begin_fields(conn);
  if (verdict->page) {
    conn->extra.len = 0;
    code = mcp_http_guard_write_page(verdict->page, head, &conn->extra);
  } else if (verdict->challenge) {
    code = mcp_http_guard_write_challenge(&conn->server->options.gate.guard,
                                          status, &conn->extra);
  }
  if (allow) {
    size_t before = conn->extra.len;
    if (mcp_buf_append_literal(&conn->extra, "Allow: ") < 0 ||
        mcp_buf_append(&conn->extra, allow, strlen(allow)) < 0 ||
        mcp_buf_append_literal(&conn->extra, "\r\n") < 0)
      conn->extra.len = before;
  }
  /* What it should have asked for (RFC 9110 15.5.22, RFC 6455 4.4). */
  if (status == 426)
    (void)mcp_buf_append_literal(&conn->extra,
                                 "Upgrade: websocket\r\nConnection: Upgrade"
                                 "\r\nSec-WebSocket-Version: 13\r\n");
  if (verdict->later)
    (void)mcp_buf_append_literal(&conn->extra, "Retry-After: " RETRY "\r\n");
  if (!complete) conn->keep_alive = false;
  if (code == 0)
    code = verdict->page ? mcp_http_reply_page(conn, status, text, no_body)
                         : mcp_http_reply_text(conn, status, text, no_body);
  if (code < 0) {
    mcp_http_conn_close(conn, false);
  } else if (complete && conn->keep_alive) {
    conn->deadline = now(conn) + conn->server->options.idle_time;
  } else if (complete) {
    mcp_http_conn_close(conn, true);
  } else {
    linger(conn);
  }
}

static void refuse(mcp_http_conn_t *conn, unsigned status, const char *text,
                   const char *option, bool complete) {
  mcp_http_verdict_t verdict = {
      .status = status, .text = text, .option = option, .later = status == 503};
  refuse_by(conn, &verdict, complete);
}

static void hand_up(mcp_http_conn_t *conn, const mcp_arrival_t *arrival,
                    bool wants_answer) {
  mcp_http_server_t *server = conn->server;
  conn->x = (mcp_exchange_t){.ways = &mcp_http_ways,
                             .share = conn->share,
                             .ticket = conn->ticket,
                             .wants_answer = wants_answer};
  if (arrival->rpc) mcp_exchange_take_id(&conn->x, arrival->rpc);
  conn->state = MCP_HTTP_BUSY;
  conn->listening = false;
  conn->deadline = 0;
  mcp_http_conn_begin_fields(conn);
  server->busy++;
  server->upper->on_arrival(server->up, &conn->x, arrival);
}

static bool has_body(const mcp_http_head_t *head) {
  return head->content_length > 0 || head->chunked;
}

/* Does the whole body lie in what was read, so that nothing of it is kept? */
static bool is_whole(const mcp_http_t *http) {
  const mcp_http_head_t *head = mcp_http_head(http);
  return !head->chunked && head->content_length >= 0 &&
         (uint64_t)head->content_length <= mcp_http_rest(http).len;
}

/* Tells a client that waits for it to send its body. */
static void invite_body(mcp_http_conn_t *conn) {
  const mcp_http_head_t *head = mcp_http_head(conn->http);
  mcp_buf_t *out = mcp_loop_scratch(conn->server->loop);
  if (!head->expect_continue || !has_body(head)) return;
  out->len = 0;
  if (mcp_buf_append_literal(out, "HTTP/1.1 100 Continue\r\n\r\n") < 0 ||
      mcp_stream_send(conn->stream, out, 0) < 0)
    mcp_http_conn_close(conn, false);
}

/* A token is checked before a body is taken. */
static void ask_at_head(mcp_http_conn_t *conn) {
  mcp_arrival_t arrival = {
      .kind = MCP_ARRIVAL_HEAD,
      .is_post = mcp_http_is_message_path(&conn->server->options.gate,
                                          mcp_http_head(conn->http))};
  conn->ticket = ++conn->server->tickets;
  conn->at_head = true;
  conn->keep_alive = false; /* in case it is refused */
  hand_up(conn, &arrival, true);
}

void mcp_http_conn_admit(mcp_http_conn_t *conn) {
  if (conn->state != MCP_HTTP_BUSY) return;
  conn->server->busy--;
  conn->at_head = false;
  conn->keep_alive = mcp_http_head(conn->http)->keep_alive;
  conn->state = MCP_HTTP_READING;
  conn->body_begun = now(conn);
  conn->deadline = conn->body_begun + conn->server->options.body_time;
  invite_body(conn);
  if (conn->state == MCP_HTTP_READING && !conn->pumping) pump(conn);
}

static void on_head(mcp_http_conn_t *conn) {
  mcp_http_server_t *server = conn->server;
  const mcp_http_head_t *head = mcp_http_head(conn->http);
  mcp_http_verdict_t verdict = mcp_http_judge(&server->options.gate, head);
  /* No new work while memory is short; what ends something may come. */
  if (!verdict.status && head->method != MCP_HTTP_DELETE &&
      mcp_share_is_tight(conn->share))
    verdict =
        (mcp_http_verdict_t){.status = 503,
                             .text = "busy: memory is short, try again later",
                             .later = true};
  conn->keep_alive = head->keep_alive;
  conn->http_1_0 = head->http_1_0;
  conn->body.len = 0;
  conn->whole = (mcp_slice_t){0};
  conn->body_begun = now(conn);
  conn->body_size = 0;
  conn->ticket = 0;
  conn->head_read = true;
  conn->upgrading = verdict.upgrade;
  conn->eventing = verdict.events;
  conn->no_json = verdict.no_json;
  conn->no_events = verdict.no_events;
  conn->deadline = conn->body_begun + server->options.body_time;
  if (verdict.status) {
    bool bodiless = head->content_length <= 0 && !head->chunked;
    conn->refused = bodiless;
    refuse_by(conn, &verdict, bodiless);
    return;
  }
  if (has_body(head) && server->options.gate.guard.challenge &&
      !is_whole(conn->http)) {
    ask_at_head(conn);
  } else {
    invite_body(conn);
  }
}

static void on_body(mcp_http_conn_t *conn, mcp_slice_t piece) {
  const mcp_http_head_t *head = mcp_http_head(conn->http);
  mcp_http_server_t *server = conn->server;
  conn->body_size += piece.len;
  if (conn->body_size > server->options.gate.body_limit) {
    refuse(conn, 413, MCP_HTTP_TOO_LARGE, "limits.body", false);
    return;
  }
  /* A body that lies whole in what was read is not copied. */
  if (conn->body.len == 0 && head->content_length == (int64_t)piece.len) {
    conn->whole = piece;
    return;
  }
  /* What is only announced is not yet worth memory. */
  if (conn->body.len == 0 && head->content_length > 0 &&
      mcp_buf_reserve(&conn->body, (size_t)head->content_length < BODY_STEP
                                       ? (size_t)head->content_length
                                       : BODY_STEP) < 0) {
    refuse(conn, 503, "out of memory", NULL, false);
    return;
  }
  if (mcp_buf_append_slice(&conn->body, piece) < 0)
    refuse(conn, 503, "out of memory", NULL, false);
}

/* A whole request that is no message. */
static void refuse_message(mcp_http_conn_t *conn, mcp_slice_t id, int error,
                           const char *text) {
  mcp_http_refusal_log(400, text);
  if (mcp_http_reply_error(conn, 400, id, error, text) < 0) {
    mcp_http_conn_close(conn, false);
  } else if (!conn->keep_alive) {
    mcp_http_conn_close(conn, true);
  }
}

/* A whole body that is no message. If it was to answer a question of ours, the
 * upper side learns of it: whoever asked must not wait for ever. */
static void refuse_body(mcp_http_conn_t *conn, mcp_rpc_id_found_t about,
                        int error, const char *why) {
  mcp_json_doc_t doc;
  mcp_buf_t text = {0};
  mcp_rpc_t rpc;
  mcp_arrival_t arrival = {
      .kind = MCP_ARRIVAL_MESSAGE, .doc = &doc, .rpc = &rpc};
  mcp_json_doc_init(&doc);
  if (!about.is_response || about.id.len == 0) {
    refuse_message(conn, about.is_response ? MCP_SLICE("") : about.id, error,
                   why);
  } else if (mcp_rpc_stand_in(&doc, &text, &rpc, about, error, why) < 0) {
    refuse(conn, 503, "Out of memory.", NULL, true);
  } else {
    hand_up(conn, &arrival, false);
  }
  mcp_json_doc_deinit(&doc);
  mcp_buf_deinit(&text);
}

static void on_post(mcp_http_conn_t *conn) {
  mcp_slice_t text =
      conn->whole.data ? conn->whole : mcp_buf_slice(&conn->body);
  mcp_json_doc_t doc;
  mcp_json_fault_t fault = {0};
  mcp_arrival_t arrival = {.kind = MCP_ARRIVAL_MESSAGE, .doc = &doc};
  mcp_rpc_t rpc = {.kind = MCP_RPC_REQUEST};
  int code;
  mcp_json_doc_init(&doc);
  if (conn->server->busy >= MCP_EXCHANGE_PER_PROCESS) {
    refuse(conn, 503, "busy: too many requests are under way", NULL, true);
    goto fail;
  }
  code = mcp_json_parse(&doc, text, &mcp_json_default_limits, &fault);
  if (code == MCP_ENOMEM) {
    refuse(conn, 503, "out of memory", NULL, true);
    goto fail;
  }
  if (code < 0) {
    char line[256];
    snprintf(line, sizeof line, "Parse error: %s at byte %zu",
             fault.what ? fault.what : mcp_err_text(code), fault.offset);
    refuse_body(conn, mcp_rpc_id_find(text), MCP_RPC_PARSE_ERROR, line);
    goto fail;
  }
  if (doc.tokens[0].kind == MCP_JSON_ARRAY) {
    arrival.kind = MCP_ARRIVAL_BATCH;
  } else {
    mcp_rpc_read(&doc, 0, &rpc);
    arrival.rpc = &rpc;
    if (rpc.kind == MCP_RPC_INVALID) {
      refuse_body(
          conn, (mcp_rpc_id_found_t){rpc.id, rpc.payload_at && !rpc.method_at},
          MCP_RPC_INVALID_REQUEST, rpc.why);
      goto fail;
    }
  }
  hand_up(conn, &arrival, rpc.kind == MCP_RPC_REQUEST);

fail:
  mcp_json_doc_deinit(&doc);
  mcp_buf_reset(&conn->body, conn->x.kept ? 0 : BODY_KEEP);
  conn->whole = (mcp_slice_t){0};
}

static mcp_http_sse_t *find_sse(const mcp_http_conn_t *conn) {
  if (!conn->http) return NULL;
  return mcp_http_sse_find(conn->server->sse, mcp_http_head(conn->http)->query);
}

/* A message of HTTP+SSE. It stays unread until the upper side, which knows who
 * may POST to whose session, has it fed. */
static void on_sse_post(mcp_http_conn_t *conn) {
  mcp_arrival_t arrival = {.kind = MCP_ARRIVAL_POST};
  mcp_http_sse_t *sse = find_sse(conn);
  if (conn->server->busy >= MCP_EXCHANGE_PER_PROCESS) {
    refuse(conn, 503, "busy: too many requests are under way", NULL, true);
    return;
  }
  if (conn->whole.data) {
    mcp_slice_t whole = conn->whole;
    conn->whole = (mcp_slice_t){0};
    conn->body.len = 0;
    if (mcp_buf_append_slice(&conn->body, whole) < 0) {
      refuse(conn, 503, "out of memory", NULL, true);
      return;
    }
  }
  arrival.link = sse ? mcp_http_sse_link(sse) : NULL;
  hand_up(conn, &arrival, true);
}

int mcp_http_conn_feed(mcp_http_conn_t *conn) {
  mcp_http_sse_t *sse = find_sse(conn);
  mcp_buf_t body = mcp_buf_take(&conn->body);
  int code = MCP_ECLOSED;
  if (sse) code = mcp_http_sse_feed(sse, mcp_buf_slice(&body), conn->x.ends_at);
  if (code < 0 && code != MCP_ECLOSED && code != MCP_EBUSY) {
    mcp_rpc_id_found_t found = mcp_rpc_id_find(mcp_buf_slice(&body));
    mcp_rpc_t rpc = {.kind = MCP_RPC_BAD_REQUEST};
    if (!found.is_response) rpc.id = found.id;
    mcp_exchange_take_id(&conn->x, &rpc);
  }
  mcp_buf_deinit(&body);
  return code;
}

int mcp_http_conn_open_events(mcp_http_conn_t *conn, const mcp_upper_t *upper,
                              void *up, mcp_link_t **link) {
  mcp_http_server_t *server = conn->server;
  if (!server->listener) return MCP_ECLOSED;
  if (!server->sse) server->sse = mcp_http_sse_table_new();
  if (!server->sse) return MCP_ENOMEM;
  return mcp_http_sse_open(conn, server->sse, &server->options.gate, upper, up,
                           link);
}

static void on_message(mcp_http_conn_t *conn) {
  mcp_arrival_t arrival = {.kind = MCP_ARRIVAL_GET};
  conn->head_read = conn->head_timed = false;
  conn->deadline = now(conn) + conn->server->options.idle_time;
  if (conn->refused) {
    conn->refused = false;
    return;
  }
  switch (mcp_http_head(conn->http)->method) {
  case MCP_HTTP_POST:
    if (mcp_http_is_message_path(&conn->server->options.gate,
                                 mcp_http_head(conn->http))) {
      on_sse_post(conn);
    } else {
      on_post(conn);
    }
    break;
  case MCP_HTTP_DELETE:
    arrival.kind = MCP_ARRIVAL_DELETE;
    hand_up(conn, &arrival, true);
    break;
  default:
    if (conn->upgrading || conn->eventing) arrival.kind = MCP_ARRIVAL_UPGRADE;
    hand_up(conn, &arrival, true);
    break;
  }
}

static void on_bad_request(mcp_http_conn_t *conn, int code) {
  unsigned status = code == MCP_EHEADERS   ? 431
                    : code == MCP_ETARGET  ? 414
                    : code == MCP_EVERSION ? 505
                    : code == MCP_ENOMEM   ? 503
                    : code == MCP_EBUDGET  ? 503
                                           : 400;
  const char *why = mcp_http_why(conn->http);
  mcp_http_refusal_log(status, why);
  conn->http_1_0 = false;
  conn->keep_alive = false;
  conn->extra.len = 0;
  if (mcp_http_reply_text(conn, status, why, false) < 0) {
    mcp_http_conn_close(conn, false);
    return;
  }
  linger(conn);
}

/* Reads messages out of the decoder until it wants more, one is busy, or the
 * answers pile up. */
static void read_messages(mcp_http_conn_t *conn) {
  mcp_http_event_t event;
  while (conn->state == MCP_HTTP_READING) {
    int code = mcp_http_next(conn->http, &event);
    if (code < 0) {
      on_bad_request(conn, code);
      return;
    }
    switch (event.kind) {
    case MCP_HTTP_MORE: return;
    case MCP_HTTP_START: on_head(conn); break;
    case MCP_HTTP_BODY: on_body(conn, event.body); break;
    case MCP_HTTP_END:
      on_message(conn);
      if (is_full(conn)) return;
      break;
    }
  }
}

/* Keeps for later what came while an exchange is under way, or before the
 * client has read enough. */
static void keep(mcp_http_conn_t *conn, mcp_slice_t bytes) {
  if (bytes.len == 0) return;
  if (mcp_buf_append_slice(&conn->pending, bytes) < 0) {
    mcp_http_conn_close(conn, false);
    return;
  }
  if (conn->pending.len > MCP_HTTP_PIPELINE_LENGTH)
    mcp_stream_pause(conn->stream, true);
}

static void read_bytes(mcp_http_conn_t *conn, mcp_slice_t bytes) {
  conn->pumping = true;
  mcp_http_feed(conn->http, bytes);
  read_messages(conn);
  conn->pumping = false;
  if (conn->state == MCP_HTTP_GIVEN) {
    free_conn(conn);
    return;
  }
  if (conn->state == MCP_HTTP_READING && !conn->head_read &&
      !conn->head_timed && mcp_http_begun(conn->http)) {
    conn->head_timed = true;
    conn->deadline = now(conn) + conn->server->options.head_time;
  }
  if (conn->state == MCP_HTTP_BUSY || conn->state == MCP_HTTP_READING)
    keep(conn, mcp_http_rest(conn->http));
  /* The bytes go back to whoever read them: nothing may point there. */
  conn->whole = (mcp_slice_t){0};
  if (conn->state == MCP_HTTP_BUSY && conn->x.kept) {
    drop_decoder(conn);
  } else {
    mcp_http_feed(conn->http, mcp_slice(NULL, 0));
  }
}

/* Goes on with what was kept. */
static void pump(mcp_http_conn_t *conn) {
  mcp_buf_t bytes;
  if (conn->pending.len == 0) return;
  bytes = mcp_buf_take(&conn->pending);
  mcp_stream_pause(conn->stream, false);
  read_bytes(conn, mcp_buf_slice(&bytes));
  mcp_buf_deinit(&bytes);
}

static void on_data(void *owner, mcp_slice_t bytes) {
  mcp_http_conn_t *conn = owner;
  if (conn->logged) mcp_log_wire(&conn->wire[MCP_LOG_IN], MCP_LOG_IN, bytes);
  switch (conn->state) {
  case MCP_HTTP_READING:
    if (conn->pending.len > 0 || is_full(conn)) {
      keep(conn, bytes);
    } else {
      read_bytes(conn, bytes);
    }
    break;
  case MCP_HTTP_BUSY: keep(conn, bytes); break;
  default: break;
  }
}

static void on_end(void *owner, int code) {
  mcp_http_conn_t *conn = owner;
  /* Why TLS has failed is for somebody to mend; that clients go is not. */
  if (code <= MCP_ETLS && code > MCP_ETLSCUT)
    mcp_log(MCP_LOG_INFO, "http: connection lost: %s",
            mcp_stream_why(conn->stream, code));
  mcp_http_conn_close(conn, false);
}

static void on_drain(void *owner) {
  mcp_http_conn_t *conn = owner;
  if (conn->state == MCP_HTTP_BUSY && conn->sse) {
    mcp_link_fed_drained(mcp_http_sse_link(conn->sse));
  } else if (conn->state == MCP_HTTP_BUSY && conn->x.waits_drain) {
    conn->x.waits_drain = false;
    conn->server->upper->on_drain(conn->server->up, &conn->x);
  } else if (conn->state == MCP_HTTP_READING) {
    pump(conn);
  }
}

static void finish_close(void *arg) {
  mcp_http_server_t *server = arg;
  void (*done)(void *) = server->done;
  void *done_arg = server->done_arg;
  mcp_timer_stop(server->sweeper);
  mcp_timer_stop(server->ender);
  mcp_tls_release(server->options.tls);
  mcp_http_sse_table_free(server->sse);
  mcp_mem_free(server);
  if (done) done(done_arg);
}

void mcp_http_server_release(mcp_http_server_t *server) {
  server->count--;
  if (server->listener) {
    mcp_listener_release(server->listener);
  } else if (server->count == 0) {
    finish_close(server);
  }
}

static void on_closed(void *owner) {
  mcp_http_conn_t *conn = owner;
  mcp_http_server_t *server = conn->server;
  if (conn->sse) mcp_http_sse_end(conn);
  free_conn(conn);
  mcp_http_server_release(server);
}

static const mcp_stream_events_t stream_events = {on_data, on_end, on_drain,
                                                  on_closed};

/* NULL: it may not be had. */
static mcp_http_conn_t *new_conn(mcp_stream_t *stream, bool logged) {
  mcp_share_t *share = stream->share;
  mcp_http_conn_t *conn;
  if (mcp_share_charge(share, conn_size(logged)) < 0) return NULL;
  conn = mcp_mem_zalloc(conn_size(logged));
  if (!conn) {
    mcp_share_release(share, conn_size(logged));
    return NULL;
  }
  conn->logged = logged;
  conn->share = conn->body.share = conn->pending.share = share;
  conn->extra.share = share;
  mcp_list_init(&conn->of_server);
  conn->http = new_decoder(stream);
  if (conn->http) return conn;
  free_conn(conn);
  return NULL;
}

static void on_connection(void *owner, mcp_stream_t *stream) {
  mcp_http_server_t *server = owner;
  bool logged = mcp_log_enabled(MCP_LOG_WIRE);
  mcp_http_conn_t *conn = new_conn(stream, logged);
  server->count++;
  if (!conn ||
      (server->options.tls && mcp_tls_wrap(server->options.tls, server->loop,
                                           stream, NULL, &stream) < 0)) {
    if (conn) free_conn(conn);
    stream->events = &orphan_events;
    stream->owner = server;
    mcp_stream_close(stream, false);
    return;
  }
  conn->server = server;
  conn->stream = stream;
  conn->state = MCP_HTTP_READING;
  conn->deadline = mcp_loop_now(server->loop) + server->options.head_time;
  mcp_list_append(&server->conns, &conn->of_server);
  if (mcp_stream_start(stream, &stream_events, conn) < 0)
    mcp_http_conn_close(conn, false);
}

static bool too_slow(const mcp_http_conn_t *conn, uint64_t at) {
  uint64_t spent = at - conn->body_begun;
  return spent > MCP_HTTP_BODY_GRACE &&
         conn->body_size * 1000 <
             (spent - MCP_HTTP_BODY_GRACE) * MCP_HTTP_BODY_RATE;
}

/* Does it only listen, and longer than its token allows? */
static bool has_expired(const mcp_http_conn_t *conn, uint64_t at) {
  return conn->state == MCP_HTTP_BUSY && conn->x.kept && conn->x.ends_at &&
         at >= conn->x.ends_at &&
         (!conn->sse || mcp_link_busy(mcp_http_sse_link(conn->sse)) == 0);
}

static void end_expired(mcp_http_conn_t *conn) {
  mcp_log(MCP_LOG_INFO, "http: event stream closed: its access token has "
                        "expired");
  if (conn->sse) {
    mcp_link_close(mcp_http_sse_link(conn->sse), true);
  } else {
    if (conn->streaming) (void)mcp_http_reply_end(conn);
    mcp_http_conn_close(conn, true);
  }
}

/* Looks at every connection once a second: a timer each would cost more. */
static void sweep(void *arg) {
  mcp_http_server_t *server = arg;
  uint64_t at = mcp_loop_now(server->loop);
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&server->conns, it, after) {
    mcp_http_conn_t *conn = MCP_LIST_MEMBER(it, mcp_http_conn_t, of_server);
    bool in_message = conn->http && mcp_http_begun(conn->http);
    if (conn->stream->queued > 0 &&
        at - conn->stream->progress_ms > server->options.stall_time) {
      mcp_log(MCP_LOG_INFO,
              "http: connection closed: its peer stopped reading");
      mcp_http_conn_close(conn, false);
    } else if (server->grace_until && at >= server->grace_until) {
      mcp_http_conn_close(conn, false);
    } else if (conn->state == MCP_HTTP_BUSY && conn->sse &&
               mcp_http_sse_is_forgotten(conn->sse, at,
                                         server->options.idle_time)) {
      mcp_log(MCP_LOG_INFO, "http: event stream closed: nothing was POSTed");
      mcp_link_close(mcp_http_sse_link(conn->sse), true);
    } else if (has_expired(conn, at)) {
      end_expired(conn);
    } else if (conn->state == MCP_HTTP_BUSY && conn->streaming &&
               at - conn->last_sent >= server->options.heartbeat_time) {
      if (mcp_http_reply_heartbeat(conn) < 0) mcp_http_conn_close(conn, false);
    } else if (conn->state == MCP_HTTP_READING && in_message &&
               (at >= conn->deadline ||
                (conn->head_read && too_slow(conn, at)))) {
      refuse(conn, 408, "the request took too long to arrive",
             conn->head_read ? "limits.body_timeout" : "limits.head_timeout",
             false);
    } else if (conn->state == MCP_HTTP_READING && conn->stream->queued > 0) {
      /* Its answer is still on its way: it is not idle yet. */
      conn->deadline = at + server->options.idle_time;
    } else if (conn->deadline && at >= conn->deadline) {
      mcp_http_conn_close(conn, conn->state == MCP_HTTP_LINGERING);
    }
  }
}

void mcp_http_options_init(mcp_http_options_t *options) {
  *options = (mcp_http_options_t){
      .host = "127.0.0.1",
      .unix_mode = MCP_LISTENER_MODE,
      .gate = {.path = "/mcp",
               .check_host = true,
               .check_origin = true,
               .body_limit = MCP_HTTP_BODY_LENGTH},
      .guard_loopback_only = true,
      .head_time = MCP_HTTP_HEAD_TIME,
      .body_time = MCP_HTTP_BODY_TIME,
      .idle_time = MCP_HTTP_IDLE_TIME,
      .stall_time = MCP_HTTP_STALL_TIME,
      .heartbeat_time = MCP_HTTP_HEARTBEAT_TIME,
  };
}

int mcp_http_server_open(mcp_loop_t *loop, const mcp_http_options_t *options,
                         const mcp_upper_t *upper, void *up,
                         mcp_http_server_t **out) {
  mcp_http_server_t *server = mcp_mem_zalloc(sizeof *server);
  int code;
  if (!server) return MCP_ENOMEM;
  server->loop = loop;
  server->options = *options;
  server->upper = upper;
  server->up = up;
  /* Nobody must mistake one for that of another server. */
  code = mcp_crypto_random(&server->tickets, sizeof server->tickets);
  if (code < 0) {
    mcp_mem_free(server);
    return code;
  }
  mcp_list_init(&server->conns);
  code = options->unix_path
             ? mcp_listener_open_unix(loop, options->unix_path,
                                      options->unix_mode, options->connections,
                                      on_connection, server, &server->listener)
             : mcp_listener_open(loop, options->host, options->port,
                                 options->connections, on_connection, server,
                                 &server->listener);
  if (code < 0) {
    mcp_mem_free(server);
    return code;
  }
  /* No name of a web page leads to a socket file either. */
  if (options->guard_loopback_only &&
      (options->unix_path || !mcp_listener_is_loopback(server->listener)) &&
      !options->gate.hosts)
    server->options.gate.check_host = false;
  server->sweeper =
      mcp_timer_start(loop, SWEEP_TIME, SWEEP_TIME, true, sweep, server);
  server->ender = mcp_timer_new(loop, false, finish_close, server);
  if (!server->sweeper || !server->ender) {
    mcp_listener_close(server->listener);
    mcp_timer_stop(server->sweeper);
    mcp_timer_stop(server->ender);
    mcp_mem_free(server);
    return MCP_ENOMEM;
  }
  if (server->options.tls) mcp_tls_retain(server->options.tls);
  server->options.gate.secure = server->options.tls != NULL;
  *out = server;
  return 0;
}

void mcp_http_server_protect(mcp_http_server_t *server,
                             const mcp_http_guard_t *guard) {
  server->options.gate.guard = *guard;
}

int mcp_http_server_port(const mcp_http_server_t *server) {
  return server->listener ? mcp_listener_port(server->listener) : 0;
}

bool mcp_http_server_is_loopback(const mcp_http_server_t *server) {
  return server->listener && mcp_listener_is_loopback(server->listener);
}

unsigned mcp_http_server_connections(const mcp_http_server_t *server) {
  return server->count;
}

void mcp_http_server_close(mcp_http_server_t *server, uint64_t grace_ms,
                           void (*done)(void *), void *arg) {
  mcp_list_t *it, *after;
  server->done = done;
  server->done_arg = arg;
  server->grace_until = mcp_loop_now(server->loop) + grace_ms;
  mcp_listener_close(server->listener);
  server->listener = NULL;
  if (server->count == 0) {
    mcp_timer_set(server->ender, 0);
    return;
  }
  MCP_LIST_EACH(&server->conns, it, after) {
    mcp_http_conn_t *conn = MCP_LIST_MEMBER(it, mcp_http_conn_t, of_server);
    if (grace_ms == 0) {
      mcp_http_conn_close(conn, false);
    } else if (conn->sse && conn->state == MCP_HTTP_BUSY) {
      /* Its link knows what is under way, and is closed when that is over. */
      continue;
    } else if (conn->state == MCP_HTTP_BUSY && !conn->listening &&
               !conn->x.kept) {
      conn->keep_alive = false;
    } else {
      /* A listener's stream ends as streams do, so that it knows. */
      if (conn->state == MCP_HTTP_BUSY && conn->streaming)
        (void)mcp_http_reply_end(conn);
      mcp_http_conn_close(conn, true);
    }
  }
}
