/* SPDX-License-Identifier: MIT
 * jose.c: see jose.h. */
#include "openssl/jose.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/crypto.h"
#include "base/err.h"

/* Half of an ES256 signature, and a coordinate of P-256 or Ed25519. */
#define PART 32
/* The most bytes of an RSA exponent. */
#define EXPONENT 8

typedef enum { NONE, RS256, PS256, ES256, EDDSA } alg_t;

static int refuse(const char **reason, const char *text) {
  *reason = text;
  return -EINVAL;
}

static int no_memory(const char **reason) {
  *reason = "libcrypto has failed";
  return MCP_ENOMEM;
}

static alg_t alg_of(mcp_slice_t name) {
  if (mcp_slice_equal(name, MCP_SLICE("RS256"))) return RS256;
  if (mcp_slice_equal(name, MCP_SLICE("PS256"))) return PS256;
  if (mcp_slice_equal(name, MCP_SLICE("ES256"))) return ES256;
  if (mcp_slice_equal(name, MCP_SLICE("EdDSA"))) return EDDSA;
  return NONE;
}

/* EVP counts in int. */
static bool fits(mcp_slice_t s) {
  return s.len <= INT_MAX;
}

static const unsigned char *bytes_of(mcp_slice_t s) {
  return (const unsigned char *)(s.data ? s.data : "");
}

/* OpenSSL's error queue belongs to the thread: the next reader, TLS for
 * example, must not find our errors in it. */
static int finish(int code) {
  ERR_clear_error();
  return code;
}

/* The rules for the numbers of an RSA key (RFC 7518 3.3; FIPS 186-4 B.3.1). */
static int check_rsa(EVP_PKEY *key, const char **reason) {
  BIGNUM *e = NULL;
  int bits = EVP_PKEY_get_bits(key), code = 0;
  if (bits < MCP_JOSE_RSA_MIN)
    return refuse(reason, "RSA key: expected at least 2048 bits");
  if (bits > MCP_JOSE_RSA_MAX)
    return refuse(reason, "RSA key: expected at most 8192 bits");
  if (!EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e))
    return no_memory(reason);
  if (!BN_is_odd(e) || BN_num_bits(e) < 17 || BN_num_bytes(e) > EXPONENT)
    code = refuse(reason, "RSA key: expected an odd exponent of 17 to 64 bits");
  BN_free(e);
  return code;
}

static int check_p256(EVP_PKEY *key, const char **reason) {
  EVP_PKEY_CTX *ctx;
  char name[32];
  size_t length;
  int good;
  if (!EVP_PKEY_get_group_name(key, name, sizeof name, &length) ||
      strcmp(name, "prime256v1") != 0)
    return refuse(reason, "EC key: expected the curve P-256");
  ctx = EVP_PKEY_CTX_new(key, NULL);
  if (!ctx) return no_memory(reason);
  good = EVP_PKEY_public_check(ctx);
  EVP_PKEY_CTX_free(ctx);
  return good > 0 ? 0 : refuse(reason, "EC key: the point is not on its curve");
}

/* A key of any kind that we know, and strong enough. */
static int check(EVP_PKEY *key, const char **reason) {
  switch (EVP_PKEY_get_base_id(key)) {
  case EVP_PKEY_RSA: return check_rsa(key, reason);
  case EVP_PKEY_EC: return check_p256(key, reason);
  case EVP_PKEY_ED25519: return 0;
  default: return refuse(reason, "unsupported key type");
  }
}

static int check_for(alg_t alg, EVP_PKEY *key, const char **reason) {
  int kind = EVP_PKEY_get_base_id(key);
  int wanted = alg == ES256   ? EVP_PKEY_EC
               : alg == EDDSA ? EVP_PKEY_ED25519
                              : EVP_PKEY_RSA;
  if (kind != wanted)
    return refuse(reason, "the key type does not match the algorithm");
  return check(key, reason);
}

/* Never ask for a password at a terminal. */
static int no_password(char *text, int size, int writing, void *arg) {
  (void)text;
  (void)size;
  (void)writing;
  (void)arg;
  return -1;
}

static EVP_PKEY *read_pem(mcp_slice_t pem, bool secret) {
  EVP_PKEY *key = NULL;
  BIO *bio;
  if (!fits(pem)) return NULL;
  bio = BIO_new_mem_buf(bytes_of(pem), (int)pem.len);
  if (bio && secret)
    key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
  if (bio && !secret) key = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
  BIO_free(bio);
  return key;
}

