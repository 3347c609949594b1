/* SPDX-License-Identifier: MIT
 * http_exchange.c: the operations of an exchange that came by HTTP: sending
 * messages, opening an event stream, reading and setting header fields, and
 * turning the connection into a WebSocket or HTTP+SSE. */
#include "transport/http_exchange.h"

#include "base/err.h"
#include "transport/http_access.h"
#include "transport/http_connection.h"
#include "transport/http_sse.h"
#include "transport/incoming.h"
#include "transport/link.h"
#include "wire/rpc.h"
#include "wire/sse.h"

static mcp_http_connection_t *connection_of(mcp_exchange_t *x) {
  return (mcp_http_connection_t *)x;
}

/* Is `what` sent as an event? An answer with an error status is JSON even if
 * the client accepts only events. */
static bool is_event(const mcp_http_connection_t *conn, mcp_out_t what) {
  unsigned status = conn->x.status;
  return conn->reply.streaming || what == MCP_OUT_NOTICE ||
         (conn->no_json && (status == 0 || status == 200));
}

static mcp_buf_t *begin(mcp_exchange_t *x, mcp_out_t what) {
  mcp_http_connection_t *conn = connection_of(x);
  mcp_buf_t *out = mcp_http_reply_begin(&conn->reply);
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
  mcp_http_connection_t *conn = connection_of(x);
  bool last = what == MCP_OUT_ANSWER;
  int code;
  if (is_event(conn, what)) {
    code = mcp_sse_write_end(mcp_loop_scratch(conn->reply.loop));
    if (code == 0) code = mcp_http_reply_send_event(&conn->reply, last);
  } else {
    code = mcp_http_reply_send_json(&conn->reply, x->status ? x->status : 200);
  }
  if (code < 0) {
    mcp_http_connection_close(conn, false);
  } else if (last) {
    mcp_http_connection_done(conn);
  }
  return code;
}

/* --- an answer with a file in it -------------------------------------------
 */

static int send_part(void *owner, mcp_buf_t *part, bool last) {
  mcp_http_connection_t *conn = owner;
  mcp_buf_t *out;
  if (!conn->reply.streaming)
    return mcp_http_reply_send_more(&conn->reply, part);
  out = mcp_http_reply_begin(&conn->reply);
  if (!out || mcp_buf_append_slice(out, mcp_buf_slice(part)) < 0)
    return MCP_ENOMEM;
  return mcp_http_reply_send_event(&conn->reply, last);
}

static size_t queued(void *owner) {
  mcp_http_connection_t *conn = owner;
  return conn->stream->queued;
}

static void on_large_ended(void *owner, int code) {
  mcp_http_connection_t *conn = owner;
  mcp_large_free(conn->large);
  conn->large = NULL;
  if (code < 0) {
    mcp_http_connection_close(conn, false);
  } else {
    mcp_http_connection_done(conn);
  }
}

static const mcp_large_ops_t large_ops = {send_part, queued, on_large_ended};

static int send_file(mcp_exchange_t *x, const mcp_large_file_t *file) {
  mcp_http_connection_t *conn = connection_of(x);
  mcp_buf_t *out = mcp_loop_scratch(conn->reply.loop);
  bool event = is_event(conn, MCP_OUT_ANSWER);
  int code = event ? mcp_sse_write_end(out) : 0;
  if (code == 0)
    conn->large = mcp_large_new(
        file, mcp_slice(out->data + file->at, out->len - file->at), conn->share,
        &large_ops, conn);
  if (!conn->large) {
    mcp_http_reply_abandon(&conn->reply);
    return MCP_ENOMEM;
  }
  out->len = file->at;
  code = event ? mcp_http_reply_send_event(&conn->reply, false)
               : mcp_http_reply_begin_json(&conn->reply,
                                           x->status ? x->status : 200,
                                           mcp_large_length(conn->large));
  if (code == 0) code = mcp_large_go(conn->large);
  if (code < 0) mcp_http_connection_close(conn, false);
  return 0;
}

static void abandon(mcp_exchange_t *x) {
  mcp_http_reply_abandon(&connection_of(x)->reply);
}

static bool can_stream(mcp_exchange_t *x) {
  return !connection_of(x)->no_events;
}

