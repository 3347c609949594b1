/* SPDX-License-Identifier: MIT
 * ecma.c: src/wire/regex_ecma.c for the specs.
 *
 *   pcre(pattern)   the PCRE2 form, and a table of facts; or nil, the name of
 *                   the error, what is wrong, where */
#include "wire/regex_ecma.h"

#include <lauxlib.h>
#include <lua.h>

#include "base/err.h"

static int pcre(lua_State *L) {
  mcp_slice_t pattern;
  mcp_regex_ecma_facts_t facts;
  mcp_buf_t out = {0};
  int code;
  pattern.data = luaL_checklstring(L, 1, &pattern.len);
  code = mcp_regex_ecma_write_pcre(&out, pattern, &facts);
  if (code < 0) {
    mcp_buf_deinit(&out);
    lua_pushnil(L);
    lua_pushstring(L, mcp_err_name(code));
    lua_pushstring(L, facts.what);
    lua_pushinteger(L, (lua_Integer)facts.offset);
    return 4;
  }
  lua_pushlstring(L, out.data, out.len);
  mcp_buf_deinit(&out);
  lua_newtable(L);
  lua_pushinteger(L, (lua_Integer)facts.repeat);
  lua_setfield(L, -2, "most");
  lua_pushboolean(L, facts.numbered);
  lua_setfield(L, -2, "numbered");
  lua_pushboolean(L, facts.referring);
  lua_setfield(L, -2, "referring");
  return 2;
}

__attribute__((visibility("default"))) int luaopen_codecs_ecma(lua_State *L);

int luaopen_codecs_ecma(lua_State *L) {
  static const luaL_Reg functions[] = {{"pcre", pcre}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
