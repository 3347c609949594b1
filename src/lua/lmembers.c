/* SPDX-License-Identifier: MIT
 * lmembers.c: see lmembers.h. Upvalues of the check: KNOWN, the type of Lua's
 * by the name of the member, with the bit REQUIRED where it must be there;
 * OTHER, a function for tables that have a metatable; FLAGS, above which is how
 * many must be there. */
#include "lua/lmembers.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

enum { KNOWN = 1, FLAGS, OTHER, UPVALUES = OTHER };

/* Beside the types of Lua's. */
enum { INTEGER = LUA_NUMTYPES, ANY, NONE, REQUIRED = 32, TYPES = REQUIRED - 1 };

/* There may be other members; OTHER has the last word on what does not fit;
 * what fits is returned itself. */
enum { OPEN = 1, LAST = 2, ITSELF = 4, FLAG_BITS = 3 };

static bool has_type(lua_State *L, int index, int type) {
  if (type == INTEGER) return lua_isinteger(L, index);
  return type == lua_type(L, index) || type == ANY;
}

/* Has an array such a key? */
static bool is_first(lua_State *L, int index) {
  return lua_isinteger(L, index) && lua_tointeger(L, index) == 1;
}

static bool fit(lua_State *L, bool open, lua_Integer missing) {
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    int type;
    lua_pushvalue(L, -2);
    if (lua_rawget(L, lua_upvalueindex(KNOWN)) == LUA_TNUMBER) {
      type = (int)lua_tointeger(L, -1);
      if (!has_type(L, -2, type & TYPES)) return false;
      if (type & REQUIRED) missing--;
    } else if (!open || is_first(L, -3)) {
      return false;
    }
    lua_pop(L, 2);
  }
  return missing == 0;
}

/* OTHER is asked about the arguments. */
static int ask_other(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(OTHER));
  lua_insert(L, 1);
  lua_call(L, 2, LUA_MULTRET);
  return lua_gettop(L);
}

/* check(value, state) -> boolean; with LAST true, false, with ITSELF the value,
 * or what OTHER returns */
static int check(lua_State *L) {
  lua_Integer flags = lua_tointeger(L, lua_upvalueindex(FLAGS));
  bool good = lua_type(L, 1) == LUA_TTABLE;
  if (good && lua_getmetatable(L, 1)) return ask_other(L);
  good = good && fit(L, flags & OPEN, flags >> FLAG_BITS);
  if (!good && (flags & LAST)) return ask_other(L);
  if (flags & ITSELF) {
    lua_settop(L, 1);
    return 1;
  }
  lua_pushboolean(L, good);
  if (!(flags & LAST)) return 1;
  lua_pushboolean(L, false);
  return 2;
}

static int type_of(const char *name) {
  if (strcmp(name, "string") == 0) return LUA_TSTRING;
  if (strcmp(name, "integer") == 0) return INTEGER;
  return strcmp(name, "number") == 0 ? LUA_TNUMBER : LUA_TBOOLEAN;
}

/* Marks in the table at the top what the list at `list` names, and returns how
 * many names that are. Those that it has not get the type `other`.
 * [-0, +0, m] */
static lua_Integer mark_required(lua_State *L, int list, int other) {
  lua_Integer count = 0;
  for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
    lua_Integer type = other;
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TNIL) type = lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (!(type & REQUIRED)) count++;
    lua_pushinteger(L, type | REQUIRED);
    lua_rawset(L, -3);
  }
  lua_pop(L, 1);
  return count;
}

/* members_check(known, required, other [, open [, last [, itself]]]) ->
 * function(value, state): is `value` an object that has the members that the
 * list `required` names, and no member other than those of `known`, each of the
 * type ("string", "number", "integer", "boolean") that stands there? With
 * `open` there may be others. Tables with a metatable are left to the function
 * `other`, and with `last` everything that does not fit; `itself` is for these
 * alone. No float is an integer here, also where JSON Schema says that it is.
 */
static int members_check(lua_State *L) {
  lua_Integer flags = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  if (lua_toboolean(L, 4)) flags |= OPEN;
  if (lua_toboolean(L, 5)) flags |= LAST;
  if (lua_toboolean(L, 6)) flags |= ITSELF;
  lua_settop(L, UPVALUES);
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, KNOWN)) {
    lua_pushvalue(L, -2);
    lua_pushinteger(L, type_of(luaL_checkstring(L, -2)));
    lua_rawset(L, -5);
    lua_pop(L, 1);
  }
  flags |= mark_required(L, 2, flags & OPEN ? ANY : NONE) << FLAG_BITS;
  lua_replace(L, KNOWN);
  lua_pushinteger(L, flags);
  lua_replace(L, FLAGS);
  lua_pushcclosure(L, check, UPVALUES);
  return 1;
}

void mcp_lmembers_open(lua_State *L) {
  lua_pushcfunction(L, members_check);
  lua_setfield(L, -2, "members_check");
}
