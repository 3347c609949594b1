/* SPDX-License-Identifier: MIT
 * ws_client.h: opening a WebSocket: connecting, TLS if wanted, and the
 * handshake (RFC 6455 4.1). What comes of it is a stream for mcp_link_open_ws,
 * or a clear no: any answer but a good 101 is a failure and nothing more
 * (WS-16); no redirect is followed. */
#ifndef MCP_TRANSPORT_WS_CLIENT_H
#define MCP_TRANSPORT_WS_CLIENT_H

#include "net/connect.h"
#include "net/tls.h"
#include "wire/http.h"

/* Connecting, TLS and the handshake together, in milliseconds. */
#define MCP_WS_CLIENT_TIME 10000
/* How much of a refusal's body is told. */
#define MCP_WS_CLIENT_BODY_LENGTH 1024

typedef struct {
  const char *host; /* as for mcp_tcp_connect */
  int port;
  unsigned flags;
  const char *unix_path;   /* or NULL; then instead of host and port */
  mcp_tls_t *tls;          /* or NULL; held until it is open */
  const char *server_name; /* of TLS */
  uint64_t timeout;        /* ms; 0: none */
  bool any_protocol;       /* even if the server chooses no subprotocol */
} mcp_ws_client_options_t;

typedef struct mcp_ws_client mcp_ws_client_t;

/* How it went; valid during the call. */
typedef struct {
  int code;                    /* 0: it is open */
  unsigned status;             /* of the answer that refused it, or 0 */
  const char *why;             /* one line */
  const mcp_http_head_t *head; /* of the refusal, or NULL */
  mcp_slice_t body;            /* of it, as far as that came */
  mcp_stream_t *stream;        /* the callee's */
  mcp_buf_t *early; /* what came behind the handshake; may be moved out */
} mcp_ws_handshake_t;

typedef void (*mcp_ws_client_fn)(void *owner, const mcp_ws_handshake_t *opened);

/* `head` is the request line and the fields but those of WebSocket, without
 * the empty line; it is moved out. 0, and fn will be called once, from the
 * loop; or the codes of mcp_tcp_connect and mcp_crypto_random. */
int mcp_ws_client_open(mcp_loop_t *loop, const mcp_ws_client_options_t *options,
                       mcp_buf_t *head, mcp_ws_client_fn fn, void *owner,
                       mcp_ws_client_t **client);

/* Gives it up: fn is not called any more. Only before fn was called; NULL is
 * accepted. */
void mcp_ws_client_cancel(mcp_ws_client_t *client);

#endif
