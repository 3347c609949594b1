/* SPDX-License-Identifier: MIT
 * http_head.h: the strict scan of one whole head, or one trailer section.
 * http.c uses it, and code that writes a head checks the parts with it. It does
 * not depend on llhttp and reads no body. */
#ifndef MCP_WIRE_HTTP_HEAD_H
#define MCP_WIRE_HTTP_HEAD_H

#include "wire/http.h"

/* The header table: grows to what was needed and stays. All zero is empty. */
typedef struct {
  mcp_http_header_t *items;
  size_t capacity;
} mcp_http_table_t;

/* Reads `bytes`, a whole head up to and with its empty line, in which every LF
 * has a CR before it, into `head` and `table`. `head` points into both. The
 * caller limits sizes, except that of the target. 0, or MCP_EHTTP, MCP_ETARGET,
 * MCP_EVERSION, MCP_ENOMEM, and then `*reason` is a static line. */
int mcp_http_head_scan(mcp_slice_t bytes, bool response, mcp_http_head_t *head,
                       mcp_http_table_t *table, const char **reason);

/* Reads the trailer section `bytes`, up to and with its empty line, by the
 * same rules for fields, and keeps nothing. 0, or MCP_EHTTP with `*reason`. */
int mcp_http_head_scan_trailer(mcp_slice_t bytes, const char **reason);

/* For code that writes a head: the grammar of its parts. A name is a host name,
 * or an IPv6 address without brackets. */
bool mcp_http_head_is_token(mcp_slice_t text);
bool mcp_http_head_is_target(mcp_slice_t text);
bool mcp_http_head_is_name(mcp_slice_t text);
bool mcp_http_head_is_value(mcp_slice_t text);

#endif
