/* SPDX-License-Identifier: MIT
 * lself.c: see lself.h. */
#include "lua/lself.h"

#include <lauxlib.h>

#include "lua/lturn.h"

void *mcp_lself_check(lua_State *L, const char *type, const char *name) {
  void *self = luaL_testudata(L, 1, type);
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
