/* SPDX-License-Identifier: MIT
 * http_repeat.h: a client sends the same head with every request, but for the
 * digits of its Content-Length. What the readers of http.c have agreed on once
 * they would agree on again, so a head that repeats the one before it, byte for
 * byte, is taken as read. */
#ifndef MCP_WIRE_HTTP_REPEAT_H
#define MCP_WIRE_HTTP_REPEAT_H

#include <llhttp.h>

#include "wire/http.h"

/* What is kept of a head that may be repeated. All zero: none is. */
typedef struct {
  size_t digits_at, digits; /* of its Content-Length, in its text */
  llhttp_t parser;          /* as it was after that head */
} mcp_http_repeat_t;

/* `parser` has read the head whose text is `text` and whose meaning is `head`.
 * Keeps what a repetition needs, or forgets what was kept: only a message that
 * goes on with a body of a given length, on a connection that goes on after it,
 * may be repeated, and only up to MCP_HTTP_HEAD_KEPT: what is kept of it here
 * and above stays while the connection is idle. */
void mcp_http_repeat_note(mcp_http_repeat_t *repeat, const llhttp_t *parser,
                          const mcp_http_head_t *head, mcp_slice_t text);

/* Do the bytes at `in` begin with a repetition of `text`, the head that was
 * noted? Then their Content-Length, and `parser` and `text` are as if it had
 * been read; else 0. */
uint64_t mcp_http_repeat_match(const mcp_http_repeat_t *repeat, mcp_slice_t in,
                               mcp_buf_t *text, llhttp_t *parser);

#endif
