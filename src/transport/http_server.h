/* SPDX-License-Identifier: MIT
 * http_server.h: the listener of Streamable HTTP. A POST becomes an exchange;
 * its answer is one JSON body, or an event stream if a notice is sent before
 * it. GET and DELETE become exchanges too. Sessions are not known here. */
#ifndef MCP_TRANSPORT_HTTP_SERVER_H
#define MCP_TRANSPORT_HTTP_SERVER_H

#include "net/loop.h"
#include "transport/exchange.h"
#include "transport/http_options.h"

typedef struct mcp_http_server mcp_http_server_t;

/* Fills `options` with the defaults above. */
void mcp_http_options_init(mcp_http_options_t *options);

/* Listens. `up` is handed to `upper`'s functions. 0 or a libuv code. */
int mcp_http_server_open(mcp_loop_t *loop, const mcp_http_options_t *options,
                         const mcp_upper_t *upper, void *up,
                         mcp_http_server_t **server);

/* Sets the guard of the gate, whose address is known only now. Its strings must
 * live as long as the server. */
void mcp_http_server_protect(mcp_http_server_t *server,
                             const mcp_http_guard_t *guard);

int mcp_http_server_port(const mcp_http_server_t *server);
bool mcp_http_server_is_loopback(const mcp_http_server_t *server);

/* How many connections are open. */
unsigned mcp_http_server_connections(const mcp_http_server_t *server);

/* A stream that mcp_exchange_http_ops_t.upgrade gave away has been closed:
 * until this is called it counts as one of the server's connections. */
void mcp_http_server_release(mcp_http_server_t *server);

/* Stops listening, closes idle connections and streams that only listen, and
 * gives requests in progress up to `grace_ms` to finish before it closes them
 * too. `done(arg)` is called after the last connection is gone, and the server
 * is freed. A second call with a shorter grace shortens the first. */
void mcp_http_server_close(mcp_http_server_t *server, uint64_t grace_ms,
                           void (*done)(void *), void *arg);

#endif
