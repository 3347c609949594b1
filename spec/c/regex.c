/* SPDX-License-Identifier: MIT
 * regex.c: the regular expressions alone, for specs: require "codecs.regex".
 * The Lua face is compiled in here, because codecs.so has nothing else of
 * src/lua but values. */
#include "lua/lregex.c"

__attribute__((visibility("default"))) int luaopen_codecs_regex(lua_State *L);

int luaopen_codecs_regex(lua_State *L) {
  return mcp_lregex_open(L);
}
