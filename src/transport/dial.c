/* SPDX-License-Identifier: MIT
 * dial.c: see dial.h. */
#include "transport/dial.h"

#include "base/err.h"
#include "base/mem.h"
#include "transport/orphan.h"
#include "wire/http.h"
#include "wire/http_request.h"
#include "wire/http_status.h"

struct mcp_dial {
  mcp_loop_t *loop;
  mcp_dial_fn fn; /* NULL once it was called, or cancelled */
  void *owner;
  mcp_connect_t *connect; /* while connecting */
  mcp_stream_t *stream;   /* to the proxy, until it is handed over */
  mcp_timer_t *timer;     /* of the tunnel */
  mcp_http_t *http;
  mcp_buf_t head; /* the request for a tunnel; empty without a proxy */
  uint64_t timeout;
};

static void free_dial(mcp_dial_t *dial) {
  mcp_timer_stop(dial->timer);
  mcp_http_free(dial->http);
  mcp_buf_deinit(&dial->head);
  mcp_mem_free(dial);
}

static void fail(mcp_dial_t *dial, int code, const char *reason) {
  mcp_dial_fn fn = dial->fn;
  void *owner = dial->owner;
  dial->fn = NULL;
  mcp_timer_stop(dial->timer);
  dial->timer = NULL;
  if (dial->stream) {
    mcp_stream_close(dial->stream, false); /* on_closed frees it */
  } else {
    free_dial(dial);
  }
  if (fn) fn(owner, code, reason, NULL);
}

/* Hands the stream over as if it had just been connected. */
static void succeed(mcp_dial_t *dial) {
  static const mcp_stream_events_t no_events =
      MCP_ORPHAN_EVENTS(mcp_orphan_ignore);
  mcp_dial_fn fn = dial->fn;
  void *owner = dial->owner;
  mcp_stream_t *stream = dial->stream;
  if (dial->http) { /* it was started */
    mcp_stream_pause(stream, true);
    stream->paused = false;
    stream->events = &no_events;
    stream->owner = NULL;
  }
  free_dial(dial);
  fn(owner, 0, NULL, stream);
}

static void judge(mcp_dial_t *dial) {
  unsigned status = mcp_http_head(dial->http)->status;
  if (status < 200 || status > 299) {
    fail(dial, MCP_EPROXY,
         status == 407 ? "407: it requires credentials, or other ones"
                       : mcp_http_status_phrase(status));
  } else if (mcp_http_rest(dial->http).len > 0) {
    /* The server speaks only once we have. */
    fail(dial, MCP_EPROXY, "it sent data of its own after its answer");
  } else {
    succeed(dial);
  }
}

static void on_data(void *owner, mcp_slice_t bytes) {
  mcp_dial_t *dial = owner;
  mcp_http_event_t event;
  if (!dial->fn) return;
  mcp_http_feed(dial->http, bytes);
  for (;;) {
    int code = mcp_http_next(dial->http, &event);
    if (code < 0) {
      fail(dial, MCP_EPROXY, "its answer is not HTTP/1.1");
      return;
    }
    if (event.kind == MCP_HTTP_MORE) return;
    if (event.kind == MCP_HTTP_END) {
      judge(dial);
      return;
    }
  }
}

static void on_end(void *owner, int code) {
  mcp_dial_t *dial = owner;
  if (dial->fn)
    fail(dial, code < 0 ? code : MCP_EGONE,
         "the proxy closed the connection before it answered");
}

static void on_closed(void *owner) {
  free_dial(owner);
}

static const mcp_stream_events_t stream_events = {on_data, on_end,
                                                  mcp_orphan_ignore, on_closed};

static void on_time(void *arg) {
  fail(arg, MCP_ETIMEDOUT, "the proxy did not answer");
}

/* Asks the proxy for a tunnel. 0 or a code. */
static int ask(mcp_dial_t *dial) {
  int code = 0;
  dial->http = mcp_http_new(true);
  if (!dial->http) return MCP_ENOMEM;
  mcp_http_expect_no_body(dial->http);
  code = mcp_http_charge(dial->http, dial->stream->share);
  if (code == 0 && dial->timeout > 0) {
    dial->timer =
        mcp_timer_start(dial->loop, dial->timeout, 0, false, on_time, dial);
    if (!dial->timer) return MCP_ENOMEM;
  }
  if (code == 0) code = mcp_stream_start(dial->stream, &stream_events, dial);
  if (code == 0) code = mcp_stream_send(dial->stream, &dial->head, 0);
  return code;
}

static void on_connected(void *owner, int code, mcp_stream_t *stream) {
  mcp_dial_t *dial = owner;
  bool proxied = dial->head.len > 0;
  dial->connect = NULL;
  if (code < 0) {
    fail(dial, code,
         proxied ? "cannot connect to the proxy" : "cannot connect");
    return;
  }
  dial->stream = stream;
  if (!proxied) {
    succeed(dial);
    return;
  }
  /* A stream that could not be started is closed like one that was. */
  stream->events = &stream_events;
  stream->owner = dial;
  code = ask(dial);
  if (code < 0 && dial->fn) fail(dial, code, "while the proxy was asked");
}

static int connect(mcp_dial_t *dial, const mcp_dial_options_t *options) {
  const char *reason;
  int code;
  if (options->unix_path)
    return mcp_unix_connect(dial->loop, options->unix_path, options->timeout,
                            on_connected, dial, &dial->connect);
  if (!options->proxy_host)
    return mcp_tcp_connect(dial->loop, options->host, options->port,
                           options->flags, options->timeout, on_connected, dial,
                           &dial->connect);
  code = mcp_http_request_tunnel(
      &dial->head, mcp_slice(options->host, strlen(options->host)),
      options->port, options->proxy_authorization, &reason);
  if (code < 0) return code;
  return mcp_tcp_connect(dial->loop, options->proxy_host, options->proxy_port,
                         0, options->timeout, on_connected, dial,
                         &dial->connect);
}

int mcp_dial_open(mcp_loop_t *loop, const mcp_dial_options_t *options,
                  mcp_dial_fn fn, void *owner, mcp_dial_t **out) {
  mcp_dial_t *dial = mcp_mem_zalloc(sizeof *dial);
  int code;
  if (!dial) return MCP_ENOMEM;
  dial->loop = loop;
  dial->fn = fn;
  dial->owner = owner;
  dial->timeout = options->timeout;
  code = connect(dial, options);
  if (code < 0) {
    free_dial(dial);
    return code;
  }
  *out = dial;
  return 0;
}

void mcp_dial_cancel(mcp_dial_t *dial) {
  if (!dial) return;
  dial->fn = NULL;
  if (dial->stream) {
    mcp_timer_stop(dial->timer);
    dial->timer = NULL;
    mcp_stream_close(dial->stream, false);
  } else {
    mcp_connect_cancel(dial->connect);
    free_dial(dial);
  }
}
