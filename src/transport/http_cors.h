/* SPDX-License-Identifier: MIT
 * http_cors.h: writes the header fields of CORS (Fetch, 3.3). http_gate.c
 * decides which origins are allowed. */
#ifndef MCP_TRANSPORT_HTTP_CORS_H
#define MCP_TRANSPORT_HTTP_CORS_H

#include "transport/http_gate.h"

/* How long a browser may cache the answer to a preflight, in seconds. */
#define MCP_HTTP_CORS_TIME 600

/* Appends the fields that the answer needs, each with its CRLF; none if no
 * origin may read it. 0, or MCP_ENOMEM, and `out` is unchanged. */
int mcp_http_cors_write(const mcp_http_gate_t *gate,
                        const mcp_http_head_t *head, mcp_buf_t *out);

#endif
