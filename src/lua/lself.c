/* SPDX-License-Identifier: MIT
 * lself.c: see lself.h. */
#include "lua/lself.h"

#include <stdbool.h>

#include "lua/lturn.h"

void *mcp_lself_own(lua_State *L) {
  void *self = lua_touserdata(L, 1);
  bool same;
  if (!self || !lua_getmetatable(L, 1)) return NULL;
  same = lua_rawequal(L, -1, lua_upvalueindex(1));
  lua_pop(L, 1);
  return same ? self : NULL;
}

void *mcp_lself_check_own(lua_State *L, const char *type) {
  void *self = mcp_lself_own(L);
  return self ? self : luaL_checkudata(L, 1, type);
}

void mcp_lself_push_methods(lua_State *L, const luaL_Reg *methods) {
  lua_newtable(L);
  lua_pushvalue(L, -2);
  luaL_setfuncs(L, methods, 1);
}

void mcp_lself_set_methods(lua_State *L, const luaL_Reg *methods) {
  mcp_lself_push_methods(L, methods);
  lua_setfield(L, -2, "__index");
}

void *mcp_lself_check(lua_State *L, const char *type, const char *name) {
  void *self = mcp_lself_own(L);
  if (!self) self = luaL_testudata(L, 1, type);
  if (self) return self;
  mcp_lturn_raise(
      L, lua_pushfstring(L, "%s is called with a colon, not with a dot", name));
  return NULL;
}

void *mcp_lself_check_called(lua_State *L, const char *type, const char *what) {
  lua_Debug at;
  const char *name = what;
  if (luaL_testudata(L, 1, type)) return lua_touserdata(L, 1);
  at.name = NULL;
  if (lua_getstack(L, 0, &at)) lua_getinfo(L, "n", &at);
  /* A call through pcall has none. */
  if (at.name) name = lua_pushfstring(L, "%s:%s", what, at.name);
  return mcp_lself_check(L, type, name);
}
