/* SPDX-License-Identifier: MIT
 * utf8.c: src/base/utf8.c for the specs. */
#include <lauxlib.h>
#include <lua.h>

#include "base/utf8.h"

#include "push.h"

static int valid(lua_State *L) {
  lua_pushboolean(L, mcp_utf8_valid(check_slice(L, 1)));
  return 1;
}

static int step(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mcp_utf8_step(check_slice(L, 1)));
  return 1;
}

static int prefix(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mcp_utf8_prefix(check_slice(L, 1)));
  return 1;
}

static int cut(lua_State *L) {
  size_t most = (size_t)luaL_checkinteger(L, 2);
  lua_pushinteger(L, (lua_Integer)mcp_utf8_cut(check_slice(L, 1), most));
  return 1;
}

__attribute__((visibility("default"))) int luaopen_codecs_utf8(lua_State *L);

int luaopen_codecs_utf8(lua_State *L) {
  static const luaL_Reg functions[] = {{"valid", valid},
                                       {"step", step},
                                       {"prefix", prefix},
                                       {"cut", cut},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