/* --- JWK ------------------------------------------------------------------ */

/* The bytes of a member, which must be spelled as base64url is written. */
static int member(mcp_buf_t *out, mcp_slice_t text, const char **reason) {
  int code;
  if (text.len == 0)
    return refuse(reason, "JWK: a member of the key is missing");
  if (text.len > MCP_JOSE_RSA_MAX / 4)
    return refuse(reason, "JWK: a member is too long");
  code = mcp_crypto_read_base64url(out, text);
  if (code == MCP_ENOMEM) return no_memory(reason);
  return code < 0 ? refuse(reason, "JWK: a member is not base64url") : 0;
}

static EVP_PKEY *from_params(const char *kind, OSSL_PARAM_BLD *build) {
  OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
  EVP_PKEY *key = NULL;
  if (params && ctx && EVP_PKEY_fromdata_init(ctx) > 0 &&
      EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
    key = NULL;
  EVP_PKEY_CTX_free(ctx);
  OSSL_PARAM_free(params);
  return key;
}

static int rsa_of(const mcp_jose_jwk_t *jwk, EVP_PKEY **key,
                  const char **reason) {
  mcp_buf_t n = {0}, e = {0};
  BIGNUM *bn_n = NULL, *bn_e = NULL;
  OSSL_PARAM_BLD *build = NULL;
  int code;
  if ((code = member(&n, jwk->n, reason)) < 0 ||
      (code = member(&e, jwk->e, reason)) < 0)
    goto done;
  code = no_memory(reason);
  build = OSSL_PARAM_BLD_new();
  bn_n = BN_bin2bn((unsigned char *)n.data, (int)n.len, NULL);
  bn_e = BN_bin2bn((unsigned char *)e.data, (int)e.len, NULL);
  if (!build || !bn_n || !bn_e ||
      !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, bn_n) ||
      !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, bn_e))
    goto done;
  *key = from_params("RSA", build);
  code = *key ? 0 : refuse(reason, "JWK: not a valid RSA key");
done:
  OSSL_PARAM_BLD_free(build);
  BN_free(bn_n);
  BN_free(bn_e);
  mcp_buf_deinit(&n);
  mcp_buf_deinit(&e);
  return code;
}

static int ec_of(const mcp_jose_jwk_t *jwk, EVP_PKEY **key,
                 const char **reason) {
  mcp_buf_t point = {0};
  OSSL_PARAM_BLD *build = NULL;
  int code;
  if (!mcp_slice_equal(jwk->crv, MCP_SLICE("P-256")))
    return refuse(reason, "EC key: expected the curve P-256");
  /* SEC 1, 2.3.3: 4, x, y. Both in full length (RFC 7518 6.2.1.2). */
  if (mcp_buf_append_char(&point, 4) < 0) return no_memory(reason);
  if ((code = member(&point, jwk->x, reason)) < 0) goto done;
  code = point.len == 1 + PART ? member(&point, jwk->y, reason) : -EINVAL;
  if (code == 0 && point.len != 1 + 2 * PART) code = -EINVAL;
  if (code < 0) {
    if (code == -EINVAL)
      *reason = "an EC key whose coordinates are not of 32 bytes";
    goto done;
  }
  code = no_memory(reason);
  build = OSSL_PARAM_BLD_new();
  if (!build ||
      !OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
                                       "P-256", 0) ||
      !OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
                                        point.data, point.len))
    goto done;
  *key = from_params("EC", build);
  code = *key ? 0 : refuse(reason, "EC key: the point is not on its curve");
done:
  OSSL_PARAM_BLD_free(build);
  mcp_buf_deinit(&point);
  return code;
}

static int okp_of(const mcp_jose_jwk_t *jwk, EVP_PKEY **key,
                  const char **reason) {
  mcp_buf_t x = {0};
  int code;
  if (!mcp_slice_equal(jwk->crv, MCP_SLICE("Ed25519")))
    return refuse(reason, "OKP key: expected the curve Ed25519");
  code = member(&x, jwk->x, reason);
  if (code == 0 && x.len != PART)
    code = refuse(reason, "Ed25519 key: expected 32 bytes");
  if (code == 0) {
    *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                       (unsigned char *)x.data, x.len);
    if (!*key) code = no_memory(reason);
  }
  mcp_buf_deinit(&x);
  return code;
}

