/* SPDX-License-Identifier: MIT
 * http_status.h: the reason phrases of HTTP status codes (RFC 9110 15). */
#ifndef MCP_WIRE_HTTP_STATUS_H
#define MCP_WIRE_HTTP_STATUS_H

/* The reason phrase of a status code ("Not Found"); "" if unknown. */
const char *mcp_http_status_phrase(unsigned status);

#endif
