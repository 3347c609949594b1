/* SPDX-License-Identifier: MIT
 * ws_client.h: opens a WebSocket: connection, TLS if requested, and handshake
 * (RFC 6455 4.1). The result is a stream for mcp_link_open_ws, or an error: any
 * answer but a valid 101 is a failure (WS-16); redirects are not followed. */
#ifndef MCP_TRANSPORT_WS_CLIENT_H
#define MCP_TRANSPORT_WS_CLIENT_H

#include "net/tls.h"
#include "transport/dial.h"
#include "wire/http.h"

/* Connecting, TLS and the handshake together, in milliseconds. */
#define MCP_WS_CLIENT_TIME 10000
/* Bytes of a refusal's body that are reported. */
#define MCP_WS_CLIENT_BODY_LENGTH 1024

typedef struct {
  const char *host; /* as for mcp_tcp_connect */
  int port;
  unsigned flags;
  const char *unix_path;  /* or NULL; then instead of host and port */
  const char *proxy_host; /* or NULL: directly; see dial.h */
  int proxy_port;
  const char *proxy_authorization; /* or NULL */
  mcp_tls_t *tls;                  /* or NULL; held until it is open */
  const char *server_name;         /* of TLS */
  uint64_t timeout;                /* ms; 0: none */
  bool any_protocol; /* even if the server chooses no subprotocol */
} mcp_ws_client_options_t;

typedef struct mcp_ws_client mcp_ws_client_t;

/* The result; valid during the call. */
typedef struct {
  int code;                    /* 0: it is open */
  unsigned status;             /* of the answer that refused it; 0: none */
  const char *reason;          /* one line */
  const mcp_http_head_t *head; /* of the refusal, or NULL */
  mcp_slice_t body;            /* of the refusal, as far as it arrived */
  mcp_stream_t *stream;        /* taken by the callee */
  mcp_buf_t *early;            /* bytes after the handshake; may be moved out */
} mcp_ws_handshake_t;

typedef void (*mcp_ws_client_fn)(void *owner, const mcp_ws_handshake_t *opened);

/* `head` is the request line and the fields but those of WebSocket, without
 * the empty line; it is moved out. 0, and fn will be called once, from the
 * loop; or the codes of mcp_tcp_connect and mcp_crypto_random. */
int mcp_ws_client_open(mcp_loop_t *loop, const mcp_ws_client_options_t *options,
                       mcp_buf_t *head, mcp_ws_client_fn fn, void *owner,
                       mcp_ws_client_t **client);

/* Cancels it: `fn` is not called. Only before `fn` was called; NULL is
 * accepted.
 */
void mcp_ws_client_cancel(mcp_ws_client_t *client);

#endif
