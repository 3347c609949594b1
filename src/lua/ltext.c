/* SPDX-License-Identifier: MIT
 * ltext.c: text from Lua that C functions take. */
#include "lua/ltext.h"

#include <lauxlib.h>
#include <string.h>

const char *mcp_ltext_check(lua_State *L, const char *what) {
  size_t length;
  const char *text;
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "%s: expected a string, got %s", what, luaL_typename(L, -1));
  text = lua_tolstring(L, -1, &length);
  if (strlen(text) != length) luaL_error(L, "%s: contains a zero byte", what);
  return text;
}

const char *mcp_ltext_field(lua_State *L, int table, const char *name,
                            const char *otherwise) {
  const char *text = otherwise;
  if (lua_getfield(L, table, name) != LUA_TNIL) text = mcp_ltext_check(L, name);
  lua_pop(L, 1);
  return text;
}
