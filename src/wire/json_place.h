/* SPDX-License-Identifier: MIT
 * json_place.h: a byte offset in a JSON text in words that lead a person there:
 * line and column, and the keys and positions on the way to it. For texts that
 * have been refused, so it costs nothing until then. */
#ifndef MCP_WIRE_JSON_PLACE_H
#define MCP_WIRE_JSON_PLACE_H

#include <stddef.h>

#include "base/buf.h"

/* A longer path loses its beginning. */
#define MCP_JSON_PATH_LENGTH 192

typedef struct {
  size_t line, column;             /* from 1; a column is a character */
  char path[MCP_JSON_PATH_LENGTH]; /* "items[3].name"; "" outside containers */
} mcp_json_place_t;

/* Where `offset` of `text` is. What is before it must have been accepted by
 * mcp_json_parse: the offset is that of its fault. Array positions count from
 * 1, as Lua's do; keys are as in the text, cut where they are long. */
void mcp_json_locate(mcp_slice_t text, size_t offset, mcp_json_place_t *place);

/* Appends `text`, which is JSON without white space between its tokens, with
 * line ends and `spaces` spaces for each level. 0 or MCP_ENOMEM. */
int mcp_json_indent(mcp_buf_t *out, mcp_slice_t text, unsigned spaces);

#endif