static int open_stream(mcp_exchange_t *x) {
  mcp_http_connection_t *conn = connection_of(x);
  int code;
  if (conn->reply.streaming) return 0;
  if (conn->no_events) return MCP_ENOSTREAM;
  if (mcp_http_head(conn->http)->method == MCP_HTTP_GET)
    mcp_http_connection_listen(conn);
  if (!mcp_http_reply_begin(&conn->reply)) return MCP_ENOMEM;
  code = mcp_http_reply_send_event(&conn->reply, false);
  if (code < 0) mcp_http_connection_close(conn, false);
  return code;
}

/* A notification is answered with 202; a stream ends; a request that was
 * cancelled still needs a body, unless its stream has begun. */
static void drop(mcp_exchange_t *x) {
  mcp_http_connection_t *conn = connection_of(x);
  int code;
  if (conn->at_head && x->status == 0) {
    mcp_http_connection_admit(conn);
    return;
  }
  if (conn->reply.streaming) {
    code = mcp_http_reply_end(&conn->reply);
  } else if (x->wants_answer && x->status == 0) {
    mcp_http_connection_begin_fields(conn);
    code = mcp_http_reply_error(&conn->reply, 200, mcp_exchange_id(x),
                                MCP_RPC_CANCELLED, "Request cancelled");
  } else {
    code = mcp_http_reply_text(&conn->reply, x->status ? x->status : 202, "",
                               false);
  }
  if (code < 0) {
    mcp_http_connection_close(conn, false);
  } else {
    mcp_http_connection_done(conn);
  }
}

/* Dropping it closes the connection if even that cannot be sent. */
static void lose(mcp_exchange_t *x) {
  abandon(x);
  drop(x);
}

static bool congested(mcp_exchange_t *x) {
  mcp_http_connection_t *conn = connection_of(x);
  return conn->state == MCP_HTTP_BUSY &&
         conn->stream->queued > MCP_STREAM_HIGH_WATER;
}

static bool full(mcp_exchange_t *x) {
  return connection_of(x)->stream->queued > MCP_EXCHANGE_QUEUE;
}

static int keep(mcp_exchange_t *x) {
  mcp_http_connection_keep(connection_of(x));
  return 0;
}

static void cut(mcp_exchange_t *x) {
  mcp_http_connection_close(connection_of(x), false);
}

static int upgrade(mcp_exchange_t *x, mcp_stream_t **stream, mcp_buf_t *early) {
  return mcp_http_connection_give(connection_of(x), stream, early);
}

static bool wants_events(mcp_exchange_t *x) {
  return connection_of(x)->eventing;
}

static int open_events(mcp_exchange_t *x, mcp_slice_t id,
                       const mcp_upper_t *upper, void *up, mcp_link_t **link) {
  mcp_http_connection_t *conn = connection_of(x);
  mcp_http_service_t *service = conn->service;
  if (service->closing) return MCP_ECLOSED;
  if (!service->sse) service->sse = mcp_http_sse_table_new();
  if (!service->sse) return MCP_ENOMEM;
  return mcp_http_sse_open(conn, service->sse, &service->options.gate, id,
                           upper, up, link);
}

static int feed(mcp_exchange_t *x) {
  mcp_http_connection_t *conn = connection_of(x);
  mcp_buf_t body = mcp_buf_take(&conn->body);
  mcp_http_sse_t *sse =
      conn->http ? mcp_http_sse_find(conn->service->sse,
                                     mcp_http_head(conn->http)->query)
                 : NULL;
  int code;
  if (sse) {
    code =
        mcp_link_feed(mcp_http_sse_link(sse), mcp_buf_slice(&body), x->ends_at);
  } else {
    code = mcp_incoming_check(mcp_buf_slice(&body));
    if (code == 0) {
      conn->body = body;
      return MCP_ECLOSED;
    }
  }
  if (code < 0 && code != MCP_ECLOSED && code != MCP_EBUSY) {
    mcp_rpc_id_found_t found = mcp_rpc_id_find(mcp_buf_slice(&body));
    mcp_rpc_t rpc = {.kind = MCP_RPC_BAD_REQUEST};
    if (!found.is_response) rpc.id = found.id;
    mcp_exchange_take_id(x, &rpc);
  }
  mcp_buf_deinit(&body);
  return code;
}

