/* SPDX-License-Identifier: MIT
 * redirect_listener.h: a listener on loopback that receives the redirect of a
 * browser (RFC 8252 7.3), reports the target of the request, and answers with a
 * page. It does not know what the target means. */
#ifndef MCP_TRANSPORT_REDIRECT_LISTENER_H
#define MCP_TRANSPORT_REDIRECT_LISTENER_H

#include "base/buf.h"
#include "net/loop.h"

/* Browsers open more connections than they use. */
#define MCP_REDIRECT_LISTENER_CONNECTIONS 16

typedef struct mcp_redirect_listener mcp_redirect_listener_t;

/* Called with the target of each request for the path, "/callback?code=…",
 * which is valid during the call. */
typedef void (*mcp_redirect_listener_fn)(void *owner, mcp_slice_t target);

/* Listens on `host`, which must be loopback (else MCP_EINVAL), and `port` (0:
 * any free port), for `path`, which is copied. 0 or a code. */
int mcp_redirect_listener_open(mcp_loop_t *loop, const char *host, int port,
                               const char *path, mcp_redirect_listener_fn fn,
                               void *owner, mcp_redirect_listener_t **server);

int mcp_redirect_listener_port(const mcp_redirect_listener_t *server);

/* Stops listening; pages being sent are finished. `fn` is not called again.
 * NULL is accepted. */
void mcp_redirect_listener_close(mcp_redirect_listener_t *server);

#endif
