/* SPDX-License-Identifier: MIT
 * tls_context.h: what TLS is to be like, for all connections of a kind: the
 * certificates, whom we believe, which versions and ciphers. Reads files when
 * it is made and never after. Knows no connection. */
#ifndef MCP_OPENSSL_TLS_CONTEXT_H
#define MCP_OPENSSL_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/buf.h"

/* A file of certificates is smaller: somebody's mistake must not fill the
 * memory. The bundle of all public authorities has 220 KB. */
#define MCP_TLS_FILE_SIZE (4u << 20)

/* Each of ca, cert, key and client_ca is the name of a file, or PEM text; ca
 * and client_ca may be folders. Empty is absent. */
typedef struct {
  bool server;
  bool verify;  /* clients: is the server whom it says it is? */
  bool require; /* servers with a client_ca: refuse who shows no certificate */
  mcp_slice_t ca, cert, key, client_ca;
} mcp_tls_options_t;

/* NULL if it cannot be made, and then `reason` has one line. The strings of the
 * options end with NUL. */
SSL_CTX *mcp_tls_context_new(const mcp_tls_options_t *options, char *reason,
                             size_t size);

#endif
