/* SPDX-License-Identifier: MIT
 * lmembers.c: see lmembers.h. Upvalues of the check: KNOWN, the type of Lua's
 * by the name of the member; REQUIRED, a list of names; OTHER, a function for
 * tables that have a metatable; OPEN, may there be other members? */
#include "lua/lmembers.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

enum { KNOWN = 1, REQUIRED, OTHER, OPEN, UPVALUES = OPEN };

enum { INTEGER = LUA_NUMTYPES }; /* beside the types of Lua's */

static bool has_type(lua_State *L, int index, int type) {
  if (type == INTEGER) return lua_isinteger(L, index);
  return type == lua_type(L, index);
}

static bool has_required(lua_State *L) {
  for (lua_Integer i = 1;; i++) {
    bool last = lua_rawgeti(L, lua_upvalueindex(REQUIRED), i) == LUA_TNIL;
    bool missing = !last && lua_rawget(L, 1) == LUA_TNIL;
    lua_pop(L, 1);
    if (last || missing) return last;
  }
}

static bool fit(lua_State *L, bool open) {
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    int type;
    lua_pushvalue(L, -2);
    type = lua_rawget(L, lua_upvalueindex(KNOWN)) == LUA_TNIL
               ? LUA_TNONE
               : (int)lua_tointeger(L, -1);
    if (type == LUA_TNONE ? !open : !has_type(L, -2, type)) return false;
    lua_pop(L, 2);
  }
  return true;
}

/* check(value, state) -> boolean */
static int check(lua_State *L) {
  bool good = lua_type(L, 1) == LUA_TTABLE;
  if (good && lua_getmetatable(L, 1)) {
    lua_settop(L, 2);
    lua_pushvalue(L, lua_upvalueindex(OTHER));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
  }
  good = good && lua_rawgeti(L, 1, 1) == LUA_TNIL && has_required(L) &&
         fit(L, lua_toboolean(L, lua_upvalueindex(OPEN)));
  lua_pushboolean(L, good);
  return 1;
}

static int type_of(const char *name) {
  if (strcmp(name, "string") == 0) return LUA_TSTRING;
  if (strcmp(name, "integer") == 0) return INTEGER;
  return strcmp(name, "number") == 0 ? LUA_TNUMBER : LUA_TBOOLEAN;
}

/* members_check(known, required, other [, open]) -> function(value, state): is
 * `value` an object that has the members that the list `required` names, and no
 * member other than those of `known`, each of the type ("string", "number",
 * "integer", "boolean") that stands there? With `open` there may be others.
 * Tables with a metatable are left to the function `other`. No float is an
 * integer here, also where JSON Schema says that it is. */
static int members_check(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  lua_settop(L, UPVALUES);
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, KNOWN)) {
    lua_pushvalue(L, -2);
    lua_pushinteger(L, type_of(luaL_checkstring(L, -2)));
    lua_rawset(L, -5);
    lua_pop(L, 1);
  }
  lua_replace(L, KNOWN);
  lua_pushcclosure(L, check, UPVALUES);
  return 1;
}

void mcp_lmembers_open(lua_State *L) {
  lua_pushcfunction(L, members_check);
  lua_setfield(L, -2, "members_check");
}
