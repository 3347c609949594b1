/* SPDX-License-Identifier: MIT
 * crypto.h: random bytes, Base64, comparing secrets. Needs libc only, so that
 * a process that never uses TLS never loads OpenSSL. */
#ifndef MCP_BASE_CRYPTO_H
#define MCP_BASE_CRYPTO_H

#include "base/buf.h"

/* Fills `bytes` from the kernel's generator, fit for keys and session ids.
 * 0, or the negated errno (libuv's code), and then nothing may be used. */
int mcp_crypto_random(void *bytes, size_t len);

/* Whether the same bytes, in a time that depends on the lengths only: a peer
 * that guesses a secret cannot learn how far it was right. */
bool mcp_crypto_equal(mcp_slice_t a, mcp_slice_t b);

/* Appends `bytes` in Base64 (RFC 4648 section 4, padded) or base64url
 * (section 5, not padded). 0, MCP_ENOMEM or MCP_ETOOBIG. */
int mcp_crypto_write_base64(mcp_buf_t *out, mcp_slice_t bytes);
int mcp_crypto_write_base64url(mcp_buf_t *out, mcp_slice_t bytes);

/* Appends the bytes that `text` encodes. Accepts only the spelling that the
 * writers produce: no white space, no other alphabet, padding exactly as
 * written (base64url: no padding), unused bits zero. So no two texts encode the
 * same bytes. 0, MCP_ENOMEM, or -EINVAL (libuv's UV_EINVAL), and then `out` is
 * unchanged. */
int mcp_crypto_read_base64(mcp_buf_t *out, mcp_slice_t text);
int mcp_crypto_read_base64url(mcp_buf_t *out, mcp_slice_t text);

#endif
