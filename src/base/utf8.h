/* SPDX-License-Identifier: MIT
 * utf8.h: is it UTF-8 (Unicode 15, table 3-7; RFC 3629)? Overlong forms,
 * surrogates and what lies beyond U+10FFFF are not. */
#ifndef MCP_BASE_UTF8_H
#define MCP_BASE_UTF8_H

#include "base/buf.h"

/* The length of the first character of `text`, 1 to 4; 0 if it is invalid,
 * incomplete, or `text` is empty. */
size_t mcp_utf8_step(mcp_slice_t text);

/* Whether all of `text` is UTF-8. Empty text is. */
bool mcp_utf8_valid(mcp_slice_t text);

/* The length of the longest beginning of `text` that is UTF-8. */
size_t mcp_utf8_prefix(mcp_slice_t text);

/* How much of `text` to keep so that it has at most `most` bytes and no
 * character is cut in two. Text that is not UTF-8 is cut at `most`. */
size_t mcp_utf8_cut(mcp_slice_t text, size_t most);

#endif
