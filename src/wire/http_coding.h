/* SPDX-License-Identifier: MIT
 * http_coding.h: content codings (RFC 9110 8.4). None is decoded here: what we
 * ask for is "identity", and anything else that comes is named. */
#ifndef MCP_WIRE_HTTP_CODING_H
#define MCP_WIRE_HTTP_CODING_H

#include "wire/http.h"

/* What a request says, so that nobody codes its answer (RFC 9110 12.5.3). */
#define MCP_HTTP_ACCEPT_CODING "identity"

/* Is the body of this message coded? Then `*coding` is what its first
 * Content-Encoding says ("gzip"). A message that has no body is not. */
bool mcp_http_is_coded(const mcp_http_head_t *head, mcp_slice_t *coding);

#endif
