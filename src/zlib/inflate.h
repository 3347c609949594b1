/* SPDX-License-Identifier: MIT
 * inflate.h: gzip and deflate undone by zlib. */
#ifndef MCP_ZLIB_INFLATE_H
#define MCP_ZLIB_INFLATE_H

#include "wire/decoder.h"

extern const mcp_decoder_ops_t mcp_inflate_ops;

#endif
