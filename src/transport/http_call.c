/* SPDX-License-Identifier: MIT
 * http_call.c: see http_call.h. A call borrows a connection from the pool,
 * sends its request, and reads the answer. */
#include "transport/http_call.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "transport/http_borrower.h"
#include "transport/http_decoding.h"

struct mcp_http_call {
  mcp_http_borrower_t
      base; /* first; its origin is NULL once the call is over */
  const mcp_http_call_events_t *events;
  void *owner;
  mcp_buf_t request;
  mcp_http_call_state_t state;
  mcp_http_again_t again;
  int code;
  const char *reason; /* static, or `note` */
  mcp_buf_t note;     /* the stream's error text, with a NUL */
  mcp_http_head_t head;
  void *head_block;   /* what `head` points into */
  mcp_share_t *share; /* of what is kept of the answer */
  mcp_buf_t body;
  mcp_pieces_t *upload;          /* or NULL */
  mcp_http_decoding_t *decoding; /* or NULL: bodies are taken as they come */
  size_t allowed;                /* bytes of `body` that may lie untaken */
  size_t head_limit;
  bool no_body;
  bool sent_again;
  bool changed; /* on_change is to be called */
  bool decodes; /* `notify` decodes further */
};

static void lost(mcp_http_pooled_t *conn, int code, const char *reason);
static void decode_in_turn(mcp_http_call_t *call);

static mcp_http_call_t *call_of(const mcp_http_pooled_t *conn) {
  return (mcp_http_call_t *)conn->borrower;
}

static void change(mcp_http_call_t *call) {
  call->changed = true;
  mcp_http_pool_mark(&call->base);
}

/* Calls the owner once; marks the call again if there is more to say. */
static void notify(mcp_http_borrower_t *borrower) {
  mcp_http_call_t *call = (mcp_http_call_t *)borrower;
  const mcp_http_call_events_t *events = call->events;
  bool changed;
  if (call->decodes) decode_in_turn(call);
  changed = call->changed;
  if (!changed && !call->base.rang) return;
  if (changed) {
    call->changed = false;
  } else {
    call->base.rang = false;
  }
  if (call->base.rang) mcp_http_pool_mark(borrower);
  (changed ? events->on_change : events->on_alarm)(call->owner);
}

/* The call is over and waits for nothing. Its connection is left to the caller.
 */
static void detach(mcp_http_call_t *call) {
  call->base.conn = NULL;
  call->base.origin = NULL;
  call->base.due = UINT64_MAX;
  mcp_list_remove(&call->base.of_waiting);
  mcp_buf_deinit(&call->request);
}

static void fail_call(mcp_http_call_t *call, int code, const char *reason) {
  detach(call);
  call->state = MCP_HTTP_CALL_FAILED;
  call->code = code;
  call->reason = reason;
  change(call);
}

/* Copies the head, for it outlives the connection's next one. */
static int take_head(mcp_http_call_t *call, const mcp_http_head_t *head) {
  size_t size = head->header_count * sizeof *head->headers;
  mcp_http_header_t *fields;
  char *to;
  for (size_t i = 0; i < head->header_count; i++)
    size += head->headers[i].name.len + head->headers[i].value.len;
  fields = mcp_mem_alloc(size ? size : 1);
  if (!fields) return MCP_ENOMEM;
  to = (char *)(fields + head->header_count);
  for (size_t i = 0; i < head->header_count; i++) {
    mcp_slice_t name = head->headers[i].name, value = head->headers[i].value;
    fields[i].name = mcp_slice(to, name.len);
    memcpy(to, name.data, name.len);
    to += name.len;
    fields[i].value = mcp_slice(to, value.len);
    if (value.len > 0) memcpy(to, value.data, value.len);
    to += value.len;
  }
  call->head_block = fields;
  call->head = (mcp_http_head_t){.status = head->status,
                                 .http_1_0 = head->http_1_0,
                                 .chunked = head->chunked,
                                 .content_length = head->content_length,
                                 .headers = fields,
                                 .header_count = head->header_count};
  call->state = MCP_HTTP_CALL_BODY;
  call->base.due = UINT64_MAX;
  mcp_buf_deinit(&call->request);
  return 0;
}

/* Decodes what there is room for. 0, or a code, and then `*reason` is a static
 * text or NULL. */
