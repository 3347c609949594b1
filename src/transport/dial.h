/* SPDX-License-Identifier: MIT
 * dial.h: a connection to a server, directly or through a tunnel that a proxy
 * is asked for (CONNECT, RFC 9110 9.3.6). What comes of it is a stream that has
 * not been started, in both cases: TLS and HTTP over it do not know of the
 * proxy. */
#ifndef MCP_TRANSPORT_DIAL_H
#define MCP_TRANSPORT_DIAL_H

#include "net/connect.h"

/* Strings are copied. */
typedef struct {
  const char *host; /* as for mcp_tcp_connect */
  int port;
  const char *unix_path;  /* or NULL; then instead of host and port */
  unsigned flags;         /* MCP_CONNECT_…, for a direct connection */
  const char *proxy_host; /* NULL: directly. The proxy resolves `host` */
  int proxy_port;
  const char *proxy_authorization; /* the value of that field, or NULL */
  uint64_t timeout; /* ms, of the connection and of the tunnel each; 0: none */
} mcp_dial_options_t;

typedef struct mcp_dial mcp_dial_t;

/* Called once, from the loop: `code` 0 and a stream, which the callee then
 * owns; or a code, and in `reason` a static text or NULL. MCP_EPROXY: the proxy
 * refused. */
typedef void (*mcp_dial_fn)(void *owner, int code, const char *reason,
                            mcp_stream_t *stream);

/* 0, and `fn` will be called; or the codes of mcp_tcp_connect and
 * mcp_unix_connect, or MCP_EHTTP for a host or an authorization that cannot be
 * sent to a proxy. */
int mcp_dial_open(mcp_loop_t *loop, const mcp_dial_options_t *options,
                  mcp_dial_fn fn, void *owner, mcp_dial_t **dial);

/* Cancels it: `fn` is not called. Only before `fn` was called; NULL is
 * accepted. */
void mcp_dial_cancel(mcp_dial_t *dial);

#endif
