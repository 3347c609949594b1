/* SPDX-License-Identifier: MIT
 * echo.c: WebSockets that send back what comes: our listener, links and client
 * as they are, only that messages are not read as JSON-RPC. What `make
 * autobahn` drives.
 *
 *   echo server PORT          listens on 127.0.0.1 (0: any port), and says so
 *   echo client PORT AGENT    runs all cases of the fuzzing server there */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/loop.h"
#include "transport/http_server.h"
#include "transport/link.h"
#include "transport/ws_client.h"

/* The cases go up to 16 MiB, in fragments of 64 bytes. */
#define MESSAGE_LIMIT (64u << 20)
#define FRAGMENTS     (1u << 20)

typedef struct {
  mcp_loop_t *loop;
  mcp_http_server_t *server; /* NULL: we are the client */
  mcp_link_ws_t ws;
  int port;
  const char *agent;
  unsigned at, count; /* the case, and how many there are */
  bool done;
} echo_t;

static void on_message(void *up, mcp_link_t *link, mcp_slice_t message,
                       bool binary) {
  echo_t *echo = up;
  if (!echo->server && echo->count == 0) {
    char text[16] = "";
    if (message.len < sizeof text) memcpy(text, message.data, message.len);
    echo->count = (unsigned)strtoul(text, NULL, 10);
  } else {
    (void)mcp_link_ws_send(link, message, binary);
  }
}

static void begin_case(echo_t *echo);

static void on_gone(void *up, mcp_exchange_t *x) {
  (void)up;
  (void)x;
}

static void on_link_ended(void *up, mcp_link_t *link) {
  (void)up;
  mcp_link_close(link, true);
}

static void on_link_closed(void *up, mcp_link_t *link, int code) {
  echo_t *echo = up;
  (void)link;
  (void)code;
  if (echo->server) {
    mcp_http_server_release(echo->server);
  } else {
    begin_case(echo);
  }
}

static void take(void *up, mcp_exchange_t *x, const mcp_arrival_t *arrival);

static const mcp_upper_t upper = {.on_arrival = take,
                                  .on_gone = on_gone,
                                  .on_link_ended = on_link_ended,
                                  .on_link_closed = on_link_closed};

static void open_link(echo_t *echo, mcp_stream_t *stream, mcp_buf_t *early) {
  mcp_link_t *link = NULL;
  if (mcp_link_open_ws(echo->loop, stream, &echo->ws, early, &upper, echo,
                       &link) < 0 &&
      !link)
    exit(1);
}

/* Every request for a WebSocket is granted. */
static void take(void *up, mcp_exchange_t *x, const mcp_arrival_t *arrival) {
  mcp_buf_t early = {0};
  mcp_stream_t *stream;
  if (arrival->kind == MCP_ARRIVAL_UPGRADE &&
      x->ops->http->upgrade(x, &stream, &early) == 0) {
    open_link(up, stream, &early);
    mcp_buf_deinit(&early);
  } else {
    x->status = 404;
    mcp_exchange_drop(x);
  }
}

static void on_opened(void *owner, const mcp_ws_handshake_t *opened) {
  echo_t *echo = owner;
  if (opened->code < 0) {
    fprintf(stderr, "case %u: %s\n", echo->at, opened->reason);
    exit(1);
  }
  open_link(echo, opened->stream, opened->early);
}

/* Asks how many cases there are, runs the next, or, behind the last, has the
 * report written. */
static void begin_case(echo_t *echo) {
  mcp_ws_client_options_t options = {
      .host = "127.0.0.1", .port = echo->port, .any_protocol = true};
  mcp_ws_client_t *client;
  mcp_buf_t head = {0};
  char line[256];
  if (echo->count > 0 && echo->at > echo->count) {
    echo->done = true;
    return;
  }
  if (echo->count == 0) {
    snprintf(line, sizeof line, "getCaseCount");
  } else if (++echo->at > echo->count) {
    snprintf(line, sizeof line, "updateReports?agent=%s", echo->agent);
  } else {
    snprintf(line, sizeof line, "runCase?case=%u&agent=%s", echo->at,
             echo->agent);
  }
  if (mcp_buf_append_literal(&head, "GET /") < 0 ||
      mcp_buf_append(&head, line, strlen(line)) < 0 ||
      mcp_buf_append_literal(&head, " HTTP/1.1\r\nHost: 127.0.0.1:") < 0 ||
      mcp_buf_append_uint(&head, (unsigned)echo->port) < 0 ||
      mcp_buf_append_literal(&head, "\r\n") < 0 ||
      mcp_ws_client_open(echo->loop, &options, &head, on_opened, echo,
                         &client) < 0)
    exit(1);
}

static int listen_on(echo_t *echo) {
  mcp_http_options_t options;
  mcp_http_options_init(&options);
  options.port = echo->port;
  options.gate.path = "/";
  options.gate.websocket = options.gate.any_protocol = true;
  options.gate.check_origin = false;
  return mcp_http_server_open(echo->loop, &options, &upper, echo,
                              &echo->server);
}

static void on_signal(void *arg, int number) {
  (void)number;
  ((echo_t *)arg)->done = true;
}

int main(int argc, char **argv) {
  echo_t echo = {.ws = {.message_limit = MESSAGE_LIMIT,
                        .fragments = FRAGMENTS,
                        .on_message = on_message}};
  int code;
  if (argc < 3) {
    fprintf(stderr, "echo server PORT | echo client PORT AGENT\n");
    return 2;
  }
  echo.port = atoi(argv[2]);
  code = mcp_loop_new(&echo.loop);
  if (code == 0 && strcmp(argv[1], "server") == 0) {
    code = listen_on(&echo);
    if (code == 0)
      fprintf(stderr, "echo answers at http://127.0.0.1:%d/\n",
              mcp_http_server_port(echo.server));
  } else if (code == 0) {
    echo.agent = argc > 3 ? argv[3] : "luamcp";
    echo.ws.client = true;
    begin_case(&echo);
  }
  if (code < 0) {
    fprintf(stderr, "%s\n", mcp_err_text(code));
    return 1;
  }
  if (!mcp_signal_start(echo.loop, SIGTERM, on_signal, &echo)) return 1;
  while (!echo.done) mcp_loop_step(echo.loop, -1);
  return 0;
}
