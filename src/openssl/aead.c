/* SPDX-License-Identifier: MIT
 * aead.c: see aead.h. */
#include "openssl/aead.h"

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/crypto.h"
#include "base/err.h"

/* EVP counts in int. */
static bool fits(size_t len) {
  return len <= INT_MAX - MCP_AEAD_OVER;
}

static const unsigned char *bytes_of(mcp_slice_t s) {
  return (const unsigned char *)(s.data ? s.data : "");
}

int mcp_aead_seal(const void *key, mcp_slice_t about, mcp_slice_t plain,
                  void *out) {
  EVP_CIPHER_CTX *ctx = NULL;
  unsigned char *nonce = out, *text = nonce + MCP_AEAD_NONCE;
  int n, code;
  if (!fits(plain.len) || !fits(about.len)) return MCP_ETOOBIG;
  code = mcp_crypto_random(nonce, MCP_AEAD_NONCE);
  if (code < 0) return code;
  code = MCP_ENOMEM;
  ctx = EVP_CIPHER_CTX_new();
  if (!ctx || !EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) ||
      !EVP_EncryptUpdate(ctx, NULL, &n, bytes_of(about), (int)about.len) ||
      !EVP_EncryptUpdate(ctx, text, &n, bytes_of(plain), (int)plain.len) ||
      !EVP_EncryptFinal_ex(ctx, text + plain.len, &n) ||
      !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, MCP_AEAD_TAG,
                           text + plain.len))
    goto done;
  code = 0;
done:
  EVP_CIPHER_CTX_free(ctx);
  return code;
}

int mcp_aead_open(const void *key, mcp_slice_t about, mcp_slice_t sealed,
                  void *out) {
  EVP_CIPHER_CTX *ctx = NULL;
  const unsigned char *nonce = bytes_of(sealed), *text = nonce + MCP_AEAD_NONCE;
  unsigned char tag[MCP_AEAD_TAG], *to = out;
  size_t len;
  int n, code;
  if (sealed.len < MCP_AEAD_OVER || !fits(sealed.len) || !fits(about.len))
    return -EINVAL;
  len = sealed.len - MCP_AEAD_OVER;
  memcpy(tag, text + len, sizeof tag);
  code = MCP_ENOMEM;
  ctx = EVP_CIPHER_CTX_new();
  if (!ctx || !EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) ||
      !EVP_DecryptUpdate(ctx, NULL, &n, bytes_of(about), (int)about.len) ||
      !EVP_DecryptUpdate(ctx, to, &n, text, (int)len) ||
      !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, MCP_AEAD_TAG, tag))
    goto done;
  code = EVP_DecryptFinal_ex(ctx, to + len, &n) > 0 ? 0 : -EINVAL;
done:
  EVP_CIPHER_CTX_free(ctx);
  return code;
}

int mcp_aead_digest(mcp_slice_t bytes, void *out) {
  return EVP_Digest(bytes_of(bytes), bytes.len, out, NULL, EVP_sha256(), NULL)
             ? 0
             : MCP_ENOMEM;
}

int mcp_aead_mac(mcp_slice_t key, mcp_slice_t bytes, void *out) {
  unsigned length = 0;
  if (!fits(key.len)) return MCP_ETOOBIG;
  return HMAC(EVP_sha256(), bytes_of(key), (int)key.len, bytes_of(bytes),
              bytes.len, out, &length)
             ? 0
             : MCP_ENOMEM;
}
