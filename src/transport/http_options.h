/* SPDX-License-Identifier: MIT
 * http_options.h: the settings of an HTTP listener, and the limits that are
 * their defaults. */
#ifndef MCP_TRANSPORT_HTTP_OPTIONS_H
#define MCP_TRANSPORT_HTTP_OPTIONS_H

#include "net/socket.h"
#include "net/tls.h"
#include "transport/access_log.h"
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
/* How long what a refused client still sends is read and discarded, so that the
 * client receives the reason. */
#define MCP_HTTP_LINGER_TIME 2000
/* Clients that send their next request before our answer: bytes kept. */
#define MCP_HTTP_PIPELINE_LENGTH 65536

typedef struct {
  const char *host;
  int port;                 /* 0: any free port */
  const char *unix_path;    /* a socket file instead of both, or NULL */
  unsigned unix_mode;       /* its permissions */
  mcp_socket_t *socket;     /* instead of all these: it is taken; or NULL */
  mcp_tls_t *tls;           /* a server's context, or NULL for plain HTTP */
  mcp_access_log_t *access; /* a line for each request, or NULL */
  mcp_http_gate_t gate;     /* its strings must live as long as the server */
  bool guard_loopback_only; /* check Host only when bound to loopback */
  unsigned connections;     /* 0: MCP_LISTENER_CONNECTIONS */
  unsigned per_address;     /* as mcp_listener_limit_address says */
  uint64_t head_time, body_time, idle_time, stall_time, heartbeat_time; /* ms */
} mcp_http_options_t;

#endif
