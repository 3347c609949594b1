/* SPDX-License-Identifier: MIT
 * link_access.h: lines of the access log for the requests of a link: each has
 * one, when it has been answered or its connection is gone. */
#ifndef MCP_TRANSPORT_LINK_ACCESS_H
#define MCP_TRANSPORT_LINK_ACCESS_H

#include "base/account.h"
#include "transport/access_log.h"

typedef struct mcp_link_access mcp_link_access_t;
typedef struct mcp_link_request mcp_link_request_t;

/* What all lines of a link have. Texts are copied, but `method`, which is
 * static. `share` outlives it. NULL when there is no memory. */
mcp_link_access_t *mcp_link_access_new(mcp_access_log_t *log,
                                       mcp_share_t *share, const char *remote,
                                       const char *method, const char *path);
void mcp_link_access_free(mcp_link_access_t *access); /* NULL is fine */

/* A request has arrived. NULL when there is no memory: it has no line. */
mcp_link_request_t *mcp_link_access_begin(mcp_link_access_t *access);

/* Sets the members that the upper side adds. What is too long is left out. */
void mcp_link_access_note(mcp_link_request_t *request, mcp_slice_t text);

/* Bytes of a message were sent: the answer, or one before it. */
void mcp_link_access_sent(mcp_link_request_t *request, size_t bytes,
                          bool answer);

/* The request is over: writes its line, and frees it. */
void mcp_link_access_end(mcp_link_access_t *access,
                         mcp_link_request_t *request);

#endif
