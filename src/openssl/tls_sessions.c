/* SPDX-License-Identifier: MIT
 * tls_sessions.c: see tls_sessions.h. */
#include "openssl/tls_sessions.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "openssl/tls_age.h"

/* Where a server is in the list, or `count`. */
static size_t find(const mcp_tls_sessions_t *all, const char *name) {
  size_t i = 0;
  while (i < all->count && strcmp(all->servers[i]->name, name) != 0) i++;
  return i;
}

static void drop(mcp_tls_sessions_t *all, size_t at) {
  mcp_tls_server_t *server = all->servers[at];
  while (server->count > 0) SSL_SESSION_free(server->sessions[--server->count]);
  mcp_mem_free(server);
  all->servers[at] = all->servers[--all->count];
}

static size_t oldest(const mcp_tls_sessions_t *all) {
  size_t at = 0;
  for (size_t i = 1; i < all->count; i++)
    if (all->servers[i]->used < all->servers[at]->used) at = i;
  return at;
}

static mcp_tls_server_t *add(mcp_tls_sessions_t *all, const char *name) {
  mcp_tls_server_t *server;
  if (all->count == MCP_TLS_SERVERS) drop(all, oldest(all));
  server = mcp_mem_zalloc(sizeof *server);
  if (!server) return NULL;
  strcpy(server->name, name);
  all->servers[all->count++] = server;
  return server;
}

void mcp_tls_sessions_keep(mcp_tls_sessions_t *all, const char *name,
                           SSL_SESSION *session) {
  size_t at = find(all, name);
  mcp_tls_server_t *server = at < all->count ? all->servers[at]
                             : strlen(name) < MCP_TLS_SERVER_SIZE
                                 ? add(all, name)
                                 : NULL;
  if (!server) {
    SSL_SESSION_free(session);
    return;
  }
  server->used = ++all->uses;
  if (server->count == MCP_TLS_SESSIONS) {
    SSL_SESSION_free(server->sessions[0]);
    memmove(server->sessions, server->sessions + 1,
            (MCP_TLS_SESSIONS - 1) * sizeof *server->sessions);
    server->count--;
  }
  server->sessions[server->count++] = session;
}

/* What the server has shown must be valid still: resuming does not look at it
 * again. */
static bool is_valid(SSL_SESSION *session) {
  return SSL_SESSION_is_resumable(session) &&
         SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session) >
             (long)time(NULL) &&
         mcp_tls_age_is_young(session);
}

SSL_SESSION *mcp_tls_sessions_take(mcp_tls_sessions_t *all, const char *name) {
  size_t at = find(all, name);
  mcp_tls_server_t *server = at < all->count ? all->servers[at] : NULL;
  if (!server) return NULL;
  server->used = ++all->uses;
  while (server->count > 0) {
    SSL_SESSION *session = server->sessions[--server->count];
    if (is_valid(session)) {
      /* One of TLS 1.2 may be used again (RFC 8446 C.4 is about 1.3). */
      if (SSL_SESSION_get_protocol_version(session) <= TLS1_2_VERSION &&
          SSL_SESSION_up_ref(session))
        server->count++;
      return session;
    }
    SSL_SESSION_free(session);
  }
  drop(all, at);
  return NULL;
}

void mcp_tls_sessions_forget(mcp_tls_sessions_t *all, const char *name) {
  size_t at = find(all, name);
  if (at < all->count) drop(all, at);
}

void mcp_tls_sessions_deinit(mcp_tls_sessions_t *all) {
  while (all->count > 0) drop(all, 0);
}
