/* SPDX-License-Identifier: MIT
 * http_cors.h: the header fields of CORS (Fetch, 3.3) in words. Who may is
 * http_gate.c's; here is how it is said. */
#ifndef MCP_TRANSPORT_HTTP_CORS_H
#define MCP_TRANSPORT_HTTP_CORS_H

#include "transport/http_gate.h"

/* How long a browser may remember what a preflight said, in seconds. */
#define MCP_HTTP_CORS_TIME 600

/* Appends the fields that an answer to the request needs, each with its CRLF;
 * nothing where nothing is shared. 0 or MCP_ENOMEM, and then `out` is as it
 * was. */
int mcp_http_cors_write(const mcp_http_gate_t *gate,
                        const mcp_http_head_t *head, mcp_buf_t *out);

#endif