static int public_of(const mcp_jose_jwk_t *jwk, EVP_PKEY **key,
                     const char **reason) {
  if (jwk->pem.len > 0) {
    *key = read_pem(jwk->pem, false);
    return *key ? 0 : refuse(reason, "expected a public key in PEM");
  }
  if (mcp_slice_equal(jwk->kty, MCP_SLICE("RSA")))
    return rsa_of(jwk, key, reason);
  if (mcp_slice_equal(jwk->kty, MCP_SLICE("EC")))
    return ec_of(jwk, key, reason);
  if (mcp_slice_equal(jwk->kty, MCP_SLICE("OKP")))
    return okp_of(jwk, key, reason);
  return refuse(reason, "JWK: unsupported key type");
}

/* --- signatures ----------------------------------------------------------- */

/* r||s (RFC 7518 3.4) as the DER that OpenSSL reads. *der is OpenSSL's. */
static int to_der(mcp_slice_t raw, unsigned char **der) {
  ECDSA_SIG *sig = ECDSA_SIG_new();
  BIGNUM *r = BN_bin2bn(bytes_of(raw), PART, NULL);
  BIGNUM *s = BN_bin2bn(bytes_of(raw) + PART, PART, NULL);
  int length = -1;
  if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
    r = s = NULL;
    length = i2d_ECDSA_SIG(sig, der);
  }
  BN_free(r);
  BN_free(s);
  ECDSA_SIG_free(sig);
  return length;
}

/* The reverse: 2 * PART bytes to `out`. */
static bool from_der(const unsigned char *der, size_t length, void *out) {
  unsigned char *to = out;
  ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)length);
  bool done_both = sig &&
                   BN_bn2binpad(ECDSA_SIG_get0_r(sig), to, PART) == PART &&
                   BN_bn2binpad(ECDSA_SIG_get0_s(sig), to + PART, PART) == PART;
  ECDSA_SIG_free(sig);
  return done_both;
}

static const EVP_MD *digest_of(alg_t alg) {
  return alg == EDDSA ? NULL : EVP_sha256();
}

static bool set_padding(alg_t alg, EVP_PKEY_CTX *ctx) {
  if (alg == RS256)
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
  if (alg != PS256) return true;
  return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) > 0 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
}

static int verify_with(alg_t alg, EVP_PKEY *key, mcp_slice_t data,
                       mcp_slice_t signature, const char **reason) {
  EVP_MD_CTX *ctx = NULL;
  EVP_PKEY_CTX *of_key = NULL; /* the digest's own */
  unsigned char *der = NULL;
  const unsigned char *bytes = bytes_of(signature);
  size_t length = signature.len;
  int code = no_memory(reason);
  if (alg == ES256) {
    int n;
    if (length != 2 * PART) return 0;
    if ((n = to_der(signature, &der)) < 0) goto done;
    bytes = der;
    length = (size_t)n;
  }
  ctx = EVP_MD_CTX_new();
  if (!ctx ||
      EVP_DigestVerifyInit(ctx, &of_key, digest_of(alg), NULL, key) <= 0 ||
      !set_padding(alg, of_key))
    goto done;
  code = EVP_DigestVerify(ctx, bytes, length, bytes_of(data), data.len) == 1;
done:
  EVP_MD_CTX_free(ctx);
  OPENSSL_free(der);
  return code;
}

int mcp_jose_verify(mcp_slice_t alg, const mcp_jose_jwk_t *jwk,
                    mcp_slice_t data, mcp_slice_t signature,
                    const char **reason) {
  alg_t by = alg_of(alg);
  EVP_PKEY *key = NULL;
  int code;
  if (by == NONE) return refuse(reason, "unsupported algorithm");
  code = public_of(jwk, &key, reason);
  if (code == 0) code = check_for(by, key, reason);
  if (code == 0) code = verify_with(by, key, data, signature, reason);
  EVP_PKEY_free(key);
  return finish(code);
}

static int sign_with(alg_t alg, EVP_PKEY *key, mcp_slice_t data, void *out,
                     size_t *length, const char **reason) {
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  EVP_PKEY_CTX *of_key = NULL;
  unsigned char made[MCP_JOSE_SIGNATURE];
  int code = no_memory(reason);
  *length = sizeof made;
  if (!ctx ||
      EVP_DigestSignInit(ctx, &of_key, digest_of(alg), NULL, key) <= 0 ||
      !set_padding(alg, of_key) ||
      EVP_DigestSign(ctx, made, length, bytes_of(data), data.len) <= 0)
    goto done;
  if (alg == ES256) {
    if (!from_der(made, *length, out)) goto done;
    *length = 2 * PART;
  } else {
    memcpy(out, made, *length);
  }
  code = 0;
done:
  EVP_MD_CTX_free(ctx);
  return code;
}

