/* SPDX-License-Identifier: MIT
 * certificate.c: certificates and keys for specs, made on the spot: good ones,
 * and some that no authority would sign. Elliptic curves, because those are
 * quick. */
#include <lauxlib.h>
#include <lua.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static void add(lua_State *L, X509 *cert, X509 *issuer, int nid,
                const char *value) {
  X509V3_CTX ctx;
  X509_EXTENSION *extension;
  X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
  extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
  if (!extension || !X509_add_ext(cert, extension, -1))
    luaL_error(L, "extension: %s", value);
  X509_EXTENSION_free(extension);
}

static void push_bio(lua_State *L, BIO *bio) {
  char *text;
  long n = BIO_get_mem_data(bio, &text);
  lua_pushlstring(L, text, (size_t)n);
  BIO_free(bio);
}

static BIO *text_field(lua_State *L, int table, const char *name) {
  size_t len;
  const char *text;
  lua_getfield(L, table, name);
  text = luaL_checklstring(L, -1, &len);
  return BIO_new_mem_buf(text, (int)len);
}

static const char *option(lua_State *L, const char *name, const char *usual) {
  lua_getfield(L, 1, name);
  return luaL_optstring(L, -1, usual);
}

static long seconds(lua_State *L, const char *name, long usual) {
  lua_getfield(L, 1, name);
  return (long)luaL_optinteger(L, -1, usual);
}

/* make { name = common name, names = "DNS:a,IP:1.2.3.4", issuer = what this
 * gave, from = seconds from now, to = seconds from now, ca = boolean,
 * rsa = bits, use = "clientAuth" } -> { cert = PEM, key = PEM } */
static int make(lua_State *L) {
  X509 *cert = X509_new(), *issuer = cert;
  X509_NAME *name = X509_NAME_new();
  EVP_PKEY *key, *signer;
  const char *names;
  long bits;
  BIO *bio;
  luaL_checktype(L, 1, LUA_TTABLE);
  bits = seconds(L, "rsa", 0);
  signer = key = bits ? EVP_RSA_gen((unsigned)bits) : EVP_EC_gen("P-256");
  lua_getfield(L, 1, "issuer");
  if (lua_istable(L, -1)) {
    int at = lua_gettop(L);
    bio = text_field(L, at, "cert");
    issuer = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    bio = text_field(L, at, "key");
    signer = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
  }
  if (!key || !signer || !issuer) return luaL_error(L, "no key");
  X509_set_version(cert, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(cert), seconds(L, "serial", 1));
  X509_gmtime_adj(X509_getm_notBefore(cert), seconds(L, "from", -3600));
  X509_gmtime_adj(X509_getm_notAfter(cert), seconds(L, "to", 86400));
  X509_NAME_add_entry_by_txt(
      name, "CN", MBSTRING_UTF8,
      (const unsigned char *)option(L, "name", "localhost"), -1, -1, 0);
  X509_set_subject_name(cert, name);
  X509_set_issuer_name(cert,
                       issuer == cert ? name : X509_get_subject_name(issuer));
  X509_NAME_free(name);
  X509_set_pubkey(cert, key);
  lua_getfield(L, 1, "ca");
  if (lua_toboolean(L, -1)) {
    add(L, cert, issuer, NID_basic_constraints, "critical,CA:TRUE");
    add(L, cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else {
    add(L, cert, issuer, NID_basic_constraints, "critical,CA:FALSE");
  }
  names = option(L, "names", NULL);
  if (names) add(L, cert, issuer, NID_subject_alt_name, names);
  names = option(L, "use", NULL);
  if (names) add(L, cert, issuer, NID_ext_key_usage, names);
  if (!X509_sign(cert, signer, EVP_sha256())) return luaL_error(L, "sign");

  lua_newtable(L);
  bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, cert);
  push_bio(L, bio);
  lua_setfield(L, -2, "cert");
  bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
  push_bio(L, bio);
  lua_setfield(L, -2, "key");
  if (signer != key) EVP_PKEY_free(signer);
  if (issuer != cert) X509_free(issuer);
  EVP_PKEY_free(key);
  X509_free(cert);
  return 1;
}

__attribute__((visibility("default"))) int
luaopen_codecs_certificate(lua_State *L);

int luaopen_codecs_certificate(lua_State *L) {
  static const luaL_Reg functions[] = {{"make", make}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
