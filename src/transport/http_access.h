/* SPDX-License-Identifier: MIT
 * http_access.h: what a line of the access log says of the request that a
 * connection reads or answers. */
#ifndef MCP_TRANSPORT_HTTP_ACCESS_H
#define MCP_TRANSPORT_HTTP_ACCESS_H

#include "transport/http_connection.h"
#include "transport/link_access.h"

/* A head was read. Without an access log these three do nothing. */
void mcp_http_access_begin(mcp_http_connection_t *conn);

/* Adds members for the line: ",\"key\":value" of JSON, else " key=value". What
 * is too long is left out. */
void mcp_http_access_note(mcp_http_connection_t *conn, mcp_slice_t text);

/* The answer is complete, or there will be none. */
void mcp_http_access_end(mcp_http_connection_t *conn);

/* The same if the request was answered without being handed up. */
void mcp_http_access_settle(mcp_http_connection_t *conn);

/* What came was no request, and was answered. */
void mcp_http_access_bad(mcp_http_connection_t *conn);

/* What the lines of a link need that the request in progress becomes; `method`
 * is static. NULL: there is no access log, or no memory. */
mcp_link_access_t *mcp_http_access_link(mcp_http_connection_t *conn,
                                        const char *method);

/* Frees what the connection has for it. */
void mcp_http_access_free(mcp_http_connection_t *conn);

#endif
