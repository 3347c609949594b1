/* SPDX-License-Identifier: MIT
 * module.c: the Lua module mcp.openssl, apart from mcp.core for the reason in
 * aead.h. It holds nothing and touches no loop. */
#include <errno.h>
#include <lauxlib.h>

#include "base/err.h"
#include "openssl/aead.h"
#include "openssl/ljose.h"
#include "openssl/ltls.h"

static mcp_slice_t check_bytes(lua_State *L, int index) {
  mcp_slice_t s;
  s.data = luaL_checklstring(L, index, &s.len);
  return s;
}

static const char *check_key(lua_State *L) {
  mcp_slice_t key = check_bytes(L, 1);
  luaL_argcheck(L, key.len == MCP_AEAD_KEY, 1, "expected a key of 32 bytes");
  return key.data;
}

/* seal(key, about, plain) -> bytes: nonce, ciphertext and tag */
static int seal(lua_State *L) {
  const char *key = check_key(L);
  mcp_slice_t about = check_bytes(L, 2), plain = check_bytes(L, 3);
  luaL_Buffer b;
  char *out;
  int code;
  luaL_argcheck(L, plain.len <= SIZE_MAX - MCP_AEAD_OVER, 3, "too long");
  out = luaL_buffinitsize(L, &b, plain.len + MCP_AEAD_OVER);
  code = mcp_aead_seal(key, about, plain, out);
  if (code < 0)
    return luaL_error(L, "seal: %s",
                      code == MCP_ETOOBIG  ? "the text is too long"
                      : code == MCP_ENOMEM ? "libcrypto has failed"
                                           : "no random bytes to be had");
  luaL_pushresultsize(&b, plain.len + MCP_AEAD_OVER);
  return 1;
}

/* open(key, about, bytes) -> plain | nil: not sealed so */
static int open_sealed(lua_State *L) {
  const char *key = check_key(L);
  mcp_slice_t about = check_bytes(L, 2), sealed = check_bytes(L, 3);
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, sealed.len + 1);
  int code = mcp_aead_open(key, about, sealed, out);
  if (code == -EINVAL) {
    lua_pushnil(L);
    return 1;
  }
  if (code < 0) return luaL_error(L, "open: libcrypto has failed");
  luaL_pushresultsize(&b, sealed.len - MCP_AEAD_OVER);
  return 1;
}

/* sha256(bytes) -> 32 bytes */
static int sha256(lua_State *L) {
  char out[MCP_AEAD_DIGEST];
  if (mcp_aead_digest(check_bytes(L, 1), out) < 0)
    return luaL_error(L, "sha256: libcrypto has failed");
  lua_pushlstring(L, out, sizeof out);
  return 1;
}

/* hmac_sha256(key, bytes) -> 32 bytes */
static int hmac_sha256(lua_State *L) {
  char out[MCP_AEAD_DIGEST];
  if (mcp_aead_mac(check_bytes(L, 1), check_bytes(L, 2), out) < 0)
    return luaL_error(L, "hmac_sha256: libcrypto has failed");
  lua_pushlstring(L, out, sizeof out);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_mcp_openssl(lua_State *L);

int luaopen_mcp_openssl(lua_State *L) {
  static const luaL_Reg functions[] = {{"seal", seal},
                                       {"open", open_sealed},
                                       {"sha256", sha256},
                                       {"hmac_sha256", hmac_sha256},
                                       {NULL, NULL}};
  luaL_checkversion(L);
  luaL_newlib(L, functions);
  mcp_ljose_open(L);
  mcp_ltls_open(L);
  return 1;
}
