/* SPDX-License-Identifier: MIT
 * http_connection.c: see http_connection.h.
 *
 * A connection is always in one of five states:
 *   READING    between requests or within one
 *   BUSY       its exchange was handed up; further bytes wait
 *   LINGERING  refused and answered; what still arrives is discarded
 *   GIVEN      its stream has another owner; the memory is about to be freed
 *   CLOSING    the stream is closing; only its last callback is awaited */
#include "transport/http_connection.h"

#include "base/err.h"
#include "base/mem.h"
#include "transport/http_access.h"
#include "transport/http_admission.h"
#include "transport/http_cors.h"
#include "transport/http_refusal.h"
#include "transport/incoming.h"
#include "transport/orphan.h"

/* A body buffer that grew beyond this is freed between requests. */
#define BODY_KEEP 4096
/* Reserved at once for a body that was announced. */
#define BODY_STEP (256u << 10)

static void pump(mcp_http_connection_t *conn);

static uint64_t now(const mcp_http_connection_t *conn) {
  return mcp_loop_now(conn->service->loop);
}

/* A client that sends requests without reading the answers: its requests wait
 * until it reads. */
static bool is_full(const mcp_http_connection_t *conn) {
  return conn->stream && conn->stream->queued > MCP_STREAM_HIGH_WATER;
}

void mcp_http_connection_close(mcp_http_connection_t *conn, bool flush) {
  if (conn->state == MCP_HTTP_GIVEN) return;
  mcp_http_access_end(conn);
  if (conn->state == MCP_HTTP_BUSY) {
    conn->state = MCP_HTTP_CLOSING;
    if (!conn->x.kept) conn->service->busy--;
    conn->service->upper->on_gone(conn->service->up, &conn->x);
  }
  conn->state = MCP_HTTP_CLOSING;
  mcp_large_free(conn->large);
  conn->large = NULL;
  mcp_stream_close(conn->stream, flush);
}

/* Discards what still arrives: closing at once would reset the connection, and
 * the client would not receive the answer. */
static void linger(mcp_http_connection_t *conn) {
  conn->state = MCP_HTTP_LINGERING;
  conn->deadline = now(conn) + MCP_HTTP_LINGER_TIME;
  mcp_buf_deinit(&conn->body);
  mcp_buf_deinit(&conn->pending);
  mcp_stream_pause(conn->stream, false);
}

/* A decoder of requests, charged to the peer. NULL: no memory for it. */
static mcp_http_t *new_decoder(mcp_stream_t *stream) {
  mcp_http_t *http = mcp_http_new(false);
  if (!http || mcp_http_charge(http, stream->share) == 0) return http;
  mcp_http_free(http);
  return NULL;
}

void mcp_http_connection_done(mcp_http_connection_t *conn) {
  if (conn->state != MCP_HTTP_BUSY) return;
  mcp_http_access_end(conn);
  if (!conn->x.kept) conn->service->busy--;
  if (conn->at_head) {
    /* Refused: its body is discarded. */
    conn->at_head = false;
    linger(conn);
    return;
  }
  conn->state = MCP_HTTP_READING;
  conn->deadline = now(conn) + conn->service->options.idle_time;
  if (!conn->reply.keep_alive || conn->service->closing) {
    mcp_http_connection_close(conn, true);
  } else if (!conn->http && !(conn->http = new_decoder(conn->stream))) {
    mcp_http_connection_close(conn, false);
  } else if (!conn->pumping && !is_full(conn)) {
    pump(conn);
  }
}

static size_t connection_size(bool wire) {
  return sizeof(mcp_http_connection_t) + wire * 2 * sizeof(mcp_log_wire_t);
}

static void free_connection(mcp_http_connection_t *conn) {
  mcp_http_access_free(conn);
  mcp_http_admission_forget(conn);
  mcp_list_remove(&conn->of_service);
  mcp_http_free(conn->http);
  mcp_buf_deinit(&conn->body);
  mcp_buf_deinit(&conn->pending);
  mcp_buf_deinit(&conn->reply.fields);
  mcp_share_release(conn->share, connection_size(conn->reply.wire != NULL));
  mcp_mem_free(conn);
}

