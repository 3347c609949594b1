/* SPDX-License-Identifier: MIT
 * http_coding.h: content codings (RFC 9110 8.4): which one a body has. We ask
 * for "identity"; gzip and deflate are decoded where they arrive all the same
 * (wire/decoder.h). */
#ifndef MCP_WIRE_HTTP_CODING_H
#define MCP_WIRE_HTTP_CODING_H

#include "wire/decoder.h"
#include "wire/http.h"

/* The Accept-Encoding of a request, so that the server does not encode its
 * response (RFC 9110 12.5.3). */
#define MCP_HTTP_ACCEPT_CODING "identity"

/* Is the body of this message coded? Then `*coding` is what Content-Encoding
 * says ("gzip"), "several codings" if there are several such fields. A message
 * that has no body is not. */
bool mcp_http_is_coded(const mcp_http_head_t *head, mcp_slice_t *coding);

/* Can a coding of that name be decoded? Then `*kind` is which one it is.
 * Several codings, one over the other, cannot. */
bool mcp_http_coding_kind(mcp_slice_t coding, mcp_coding_t *kind);

#endif
