/* SPDX-License-Identifier: MIT
 * ws_client.c: see ws_client.h. */
#include "transport/ws_client.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "transport/orphan.h"
#include "wire/http.h"
#include "wire/http_status.h"
#include "wire/ws_handshake.h"

struct mcp_ws_client {
  mcp_loop_t *loop;
  mcp_dial_t *dial;     /* while connecting */
  mcp_stream_t *stream; /* from then on until it is closed */
  mcp_tls_t *tls;
  char *server_name;
  int port;
  mcp_timer_t *timer;
  mcp_http_t *http;
  mcp_buf_t head;      /* our request */
  mcp_buf_t body;      /* of a refusal */
  mcp_buf_t early;     /* bytes after the handshake */
  mcp_ws_client_fn fn; /* NULL once it was called, or cancelled */
  void *owner;
  bool answered; /* the head of the answer has arrived */
  bool any_protocol;
  bool proxied;
  char key[MCP_WS_KEY_LENGTH];
  mcp_log_wire_t wire_in, wire_out;
};

static void free_client(mcp_ws_client_t *client) {
  mcp_timer_stop(client->timer);
  mcp_tls_release(client->tls);
  mcp_http_free(client->http);
  mcp_mem_free(client->server_name);
  mcp_buf_deinit(&client->head);
  mcp_buf_deinit(&client->body);
  mcp_buf_deinit(&client->early);
  mcp_mem_free(client);
}

/* Of a stream that waits for its next owner. */
static const mcp_stream_events_t no_events =
    MCP_ORPHAN_EVENTS(mcp_orphan_ignore);

/* Reports the result, and ends. */
static void finish(mcp_ws_client_t *client, mcp_ws_handshake_t *opened) {
  mcp_ws_client_fn fn = client->fn;
  client->fn = NULL;
  if (opened->code == 0) {
    opened->stream = client->stream;
    client->stream->events = &no_events;
    client->stream->owner = NULL;
    opened->early = &client->early;
    client->stream = NULL;
  } else {
    opened->body = mcp_buf_slice(&client->body);
  }
  if (!opened->reason && opened->code < 0)
    opened->reason = mcp_err_text(opened->code);
  if (fn) fn(client->owner, opened);
  if (client->stream) {
    /* Freed when that has been closed. */
    mcp_stream_close(client->stream, false);
  } else {
    free_client(client);
  }
}

static void fail(mcp_ws_client_t *client, int code, const char *reason) {
  finish(client, &(mcp_ws_handshake_t){.code = code, .reason = reason});
}

static void refused(mcp_ws_client_t *client) {
  unsigned status = mcp_http_head(client->http)->status;
  finish(client,
         &(mcp_ws_handshake_t){.code = MCP_EGONE,
                               .status = status,
                               .head = mcp_http_head(client->http),
                               .reason = mcp_http_status_phrase(status)});
}

static void judge(mcp_ws_client_t *client) {
  const mcp_http_head_t *head = mcp_http_head(client->http);
  const char *reason = NULL;
  if (head->status != 101) {
    refused(client);
  } else if (!mcp_ws_is_granted(head, client->key, client->any_protocol,
                                &reason)) {
    fail(client, MCP_EHTTP, reason);
  } else if (mcp_buf_append_slice(&client->early, mcp_http_rest(client->http)) <
             0) {
    fail(client, MCP_ENOMEM, NULL);
  } else {
    finish(client, &(mcp_ws_handshake_t){.code = 0});
  }
}

static void on_data(void *owner, mcp_slice_t bytes) {
  mcp_ws_client_t *client = owner;
  mcp_http_event_t event;
  if (!client->fn) return;
  mcp_log_wire(&client->wire_in, MCP_LOG_IN, bytes);
  mcp_http_feed(client->http, bytes);
  for (;;) {
    int code = mcp_http_next(client->http, &event);
    if (code < 0) {
      fail(client, code, mcp_http_error_text(client->http));
      return;
    }
    switch (event.kind) {
    case MCP_HTTP_MORE: return;
    case MCP_HTTP_START: client->answered = true; break;
    case MCP_HTTP_BODY:
      if (event.body.len > MCP_WS_CLIENT_BODY_LENGTH - client->body.len)
        event.body.len = MCP_WS_CLIENT_BODY_LENGTH - client->body.len;
      if (mcp_buf_append_slice(&client->body, event.body) < 0 ||
          client->body.len == MCP_WS_CLIENT_BODY_LENGTH) {
        refused(client);
        return;
      }
      break;
    case MCP_HTTP_END: judge(client); return;
    }
  }
}