static void orphan_closed(void *owner) {
  mcp_http_service_t *service = owner;
  service->released(service);
}

/* The stream has no owner, but still counts as one of the service's. */
static void orphan(mcp_http_service_t *service, mcp_stream_t *stream) {
  static const mcp_stream_events_t events = MCP_ORPHAN_EVENTS(orphan_closed);
  stream->events = &events;
  stream->owner = service;
}

int mcp_http_connection_give(mcp_http_connection_t *conn, mcp_stream_t **stream,
                             mcp_buf_t *early) {
  mcp_http_service_t *service = conn->service;
  int code = service->closing ? MCP_ECLOSED : 0;
  /* While the decoder is at work, what follows is in the bytes it was fed. */
  if (code == 0 && conn->pumping)
    code = mcp_buf_append_slice(&conn->pending, mcp_http_rest(conn->http));
  if (code == 0)
    code = mcp_http_reply_upgrade(&conn->reply, mcp_http_head(conn->http));
  if (code < 0) return code;
  *early = mcp_buf_take(&conn->pending);
  *stream = conn->stream;
  orphan(service, conn->stream);
  conn->stream = conn->reply.stream = NULL;
  conn->state = MCP_HTTP_GIVEN;
  service->busy--;
  if (!conn->pumping) free_connection(conn);
  return 0;
}

static void drop_decoder(mcp_http_connection_t *conn) {
  mcp_http_free(conn->http);
  conn->http = NULL;
}

/* There may be a thousand of these, silent for hours: frees what only reading
 * needs. */
void mcp_http_connection_keep(mcp_http_connection_t *conn) {
  conn->service->busy--;
  mcp_http_admission_forget(conn);
  mcp_buf_deinit(&conn->reply.fields);
  if (!conn->pumping) drop_decoder(conn);
}

/* Without memory for them a page of another origin cannot read the answer,
 * which is the safe outcome. */
void mcp_http_connection_begin_fields(mcp_http_connection_t *conn) {
  conn->reply.fields.len = 0;
  if (conn->http)
    (void)mcp_http_cors_write(&conn->service->options.gate,
                              mcp_http_head(conn->http), &conn->reply.fields);
}

/* Answers a request that is not handed up. If it has not been read to its end,
 * the connection cannot go on: it lingers. */
static void refuse_by(mcp_http_connection_t *conn,
                      const mcp_http_verdict_t *verdict, bool complete) {
  const mcp_http_head_t *head = mcp_http_head(conn->http);
  bool no_body = head->method == MCP_HTTP_HEAD;
  unsigned status = verdict->status;
  const char *text = verdict->text;
  char line[MCP_HTTP_REFUSAL_LINE];
  int code;
  if (status >= 400) {
    mcp_http_refusal_write(verdict, line);
    mcp_http_refusal_log(status, line);
    text = line;
  }
  mcp_http_connection_begin_fields(conn);
  code = mcp_http_refusal_write_fields(
      verdict, &conn->service->options.gate.guard, head, &conn->reply.fields);
  if (!complete) mcp_http_reply_close_after(&conn->reply);
  if (code == 0)
    code = verdict->page
               ? mcp_http_reply_page(&conn->reply, status, text, no_body)
               : mcp_http_reply_text(&conn->reply, status, text, no_body);
  if (code < 0) {
    mcp_http_connection_close(conn, false);
  } else if (complete && conn->reply.keep_alive) {
    conn->deadline = now(conn) + conn->service->options.idle_time;
  } else if (complete) {
    mcp_http_connection_close(conn, true);
  } else {
    linger(conn);
  }
}

void mcp_http_connection_refuse(mcp_http_connection_t *conn, unsigned status,
                                const char *text, const char *option,
                                bool complete) {
  mcp_http_verdict_t verdict = {
      .status = status, .text = text, .option = option, .later = status == 503};
  refuse_by(conn, &verdict, complete);
}

