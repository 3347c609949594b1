/* SPDX-License-Identifier: MIT
 * aead.h: sealing bytes with AES-256-GCM (NIST SP 800-38D), and the digests
 * that go with it. Knows neither keys nor what is sealed.
 *
 * The one room that is in no program: libcrypto costs a process 0.8 ms of start
 * and 1.6 MB, as measured, so it is not base's to use. It is linked to the
 * module mcp.openssl only, which is loaded when it is first needed. */
#ifndef MCP_OPENSSL_AEAD_H
#define MCP_OPENSSL_AEAD_H

#include "base/buf.h"

#define MCP_AEAD_KEY    32
#define MCP_AEAD_NONCE  12
#define MCP_AEAD_TAG    16
#define MCP_AEAD_OVER   (MCP_AEAD_NONCE + MCP_AEAD_TAG)
#define MCP_AEAD_DIGEST 32

/* Writes nonce, ciphertext and tag, plain.len + MCP_AEAD_OVER bytes, to `out`.
 * The nonce is random: a key is good for 2^32 texts. `key` has MCP_AEAD_KEY
 * bytes. 0, MCP_ETOOBIG, MCP_ENOMEM, or what the kernel's generator said. */
int mcp_aead_seal(const void *key, mcp_slice_t about, mcp_slice_t plain,
                  void *out);

/* The reverse: sealed.len - MCP_AEAD_OVER bytes to `out`, which may be used
 * only when 0 is returned. -EINVAL if it was not sealed by this key and about
 * the same, MCP_ENOMEM. */
int mcp_aead_open(const void *key, mcp_slice_t about, mcp_slice_t sealed,
                  void *out);

/* SHA-256, and HMAC with it (RFC 2104); MCP_AEAD_DIGEST bytes to `out`.
 * 0 or MCP_ENOMEM. */
int mcp_aead_digest(mcp_slice_t bytes, void *out);
int mcp_aead_mac(mcp_slice_t key, mcp_slice_t bytes, void *out);

#endif
