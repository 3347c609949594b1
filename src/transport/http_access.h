/* SPDX-License-Identifier: MIT
 * http_access.h: what a line of the access log says of the request that a
 * connection reads or answers. */
#ifndef MCP_TRANSPORT_HTTP_ACCESS_H
#define MCP_TRANSPORT_HTTP_ACCESS_H

#include "transport/http_connection.h"

/* The most of a path that is written, and of what the upper side adds, in
 * bytes. */
#define MCP_HTTP_ACCESS_PATH 256
#define MCP_HTTP_ACCESS_NOTE 768

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

/* Frees what the connection has for it. */
void mcp_http_access_free(mcp_http_connection_t *conn);

#endif
