/* SPDX-License-Identifier: MIT
 * tls_engine.c: see tls_engine.h. A session is OpenSSL's SSL over a BIO that
 * reads where the bytes lie and writes where they are wanted. */
#include "openssl/tls_engine.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "openssl/tls_age.h"
#include "openssl/tls_error.h"
#include "openssl/tls_sessions.h"
#include "openssl/tls_tickets.h"

/* The longest name that SNI carries (RFC 1035 2.3.4), and its NUL. */
#define HOST_SIZE 256

typedef struct {
  mcp_tls_t base;
  unsigned users;
  bool verify;
  mcp_tls_handshakes_t handshakes;
  mcp_tls_tickets_t tickets;   /* of servers */
  mcp_tls_sessions_t sessions; /* of clients */
  SSL_CTX *ctx;
  BIO_METHOD *wire;
  size_t alpn_size;
  unsigned char alpn[1 + MCP_TLS_ALPN]; /* as ALPN writes it: length, name */
} engine_t;

/* What a session's wire points to. */
typedef struct {
  engine_t *engine;
  char server[]; /* name and port of a client's server; "" without a name */
} own_t;

/* --- the wire as a BIO -----------------------------------------------------
 */

static int wire_read(BIO *bio, char *out, size_t size, size_t *got) {
  mcp_tls_wire_t *wire = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *got = wire->in.len < size ? wire->in.len : size;
  if (*got == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  memcpy(out, wire->in.data, *got);
  wire->in.data += *got;
  wire->in.len -= *got;
  return 1;
}

static int wire_write(BIO *bio, const char *bytes, size_t len, size_t *done) {
  mcp_tls_wire_t *wire = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  *done = 0;
  wire->code = wire->put(wire->owner, bytes, len);
  if (wire->code < 0) return 0;
  *done = len;
  return 1;
}

static long wire_ctrl(BIO *bio, int command, long number, void *arg) {
  (void)bio, (void)number, (void)arg;
  return command == BIO_CTRL_FLUSH;
}

/* --- sessions --------------------------------------------------------------
 */

/* Of what others have left in the queue of errors OpenSSL would believe that it
 * is about the next call. It is empty nearly always, and looking costs less
 * than clearing. */
static void clear_errors(void) {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

static SSL *ssl_of(mcp_tls_session_t *session) {
  return (SSL *)session;
}

static mcp_tls_wire_t *wire_of(SSL *ssl) {
  return SSL_get_app_data(ssl);
}

/* The name or address that the certificate must be for. A name is also sent to
 * the server, an address is not (RFC 6066 3). The common name is not a host
 * name (RFC 9525 6.4.4). */
static int demand_host(SSL *ssl, const char *name, bool verify) {
  X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
  unsigned char address[16];
  char host[HOST_SIZE];
  size_t n = name ? strlen(name) : 0;
  if (n == 0 || n >= sizeof host) return verify ? MCP_ETLSHOST : 0;
  memcpy(host, name, n + 1);
  if (inet_pton(AF_INET, host, address) == 1 ||
      inet_pton(AF_INET6, host, address) == 1)
    return !verify || X509_VERIFY_PARAM_set1_ip_asc(param, host) ? 0
                                                                 : MCP_ENOMEM;
  /* The root's dot is part of a name in DNS only. */
  if (host[n - 1] == '.') host[--n] = '\0';
  X509_VERIFY_PARAM_set_hostflags(param,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (n == 0 || !SSL_set_tlsext_host_name(ssl, host) ||
      (verify && !X509_VERIFY_PARAM_set1_host(param, host, n)))
    return MCP_ENOMEM;
  return 0;
}

static own_t *own_of(SSL *ssl) {
  return wire_of(ssl)->own;
}

static own_t *new_own(engine_t *e, const char *server_name, int port) {
  size_t size = server_name ? strlen(server_name) + sizeof ":65535" : 1;
  own_t *own = mcp_mem_zalloc(sizeof *own + size);
  if (!own) return NULL;
  own->engine = e;
  if (server_name) snprintf(own->server, size, "%s:%d", server_name, port);
  return own;
}

/* Continues an earlier session with the server, if there is one. */
static void resume(SSL *ssl) {
  own_t *own = own_of(ssl);
  SSL_SESSION *kept =
      mcp_tls_sessions_take(&own->engine->sessions, own->server);
  if (kept) (void)SSL_set_session(ssl, kept);
  SSL_SESSION_free(kept);
}

/* A client's session that may be resumed. 1: it is kept. */
static int on_new(SSL *ssl, SSL_SESSION *session) {
  const own_t *own = own_of(ssl);
  engine_t *e = own->engine;
  /* Files may have been read again since the connection began. */
  if (own->server[0] == '\0' || SSL_get_SSL_CTX(ssl) != e->ctx) return 0;
  mcp_tls_sessions_keep(&e->sessions, own->server, session);
  return 1;
}

static int open_session(mcp_tls_t *tls, const char *server_name, int port,
                        mcp_tls_wire_t *wire, mcp_tls_session_t **session) {
  engine_t *e = (engine_t *)tls;
  SSL *ssl = SSL_new(e->ctx);
  BIO *bio = ssl ? BIO_new(e->wire) : NULL;
  int code = MCP_ENOMEM;
  if (!bio || !SSL_set_app_data(ssl, wire)) goto fail;
  wire->own = new_own(e, tls->server ? NULL : server_name, port);
  if (!wire->own) goto fail;
  BIO_set_data(bio, wire);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  bio = NULL;
  SSL_set_verify(ssl, SSL_get_verify_mode(ssl), mcp_tls_error_verify);
  if (tls->server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
    code = demand_host(ssl, server_name, e->verify);
    if (code < 0) goto fail;
    resume(ssl);
  }
  *session = (mcp_tls_session_t *)ssl;
  ERR_clear_error();
  return 0;

fail:
  BIO_free(bio);
  SSL_free(ssl);
  mcp_mem_free(wire->own);
  wire->own = NULL;
  ERR_clear_error();
  return code;
}

static int shake(mcp_tls_session_t *session) {
  SSL *ssl = ssl_of(session);
  const own_t *own = own_of(ssl);
  engine_t *e = own->engine;
  int result;
  clear_errors();
  result = SSL_do_handshake(ssl);
  if (result == 1) {
    bool resumed = SSL_session_reused(ssl) == 1;
    e->handshakes.full += !resumed;
    e->handshakes.resumed += resumed;
    /* Now, not with the first ticket: a server may send that hours later. */
    if (!e->base.server) mcp_tls_age_note(ssl);
    return 1;
  }
  result = mcp_tls_error_code(ssl, result, wire_of(ssl));
  /* Where a session was the reason, the next attempt does without. */
  if (result != 0) mcp_tls_sessions_forget(&e->sessions, own->server);
  return result == MCP_TLS_END ? MCP_ETLSCUT : result;
}

static int read_record(mcp_tls_session_t *session, char *plain, size_t *got) {
  SSL *ssl = ssl_of(session);
  int result;
  clear_errors();
  result = SSL_read_ex(ssl, plain, MCP_TLS_RECORD, got);
  if (result == 1) return 1;
  *got = 0;
  return mcp_tls_error_code(ssl, result, wire_of(ssl));
}

static int write_bytes(mcp_tls_session_t *session, mcp_slice_t plain) {
  SSL *ssl = ssl_of(session);
  size_t done;
  int result, code;
  clear_errors();
  result = SSL_write_ex(ssl, plain.data, plain.len, &done);
  if (result == 1) return 0;
  code = mcp_tls_error_code(ssl, result, wire_of(ssl));
  /* It never waits: there is no "later" that it could mean. */
  return code < 0 ? code : MCP_ETLS;
}

static void end_session(mcp_tls_session_t *session) {
  clear_errors();
  (void)SSL_shutdown(ssl_of(session));
  clear_errors();
}

static void close_session(mcp_tls_session_t *session) {
  own_t *own = own_of(ssl_of(session));
  SSL_free(ssl_of(session));
  mcp_mem_free(own);
}

/* --- contexts --------------------------------------------------------------
 */

static void retain(mcp_tls_t *tls) {
  ((engine_t *)tls)->users++;
}

static void release(mcp_tls_t *tls) {
  engine_t *e = (engine_t *)tls;
  if (--e->users > 0) return;
  mcp_tls_sessions_deinit(&e->sessions);
  mcp_tls_tickets_deinit(&e->tickets);
  SSL_CTX_free(e->ctx);
  BIO_meth_free(e->wire);
  mcp_mem_free(e);
}

static const mcp_tls_ops_t ops = {retain,      release,      open_session,
                                  shake,       read_record,  write_bytes,
                                  end_session, close_session};

/* A client that wants another protocol is refused (RFC 7301 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out,
                           unsigned char *size, const unsigned char *offered,
                           unsigned length, void *arg) {
  const engine_t *e = arg;
  unsigned char *chosen;
  (void)ssl;
  if (SSL_select_next_proto(&chosen, size, e->alpn, (unsigned)e->alpn_size,
                            offered, length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

static bool set_protocol(engine_t *e, SSL_CTX *ctx) {
  if (e->alpn_size == 0) return true;
  if (!e->base.server)
    return SSL_CTX_set_alpn_protos(ctx, e->alpn, (unsigned)e->alpn_size) == 0;
  SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, e);
  return true;
}

/* What a context needs of its engine. False: no memory. */
static bool join(engine_t *e, SSL_CTX *ctx) {
  if (!set_protocol(e, ctx)) return false;
  if (e->base.server) {
    return mcp_tls_tickets_use(ctx, &e->tickets);
  } else {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
                                            SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_new);
  }
  return true;
}

mcp_tls_t *mcp_tls_engine_new(SSL_CTX *ctx, bool server, bool verify,
                              mcp_slice_t alpn) {
  engine_t *e = mcp_mem_zalloc(sizeof *e);
  if (!e) return NULL;
  e->base = (mcp_tls_t){.ops = &ops, .server = server};
  e->users = 1;
  e->verify = verify;
  if (alpn.len > 0) {
    e->alpn[0] = (unsigned char)alpn.len;
    memcpy(e->alpn + 1, alpn.data, alpn.len);
    e->alpn_size = alpn.len + 1;
  }
  e->wire = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "mcp");
  if (!e->wire || !BIO_meth_set_read_ex(e->wire, wire_read) ||
      !BIO_meth_set_write_ex(e->wire, wire_write) ||
      !BIO_meth_set_ctrl(e->wire, wire_ctrl) || !join(e, ctx)) {
    BIO_meth_free(e->wire);
    mcp_mem_free(e);
    return NULL;
  }
  e->ctx = ctx;
  return &e->base;
}

int mcp_tls_engine_renew(mcp_tls_t *tls, SSL_CTX *ctx) {
  engine_t *e = (engine_t *)tls;
  if (!join(e, ctx)) return MCP_ENOMEM;
  mcp_tls_sessions_deinit(&e->sessions);
  SSL_CTX_free(e->ctx);
  e->ctx = ctx;
  return 0;
}

int mcp_tls_engine_share(mcp_tls_t *tls, const unsigned char *secret) {
  return mcp_tls_tickets_share(&((engine_t *)tls)->tickets, secret);
}

mcp_tls_handshakes_t mcp_tls_engine_handshakes(const mcp_tls_t *tls) {
  return ((const engine_t *)tls)->handshakes;
}