void mcp_http_connection_listen(mcp_http_connection_t *conn) {
  conn->listening = true;
}

static void hand_up(mcp_http_connection_t *conn, const mcp_arrival_t *arrival,
                    bool wants_answer) {
  mcp_http_service_t *service = conn->service;
  conn->x = (mcp_exchange_t){.ops = service->ops,
                             .share = conn->share,
                             .ticket = conn->ticket,
                             .wants_answer = wants_answer};
  if (arrival->rpc) mcp_exchange_take_id(&conn->x, arrival->rpc);
  conn->state = MCP_HTTP_BUSY;
  conn->listening = false;
  conn->deadline = 0;
  mcp_http_connection_begin_fields(conn);
  service->busy++;
  service->upper->on_arrival(service->up, &conn->x, arrival);
}

static bool has_body(const mcp_http_head_t *head) {
  return head->content_length > 0 || head->chunked;
}

/* True if the whole body lies in what was read, so that it is not copied. */
static bool is_whole(const mcp_http_t *http) {
  const mcp_http_head_t *head = mcp_http_head(http);
  return !head->chunked && head->content_length >= 0 &&
         (uint64_t)head->content_length <= mcp_http_rest(http).len;
}

/* Answers Expect: 100-continue (RFC 9110 10.1.1). */
static void invite_body(mcp_http_connection_t *conn) {
  const mcp_http_head_t *head = mcp_http_head(conn->http);
  if (head->expect_continue && has_body(head) &&
      mcp_http_reply_continue(&conn->reply) < 0)
    mcp_http_connection_close(conn, false);
}

/* Has the token checked before a body is read. */
static void ask_at_head(mcp_http_connection_t *conn) {
  mcp_arrival_t arrival = {
      .kind = MCP_ARRIVAL_HEAD,
      .is_post = mcp_http_is_message_path(&conn->service->options.gate,
                                          mcp_http_head(conn->http))};
  conn->ticket = ++conn->service->tickets;
  conn->at_head = true;
  mcp_http_reply_close_after(&conn->reply); /* in case it is refused */
  hand_up(conn, &arrival, true);
}

void mcp_http_connection_admit(mcp_http_connection_t *conn) {
  if (conn->state != MCP_HTTP_BUSY) return;
  conn->service->busy--;
  conn->at_head = false;
  mcp_http_reply_follow(&conn->reply, mcp_http_head(conn->http));
  if (conn->service->closing) mcp_http_reply_close_after(&conn->reply);
  conn->state = MCP_HTTP_READING;
  conn->body_begun = now(conn);
  conn->deadline = conn->body_begun + conn->service->options.body_time;
  invite_body(conn);
  if (conn->state == MCP_HTTP_READING && !conn->pumping) pump(conn);
}

static void on_head(mcp_http_connection_t *conn) {
  mcp_http_service_t *service = conn->service;
  const mcp_http_head_t *head = mcp_http_head(conn->http);
  mcp_http_verdict_t verdict = mcp_http_admission_judge(conn);
  /* No new work while memory is short; a DELETE frees some. */
  if (!verdict.status && head->method != MCP_HTTP_DELETE &&
      mcp_share_is_tight(conn->share))
    verdict = mcp_http_refusal_busy;
  mcp_http_reply_follow(&conn->reply, head);
  if (service->closing) mcp_http_reply_close_after(&conn->reply);
  conn->body.len = 0;
  conn->whole = (mcp_slice_t){0};
  conn->body_begun = now(conn);
  conn->body_size = 0;
  conn->ticket = 0;
  conn->head_read = true;
  conn->deadline = conn->body_begun + service->options.body_time;
  if (verdict.status) {
    bool bodiless = head->content_length <= 0 && !head->chunked;
    conn->refused = bodiless;
    refuse_by(conn, &verdict, bodiless);
    return;
  }
  if (has_body(head) && service->options.gate.guard.challenge &&
      !conn->routing && !is_whole(conn->http)) {
    ask_at_head(conn);
  } else {
    invite_body(conn);
  }
}