static int decode(mcp_http_call_t *call, const char **reason) {
  size_t most = call->body.len + MCP_HTTP_CLIENT_DECODE;
  int code = mcp_http_decoding_pull(call->decoding, &call->body,
                                    most < call->allowed ? most : call->allowed,
                                    reason);
  if (code == 0 && mcp_http_decoding_has_more(call->decoding) &&
      call->body.len <= call->allowed) {
    call->decodes = true;
    mcp_http_pool_mark_later(&call->base);
  }
  if (code == 0 && call->state == MCP_HTTP_CALL_DONE &&
      !mcp_http_decoding_has_more(call->decoding) &&
      !mcp_http_decoding_is_whole(call->decoding)) {
    code = MCP_ECODING;
    *reason = "the compressed body ends too early";
  }
  return code;
}

/* Should the socket wait? */
static bool is_full(const mcp_http_call_t *call) {
  return call->body.len > call->allowed ||
         (call->decoding && mcp_http_decoding_has_more(call->decoding));
}

static int add_body(mcp_http_call_t *call, mcp_slice_t bytes,
                    const char **reason) {
  int code;
  *reason = NULL;
  if (!call->decoding) return mcp_buf_append_slice(&call->body, bytes);
  code = mcp_http_decoding_put(call->decoding, bytes);
  return code < 0 ? code : decode(call, reason);
}

/* Fails the call and closes its connection. */
static void fail_conn(mcp_http_pooled_t *conn, int code, const char *reason) {
  fail_call(call_of(conn), code, reason);
  mcp_http_pool_discard(conn);
}

/* Decodes further, where nothing else will: the body has been read from the
 * connection, or some of it was taken. Fails the call if it cannot. */
static void decode_further(mcp_http_call_t *call) {
  const char *reason;
  int code = call->decoding ? decode(call, &reason) : 0;
  if (code == 0) return;
  if (call->base.conn) {
    fail_conn(call->base.conn, code, reason);
  } else {
    fail_call(call, code, reason);
  }
}

/* The answer is complete. */
static void finish_call(mcp_http_pooled_t *conn) {
  mcp_http_call_t *call = call_of(conn);
  bool more = mcp_http_head(conn->http)->keep_alive &&
              mcp_http_rest(conn->http).len == 0 && conn->stream->queued == 0 &&
              !conn->stream->ended &&
              (!call->upload || mcp_pieces_is_done(call->upload));
  detach(call);
  call->state = MCP_HTTP_CALL_DONE;
  decode_further(call);
  change(call);
  if (more) {
    mcp_http_pool_keep(conn);
  } else {
    mcp_http_pool_discard(conn);
  }
}

/* Reads what was fed. The connection may be freed then. */
static void read_answer(mcp_http_borrower_t *borrower) {
  mcp_http_call_t *call = (mcp_http_call_t *)borrower;
  mcp_http_pooled_t *conn = borrower->conn;
  for (;;) {
    mcp_http_event_t event;
    const char *reason = NULL;
    int code = mcp_http_next(conn->http, &event);
    if (code < 0) {
      fail_conn(conn, code, mcp_http_error_text(conn->http));
      return;
    }
    switch (event.kind) {
    case MCP_HTTP_MORE:
      if (is_full(call)) mcp_stream_pause(conn->stream, true);
      return;
    case MCP_HTTP_START:
      if (mcp_http_head(conn->http)->status == 101) {
        fail_conn(conn, MCP_EHTTP,
                  "the server switched to a protocol that was not requested");
        return;
      }
      code = take_head(call, mcp_http_head(conn->http));
      if (code == 0) change(call);
      break;
    case MCP_HTTP_BODY:
      code = add_body(call, event.body, &reason);
      if (code == 0) change(call);
      break;
    case MCP_HTTP_END: finish_call(conn); return;
    }
    if (code < 0) {
      fail_conn(conn, code, reason);
      return;
    }
  }
}

/* Copies the stream's error text, for the stream dies before the call. */
static bool take_note(mcp_http_pooled_t *conn) {
  mcp_buf_t *note = &call_of(conn)->note;
  const char *reason = conn->stream->reason;
  note->len = 0;
  return reason && mcp_buf_append(note, reason, strlen(reason) + 1) == 0;
}

/* The connection ended while the answer was read. */
static void end_answer(mcp_http_borrower_t *borrower, int code) {
  mcp_http_call_t *call = (mcp_http_call_t *)borrower;
  mcp_http_pooled_t *conn = borrower->conn;
  bool begun = call->state == MCP_HTTP_CALL_BODY;
  mcp_http_event_t event = {.kind = MCP_HTTP_MORE};
  if (code == 0 && begun && mcp_http_finish(conn->http) == 0 &&
      mcp_http_next(conn->http, &event) == 0 && event.kind == MCP_HTTP_END) {
    finish_call(conn);
    return;
  }
  lost(conn, code < 0 ? code : MCP_EGONE,
       take_note(conn) ? call->note.data
       : begun         ? "in the middle of the body"
                       : "before the response head arrived");
}

