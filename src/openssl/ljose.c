/* SPDX-License-Identifier: MIT
 * ljose.c: see ljose.h. Allocates nothing: values on their way to Lua are on
 * the C stack, so a Lua error leaks nothing. */
#include "openssl/ljose.h"

#include <errno.h>
#include <lauxlib.h>

#include "base/err.h"
#include "openssl/jose.h"

static mcp_slice_t check_bytes(lua_State *L, int index) {
  mcp_slice_t s;
  s.data = luaL_checklstring(L, index, &s.len);
  return s;
}

/* Pushes nil and the text if the key is at fault, else raises. */
static int fail(lua_State *L, const char *what, int code, const char *reason) {
  if (code != -EINVAL) return luaL_error(L, "%s: %s", what, reason);
  lua_pushnil(L);
  lua_pushstring(L, reason);
  return 2;
}

/* A member of the JWK at `index`; it stays on the stack. [-0, +1, m] */
static mcp_slice_t member(lua_State *L, int index, const char *name) {
  mcp_slice_t s = {0};
  lua_pushstring(L, name);
  if (lua_rawget(L, index) == LUA_TSTRING)
    s.data = lua_tolstring(L, -1, &s.len);
  return s;
}

static void read_key(lua_State *L, int index, mcp_jose_jwk_t *key) {
  *key = (mcp_jose_jwk_t){0};
  if (lua_type(L, index) == LUA_TSTRING) {
    key->pem = check_bytes(L, index);
    luaL_argcheck(L, key->pem.len > 0, index, "an empty key");
    return;
  }
  luaL_argexpected(L, lua_type(L, index) == LUA_TTABLE, index,
                   "a JWK or a key in PEM");
  luaL_checkstack(L, 8, NULL);
  key->kty = member(L, index, "kty");
  key->crv = member(L, index, "crv");
  key->n = member(L, index, "n");
  key->e = member(L, index, "e");
  key->x = member(L, index, "x");
  key->y = member(L, index, "y");
}

/* verify(alg, key, data, signature) -> boolean | nil, text */
static int verify(lua_State *L) {
  mcp_slice_t alg = check_bytes(L, 1), data = check_bytes(L, 3);
  mcp_slice_t signature = check_bytes(L, 4);
  mcp_jose_jwk_t key;
  const char *reason = "";
  int code;
  read_key(L, 2, &key);
  code = mcp_jose_verify(alg, &key, data, signature, &reason);
  if (code < 0) return fail(L, "verify", code, reason);
  lua_pushboolean(L, code);
  return 1;
}

/* sign(alg, pem, data) -> signature | nil, text */
static int sign(lua_State *L) {
  mcp_slice_t alg = check_bytes(L, 1), pem = check_bytes(L, 2);
  mcp_slice_t data = check_bytes(L, 3);
  char out[MCP_JOSE_SIGNATURE];
  size_t length = 0;
  const char *reason = "";
  int code = mcp_jose_sign(alg, pem, data, out, &length, &reason);
  if (code < 0) return fail(L, "sign", code, reason);
  lua_pushlstring(L, out, length);
  return 1;
}

static void set(lua_State *L, const char *name, const char *text) {
  if (text[0] == '\0') return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

/* Pushes the JWK, or nil and a text; returns how many. */
static int push_public(lua_State *L, mcp_slice_t pem) {
  mcp_jose_public_t key;
  const char *reason = "";
  int code = mcp_jose_public(pem, &key, &reason);
  if (code < 0) return fail(L, "public_jwk", code, reason);
  lua_createtable(L, 0, 4);
  set(L, "kty", key.kty);
  set(L, "crv", key.crv);
  set(L, "n", key.n);
  set(L, "e", key.e);
  set(L, "x", key.x);
  set(L, "y", key.y);
  return 1;
}

/* generate_key(alg) -> pem, jwk | nil, text */
static int generate_key(lua_State *L) {
  mcp_slice_t alg = check_bytes(L, 1), pem;
  char out[MCP_JOSE_PEM];
  size_t length = 0;
  const char *reason = "";
  int code = mcp_jose_generate(alg, out, &length, &reason);
  if (code < 0) return fail(L, "generate_key", code, reason);
  lua_pushlstring(L, out, length);
  pem.data = lua_tolstring(L, -1, &pem.len);
  return 1 + push_public(L, pem);
}

/* public_jwk(pem) -> jwk | nil, text */
static int public_jwk(lua_State *L) {
  return push_public(L, check_bytes(L, 1));
}

void mcp_ljose_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"verify", verify},
                                       {"sign", sign},
                                       {"generate_key", generate_key},
                                       {"public_jwk", public_jwk},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
