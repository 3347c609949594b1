/* SPDX-License-Identifier: MIT
 * tls_engine.h: the engine of net/tls.h, on OpenSSL. A context is shared by its
 * users and reference-counted. */
#ifndef MCP_OPENSSL_TLS_ENGINE_H
#define MCP_OPENSSL_TLS_ENGINE_H

#include <stdint.h>

#include "net/tls.h"
#include "openssl/tls_context.h"

/* The longest name of a protocol for ALPN. */
#define MCP_TLS_ALPN 64

/* Takes `ctx` when it succeeds. `alpn` (at most MCP_TLS_ALPN bytes, "" for no
 * ALPN) is the protocol that is offered, and the only one that is accepted.
 * NULL: no memory. */
mcp_tls_t *mcp_tls_engine_new(SSL_CTX *ctx, bool server, bool verify,
                              mcp_slice_t alpn);

/* Takes `ctx` in place of the one it has, for new connections. 0, or
 * MCP_ENOMEM, and then nothing has changed and `ctx` is the caller's. */
int mcp_tls_engine_renew(mcp_tls_t *tls, SSL_CTX *ctx);

/* Makes the ticket key of `secret` (MCP_TLS_TICKET_SECRET bytes) the current
 * one of a server: see tls_tickets.h. 0 or MCP_ENOMEM. */
int mcp_tls_engine_share(mcp_tls_t *tls, const unsigned char *secret);

/* Handshakes that were completed: with a certificate, and without one by
 * continuing an earlier session. */
typedef struct {
  uint64_t full, resumed;
} mcp_tls_handshakes_t;

mcp_tls_handshakes_t mcp_tls_engine_handshakes(const mcp_tls_t *tls);

#endif