/* Sends the next piece of the body, unless the peer has to read first. */
static void send_further(mcp_http_borrower_t *borrower) {
  mcp_http_call_t *call = (mcp_http_call_t *)borrower;
  mcp_http_pooled_t *conn = borrower->conn;
  int code;
  if (!call->upload || !conn->stream || conn->stream->queued > 0) return;
  code = mcp_pieces_next(call->upload);
  if (code < 0) fail_conn(conn, code, "while the file was read");
}

static void on_piece(void *owner, int code, mcp_buf_t *piece) {
  mcp_http_call_t *call = owner;
  mcp_http_pooled_t *conn = call->base.conn;
  if (!conn) return;
  if (code < 0) {
    fail_conn(conn, code,
              code == MCP_EGONE ? "the file became shorter while it was sent"
                                : "while the file was read");
    return;
  }
  code = mcp_stream_send(conn->stream, piece, 0);
  if (code < 0) {
    lost(conn, code, "while the request was sent");
  } else {
    send_further(&call->base);
  }
}

static void send_request(mcp_http_borrower_t *borrower) {
  mcp_http_call_t *call = (mcp_http_call_t *)borrower;
  mcp_http_pooled_t *conn = borrower->conn;
  mcp_buf_t *out = &call->request;
  int code = 0;
  if (conn->used && call->again != MCP_HTTP_AGAIN_NEVER) {
    /* It may have to be sent again. */
    out = mcp_loop_scratch(mcp_http_pool_loop(conn->pool));
    out->len = 0;
    code = mcp_buf_append_slice(out, mcp_buf_slice(&call->request));
  }
  mcp_http_limit_head(conn->http, call->head_limit);
  if (call->no_body) mcp_http_expect_no_body(conn->http);
  conn->heard = false;
  conn->sent_at = mcp_http_pool_now(conn->pool);
  if (code == 0) {
    mcp_log_wire(&conn->wire_out, MCP_LOG_OUT, mcp_buf_slice(out));
    code = mcp_stream_send(conn->stream, out, 0);
  }
  mcp_buf_reset(out, out == &call->request ? 0 : MCP_LOOP_SCRATCH_SIZE);
  if (code < 0) {
    lost(conn, code, "while the request was sent");
  } else if (call->upload) {
    mcp_pieces_rewind(call->upload);
    send_further(borrower);
  }
}

/* A borrowed connection is lost. If it was a kept one and not a byte arrived,
 * the request is sent again, on a new connection. */
static void lost(mcp_http_pooled_t *conn, int code, const char *reason) {
  mcp_http_call_t *call = call_of(conn);
  bool soon = mcp_http_pool_now(conn->pool) - conn->sent_at <=
              MCP_HTTP_CLIENT_STALE_TIME;
  bool again = call->again == MCP_HTTP_AGAIN_YES ||
               (call->again == MCP_HTTP_AGAIN_STALE && soon);
  if (!conn->used || conn->heard || call->sent_again || !again) {
    fail_conn(conn, code, reason);
    return;
  }
  call->sent_again = true;
  mcp_http_pool_reopen(conn);
}

/* Ends the call; its connection, if it has one, is closed. */
static void end_call(mcp_http_borrower_t *borrower, int code,
                     const char *reason) {
  if (borrower->conn) {
    fail_conn(borrower->conn, code, reason);
  } else {
    mcp_http_origin_t *origin = borrower->origin;
    fail_call((mcp_http_call_t *)borrower, code, reason);
    if (origin) mcp_http_pool_release(origin);
  }
}

static const mcp_http_borrower_ops_t borrower_ops = {.send = send_request,
                                                     .read = read_answer,
                                                     .drain = send_further,
                                                     .end = end_answer,
                                                     .fail = end_call,
                                                     .notify = notify};

int mcp_http_call_start(mcp_http_pool_t *pool,
                        const mcp_http_call_options_t *options,
                        mcp_buf_t *request,
                        const mcp_http_call_events_t *events, void *owner,
                        mcp_http_call_t **out) {
  mcp_http_call_t *call = mcp_mem_zalloc(sizeof *call);
  uint64_t time =
      options->head_time ? options->head_time : MCP_HTTP_CLIENT_HEAD_TIME;
  mcp_http_target_t target = {.host = options->host,
                              .port = options->port,
                              .unix_path = options->unix_path,
                              .tls = options->tls,
                              .server_name = options->server_name,
                              .flags = options->flags,
                              .proxy_host = options->proxy_host,
                              .proxy_port = options->proxy_port,
                              .proxy_authorization =
                                  options->proxy_authorization};
  int code = MCP_ENOMEM;
  if (!call) return code;
  call->share = mcp_share_new(NULL, MCP_SHARE_CONNECTION);
  if (!call->share) goto fail;
  call->body.share = call->share;
  call->events = events;
  call->owner = owner;
  call->again = options->again;
  call->no_body = options->no_body;
  call->head_limit = options->head_limit;
  call->allowed = MCP_HTTP_CLIENT_UNREAD;
  call->base.ops = &borrower_ops;
  call->base.due = mcp_http_pool_later(mcp_http_pool_now(pool), time);
  call->base.alarm = UINT64_MAX;
  call->request = mcp_buf_take(request);
  call->upload = options->upload;
  if (call->upload)
    mcp_pieces_attach(call->upload, call->share, on_piece, call);
  code = mcp_http_pool_borrow(pool, &target, &call->base);
  if (code == 0) {
    *out = call;
    return 0;
  }
  *request = mcp_buf_take(&call->request);

fail:
  mcp_share_drop(call->share);
  mcp_mem_free(call);
  return code;
}

