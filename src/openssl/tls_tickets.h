/* SPDX-License-Identifier: MIT
 * tls_tickets.h: the keys of a server's session tickets (RFC 5077, RFC 8446
 * 4.6.1). A session is in its client's ticket, so the server keeps nothing but
 * the keys: the current one, which encrypts, and the one before it. Each takes
 * the place of the last after MCP_TLS_TICKET_TIME: a random one, or one that
 * several processes of a server share. */
#ifndef MCP_OPENSSL_TLS_TICKETS_H
#define MCP_OPENSSL_TLS_TICKETS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

/* How long a key encrypts and a session can be resumed, in milliseconds; a key
 * decrypts for twice as long. A session and those that follow from it can be
 * resumed for this time together (tls_age.h). */
#define MCP_TLS_TICKET_TIME 3600000
/* Bytes of a secret that a key is made of. */
#define MCP_TLS_TICKET_SECRET 32

typedef struct {
  uint64_t since; /* milliseconds; 0: there is none */
  unsigned char name[16], cipher[32], mac[32];
} mcp_tls_ticket_key_t;

/* All zero is a set without keys: the first is made when it is needed. */
typedef struct {
  mcp_tls_ticket_key_t current, previous;
} mcp_tls_tickets_t;

/* Makes the key of `secret` the current one. 0 or MCP_ENOMEM. */
int mcp_tls_tickets_share(mcp_tls_tickets_t *tickets,
                          const unsigned char *secret);

/* Forgets the keys. */
void mcp_tls_tickets_deinit(mcp_tls_tickets_t *tickets);

/* Lets a server's context use `tickets`, which stays in place as long as the
 * context's sessions live. False: no memory. */
bool mcp_tls_tickets_use(SSL_CTX *ctx, mcp_tls_tickets_t *tickets);

#endif
