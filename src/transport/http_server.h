/* SPDX-License-Identifier: MIT
 * http_server.h: Streamable HTTP, server side. A POST becomes an exchange; its
 * answer goes out as one JSON body if the answer comes first, and as an event
 * stream from the first notice before it. GET and DELETE become exchanges too;
 * what a session is, this room does not know. */
#ifndef MCP_TRANSPORT_HTTP_SERVER_H
#define MCP_TRANSPORT_HTTP_SERVER_H

#include "net/loop.h"
#include "net/tls.h"
#include "transport/exchange.h"
#include "transport/http_gate.h"

/* Slow heads: absolute, from the first byte. In milliseconds, like the rest. */
#define MCP_HTTP_HEAD_TIME 10000
/* Slow bodies: in all, and as a rate in bytes per second after a grace. */
#define MCP_HTTP_BODY_TIME  60000
#define MCP_HTTP_BODY_GRACE 5000
#define MCP_HTTP_BODY_RATE  240
/* Idle connections between two requests. */
#define MCP_HTTP_IDLE_TIME 60000
/* Peers that stopped reading. */
#define MCP_HTTP_STALL_TIME 30000
/* Proxies cut streams that are silent for too long. */
#define MCP_HTTP_HEARTBEAT_TIME 15000
/* How long what a refused client still sends is read and thrown away, so that
 * it gets to see why. */
#define MCP_HTTP_LINGER_TIME 2000
/* A client may send its next request before it has our answer; this much of it
 * is kept. */
#define MCP_HTTP_PIPELINE_LENGTH 65536

typedef struct {
  const char *host;
  int port;                 /* 0: any free one */
  const char *unix_path;    /* a socket file instead of them, or NULL */
  unsigned unix_mode;       /* its permissions */
  mcp_tls_t *tls;           /* a server's context, or NULL: in the clear */
  mcp_http_gate_t gate;     /* its strings must live as long as the server */
  bool guard_loopback_only; /* check Host only when bound to loopback */
  unsigned connections;     /* 0: MCP_LISTENER_CONNECTIONS */
  uint64_t head_time, body_time, idle_time, stall_time, heartbeat_time; /* ms */
} mcp_http_options_t;

typedef struct mcp_http_server mcp_http_server_t;

/* Fills `options` with the defaults above. */
void mcp_http_options_init(mcp_http_options_t *options);

/* Listens. `up` is handed to `upper`'s functions. 0 or a libuv code. */
int mcp_http_server_open(mcp_loop_t *loop, const mcp_http_options_t *options,
                         const mcp_upper_t *upper, void *up,
                         mcp_http_server_t **server);

/* Sets the guard of the gate, whose address is known only now. Its strings must
 * live as long as the server. */
void mcp_http_server_protect(mcp_http_server_t *server,
                             const mcp_http_guard_t *guard);

int mcp_http_server_port(const mcp_http_server_t *server);
bool mcp_http_server_is_loopback(const mcp_http_server_t *server);

/* How many connections are open. */
unsigned mcp_http_server_connections(const mcp_http_server_t *server);

/* A stream that was given away by mcp_exchange_ops_t.upgrade, and taken over
 * by somebody else's events, has been closed: until then it counts as one of
 * the server's. */
void mcp_http_server_release(mcp_http_server_t *server);

/* Stops listening, ends what is idle or only listens, lets requests under way
 * finish for up to `grace_ms`, then ends them too. `done(arg)` comes when the
 * last connection is gone; the server's memory with it. A second call with a
 * shorter grace hurries the first. */
void mcp_http_server_close(mcp_http_server_t *server, uint64_t grace_ms,
                           void (*done)(void *), void *arg);

#endif
