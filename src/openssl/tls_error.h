/* SPDX-License-Identifier: MIT
 * tls_error.h: translates OpenSSL's errors to our codes, and to one line that
 * says what to fix. */
#ifndef MCP_OPENSSL_TLS_ERROR_H
#define MCP_OPENSSL_TLS_ERROR_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* The code of a call on `ssl` that has returned `result`, and into wire->reason
 * what is to be said. 0: it wants more bytes; MCP_TLS_END: the peer has said
 * its end. */
int mcp_tls_error_code(SSL *ssl, int result, mcp_tls_wire_t *wire);

/* A verify callback (SSL_set_verify): records the reason why a chain is not
 * trusted, and changes nothing. The wire is the SSL's app data. */
int mcp_tls_error_verify(int ok, X509_STORE_CTX *chain);

#endif