static void on_body(mcp_http_connection_t *conn, mcp_slice_t piece) {
  const mcp_http_head_t *head = mcp_http_head(conn->http);
  mcp_http_service_t *service = conn->service;
  conn->body_size += piece.len;
  if (conn->body_size > service->options.gate.body_limit) {
    mcp_http_connection_refuse(conn, 413, MCP_HTTP_TOO_LARGE, "limits.body",
                               false);
    return;
  }
  /* A body that lies whole in what was read is not copied. */
  if (conn->body.len == 0 && head->content_length == (int64_t)piece.len) {
    conn->whole = piece;
    return;
  }
  /* Announcing a large body does not reserve all of it. */
  if (conn->body.len == 0 && head->content_length > 0 &&
      mcp_buf_reserve(&conn->body, (size_t)head->content_length < BODY_STEP
                                       ? (size_t)head->content_length
                                       : BODY_STEP) < 0) {
    mcp_http_connection_refuse(conn, 503, "out of memory", NULL, false);
    return;
  }
  if (mcp_buf_append_slice(&conn->body, piece) < 0)
    mcp_http_connection_refuse(conn, 503, "out of memory", NULL, false);
}

/* A body that is not a message. If it was meant to answer one of our requests,
 * the upper side gets an error, so that its caller does not wait in vain. */
static void refuse_body(mcp_http_connection_t *conn, mcp_incoming_t *in) {
  mcp_slice_t id = in->about.is_response ? MCP_SLICE("") : in->about.id;
  if (in->about.is_response && in->about.id.len > 0) {
    if (mcp_incoming_stand_in(in) == 0) {
      hand_up(conn, &in->arrival, false);
    } else {
      mcp_http_connection_refuse(conn, 503, "out of memory", NULL, true);
    }
    return;
  }
  mcp_http_refusal_log(400, in->reason);
  mcp_http_connection_begin_fields(conn);
  if (mcp_http_reply_error(&conn->reply, 400, id, in->error, in->reason) < 0) {
    mcp_http_connection_close(conn, false);
  } else if (!conn->reply.keep_alive) {
    mcp_http_connection_close(conn, true);
  }
}

/* True if another exchange may begin; otherwise the request was refused. */
static bool has_room(mcp_http_connection_t *conn) {
  if (conn->service->busy < MCP_EXCHANGE_PER_PROCESS) return true;
  mcp_http_connection_refuse(conn, 503, "busy: too many requests in progress",
                             NULL, true);
  return false;
}

static void on_post(mcp_http_connection_t *conn) {
  mcp_slice_t text =
      conn->whole.data ? conn->whole : mcp_buf_slice(&conn->body);
  if (has_room(conn)) {
    mcp_incoming_t in;
    int code = mcp_incoming_read_like(&in, text, conn->memo);
    if (code == MCP_ENOMEM) {
      mcp_http_connection_refuse(conn, 503, "out of memory", NULL, true);
    } else if (code < 0) {
      refuse_body(conn, &in);
    } else {
      hand_up(conn, &in.arrival, in.rpc.kind == MCP_RPC_REQUEST);
    }
    mcp_incoming_deinit(&in);
  }
  mcp_buf_reset(&conn->body, conn->x.kept ? 0 : BODY_KEEP);
  conn->whole = (mcp_slice_t){0};
}

/* For a body that is read later: copies what lies in the read buffer. False if
 * there is no memory; the request was refused. */
static bool own_body(mcp_http_connection_t *conn) {
  mcp_slice_t whole = conn->whole;
  if (!whole.data) return true;
  conn->whole = (mcp_slice_t){0};
  conn->body.len = 0;
  if (mcp_buf_append_slice(&conn->body, whole) == 0) return true;
  mcp_http_connection_refuse(conn, 503, "out of memory", NULL, true);
  return false;
}

