/* SPDX-License-Identifier: MIT
 * lkind.c: see lkind.h. What lua-cjson marks is known to the encoder alone; in
 * Lua, what has array_mt is an array, and so is what has something at [1]. */
#include "lua/lkind.h"

#include <lauxlib.h>
#include <stdbool.h>

#include "lua/value.h"

/* Is the table at 1 an array? */
static bool has_elements(lua_State *L) {
  if (lua_getmetatable(L, 1)) {
    bool marked;
    mcp_value_push_array_mt(L);
    marked = lua_rawequal(L, -1, -2);
    return marked || lua_geti(L, 1, 1) != LUA_TNIL;
  }
  return lua_rawgeti(L, 1, 1) != LUA_TNIL;
}

/* is_array(value) -> boolean */
static int is_array(lua_State *L) {
  lua_pushboolean(L, lua_type(L, 1) == LUA_TTABLE && has_elements(L));
  return 1;
}

/* is_object(value) -> boolean */
static int is_object(lua_State *L) {
  lua_pushboolean(L, lua_type(L, 1) == LUA_TTABLE && !has_elements(L));
  return 1;
}

void mcp_lkind_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"is_array", is_array}, {"is_object", is_object}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
