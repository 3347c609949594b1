/* SPDX-License-Identifier: MIT
 * origin.h: web origins (RFC 6454) and the host and port of a Host field:
 *
 *   scheme "://" host [":" port]
 *
 * Two are the same if scheme, host (any case) and port are; a port that is not
 * given is the scheme's. In a configured list the port may be "*": any. */
#ifndef MCP_WIRE_ORIGIN_H
#define MCP_WIRE_ORIGIN_H

#include <stdbool.h>

#include "base/buf.h"

#define MCP_ORIGIN_NO_PORT  (-1) /* none is given, and the scheme has none */
#define MCP_ORIGIN_ANY_PORT (-2) /* "*" */

/* Slices point into what was read. */
typedef struct {
  mcp_slice_t scheme; /* empty: of a host and port alone */
  mcp_slice_t host;   /* IPv6 with its brackets */
  int port;
} mcp_origin_t;

/* Reads an origin. A text with a path or a user, and "null", are not origins.
 * `listed`: the port may be "*". Returns false if the text is not an origin. */
bool mcp_origin_read(mcp_slice_t text, bool listed, mcp_origin_t *origin);

/* Reads host[:port]; without a port it is MCP_ORIGIN_NO_PORT. */
bool mcp_origin_read_host(mcp_slice_t text, bool listed, mcp_origin_t *origin);

/* The default port of `scheme` (http, https, ws, wss; any case), or
 * MCP_ORIGIN_NO_PORT. */
int mcp_origin_default_port(mcp_slice_t scheme);

/* Are they the same? `ours` may have any port. */
bool mcp_origin_same(const mcp_origin_t *ours, const mcp_origin_t *other);

#endif