/* A path of the upper side's own. */
static void on_route(mcp_http_connection_t *conn) {
  mcp_arrival_t arrival = {.kind = MCP_ARRIVAL_ROUTE};
  if (has_room(conn) && own_body(conn)) hand_up(conn, &arrival, true);
}

/* A message of HTTP+SSE. It is not parsed until the upper side, which knows
 * which caller may use the session, feeds it. */
static void on_sse_post(mcp_http_connection_t *conn) {
  mcp_arrival_t arrival = {.kind = MCP_ARRIVAL_POST};
  mcp_http_service_t *service = conn->service;
  if (!has_room(conn) || !own_body(conn)) return;
  arrival.link =
      service->sse_hooks->find(service->sse, mcp_http_head(conn->http)->query);
  hand_up(conn, &arrival, true);
}

static void on_message(mcp_http_connection_t *conn) {
  const mcp_http_head_t *head = mcp_http_head(conn->http);
  mcp_arrival_t arrival = {.kind = MCP_ARRIVAL_GET};
  conn->head_read = conn->head_timed = false;
  conn->deadline = now(conn) + conn->service->options.idle_time;
  if (conn->refused) {
    conn->refused = false;
  } else if (conn->routing) {
    on_route(conn);
  } else if (head->method != MCP_HTTP_POST) {
    if (head->method == MCP_HTTP_DELETE) {
      arrival.kind = MCP_ARRIVAL_DELETE;
    } else if (conn->upgrading || conn->eventing) {
      arrival.kind = MCP_ARRIVAL_UPGRADE;
    }
    hand_up(conn, &arrival, true);
  } else if (mcp_http_is_message_path(&conn->service->options.gate, head)) {
    on_sse_post(conn);
  } else {
    on_post(conn);
  }
}

static void on_bad_request(mcp_http_connection_t *conn, int code) {
  unsigned status = mcp_http_refusal_status(code);
  const char *reason = mcp_http_error_text(conn->http);
  mcp_http_refusal_log(status, reason);
  mcp_http_reply_close_after(&conn->reply);
  conn->reply.fields.len = 0;
  if (mcp_http_reply_text(&conn->reply, status, reason, false) < 0) {
    mcp_http_connection_close(conn, false);
    return;
  }
  mcp_http_access_bad(conn);
  linger(conn);
}

/* Reads requests until the decoder needs more bytes, one is busy, or too much
 * of what was answered is unread. */
