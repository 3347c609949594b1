/* SPDX-License-Identifier: MIT
 * tls_sessions.h: the sessions that a client may resume, by the server they are
 * with: a name and a port. They belong to one context, so none is used with
 * other certificates or other trusted authorities than it was made with. */
#ifndef MCP_OPENSSL_TLS_SESSIONS_H
#define MCP_OPENSSL_TLS_SESSIONS_H

#include <openssl/ssl.h>
#include <stdint.h>

/* Servers whose sessions are kept: a client that calls ever new ones. The one
 * that was used longest ago gives way. */
#define MCP_TLS_SERVERS 64
/* Sessions of one server: one that sends tickets without end. A ticket of TLS
 * 1.3 is used once, so connections that open together need one each. */
#define MCP_TLS_SESSIONS 4
/* The longest name, with its port. */
#define MCP_TLS_SERVER_SIZE 264

typedef struct {
  char name[MCP_TLS_SERVER_SIZE];
  uint64_t used;
  size_t count;
  SSL_SESSION *sessions[MCP_TLS_SESSIONS]; /* the newest is the last */
} mcp_tls_server_t;

/* All zero is empty. */
typedef struct {
  mcp_tls_server_t *servers[MCP_TLS_SERVERS];
  size_t count;
  uint64_t uses;
} mcp_tls_sessions_t;

/* Keeps a session with the server `name`; takes it. */
void mcp_tls_sessions_keep(mcp_tls_sessions_t *all, const char *name,
                           SSL_SESSION *session);

/* A session to resume, which is the caller's then, or NULL. */
SSL_SESSION *mcp_tls_sessions_take(mcp_tls_sessions_t *all, const char *name);

/* Drops the sessions with a server: a handshake with it has failed. */
void mcp_tls_sessions_forget(mcp_tls_sessions_t *all, const char *name);

/* Drops all of them. */
void mcp_tls_sessions_deinit(mcp_tls_sessions_t *all);

#endif
