/* SPDX-License-Identifier: MIT
 * tls_context.h: the TLS settings of all connections of a kind: certificates,
 * trusted authorities, versions and ciphers. Reads files only when it is made.
 * Independent of any connection. */
#ifndef MCP_OPENSSL_TLS_CONTEXT_H
#define MCP_OPENSSL_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/buf.h"

/* Real certificate files are smaller: a wrong file name must not fill the
 * memory. The bundle of all public authorities has 220 KB. */
#define MCP_TLS_FILE_SIZE (4u << 20)

/* Each of ca, cert, key and client_ca is the name of a file, or PEM text; ca
 * and client_ca may be folders. Empty is absent. */
typedef struct {
  bool server;
  bool verify;  /* clients: verify the server's certificate and name */
  bool require; /* servers with a client_ca: refuse clients without a
                   certificate */
  mcp_slice_t ca, cert, key, client_ca;
} mcp_tls_options_t;

/* NULL if it cannot be made, and then `reason` has one line. The strings of the
 * options end with NUL. */
SSL_CTX *mcp_tls_context_new(const mcp_tls_options_t *options, char *reason,
                             size_t size);

#endif