static bool header(mcp_exchange_t *x, mcp_slice_t name, mcp_slice_t *value,
                   bool *twice) {
  mcp_http_connection_t *conn = connection_of(x);
  bool found;
  if (!conn->http) return false;
  if (mcp_slice_equal(name, MCP_SLICE(":path")) ||
      mcp_slice_equal(name, MCP_SLICE(":query"))) {
    const mcp_http_head_t *head = mcp_http_head(conn->http);
    *value = name.len == 5 ? head->path : head->query;
    *twice = false;
    return true;
  }
  *value = mcp_http_header(mcp_http_head(conn->http), name, &found, twice);
  return found;
}

static size_t each_header(mcp_exchange_t *x, size_t i, mcp_slice_t *name,
                          mcp_slice_t *value) {
  mcp_http_connection_t *conn = connection_of(x);
  const mcp_http_head_t *head = conn->http ? mcp_http_head(conn->http) : NULL;
  if (!head) return 0;
  if (i < head->header_count) {
    *name = head->headers[i].name;
    *value = head->headers[i].value;
  }
  return head->header_count;
}

static void **memo(mcp_exchange_t *x, bool *repeated) {
  mcp_http_connection_t *conn = connection_of(x);
  if (!conn->http) return NULL;
  *repeated = mcp_http_head(conn->http)->repeated;
  return &conn->memo;
}

static void note(mcp_exchange_t *x, mcp_slice_t text) {
  mcp_http_access_note(connection_of(x), text);
}

static mcp_link_access_t *access_of(mcp_exchange_t *x, const char *method) {
  return mcp_http_access_link(connection_of(x), method);
}

static void peer(mcp_exchange_t *x, char *out, size_t size) {
  mcp_stream_peer(connection_of(x)->stream, out, size);
}

static bool is_clean(mcp_slice_t s) {
  for (size_t i = 0; i < s.len; i++)
    if ((unsigned char)s.data[i] < ' ' || s.data[i] == 127) return false;
  return true;
}

static int set_header(mcp_exchange_t *x, mcp_slice_t name, mcp_slice_t value) {
  mcp_http_connection_t *conn = connection_of(x);
  mcp_buf_t *extra = &conn->reply.fields;
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

static void request(mcp_exchange_t *x, mcp_slice_t parts[4]) {
  mcp_http_connection_t *conn = connection_of(x);
  const mcp_http_head_t *head = mcp_http_head(conn->http);
  parts[0] = head->method_name;
  parts[1] = head->path;
  parts[2] = head->query;
  parts[3] = mcp_buf_slice(&conn->body);
}

static void forget_body(mcp_exchange_t *x) {
  mcp_buf_deinit(&connection_of(x)->body);
}

static int respond(mcp_exchange_t *x, unsigned status, mcp_slice_t body) {
  mcp_http_connection_t *conn = connection_of(x);
  bool no_body = mcp_http_head(conn->http)->method == MCP_HTTP_HEAD;
  int code = mcp_http_reply_bytes(&conn->reply, status, body, no_body);
  mcp_buf_deinit(&conn->body);
  if (code < 0) {
    mcp_http_connection_close(conn, false);
  } else {
    mcp_http_connection_done(conn);
  }
  return code;
}

static const mcp_exchange_http_ops_t http_ops = {
    .cut = cut,
    .can_stream = can_stream,
    .open_stream = open_stream,
    .header = header,
    .each_header = each_header,
    .memo = memo,
    .access = access_of,
    .peer = peer,
    .set_header = set_header,
    .upgrade = upgrade,
    .wants_events = wants_events,
    .open_events = open_events,
    .feed = feed,
    .request = request,
    .forget_body = forget_body,
    .respond = respond,
};

const mcp_exchange_ops_t mcp_http_exchange_ops = {
    .name = "http",
    .begin = begin,
    .commit = commit,
    .send_file = send_file,
    .abandon = abandon,
    .drop = drop,
    .lose = lose,
    .congested = congested,
    .full = full,
    .keep = keep,
    .note = note,
    .http = &http_ops,
};
