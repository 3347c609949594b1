/* SPDX-License-Identifier: MIT
 * http_server.c: see http_server.h. Accepts connections, checks their
 * deadlines, and closes. One connection is http_connection.c. */
#include "transport/http_server.h"

#include "base/crypto.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listener.h"
#include "transport/http_connection.h"
#include "transport/http_exchange.h"
#include "transport/http_sse.h"
#include "transport/link.h"

/* How often deadlines are checked, in milliseconds. Deadlines are whole
 * seconds.
 */
#define SWEEP_TIME 1000
/* How long connections without a request stay when a server closes whose
 * socket others serve, too: a request may be on its way. In milliseconds. */
#define PARTING_TIME 500

struct mcp_http_server {
  mcp_http_service_t base;  /* first; what connections know of the server */
  mcp_listener_t *listener; /* NULL once closing */
  mcp_timer_t *sweeper;
  mcp_timer_t *ender;   /* fires when there is nothing left to wait for */
  mcp_timer_t *parting; /* fires when what is idle has waited long enough */
  unsigned count;       /* connections, streams that were given away included */
  uint64_t grace_until; /* ms; while closing */
  bool shares;          /* other processes may have its socket, too */
  void (*done)(void *);
  void *done_arg;
};

static void finish_close(void *arg) {
  mcp_http_server_t *server = arg;
  void (*done)(void *) = server->done;
  void *done_arg = server->done_arg;
  mcp_timer_stop(server->sweeper);
  mcp_timer_stop(server->ender);
  mcp_timer_stop(server->parting);
  mcp_tls_release(server->base.options.tls);
  mcp_access_log_release(server->base.options.access);
  mcp_http_sse_table_free(server->base.sse);
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

static void on_released(mcp_http_service_t *service) {
  mcp_http_server_release((mcp_http_server_t *)service);
}

static void on_connection(void *owner, mcp_stream_t *stream) {
  mcp_http_server_t *server = owner;
  server->count++;
  mcp_http_connection_open(&server->base, stream);
}

static bool too_slow(const mcp_http_connection_t *conn, uint64_t at) {
  uint64_t spent = at - conn->body_begun;
  return spent > MCP_HTTP_BODY_GRACE &&
         conn->body_size * 1000 <
             (spent - MCP_HTTP_BODY_GRACE) * MCP_HTTP_BODY_RATE;
}

/* Does it only listen, with a token that has expired? */
static bool has_expired(const mcp_http_connection_t *conn, uint64_t at) {
  return conn->state == MCP_HTTP_BUSY && conn->x.kept && conn->x.ends_at &&
         at >= conn->x.ends_at &&
         (!conn->sse || mcp_link_busy(mcp_http_sse_link(conn->sse)) == 0);
}

static void end_expired(mcp_http_connection_t *conn) {
  mcp_log(MCP_LOG_INFO, "http: event stream closed: its access token has "
                        "expired");
  if (conn->sse) {
    mcp_link_close(mcp_http_sse_link(conn->sse), true);
  } else {
    if (conn->reply.streaming) (void)mcp_http_reply_end(&conn->reply);
    mcp_http_connection_close(conn, true);
  }
}

/* Has it no request, though one may be on its way? Where other processes serve
 * the same address, their clients do not expect an end: what they send on this
 * connection cannot go to one of those any more. */
static bool is_idle(const mcp_http_connection_t *conn) {
  return conn->state == MCP_HTTP_READING && conn->http && !conn->head_read &&
         !mcp_http_begun(conn->http);
}

static void close_idle(void *arg) {
  mcp_http_server_t *server = arg;
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&server->base.connections, it, after) {
    mcp_http_connection_t *conn =
        MCP_LIST_MEMBER(it, mcp_http_connection_t, of_service);
    if (is_idle(conn)) mcp_http_connection_close(conn, true);
  }
}

