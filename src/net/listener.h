/* SPDX-License-Identifier: MIT
 * listener.h: listening on a TCP address or a socket file. What arrives is a
 * stream. */
#ifndef MCP_NET_LISTENER_H
#define MCP_NET_LISTENER_H

#include <limits.h>

#include "net/loop.h"
#include "net/socket.h"
#include "net/stream.h"

/* Descriptors of the process kept free for files, children and the loop itself,
 * whatever the number of listeners; a quarter of its limit if that is less. */
#define MCP_LISTENER_RESERVED_DESCRIPTORS 64
/* The most connections one listener holds, descriptors permitting. Never
 * letting accept run into EMFILE also avoids libuv 1.44's livelock there. */
#define MCP_LISTENER_CONNECTIONS 10000
/* The most connections of one address, loopback and socket files excepted: one
 * client cannot take all that a listener holds. */
#define MCP_LISTENER_PER_ADDRESS 1000
/* No such limit. */
#define MCP_LISTENER_ANY_NUMBER UINT_MAX
/* The default permissions of a socket file: only its owner may connect. */
#define MCP_LISTENER_MODE 0600

typedef struct mcp_listener mcp_listener_t;

/* Called with each new connection; its stream is the callee's. */
typedef void (*mcp_listener_fn)(void *owner, mcp_stream_t *stream);

/* Listens on `host` (a name or address) and `port` (0: any free one). At
 * `connections` open streams (0: MCP_LISTENER_CONNECTIONS) it stops accepting
 * until mcp_listener_release. 0 or a libuv code. */
int mcp_listener_open(mcp_loop_t *loop, const char *host, int port,
                      unsigned connections, mcp_listener_fn fn, void *owner,
                      mcp_listener_t **listener);

/* Listens on the socket file `path`, which gets the permissions `mode` before
 * any client can connect. An existing socket file on which no process answers
 * is replaced; anything else is UV_EADDRINUSE. UV_EINVAL for an empty path,
 * UV_ENAMETOOLONG for one that is too long for the system. The file is removed
 * when the listener closes, unless another process has replaced it. Otherwise
 * as above. */
int mcp_listener_open_unix(mcp_loop_t *loop, const char *path, unsigned mode,
                           unsigned connections, mcp_listener_fn fn,
                           void *owner, mcp_listener_t **listener);

/* Listens on a socket that is there already, and takes it in any case. Further
 * processes may do the same. Otherwise as above. */
int mcp_listener_over(mcp_loop_t *loop, mcp_socket_t *socket,
                      unsigned connections, mcp_listener_fn fn, void *owner,
                      mcp_listener_t **listener);
/* Connections of an address that has `per_address` open ones, to whichever
 * listener of the process, are closed at once; 0: MCP_LISTENER_PER_ADDRESS,
 * and any number from loopback addresses, as those of a proxy beside us. An
 * address is what peers.h says; socket files have none. */
void mcp_listener_limit_address(mcp_listener_t *listener, unsigned per_address);

/* One accepted stream has been closed: another may come. */
void mcp_listener_release(mcp_listener_t *listener);

/* The port it listens on; 0 for a socket file. */
int mcp_listener_port(const mcp_listener_t *listener);

/* Is it bound to a loopback address, or to a socket file? */
bool mcp_listener_is_loopback(const mcp_listener_t *listener);

/* Is it bound to a socket file? */
bool mcp_listener_is_local(const mcp_listener_t *listener);

/* Stops listening. Accepted streams stay open; mcp_listener_release must not be
 * called afterwards. NULL is accepted. */
void mcp_listener_close(mcp_listener_t *listener);

#endif
