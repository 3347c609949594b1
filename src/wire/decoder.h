/* SPDX-License-Identifier: MIT
 * decoder.h: undoing a content coding, as a table of functions. zlib fills it
 * (src/zlib/inflate.c), in a module of its own, mcp.zlib, which is loaded when
 * the first coded body arrives: a program that never sees one does not load
 * libz.
 *
 * In Lua the table is a userdata with the metatable MCP_DECODER_TYPE that holds
 * a const mcp_decoder_ops_t *. */
#ifndef MCP_WIRE_DECODER_H
#define MCP_WIRE_DECODER_H

#include <stddef.h>

#include "base/buf.h"

#define MCP_DECODER_TYPE "mcp.decoder"

/* What a decoder holds: its own state and zlib's, with a window of 32 KiB. */
#define MCP_DECODER_COST (48u << 10)

/* What `step` returns when the data has ended. Further data may follow, and is
 * decoded as well: gzip files can be concatenated (RFC 1952 2.2). */
#define MCP_DECODER_END 1

typedef enum { MCP_CODING_GZIP, MCP_CODING_DEFLATE } mcp_coding_t;

typedef struct mcp_decoder mcp_decoder_t;

typedef struct {
  void *(*alloc)(size_t size);
  void (*free)(void *block);
} mcp_decoder_memory_t;

typedef struct {
  /* NULL: no memory. `memory` lives as long as the decoder. */
  mcp_decoder_t *(*open)(mcp_coding_t coding,
                         const mcp_decoder_memory_t *memory);
  /* Decodes from the beginning of `in`, which it moves on, to at most `room`
   * bytes at `out`, and sets `*made`. Makes progress unless `in` is empty and
   * nothing is left to write. 0, MCP_DECODER_END, MCP_ENOMEM, or MCP_ECODING,
   * and then `*reason` is a static text. */
  int (*step)(mcp_decoder_t *decoder, mcp_slice_t *in, char *out, size_t room,
              size_t *made, const char **reason);
  void (*close)(mcp_decoder_t *decoder);
} mcp_decoder_ops_t;

#endif
