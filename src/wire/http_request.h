/* SPDX-License-Identifier: MIT
 * http_request.h: the request of a client, written (RFC 9112 3, 5, 6.2). What
 * could become more than one line, or could say where the message ends, is
 * refused: framing is ours alone. */
#ifndef MCP_WIRE_HTTP_REQUEST_H
#define MCP_WIRE_HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Appends the request line and the Host field. `host` is a name or an address
 * (IPv6 without brackets), `port` is left out of the field if it is 0. With
 * `absolute` the target is the whole http URL, for a proxy (RFC 9112 3.2.2).
 * 0, MCP_EHTTP with `*reason`, a static line, or MCP_ENOMEM. */
int mcp_http_request_begin(mcp_buf_t *out, mcp_slice_t method,
                           mcp_slice_t target, mcp_slice_t host, int port,
                           bool absolute, const char **reason);

/* Appends a whole request for a tunnel to `host` and `port` (CONNECT, RFC 9110
 * 9.3.6); `authorization` is the value of Proxy-Authorization, or NULL. Codes
 * as above. */
int mcp_http_request_tunnel(mcp_buf_t *out, mcp_slice_t host, int port,
                            const char *authorization, const char **reason);

/* Appends a field; the value is trimmed. Refuses names that are not tokens,
 * values with a control character other than HTAB, and the fields that the
 * client sets itself: Host, Content-Length, Transfer-Encoding, Connection and
 * other connection fields. 0, MCP_EHTTP with `*reason`, or MCP_ENOMEM. */
int mcp_http_request_field(mcp_buf_t *out, mcp_slice_t name, mcp_slice_t value,
                           const char **reason);

/* Appends Content-Length, if `has_body` or a body is what `method` usually
 * has, the end of the head, and the body. 0 or MCP_ENOMEM. */
int mcp_http_request_end(mcp_buf_t *out, mcp_slice_t method, mcp_slice_t body,
                         bool has_body);

/* The same for a body of `length` bytes that follows later. */
int mcp_http_request_end_before(mcp_buf_t *out, uint64_t length);

/* Does the method mean the same sent twice (RFC 9110 9.2.2)? */
bool mcp_http_request_is_idempotent(mcp_slice_t method);

#endif
