/* SPDX-License-Identifier: MIT
 * http_request.c: src/wire/http_request.c for the specs.
 *
 *   write(method, target, host, port, { {name, value}, … } [, body])
 *     the bytes; or nil, error name, why */
#include "wire/http_request.h"

#include <lauxlib.h>
#include <lua.h>

#include "base/err.h"

#include "push.h"

static int write_all(lua_State *L, mcp_buf_t *out, const char **why) {
  mcp_slice_t method = check_slice(L, 1);
  bool has_body = !lua_isnoneornil(L, 6);
  int code =
      mcp_http_request_begin(out, method, check_slice(L, 2), check_slice(L, 3),
                             (int)luaL_checkinteger(L, 4), false, why);
  lua_Integer n = luaL_len(L, 5);
  for (lua_Integer i = 1; code == 0 && i <= n; i++) {
    lua_rawgeti(L, 5, i);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    code = mcp_http_request_field(out, check_slice(L, -2), check_slice(L, -1),
                                  why);
    lua_pop(L, 3);
  }
  if (code < 0) return code;
  return mcp_http_request_end(
      out, method, has_body ? check_slice(L, 6) : mcp_slice(NULL, 0), has_body);
}

static int write_request(lua_State *L) {
  mcp_buf_t out = {0};
  const char *why = "";
  int code = write_all(L, &out, &why);
  if (code == 0) {
    lua_pushlstring(L, out.data, out.len);
  } else {
    lua_pushnil(L);
    lua_pushstring(L, mcp_err_name(code));
    lua_pushstring(L, why);
  }
  mcp_buf_deinit(&out);
  return code == 0 ? 1 : 3;
}

static int is_idempotent(lua_State *L) {
  lua_pushboolean(L, mcp_http_request_is_idempotent(check_slice(L, 1)));
  return 1;
}

__attribute__((visibility("default"))) int
luaopen_codecs_http_request(lua_State *L);

int luaopen_codecs_http_request(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"write", write_request}, {"is_idempotent", is_idempotent}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