int mcp_jose_sign(mcp_slice_t alg, mcp_slice_t pem, mcp_slice_t data, void *out,
                  size_t *length, const char **reason) {
  alg_t by = alg_of(alg);
  EVP_PKEY *key;
  int code;
  if (by == NONE) return refuse(reason, "unsupported algorithm");
  key = read_pem(pem, true);
  code =
      key ? check_for(by, key, reason)
          : refuse(reason, "expected a private key in PEM without a password");
  if (code == 0) code = sign_with(by, key, data, out, length, reason);
  EVP_PKEY_free(key);
  return finish(code);
}

/* --- keys ----------------------------------------------------------------- */

int mcp_jose_generate(mcp_slice_t alg, char *out, size_t *length,
                      const char **reason) {
  alg_t by = alg_of(alg);
  EVP_PKEY *key = NULL;
  BIO *bio = NULL;
  int code, n;
  if (by == NONE) return refuse(reason, "unsupported algorithm");
  code = no_memory(reason);
  key = by == ES256 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
        : by == EDDSA
            ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
            : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)MCP_JOSE_RSA_MIN);
  bio = BIO_new(BIO_s_mem());
  if (!key || !bio ||
      !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
    goto done;
  n = BIO_read(bio, out, MCP_JOSE_PEM);
  if (n <= 0 || BIO_pending(bio) > 0) goto done;
  *length = (size_t)n;
  code = 0;
done:
  BIO_free(bio);
  EVP_PKEY_free(key);
  return finish(code);
}

/* Writes a text to `out`, which has room for `size` bytes. */
static bool put(char *out, size_t size, const void *bytes, size_t length) {
  mcp_buf_t text = {0};
  bool good =
      mcp_crypto_write_base64url(&text, mcp_slice(bytes, length)) == 0 &&
      text.len < size;
  if (good) memcpy(out, text.data, text.len);
  if (good) out[text.len] = '\0';
  mcp_buf_deinit(&text);
  return good;
}

/* A number of the key; `least`: filled up to so many bytes. */
static bool put_number(EVP_PKEY *key, const char *name, int least, char *out,
                       size_t size) {
  unsigned char bytes[MCP_JOSE_SIGNATURE];
  BIGNUM *n = NULL;
  bool good = false;
  if (EVP_PKEY_get_bn_param(key, name, &n)) {
    int length = BN_num_bytes(n) > least ? BN_num_bytes(n) : least;
    good = length <= (int)sizeof bytes &&
           BN_bn2binpad(n, bytes, length) == length &&
           put(out, size, bytes, (size_t)length);
  }
  BN_free(n);
  return good;
}

static bool put_public(EVP_PKEY *key, mcp_jose_public_t *out) {
  unsigned char raw[PART];
  size_t length = sizeof raw;
  switch (EVP_PKEY_get_base_id(key)) {
  case EVP_PKEY_RSA:
    out->kty = "RSA";
    return put_number(key, OSSL_PKEY_PARAM_RSA_N, 0, out->n, sizeof out->n) &&
           put_number(key, OSSL_PKEY_PARAM_RSA_E, 0, out->e, sizeof out->e);
  case EVP_PKEY_EC:
    out->kty = "EC";
    out->crv = "P-256";
    return put_number(key, OSSL_PKEY_PARAM_EC_PUB_X, PART, out->x,
                      sizeof out->x) &&
           put_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, PART, out->y,
                      sizeof out->y);
  default:
    out->kty = "OKP";
    out->crv = "Ed25519";
    return EVP_PKEY_get_raw_public_key(key, raw, &length) > 0 &&
           put(out->x, sizeof out->x, raw, length);
  }
}

int mcp_jose_public(mcp_slice_t pem, mcp_jose_public_t *out,
                    const char **reason) {
  EVP_PKEY *key = read_pem(pem, true);
  int code;
  *out = (mcp_jose_public_t){.kty = "", .crv = ""};
  if (!key) key = read_pem(pem, false);
  code = key ? check(key, reason)
             : refuse(reason, "expected a key in PEM without a password");
  if (code == 0 && !put_public(key, out)) code = no_memory(reason);
  EVP_PKEY_free(key);
  return finish(code);
}
