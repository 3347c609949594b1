/* SPDX-License-Identifier: MIT
 * http_sse.h: HTTP+SSE, the transport of 2024-11-05, server side. A GET opens a
 * stream of events; the first one, "endpoint", names an address that messages
 * are POSTed to; answers, and all other messages, are "message" events of the
 * stream. To the upper side it is a fed link.
 *
 * The address is the key to the session: 128 random bits, valid while the
 * stream is open. Authorization is checked elsewhere. Where the upper side has
 * to recognise the address it gives the id. */
#ifndef MCP_TRANSPORT_HTTP_SSE_H
#define MCP_TRANSPORT_HTTP_SSE_H

#include "transport/http_connection.h"

/* Characters of a session's id that is made here: 128 bits in base64url. */
#define MCP_HTTP_SSE_ID_LENGTH 22

/* The sessions of a server, found by their ids. NULL when there is no memory.
 * Freeing NULL is fine; the table must be empty. */
mcp_http_sse_table_t *mcp_http_sse_table_new(void);
void mcp_http_sse_table_free(mcp_http_sse_table_t *table);

/* Turns the connection, whose GET is in progress, into the stream of a new
 * session, whose link is `*link`; `upper` and `up` are the link's. `id` begins
 * with random characters and needs no escape in a URL; if it is empty one is
 * made. 0, and `conn->sse` is set; or a code, and there is no link. */
int mcp_http_sse_open(mcp_http_connection_t *conn, mcp_http_sse_table_t *table,
                      const mcp_http_gate_t *gate, mcp_slice_t id,
                      const mcp_upper_t *upper, void *up, mcp_link_t **link);

/* The session that a query names ("session_id=…"), or NULL. */
mcp_http_sse_t *mcp_http_sse_find(mcp_http_sse_table_t *table,
                                  mcp_slice_t query);

mcp_link_t *mcp_http_sse_link(const mcp_http_sse_t *sse);

/* Has no message been POSTed within `limit` ms of its opening? Streams without
 * messages would hold connections for nothing. */
bool mcp_http_sse_is_forgotten(const mcp_http_sse_t *sse, uint64_t at,
                               uint64_t limit);

/* For the connections of a server. */
extern const mcp_http_sse_hooks_t mcp_http_sse_hooks;

#endif
