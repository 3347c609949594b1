/* SPDX-License-Identifier: MIT
 * sha1.h: SHA-1 (FIPS 180-4 6.1), for the one thing that still asks for it: the
 * answer to a WebSocket's opening (RFC 6455 4.2.2), where it proves that the
 * other side is no plain HTTP server and keeps no secret. For nothing else. */
#ifndef MCP_BASE_SHA1_H
#define MCP_BASE_SHA1_H

#include "base/buf.h"

#define MCP_SHA1_SIZE 20

/* Writes the MCP_SHA1_SIZE bytes of the digest of `text`. */
void mcp_sha1(mcp_slice_t text, unsigned char *digest);

#endif
