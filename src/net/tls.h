/* SPDX-License-Identifier: MIT
 * tls.h: TLS, as a stream over a stream (tls.c), and what makes it secret: an
 * engine, which knows bytes only. The engine is OpenSSL's and lives in a module
 * of its own, mcp.openssl (src/openssl/tls_engine.c), which is loaded when TLS
 * is first used; it comes here as a table of functions. So memory and time are
 * managed here alone, and no buffer changes its owner between the two.
 *
 * In Lua a context is a userdata with the metatable MCP_TLS_TYPE, whose first
 * member is an mcp_tls_t *. */
#ifndef MCP_NET_TLS_H
#define MCP_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "net/loop.h"
#include "net/stream.h"

#define MCP_TLS_TYPE "mcp.tls"

/* The most plaintext in one record (RFC 8446 5.1). */
#define MCP_TLS_RECORD 16384
/* Ciphertext that is made ahead of what the stream below has written. */
#define MCP_TLS_FLIGHT (128u << 10)
/* What a connection costs beside its queue, most of it OpenSSL's: measured by
 * `make bench ONLY=connections`. */
#define MCP_TLS_COST (16u << 10)
/* Bytes of TLS's own (answers to key updates, alerts) that a peer may make us
 * queue while it does not read: then we do not read either. */
#define MCP_TLS_CHATTER (16u << 10)

/* A context: certificates and requirements for the peer. Shared by its users
 * and reference-counted. */
typedef struct mcp_tls mcp_tls_t;

/* --- for users of TLS ----------------------------------------------------- */

/* A stream over `under`, which it owns from now on, and which has not been
 * started. For a client context, `server_name` is the name or address that the
 * certificate must be for and, if it is a name, is sent to the server (SNI).
 * Without it only a context without verification can be used. An earlier
 * session with the same name and `port` (0: it has none) is resumed. Servers
 * ignore both.
 *
 * The handshake begins with mcp_stream_start; data sent before it is complete
 * waits. If it fails, on_end is called with an MCP_ETLS… code, and
 * mcp_stream_error_text(stream, code) has the details. The end of input is 0
 * only after a close_notify from the peer, and MCP_ETLSCUT if the stream below
 * ended without one. mcp_stream_close sends close_notify, unless queued data is
 * dropped.
 *
 * 0, MCP_ENOMEM, or MCP_ETLSHOST without the name that is needed: `under` is
 * the caller's still. */
int mcp_tls_wrap(mcp_tls_t *tls, mcp_loop_t *loop, mcp_stream_t *under,
                 const char *server_name, int port, mcp_stream_t **stream);

/* Holds a context beyond the userdata; and releases it (NULL is accepted). */
mcp_tls_t *mcp_tls_retain(mcp_tls_t *tls);
void mcp_tls_release(mcp_tls_t *tls);

/* For a server, or for a client? */
bool mcp_tls_is_server(const mcp_tls_t *tls);

/* --- for the engine ------------------------------------------------------- */

/* What reading gives at close_notify. */
#define MCP_TLS_END 2

/* One connection. */
typedef struct mcp_tls_session mcp_tls_session_t;

/* Both ends of a session's bytes on the wire. The stream owns it and keeps it
 * in place while the session lives. */
typedef struct {
  mcp_slice_t in; /* ciphertext; the engine moves its beginning on. Empty but
                     while the stream below is being read */
  /* Takes ciphertext that is to be sent: 0 or MCP_ENOMEM. Makes no callback. */
  int (*put)(void *owner, const char *bytes, size_t len);
  void *owner;
  void *own;        /* the engine's own */
  int code;         /* what put said, if it failed */
  char reason[192]; /* of the last failure; "" where its code says it all */
} mcp_tls_wire_t;

typedef struct {
  void (*retain)(mcp_tls_t *tls);
  void (*release)(mcp_tls_t *tls);
  /* 0, MCP_ENOMEM or MCP_ETLSHOST. */
  int (*open)(mcp_tls_t *tls, const char *server_name, int port,
              mcp_tls_wire_t *wire, mcp_tls_session_t **session);
  /* The handshake. 1: it is done, 0: more must come in, or a code. */
  int (*shake)(mcp_tls_session_t *session);
  /* Reads at most one record, up to MCP_TLS_RECORD bytes, to `plain`; of the
   * input after it only the beginning of another record is held back. 1 and
   * `*got`; 0: more input is needed; MCP_TLS_END: the peer has sent
   * close_notify; or a code. */
  int (*read)(mcp_tls_session_t *session, char *plain, size_t *got);
  /* All of it, now. 0 or a code. */
  int (*write)(mcp_tls_session_t *session, mcp_slice_t plain);
  /* Says that nothing more will be written. */
  void (*end)(mcp_tls_session_t *session);
  void (*close)(mcp_tls_session_t *session);
} mcp_tls_ops_t;

struct mcp_tls {
  const mcp_tls_ops_t *ops;
  bool server;
};

#endif
