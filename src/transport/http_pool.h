/* SPDX-License-Identifier: MIT
 * http_pool.h: client connections by origin, kept for the next request. The
 * requests themselves are http_call.h. */
#ifndef MCP_TRANSPORT_HTTP_POOL_H
#define MCP_TRANSPORT_HTTP_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "net/loop.h"

/* Connections to one origin: an event stream holds one as long as it is open,
 * so there are more than in a browser. */
#define MCP_HTTP_CLIENT_CONNECTIONS 32
/* Idle connections are closed before most servers close them. All times are in
 * milliseconds. */
#define MCP_HTTP_CLIENT_IDLE_TIME 30000
/* Addresses that do not answer. */
#define MCP_HTTP_CLIENT_CONNECT_TIME 10000

typedef struct mcp_http_pool mcp_http_pool_t;

/* 0 takes the default above. */
typedef struct {
  unsigned connections;
  uint64_t idle_time, connect_time;
} mcp_http_pool_options_t;

/* A pool on `loop`, or NULL: no memory. */
mcp_http_pool_t *mcp_http_pool_new(mcp_loop_t *loop,
                                   const mcp_http_pool_options_t *options);

/* Closes every connection; calls that are not done fail with MCP_ECLOSED, and
 * new ones do so at once. May be called twice. */
void mcp_http_pool_close(mcp_http_pool_t *pool);

/* Closes it, and frees it when its last call is. NULL is accepted. */
void mcp_http_pool_free(mcp_http_pool_t *pool);

typedef struct {
  size_t open, idle, waiting; /* connections; calls without one */
} mcp_http_pool_facts_t;

mcp_http_pool_facts_t mcp_http_pool_facts(const mcp_http_pool_t *pool);

#endif