void mcp_http_call_free(mcp_http_call_t *call) {
  mcp_http_pooled_t *conn;
  mcp_http_origin_t *origin;
  if (!call) return;
  conn = call->base.conn;
  origin = call->base.origin;
  detach(call);
  if (conn) {
    mcp_http_pool_discard(conn);
  } else if (origin) {
    mcp_http_pool_release(origin);
  }
  mcp_buf_deinit(&call->body);
  mcp_http_decoding_free(call->decoding);
  mcp_pieces_free(call->upload);
  mcp_buf_deinit(&call->note);
  mcp_mem_free(call->head_block);
  mcp_share_drop(call->share);
  mcp_http_pool_leave(&call->base);
  mcp_mem_free(call);
}

void mcp_http_call_stop(mcp_http_call_t *call) {
  if (call->base.origin) end_call(&call->base, MCP_ECLOSED, NULL);
}

mcp_http_call_state_t mcp_http_call_state(const mcp_http_call_t *call) {
  bool left = call->state == MCP_HTTP_CALL_DONE && call->decoding &&
              mcp_http_decoding_has_more(call->decoding);
  return left ? MCP_HTTP_CALL_BODY : call->state;
}

int mcp_http_call_failure(const mcp_http_call_t *call, const char **reason) {
  *reason = call->reason;
  return call->code;
}

const mcp_http_head_t *mcp_http_call_head(const mcp_http_call_t *call) {
  return &call->head;
}

mcp_slice_t mcp_http_call_body(const mcp_http_call_t *call) {
  return mcp_buf_slice(&call->body);
}

mcp_share_t *mcp_http_call_share(const mcp_http_call_t *call) {
  return call->share;
}

static void go_on_reading(mcp_http_call_t *call) {
  if (call->state == MCP_HTTP_CALL_BODY || call->state == MCP_HTTP_CALL_DONE)
    decode_further(call);
  if (call->base.conn && call->base.conn->stream && !is_full(call))
    mcp_stream_pause(call->base.conn->stream, false);
}

static void decode_in_turn(mcp_http_call_t *call) {
  call->decodes = false;
  call->changed = true;
  go_on_reading(call);
}

mcp_buf_t mcp_http_call_take(mcp_http_call_t *call) {
  mcp_buf_t body = mcp_buf_take(&call->body);
  go_on_reading(call);
  return body;
}

void mcp_http_call_allow(mcp_http_call_t *call, size_t bytes) {
  call->allowed = bytes;
  go_on_reading(call);
}

void mcp_http_call_alarm(mcp_http_call_t *call, uint64_t after_ms) {
  call->base.alarm =
      mcp_http_pool_later(mcp_http_pool_now(call->base.pool), after_ms);
  if (call->base.alarm < UINT64_MAX)
    mcp_http_pool_set_clock(call->base.pool, call->base.alarm);
}

int mcp_http_call_decode(mcp_http_call_t *call, const mcp_decoder_ops_t *ops,
                         mcp_coding_t coding) {
  mcp_buf_t coded;
  const char *reason;
  int code;
  if (call->decoding) return 0;
  code = mcp_http_decoding_open(ops, coding, call->share, &call->decoding);
  if (code < 0) return code;
  coded = mcp_buf_take(&call->body);
  call->body.share = call->share;
  code = add_body(call, mcp_buf_slice(&coded), &reason);
  mcp_buf_deinit(&coded);
  if (code < 0 && call->base.conn) {
    fail_conn(call->base.conn, code, reason);
  } else if (code < 0 && call->state == MCP_HTTP_CALL_DONE) {
    fail_call(call, code, reason);
  }
  return 0;
}

bool mcp_http_call_is_decoded(const mcp_http_call_t *call) {
  return call->decoding != NULL;
}
