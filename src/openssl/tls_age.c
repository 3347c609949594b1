/* SPDX-License-Identifier: MIT
 * tls_age.c: see tls_age.h. The time is in the data that OpenSSL keeps with a
 * ticket, as seconds of the time of day. */
#include "openssl/tls_age.h"

#include <openssl/x509.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "openssl/tls_tickets.h"

#define LIFE (MCP_TLS_TICKET_TIME / 1000)
#define DAY  86400

/* The seconds that a certificate has left, at most `most`. */
static int64_t left(const X509 *cert, int64_t most) {
  int days, seconds;
  int64_t sum;
  if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)))
    return 0;
  sum = (int64_t)days * DAY + seconds;
  return sum < most ? sum : most;
}

void mcp_tls_age_note(SSL *ssl) {
  const STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
  int64_t life = LIFE, until;
  if (SSL_session_reused(ssl)) return;
  for (int i = 0; i < sk_X509_num(chain); i++)
    life = left(sk_X509_value(chain, i), life);
  until = (int64_t)time(NULL) + life;
  (void)SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), &until,
                                        sizeof until);
}

bool mcp_tls_age_is_young(SSL_SESSION *session) {
  int64_t now = (int64_t)time(NULL), until;
  void *data;
  size_t size;
  if (!SSL_SESSION_get0_ticket_appdata(session, &data, &size) ||
      size != sizeof until)
    return false;
  memcpy(&until, data, sizeof until);
  /* More than there ever was: the clock has been set back. */
  return until > now && until - now <= LIFE;
}
