/* SPDX-License-Identifier: MIT
 * http_coding.h: content codings (RFC 9110 8.4). This file decodes none of
 * them: we ask for "identity" and report the name of any other coding that
 * arrives. */
#ifndef MCP_WIRE_HTTP_CODING_H
#define MCP_WIRE_HTTP_CODING_H

#include "wire/http.h"

/* The Accept-Encoding of a request, so that the server does not encode its
 * response (RFC 9110 12.5.3). */
#define MCP_HTTP_ACCEPT_CODING "identity"

/* Is the body of this message coded? Then `*coding` is what its first
 * Content-Encoding says ("gzip"). A message that has no body is not. */
bool mcp_http_is_coded(const mcp_http_head_t *head, mcp_slice_t *coding);

#endif
