/* SPDX-License-Identifier: MIT
 * http_guard.h: what a listener answers by itself: with authorization, the
 * metadata documents that name the authorization server (RFC 9728), and
 * requests without a token; and pages. Tokens are not validated here. Pure,
 * like the gate. */
#ifndef MCP_TRANSPORT_HTTP_GUARD_H
#define MCP_TRANSPORT_HTTP_GUARD_H

#include "wire/http.h"

/* How long a document, and the answer to a preflight, may be cached: seconds.
 */
#define MCP_HTTP_GUARD_TIME 3600

/* A public document that pages of any origin may read, unless it has fields of
 * its own. Strings are borrowed. */
typedef struct {
  const char *path; /* NULL: the list ends */
  const char *body;
  const char *type;   /* its media type; NULL for JSON */
  const char *fields; /* lines, each with its CRLF: it is not for pages of other
                         origins. NULL: it is. */
  bool is_route;      /* there is no body: the upper side answers */
  bool any_host;      /* of a route: whatever Host says, as probes have it */
} mcp_http_page_t;

/* All zero: no authorization, and no pages. */
typedef struct {
  const char *challenge; /* parameters of WWW-Authenticate: Bearer; or NULL */
  const mcp_http_page_t *pages; /* or NULL */
} mcp_http_guard_t;

/* The document that a request is for, or NULL. */
const mcp_http_page_t *mcp_http_guard_page(const mcp_http_guard_t *guard,
                                           const mcp_http_head_t *head);

/* 0 if there is a token, or the key of a page of ours, which are both
 * validated later; 401 without one; 400 if there is one in the query as well
 * as in the header (RFC 6750 2). One in the query alone is ignored: it would
 * show up in logs and histories. */
unsigned mcp_http_guard_judge(const mcp_http_guard_t *guard,
                              const mcp_http_head_t *head);

/* Appends the fields of an answer: to a request that was refused with `status`
 * (a challenge); and of a document, its Content-Type among them. 0 or the
 * errors of mcp_buf_reserve. */
int mcp_http_guard_write_challenge(const mcp_http_guard_t *guard,
                                   unsigned status, mcp_buf_t *out);
int mcp_http_guard_write_page(const mcp_http_page_t *page,
                              const mcp_http_head_t *head, mcp_buf_t *out);

#endif
