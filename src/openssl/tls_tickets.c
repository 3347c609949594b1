/* SPDX-License-Identifier: MIT
 * tls_tickets.c: see tls_tickets.h. Which sessions fit a context is decided by
 * its session id context (tls_context.c). */
#include "openssl/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "openssl/aead.h"
#include "openssl/tls_age.h"

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  /* 0 is "never". */
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + 1;
}

static int derive(mcp_tls_ticket_key_t *key, const unsigned char *secret) {
  static const char *const purposes[] = {"name", "cipher", "mac"};
  unsigned char out[3][MCP_AEAD_DIGEST];
  mcp_slice_t from = {(const char *)secret, MCP_TLS_TICKET_SECRET};
  for (int i = 0; i < 3; i++) {
    mcp_slice_t about = {purposes[i], strlen(purposes[i])};
    if (mcp_aead_mac(from, about, out[i]) < 0) return MCP_ENOMEM;
  }
  memcpy(key->name, out[0], sizeof key->name);
  memcpy(key->cipher, out[1], sizeof key->cipher);
  memcpy(key->mac, out[2], sizeof key->mac);
  OPENSSL_cleanse(out, sizeof out);
  return 0;
}

int mcp_tls_tickets_share(mcp_tls_tickets_t *tickets,
                          const unsigned char *secret) {
  mcp_tls_ticket_key_t key;
  if (derive(&key, secret) < 0) return MCP_ENOMEM;
  key.since = now();
  if (memcmp(key.name, tickets->current.name, sizeof key.name) != 0)
    tickets->previous = tickets->current;
  tickets->current = key;
  OPENSSL_cleanse(&key, sizeof key);
  return 0;
}

void mcp_tls_tickets_deinit(mcp_tls_tickets_t *tickets) {
  OPENSSL_cleanse(tickets, sizeof *tickets);
}

/* Is the age of a key below `limit`? */
static bool is_young(const mcp_tls_ticket_key_t *key, uint64_t limit) {
  return key->since > 0 && now() - key->since < limit;
}

/* The key that encrypts, or NULL: there are no random bytes. */
static const mcp_tls_ticket_key_t *current(mcp_tls_tickets_t *tickets) {
  unsigned char secret[MCP_TLS_TICKET_SECRET];
  bool made;
  if (is_young(&tickets->current, MCP_TLS_TICKET_TIME))
    return &tickets->current;
  made = RAND_bytes(secret, sizeof secret) == 1 &&
         mcp_tls_tickets_share(tickets, secret) == 0;
  OPENSSL_cleanse(secret, sizeof secret);
  return made ? &tickets->current : NULL;
}

static const mcp_tls_ticket_key_t *find(const mcp_tls_tickets_t *tickets,
                                        const unsigned char *name) {
  const mcp_tls_ticket_key_t *keys[] = {&tickets->current, &tickets->previous};
  for (int i = 0; i < 2; i++)
    if (is_young(keys[i], 2 * MCP_TLS_TICKET_TIME) &&
        memcmp(keys[i]->name, name, sizeof keys[i]->name) == 0)
      return keys[i];
  return NULL;
}

static bool set_mac(EVP_MAC_CTX *mac, const mcp_tls_ticket_key_t *key) {
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac,
                                        sizeof key->mac),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* What OpenSSL asks for each ticket: 1, 2 for one that is to be replaced, or 0:
 * no ticket, or one that is not ours. */
static int on_key(SSL *ssl, unsigned char *name, unsigned char *iv,
                  EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypts) {
  mcp_tls_tickets_t *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  const EVP_CIPHER *kind = EVP_aes_256_cbc();
  const mcp_tls_ticket_key_t *key;
  if (encrypts) {
    key = current(tickets);
    if (!key || RAND_bytes(iv, EVP_CIPHER_get_iv_length(kind)) != 1) return 0;
    memcpy(name, key->name, sizeof key->name);
    return EVP_EncryptInit_ex2(cipher, kind, key->cipher, iv, NULL) == 1 &&
           set_mac(mac, key);
  }
  key = find(tickets, name);
  if (!key || !EVP_DecryptInit_ex2(cipher, kind, key->cipher, iv, NULL) ||
      !set_mac(mac, key))
    return 0;
  return key == &tickets->current ? 1 : 2;
}

/* Each ticket has the time of the full handshake that its session began with:
 * OpenSSL copies a session before it makes another ticket of it. */
static int on_make(SSL *ssl, void *arg) {
  (void)arg;
  mcp_tls_age_note(ssl);
  return 1;
}

/* What has been found out about a certificate is not believed for ever. A
 * ticket of TLS 1.3 is used once, so there is always another (RFC 8446 C.4). */
static SSL_TICKET_RETURN on_ticket(SSL *ssl, SSL_SESSION *session,
                                   const unsigned char *name, size_t size,
                                   SSL_TICKET_STATUS status, void *arg) {
  (void)name, (void)size, (void)arg;
  if ((status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) ||
      !mcp_tls_age_is_young(session))
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  return status == SSL_TICKET_SUCCESS_RENEW || SSL_version(ssl) > TLS1_2_VERSION
             ? SSL_TICKET_RETURN_USE_RENEW
             : SSL_TICKET_RETURN_USE;
}

bool mcp_tls_tickets_use(SSL_CTX *ctx, mcp_tls_tickets_t *tickets) {
  SSL_CTX_set_timeout(ctx, MCP_TLS_TICKET_TIME / 1000);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_key);
  return SSL_CTX_set_app_data(ctx, tickets) &&
         SSL_CTX_set_session_ticket_cb(ctx, on_make, on_ticket, NULL);
}