static void read_messages(mcp_http_connection_t *conn) {
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

/* Keeps bytes that arrive while a request is in progress, or while the client
 * leaves answers unread. */
static void keep(mcp_http_connection_t *conn, mcp_slice_t bytes) {
  if (bytes.len == 0) return;
  if (mcp_buf_append_slice(&conn->pending, bytes) < 0) {
    mcp_http_connection_close(conn, false);
    return;
  }
  if (conn->pending.len > MCP_HTTP_PIPELINE_LENGTH)
    mcp_stream_pause(conn->stream, true);
}

static void read_bytes(mcp_http_connection_t *conn, mcp_slice_t bytes) {
  conn->pumping = true;
  mcp_http_feed(conn->http, bytes);
  read_messages(conn);
  conn->pumping = false;
  mcp_http_access_settle(conn);
  if (conn->state == MCP_HTTP_GIVEN) {
    free_connection(conn);
    return;
  }
  if (conn->state == MCP_HTTP_READING && !conn->head_read &&
      !conn->head_timed && mcp_http_begun(conn->http)) {
    conn->head_timed = true;
    conn->deadline = now(conn) + conn->service->options.head_time;
  }
  if (conn->state == MCP_HTTP_BUSY || conn->state == MCP_HTTP_READING)
    keep(conn, mcp_http_rest(conn->http));
  /* The caller reuses the bytes: nothing may point there. */
  conn->whole = (mcp_slice_t){0};
  if (conn->state == MCP_HTTP_BUSY && conn->x.kept) {
    drop_decoder(conn);
  } else {
    mcp_http_feed(conn->http, mcp_slice(NULL, 0));
  }
}

/* Reads the bytes that were kept. */
static void pump(mcp_http_connection_t *conn) {
  mcp_buf_t bytes;
  if (conn->pending.len == 0) return;
  bytes = mcp_buf_take(&conn->pending);
  mcp_stream_pause(conn->stream, false);
  read_bytes(conn, mcp_buf_slice(&bytes));
  mcp_buf_deinit(&bytes);
}

static void on_data(void *owner, mcp_slice_t bytes) {
  mcp_http_connection_t *conn = owner;
  if (conn->reply.wire)
    mcp_log_wire(&conn->wire[MCP_LOG_IN], MCP_LOG_IN, bytes);
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
  mcp_http_connection_t *conn = owner;
  /* A TLS failure is worth a look; a client that disconnects is not. */
  if (code <= MCP_ETLS && code > MCP_ETLSCUT)
    mcp_log(MCP_LOG_INFO, "http: connection lost: %s",
            mcp_stream_error_text(conn->stream, code));
  mcp_http_connection_close(conn, false);
}

static void on_drain(void *owner) {
  mcp_http_connection_t *conn = owner;
  if (conn->state == MCP_HTTP_BUSY && conn->sse) {
    conn->service->sse_hooks->drained(conn->sse);
  } else if (conn->large) {
    if (mcp_large_go(conn->large) < 0) mcp_http_connection_close(conn, false);
  } else if (conn->state == MCP_HTTP_BUSY && conn->x.waits_drain) {
    conn->x.waits_drain = false;
    conn->service->upper->on_drain(conn->service->up, &conn->x);
  } else if (conn->state == MCP_HTTP_READING) {
    pump(conn);
  }
}

static void on_closed(void *owner) {
  mcp_http_connection_t *conn = owner;
  mcp_http_service_t *service = conn->service;
  if (conn->sse) service->sse_hooks->closed(conn->sse);
  free_connection(conn);
  service->released(service);
}

static const mcp_stream_events_t stream_events = {on_data, on_end, on_drain,
                                                  on_closed};

/* NULL: out of memory, or over the limit. */
static mcp_http_connection_t *new_connection(mcp_http_service_t *service,
                                             mcp_stream_t *stream) {
  bool logged = mcp_log_enabled(MCP_LOG_WIRE);
  mcp_share_t *share = stream->share;
  mcp_http_connection_t *conn;
  if (mcp_share_charge(share, connection_size(logged)) < 0) return NULL;
  conn = mcp_mem_zalloc(connection_size(logged));
  if (!conn) {
    mcp_share_release(share, connection_size(logged));
    return NULL;
  }
  conn->service = service;
  conn->reply.loop = service->loop;
  conn->reply.wire = logged ? conn->wire : NULL;
  conn->share = conn->body.share = conn->pending.share = share;
  conn->reply.fields.share = share;
  mcp_list_init(&conn->of_service);
  conn->http = new_decoder(stream);
  if (conn->http) return conn;
  free_connection(conn);
  return NULL;
}

void mcp_http_connection_open(mcp_http_service_t *service,
                              mcp_stream_t *stream) {
  mcp_tls_t *tls = service->options.tls;
  mcp_http_connection_t *conn = new_connection(service, stream);
  if (!conn ||
      (tls && mcp_tls_wrap(tls, service->loop, stream, NULL, 0, &stream) < 0)) {
    if (conn) free_connection(conn);
    orphan(service, stream);
    mcp_stream_close(stream, false);
    return;
  }
  conn->stream = conn->reply.stream = stream;
  conn->deadline = now(conn) + service->options.head_time;
  mcp_list_append(&service->connections, &conn->of_service);
  if (mcp_stream_start(stream, &stream_events, conn) < 0)
    mcp_http_connection_close(conn, false);
}
