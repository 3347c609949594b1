/* SPDX-License-Identifier: MIT
 * jose.h: signatures of JSON Web Signature (RFC 7515, 7518, 8037) and the keys
 * they are made with. Handles bytes only; the meaning of the signed text and
 * trust in a key are decided elsewhere.
 *
 *   RS256  RSASSA-PKCS1-v1_5, SHA-256        ES256  ECDSA P-256, SHA-256; r||s
 *   PS256  RSASSA-PSS, SHA-256, salt of 32   EdDSA  Ed25519
 *
 * and no other: neither "none" nor a MAC, so that a public key can never be
 * used as a shared secret. A key is refused for an algorithm of another key
 * type. */
#ifndef MCP_OPENSSL_JOSE_H
#define MCP_OPENSSL_JOSE_H

#include "base/buf.h"

/* Shorter RSA keys can be factored (RFC 7518 3.3); longer ones make a check
 * take milliseconds, and an untrusted peer may influence which key is used. */
#define MCP_JOSE_RSA_MIN 2048
#define MCP_JOSE_RSA_MAX 8192
/* The longest signature: of the longest RSA key. */
#define MCP_JOSE_SIGNATURE (MCP_JOSE_RSA_MAX / 8)
/* A PEM text of a key is shorter. */
#define MCP_JOSE_PEM 8192

/* A public key as its JWK has it: base64url texts, absent ones empty. Where
 * `pem` is not empty it is the key, and nothing else is looked at. */
typedef struct {
  mcp_slice_t pem, kty, crv, n, e, x, y;
} mcp_jose_jwk_t;

/* The public half of a key, as texts for a JWK; "" for members it does not
 * have. */
typedef struct {
  const char *kty, *crv;
  char n[MCP_JOSE_RSA_MAX / 6 + 4], e[16], x[48], y[48];
} mcp_jose_public_t;

/* Is `signature` that of `data` by `key`? 1 or 0. -EINVAL if the algorithm is
 * not known or the key is not fit for it, MCP_ENOMEM, and then `*reason` says
 * what it is (static). */
int mcp_jose_verify(mcp_slice_t alg, const mcp_jose_jwk_t *key,
                    mcp_slice_t data, mcp_slice_t signature,
                    const char **reason);

/* Signs `data` by a private key in PEM that has no password. Writes at most
 * MCP_JOSE_SIGNATURE bytes to `out`. 0, or as above. */
int mcp_jose_sign(mcp_slice_t alg, mcp_slice_t pem, mcp_slice_t data, void *out,
                  size_t *length, const char **reason);

/* A new private key that is fit for `alg`, in PEM (PKCS #8): at most
 * MCP_JOSE_PEM bytes to `out`. 0, or as above. */
int mcp_jose_generate(mcp_slice_t alg, char *out, size_t *length,
                      const char **reason);

/* The public half of a key in PEM, private or public. 0, or as above. */
int mcp_jose_public(mcp_slice_t pem, mcp_jose_public_t *out,
                    const char **reason);

#endif
