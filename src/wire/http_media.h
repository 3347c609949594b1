/* SPDX-License-Identifier: MIT
 * http_media.h: media types: what a Content-Type names, what an Accept takes.
 */
#ifndef MCP_WIRE_HTTP_MEDIA_H
#define MCP_WIRE_HTTP_MEDIA_H

#include <stdbool.h>

#include "base/buf.h"

/* How well an Accept field (or several, joined one after the other) takes one
 * media type so far. All zero: nothing matched yet. */
typedef struct {
  unsigned rank; /* of the best range: 0 none, 1 any, 2 any of the type, 3 it */
  bool taken;    /* that range has a weight above 0 */
} mcp_http_accept_t;

/* Does the media type `value` of a Content-Type name `essence`
 * ("application/json"), parameters aside? (RFC 9110 8.3.1) */
bool mcp_http_media_is(mcp_slice_t value, mcp_slice_t essence);

/* Adds the ranges of one Accept field to `accept`. The most specific range
 * that matches `essence` decides; among equals one weight above 0 is enough.
 * Parameters of a range are not looked at, except for a weight of 0, and what
 * is no media range is passed over. (RFC 9110 12.5.1) */
void mcp_http_media_accept(mcp_http_accept_t *accept, mcp_slice_t value,
                           mcp_slice_t essence);

/* Would an Accept field of `value` take `essence`? */
bool mcp_http_accepts(mcp_slice_t value, mcp_slice_t essence);

#endif