static void on_end(void *owner, int code) {
  mcp_ws_client_t *client = owner;
  if (!client->fn) return;
  if (client->answered && mcp_http_head(client->http)->status != 101) {
    refused(client);
  } else if (code < 0) {
    fail(client, code, mcp_stream_error_text(client->stream, code));
  } else {
    fail(client, MCP_EGONE, "the connection ended before its answer");
  }
}

static void on_closed(void *owner) {
  free_client(owner);
}

static const mcp_stream_events_t stream_events = {on_data, on_end,
                                                  mcp_orphan_ignore, on_closed};

static void on_time(void *arg) {
  mcp_ws_client_t *client = arg;
  mcp_dial_cancel(client->dial);
  client->dial = NULL;
  if (!client->fn) return;
  if (client->answered) {
    refused(client);
  } else {
    fail(client, MCP_ETIMEDOUT, NULL);
  }
}

static void on_connected(void *owner, int code, const char *reason,
                         mcp_stream_t *stream) {
  mcp_ws_client_t *client = owner;
  client->dial = NULL;
  if (code < 0) {
    /* Of a direct connection the code says it all. */
    bool proxied = code == MCP_EPROXY || client->proxied;
    fail(client, code, proxied ? reason : NULL);
    return;
  }
  client->stream = stream;
  if (client->tls)
    code = mcp_tls_wrap(client->tls, client->loop, stream, client->server_name,
                        client->port, &client->stream);
  mcp_log_wire(&client->wire_out, MCP_LOG_OUT, mcp_buf_slice(&client->head));
  /* A stream that could not be started is closed like one that was. */
  client->stream->events = &stream_events;
  client->stream->owner = client;
  if (code == 0)
    code = mcp_stream_start(client->stream, &stream_events, client);
  if (code == 0) code = mcp_stream_send(client->stream, &client->head, 0);
  if (code < 0 && client->fn)
    fail(client, code, mcp_stream_error_text(client->stream, code));
}

int mcp_ws_client_open(mcp_loop_t *loop, const mcp_ws_client_options_t *options,
                       mcp_buf_t *head, mcp_ws_client_fn fn, void *owner,
                       mcp_ws_client_t **out) {
  mcp_ws_client_t *client = mcp_mem_zalloc(sizeof *client);
  const char *name = options->server_name;
  int code = MCP_ENOMEM;
  if (!client) return code;
  client->loop = loop;
  client->fn = fn;
  client->owner = owner;
  client->any_protocol = options->any_protocol;
  client->port = options->port;
  client->head = mcp_buf_take(head);
  client->http = mcp_http_new(true);
  if (!client->http) goto fail;
  if (name) {
    client->server_name = mcp_mem_alloc(strlen(name) + 1);
    if (!client->server_name) goto fail;
    memcpy(client->server_name, name, strlen(name) + 1);
  }
  if (options->timeout > 0) {
    client->timer =
        mcp_timer_start(loop, options->timeout, 0, false, on_time, client);
    if (!client->timer) goto fail;
  }
  code = mcp_ws_make_key(client->key);
  if (code == 0) code = mcp_ws_write_request(&client->head, client->key);
  if (code == 0) code = mcp_buf_append_literal(&client->head, "\r\n");
  if (code < 0) goto fail;
  if (options->tls) client->tls = mcp_tls_retain(options->tls);
  client->proxied = options->proxy_host != NULL;
  code = mcp_dial_open(loop,
                       &(mcp_dial_options_t){.host = options->host,
                                             .port = options->port,
                                             .unix_path = options->unix_path,
                                             .flags = options->flags,
                                             .proxy_host = options->proxy_host,
                                             .proxy_port = options->proxy_port,
                                             .proxy_authorization =
                                                 options->proxy_authorization},
                       on_connected, client, &client->dial);
  if (code < 0) goto fail;
  *out = client;
  return 0;

fail:
  free_client(client);
  return code;
}

void mcp_ws_client_cancel(mcp_ws_client_t *client) {
  if (!client) return;
  client->fn = NULL;
  if (client->stream) {
    mcp_stream_close(client->stream, false);
  } else {
    mcp_dial_cancel(client->dial);
    free_client(client);
  }
}
