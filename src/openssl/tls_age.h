/* SPDX-License-Identifier: MIT
 * tls_age.h: until when a session may be resumed: what a full handshake has
 * found out about the peer's certificates is believed for MCP_TLS_TICKET_TIME,
 * and no longer than the first of them to end. The time is a part of the
 * session, so that it is in tickets and passes to the sessions that follow from
 * it: neither side forgets it when a resumed handshake makes another. */
#ifndef MCP_OPENSSL_TLS_AGE_H
#define MCP_OPENSSL_TLS_AGE_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* Notes the time in the session of a full handshake; in a resumed one it is
 * there already. Where the memory does not suffice, it has none. */
void mcp_tls_age_note(SSL *ssl);

/* Is that time still to come? False without one. */
bool mcp_tls_age_is_young(SSL_SESSION *session);

#endif