/* Checks every connection once a second: a timer for each would cost more. */
static void sweep(void *arg) {
  mcp_http_server_t *server = arg;
  uint64_t at = mcp_loop_now(server->base.loop);
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&server->base.connections, it, after) {
    mcp_http_connection_t *conn =
        MCP_LIST_MEMBER(it, mcp_http_connection_t, of_service);
    bool in_message = conn->http && mcp_http_begun(conn->http);
    if (conn->stream->queued > 0 &&
        at - conn->stream->progress_ms > server->base.options.stall_time) {
      mcp_log(MCP_LOG_INFO,
              "http: connection closed: the client stopped reading");
      mcp_http_connection_close(conn, false);
    } else if (server->grace_until && at >= server->grace_until) {
      mcp_http_connection_close(conn, false);
    } else if (conn->state == MCP_HTTP_BUSY && conn->sse &&
               mcp_http_sse_is_forgotten(conn->sse, at,
                                         server->base.options.idle_time)) {
      mcp_log(MCP_LOG_INFO,
              "http: event stream closed: the client sent no message");
      mcp_link_close(mcp_http_sse_link(conn->sse), true);
    } else if (has_expired(conn, at)) {
      end_expired(conn);
    } else if (conn->state == MCP_HTTP_BUSY && conn->reply.streaming &&
               !conn->large &&
               at - conn->reply.last_sent >=
                   server->base.options.heartbeat_time) {
      if (mcp_http_reply_heartbeat(&conn->reply) < 0)
        mcp_http_connection_close(conn, false);
    } else if (conn->state == MCP_HTTP_READING && in_message &&
               (at >= conn->deadline ||
                (conn->head_read && too_slow(conn, at)))) {
      mcp_http_connection_refuse(
          conn, 408, "the request took too long to arrive",
          conn->head_read ? "limits.body_timeout" : "limits.head_timeout",
          false);
    } else if (conn->state == MCP_HTTP_READING && conn->stream->queued > 0) {
      /* Its answer is still being sent: it is not idle yet. */
      conn->deadline = at + server->base.options.idle_time;
    } else if (conn->deadline && at >= conn->deadline) {
      mcp_http_connection_close(conn, conn->state == MCP_HTTP_LINGERING);
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

static int open_listener(mcp_loop_t *loop, const mcp_http_options_t *options,
                         mcp_http_server_t *server) {
  if (options->socket)
    return mcp_listener_over(loop, options->socket, options->connections,
                             on_connection, server, &server->listener);
  if (options->unix_path)
    return mcp_listener_open_unix(loop, options->unix_path, options->unix_mode,
                                  options->connections, on_connection, server,
                                  &server->listener);
  return mcp_listener_open(loop, options->host, options->port,
                           options->connections, on_connection, server,
                           &server->listener);
}

int mcp_http_server_open(mcp_loop_t *loop, const mcp_http_options_t *options,
                         const mcp_upper_t *upper, void *up,
                         mcp_http_server_t **out) {
  mcp_http_server_t *server = mcp_mem_zalloc(sizeof *server);
  int code;
  if (!server) return MCP_ENOMEM;
  server->base.loop = loop;
  server->base.options = *options;
  server->base.upper = upper;
  server->base.up = up;
  server->base.ops = &mcp_http_exchange_ops;
  server->base.sse_hooks = &mcp_http_sse_hooks;
  server->base.released = on_released;
  /* A random start, so that tickets of two servers differ. */
  code = mcp_crypto_random(&server->base.tickets, sizeof server->base.tickets);
  if (code < 0) {
    mcp_mem_free(server);
    return code;
  }
  mcp_list_init(&server->base.connections);
  server->shares = options->socket != NULL;
  server->base.options.socket = NULL;
  code = open_listener(loop, options, server);
  if (code < 0) {
    mcp_mem_free(server);
    return code;
  }
  mcp_listener_limit_address(server->listener, options->per_address);
  /* DNS rebinding cannot reach a socket file. */
  if (options->guard_loopback_only &&
      (mcp_listener_is_local(server->listener) ||
       !mcp_listener_is_loopback(server->listener)) &&
      !options->gate.hosts)
    server->base.options.gate.check_host = false;
  server->sweeper =
      mcp_timer_start(loop, SWEEP_TIME, SWEEP_TIME, true, sweep, server);
  server->ender = mcp_timer_new(loop, false, finish_close, server);
  server->parting = mcp_timer_new(loop, true, close_idle, server);
  if (!server->sweeper || !server->ender || !server->parting) {
    mcp_listener_close(server->listener);
    mcp_timer_stop(server->sweeper);
    mcp_timer_stop(server->ender);
    mcp_timer_stop(server->parting);
    mcp_mem_free(server);
    return MCP_ENOMEM;
  }
  if (server->base.options.tls) mcp_tls_retain(server->base.options.tls);
  if (server->base.options.access)
    mcp_access_log_retain(server->base.options.access);
  server->base.options.gate.secure = server->base.options.tls != NULL;
  *out = server;
  return 0;
}

void mcp_http_server_protect(mcp_http_server_t *server,
                             const mcp_http_guard_t *guard) {
  server->base.options.gate.guard = *guard;
  server->base.guards++;
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
  server->grace_until = mcp_loop_now(server->base.loop) + grace_ms;
  mcp_listener_close(server->listener);
  server->listener = NULL;
  server->base.closing = true;
  if (server->count == 0) {
    mcp_timer_set(server->ender, 0);
    return;
  }
  if (server->shares) mcp_timer_set(server->parting, PARTING_TIME);
  MCP_LIST_EACH(&server->base.connections, it, after) {
    mcp_http_connection_t *conn =
        MCP_LIST_MEMBER(it, mcp_http_connection_t, of_service);
    if (grace_ms == 0) {
      mcp_http_connection_close(conn, false);
    } else if (server->shares && conn->state == MCP_HTTP_READING &&
               conn->http) {
      continue;
    } else if (conn->sse && conn->state == MCP_HTTP_BUSY) {
      /* The upper side closes the link when its requests are finished. */
      continue;
    } else if (conn->state == MCP_HTTP_BUSY && !conn->listening &&
               !conn->x.kept) {
      mcp_http_reply_close_after(&conn->reply);
    } else {
      /* The end of the stream tells a listening client. */
      if (conn->state == MCP_HTTP_BUSY && conn->reply.streaming)
        (void)mcp_http_reply_end(&conn->reply);
      mcp_http_connection_close(conn, true);
    }
  }
}
