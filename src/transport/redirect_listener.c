/* SPDX-License-Identifier: MIT
 * redirect_listener.c: see redirect_listener.h. */
#include "transport/redirect_listener.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "net/listener.h"
#include "wire/http.h"

/* Connections that send or read nothing are closed after this: ms. */
#define IDLE_TIME 10000

static const char page[] =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: text/html; charset=utf-8\r\n"
    "Content-Length: 124\r\n"
    "Content-Security-Policy: default-src 'none'\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cache-Control: no-store\r\n"
    "Connection: close\r\n\r\n"
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
    "<title>Done</title><p>The answer has arrived. You may close this page."
    "\n";

static const char not_found[] = "HTTP/1.1 404 Not Found\r\n"
                                "Content-Length: 0\r\n"
                                "Connection: close\r\n\r\n";

/* One connection; lives until its stream is closed. */
typedef struct {
  mcp_list_t of_server;
  mcp_redirect_listener_t *server; /* NULL once that is closed */
  mcp_stream_t *stream;
  mcp_http_t *http;
  mcp_timer_t *timer;
  bool answered;
} visit_t;

struct mcp_redirect_listener {
  mcp_loop_t *loop;
  mcp_listener_t *listener;
  mcp_redirect_listener_fn fn;
  void *owner;
  mcp_list_t visits;
  size_t path_length;
  char path[];
};

static void answer(visit_t *visit, const char *text, size_t length) {
  mcp_buf_t out = {0};
  visit->answered = true;
  if (mcp_buf_append(&out, text, length) == 0)
    mcp_stream_send(visit->stream, &out, 0);
  mcp_buf_deinit(&out);
  mcp_stream_close(visit->stream, true);
}

static void on_data(void *owner, mcp_slice_t bytes) {
  visit_t *visit = owner;
  const mcp_http_head_t *head;
  mcp_redirect_listener_t *server = visit->server;
  mcp_http_event_t event = {0};
  if (visit->answered || !server) return;
  mcp_http_feed(visit->http, bytes);
  if (mcp_http_next(visit->http, &event) < 0) {
    visit->answered = true;
    mcp_stream_close(visit->stream, false);
    return;
  }
  if (event.kind != MCP_HTTP_START) return;
  head = mcp_http_head(visit->http);
  if (head->method != MCP_HTTP_GET ||
      !mcp_slice_equal(head->path,
                       mcp_slice(server->path, server->path_length))) {
    answer(visit, not_found, sizeof not_found - 1);
    return;
  }
  /* The page first: `fn` may close the listener. */
  answer(visit, page, sizeof page - 1);
  server->fn(server->owner, head->target);
}

static void on_end(void *owner, int code) {
  visit_t *visit = owner;
  (void)code;
  mcp_stream_close(visit->stream, visit->answered);
}

static void on_drain(void *owner) {
  (void)owner;
}

static void on_closed(void *owner) {
  visit_t *visit = owner;
  mcp_list_remove(&visit->of_server);
  mcp_timer_stop(visit->timer);
  mcp_http_free(visit->http);
  if (visit->server) mcp_listener_release(visit->server->listener);
  mcp_mem_free(visit);
}

static void on_time(void *arg) {
  mcp_stream_close(((visit_t *)arg)->stream, false);
}

static const mcp_stream_events_t events = {on_data, on_end, on_drain,
                                           on_closed};

static void on_visit(void *owner, mcp_stream_t *stream) {
  mcp_redirect_listener_t *server = owner;
  visit_t *visit = mcp_mem_zalloc(sizeof *visit);
  if (visit) visit->http = mcp_http_new(false);
  if (visit && visit->http)
    visit->timer =
        mcp_timer_start(server->loop, IDLE_TIME, 0, true, on_time, visit);
  if (!visit || !visit->timer) {
    if (visit) mcp_http_free(visit->http);
    mcp_mem_free(visit);
    mcp_stream_close(stream, false);
    mcp_listener_release(server->listener);
    return;
  }
  visit->server = server;
  visit->stream = stream;
  mcp_list_init(&visit->of_server);
  mcp_list_append(&server->visits, &visit->of_server);
  if (mcp_stream_start(stream, &events, visit) < 0)
    mcp_stream_close(stream, false);
}

int mcp_redirect_listener_open(mcp_loop_t *loop, const char *host, int port,
                               const char *path, mcp_redirect_listener_fn fn,
                               void *owner, mcp_redirect_listener_t **server) {
  size_t length = strlen(path);
  mcp_redirect_listener_t *self = mcp_mem_zalloc(sizeof *self + length);
  int code;
  if (!self) return MCP_ENOMEM;
  self->loop = loop;
  self->fn = fn;
  self->owner = owner;
  self->path_length = length;
  memcpy(self->path, path, length);
  mcp_list_init(&self->visits);
  code = mcp_listener_open(loop, host, port, MCP_REDIRECT_LISTENER_CONNECTIONS,
                           on_visit, self, &self->listener);
  if (code == 0 && !mcp_listener_is_loopback(self->listener)) {
    mcp_listener_close(self->listener);
    code = -EINVAL;
  }
  if (code < 0) {
    mcp_mem_free(self);
    return code;
  }
  *server = self;
  return 0;
}

int mcp_redirect_listener_port(const mcp_redirect_listener_t *server) {
  return mcp_listener_port(server->listener);
}

void mcp_redirect_listener_close(mcp_redirect_listener_t *server) {
  mcp_list_t *it, *after;
  if (!server) return;
  MCP_LIST_EACH(&server->visits, it, after) {
    visit_t *visit = MCP_LIST_MEMBER(it, visit_t, of_server);
    visit->server = NULL;
    /* It is freed when it is flushed, or after IDLE_TIME. */
    mcp_list_remove(&visit->of_server);
    if (!visit->answered) mcp_stream_close(visit->stream, false);
  }
  mcp_listener_close(server->listener);
  mcp_mem_free(server);
}
