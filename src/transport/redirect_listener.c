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

/* Who says nothing, or reads nothing, is closed. In milliseconds. */
#define PATIENCE 10000

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
  mcp_list_t of_catcher;
  mcp_redirect_listener_t *catcher; /* NULL once that is closed */
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
  mcp_redirect_listener_t *catcher = visit->catcher;
  mcp_http_event_t event = {0};
  if (visit->answered || !catcher) return;
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
                       mcp_slice(catcher->path, catcher->path_length))) {
    answer(visit, not_found, sizeof not_found - 1);
    return;
  }
  /* The page first: what is told may close us. */
  answer(visit, page, sizeof page - 1);
  catcher->fn(catcher->owner, head->target);
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
  mcp_list_remove(&visit->of_catcher);
  mcp_timer_stop(visit->timer);
  mcp_http_free(visit->http);
  if (visit->catcher) mcp_listener_release(visit->catcher->listener);
  mcp_mem_free(visit);
}

static void on_time(void *arg) {
  mcp_stream_close(((visit_t *)arg)->stream, false);
}

static const mcp_stream_events_t events = {on_data, on_end, on_drain,
                                           on_closed};

static void on_visit(void *owner, mcp_stream_t *stream) {
  mcp_redirect_listener_t *catcher = owner;
  visit_t *visit = mcp_mem_zalloc(sizeof *visit);
  if (visit) visit->http = mcp_http_new(false);
  if (visit && visit->http)
    visit->timer =
        mcp_timer_start(catcher->loop, PATIENCE, 0, true, on_time, visit);
  if (!visit || !visit->timer) {
    if (visit) mcp_http_free(visit->http);
    mcp_mem_free(visit);
    mcp_stream_close(stream, false);
    mcp_listener_release(catcher->listener);
    return;
  }
  visit->catcher = catcher;
  visit->stream = stream;
  mcp_list_init(&visit->of_catcher);
  mcp_list_append(&catcher->visits, &visit->of_catcher);
  if (mcp_stream_start(stream, &events, visit) < 0)
    mcp_stream_close(stream, false);
}

int mcp_redirect_listener_open(mcp_loop_t *loop, const char *host, int port,
                               const char *path, mcp_redirect_listener_fn fn,
                               void *owner, mcp_redirect_listener_t **catcher) {
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
  *catcher = self;
  return 0;
}

int mcp_redirect_listener_port(const mcp_redirect_listener_t *catcher) {
  return mcp_listener_port(catcher->listener);
}

void mcp_redirect_listener_close(mcp_redirect_listener_t *catcher) {
  mcp_list_t *it, *after;
  if (!catcher) return;
  MCP_LIST_EACH(&catcher->visits, it, after) {
    visit_t *visit = MCP_LIST_MEMBER(it, visit_t, of_catcher);
    visit->catcher = NULL;
    /* Its memory goes when it is flushed, or its time is over. */
    mcp_list_remove(&visit->of_catcher);
    if (!visit->answered) mcp_stream_close(visit->stream, false);
  }
  mcp_listener_close(catcher->listener);
  mcp_mem_free(catcher);
}
