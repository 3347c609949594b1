/* SPDX-License-Identifier: MIT
 * http_admission.h: whether a connection may go on after a head, and what is
 * kept of that decision: a client sends the same head with every request. */
#ifndef MCP_TRANSPORT_HTTP_ADMISSION_H
#define MCP_TRANSPORT_HTTP_ADMISSION_H

#include "transport/http_connection.h"

/* The verdict on the head that was read. What it accepts is noted in `conn`. */
mcp_http_verdict_t mcp_http_admission_judge(mcp_http_connection_t *conn);

/* Gives what the upper side knows of requests with this head back to it. */
void mcp_http_admission_forget(mcp_http_connection_t *conn);

#endif
