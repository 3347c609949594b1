/* SPDX-License-Identifier: MIT
 * crypto.c: src/base/crypto.c for the specs. */
#include <lauxlib.h>
#include <lua.h>

#include "base/crypto.h"
#include "base/err.h"

#include "push.h"

typedef int convert_t(mcp_buf_t *out, mcp_slice_t in);

/* f(text, before?): what stands in the buffer, which held `before`; on an
 * error nil, its name, and the buffer. */
static int convert(lua_State *L, convert_t *f) {
  mcp_buf_t out = {0};
  mcp_slice_t in = check_slice(L, 1);
  int code = mcp_buf_append(&out, luaL_optstring(L, 2, ""),
                            strlen(luaL_optstring(L, 2, "")));
  if (code == 0) code = f(&out, in);
  if (code < 0) {
    lua_pushnil(L);
    lua_pushstring(L, mcp_err_name(code));
  }
  lua_pushlstring(L, out.data, out.len);
  mcp_buf_deinit(&out);
  return code < 0 ? 3 : 1;
}

static int encode(lua_State *L) {
  return convert(L, mcp_crypto_write_base64);
}

static int encode_url(lua_State *L) {
  return convert(L, mcp_crypto_write_base64url);
}

static int decode(lua_State *L) {
  return convert(L, mcp_crypto_read_base64);
}

static int decode_url(lua_State *L) {
  return convert(L, mcp_crypto_read_base64url);
}

static int is_equal(lua_State *L) {
  lua_pushboolean(L, mcp_crypto_equal(check_slice(L, 1), check_slice(L, 2)));
  return 1;
}

static int random_bytes(lua_State *L) {
  luaL_Buffer buffer;
  size_t len = (size_t)luaL_checkinteger(L, 1);
  char *bytes = luaL_buffinitsize(L, &buffer, len);
  int code;
  memset(bytes, 0, len);
  code = mcp_crypto_random(bytes, len);
  if (code < 0) return luaL_error(L, "%s", mcp_err_name(code));
  luaL_pushresultsize(&buffer, len);
  return 1;
}

/* A slice that says it is longer than any memory: only sizes are looked at. */
static int encode_huge(lua_State *L) {
  mcp_buf_t out = {0};
  mcp_slice_t in = mcp_slice("", (size_t)-1);
  lua_pushstring(L, mcp_err_name(mcp_crypto_write_base64(&out, in)));
  lua_pushstring(L, mcp_err_name(mcp_crypto_write_base64url(&out, in)));
  return 2;
}

__attribute__((visibility("default"))) int luaopen_codecs_crypto(lua_State *L);

int luaopen_codecs_crypto(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"encode", encode},           {"encode_url", encode_url},
      {"decode", decode},           {"decode_url", decode_url},
      {"equal", is_equal},          {"random", random_bytes},
      {"encode_huge", encode_huge}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
