/* SPDX-License-Identifier: MIT
 * own_line.c: error() that notices a message which would begin with a line of
 * lua/mcp itself, see spec/own_line.lua. In C, so that tracebacks are those of
 * the function that it replaces. */
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <string.h>

__attribute__((visibility("default"))) int
luaopen_codecs_own_line(lua_State *L);

/* The path from "lua/mcp/" on if the source is one of luamcp, or NULL. */
static const char *own_path(const char *source) {
  const char *at = strstr(source, "/lua/mcp/");
  size_t length = at ? strlen(at) : 0;
  return length > 4 && strcmp(at + length - 4, ".lua") == 0 ? at + 1 : NULL;
}

/* A function that was left by a tail call has no line any more. */
static bool is_tail_called(lua_State *L, int level) {
  lua_Debug ar;
  for (int i = 1; i < level && lua_getstack(L, i, &ar); i++) {
    lua_getinfo(L, "t", &ar);
    if (ar.istailcall) return true;
  }
  return false;
}

static int checked_error(lua_State *L) {
  int level = (int)luaL_optinteger(L, 2, 1);
  lua_settop(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING && level > 0) {
    lua_Debug ar;
    if (!is_tail_called(L, level) && lua_getstack(L, level, &ar)) {
      const char *path;
      lua_getinfo(L, "Sl", &ar);
      path = ar.currentline > 0 ? own_path(ar.source) : NULL;
      if (path) {
        lua_pushfstring(L, "an error() of %s:%d names a line of luamcp", path,
                        ar.currentline);
        return lua_error(L);
      }
    }
    luaL_where(L, level);
    lua_pushvalue(L, 1);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

int luaopen_codecs_own_line(lua_State *L) {
  lua_pushcfunction(L, checked_error);
  return 1;
}
