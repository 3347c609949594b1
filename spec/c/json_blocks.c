/* SPDX-License-Identifier: MIT
 * json_blocks.c: the loops over long strings for the specs, as the module
 * codecs.json_blocks: those for any processor and those for this one. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json_blocks.h"

__attribute__((visibility("default"))) int
luaopen_codecs_json_blocks(lua_State *L);

static const mcp_json_blocks_t *chosen(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* The text in a block of its own, so that a sanitizer sees every byte read
 * beyond it. */
static char *copy(lua_State *L, int index, size_t *size) {
  const char *text = luaL_checklstring(L, index, size);
  char *own = malloc(*size ? *size : 1);
  if (own) memcpy(own, text, *size);
  return own;
}

/* skip(text) -> how many bytes it passed over */
static int l_skip(lua_State *L) {
  size_t size;
  char *text = copy(L, 1, &size);
  lua_pushinteger(L, chosen(L)->skip(text, text + size) - text);
  free(text);
  return 1;
}

/* How many bytes it read, what it wrote. */
static int run(lua_State *L,
               const char *(*f)(const char *, const char *, char **)) {
  size_t size;
  char *text = copy(L, 1, &size), *out = malloc(size ? size : 1), *to = out;
  lua_pushinteger(L, f(text, text + size, &to) - text);
  lua_pushlstring(L, out, (size_t)(to - out));
  free(text);
  free(out);
  return 2;
}

/* undo(text) -> how many bytes it read, what it wrote */
static int l_undo(lua_State *L) {
  return run(L, chosen(L)->undo);
}

/* read(text) -> the same, or nothing where there is no such function */
static int l_read(lua_State *L) {
  return chosen(L)->read ? run(L, chosen(L)->read) : 0;
}

/* write(text, room) -> how many bytes it read, what it wrote */
static int l_write(lua_State *L) {
  size_t size, room = (size_t)luaL_checkinteger(L, 2);
  char *text = copy(L, 1, &size), *out = malloc(room ? room : 1), *to = out;
  lua_pushinteger(L,
                  chosen(L)->write(text, text + size, &to, out + room) - text);
  lua_pushlstring(L, out, (size_t)(to - out));
  free(text);
  free(out);
  return 2;
}

static void push(lua_State *L, const char *name,
                 const mcp_json_blocks_t *blocks) {
  static const luaL_Reg functions[] = {{"skip", l_skip},
                                       {"read", l_read},
                                       {"undo", l_undo},
                                       {"write", l_write},
                                       {NULL, NULL}};
  if (!blocks) return;
  luaL_newlibtable(L, functions);
  lua_pushlightuserdata(L, (void *)blocks);
  luaL_setfuncs(L, functions, 1);
  lua_setfield(L, -2, name);
}

/* { basic = {…}, wide = {…} where this processor has it } */
int luaopen_codecs_json_blocks(lua_State *L) {
  lua_newtable(L);
  push(L, "basic", mcp_json_blocks_basic());
  push(L, "wide", mcp_json_blocks_wide());
  return 1;
}
