/* SPDX-License-Identifier: MIT
 * rpc_id.c: src/wire/rpc_id.c for the specs. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "wire/rpc_id.h"

/* The argument in memory of exactly its size, from malloc: a sanitizer sees
 * what reads beyond it. */
static mcp_slice_t take(lua_State *L, int index) {
  size_t length;
  const char *text = luaL_checklstring(L, index, &length);
  char *copy = malloc(length ? length : 1);
  if (!copy) luaL_error(L, "no memory");
  memcpy(copy, text, length);
  return mcp_slice(copy, length);
}

static void drop(mcp_slice_t text) {
  free((void *)(uintptr_t)text.data);
}

/* find(text): the id as it stands there or nil, is it a response? */
static int find(lua_State *L) {
  mcp_slice_t text = take(L, 1);
  mcp_rpc_id_found_t found = mcp_rpc_id_find(text);
  if (found.id.len > 0) {
    lua_pushlstring(L, found.id.data, found.id.len);
  } else {
    lua_pushnil(L);
  }
  lua_pushboolean(L, found.is_response);
  drop(text);
  return 2;
}

/* key(id): its key; `id` is JSON text */
static int key(lua_State *L) {
  mcp_slice_t id = take(L, 1);
  char out[MCP_RPC_KEY_LENGTH];
  lua_pushlstring(L, out, mcp_rpc_id_key(id, out));
  drop(id);
  return 1;
}

/* equal(a, b): are they the same id? */
static int equal(lua_State *L) {
  mcp_slice_t a = take(L, 1), b = take(L, 2);
  lua_pushboolean(L, mcp_rpc_id_equal(a, b));
  drop(a);
  drop(b);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_codecs_rpc_id(lua_State *L);

int luaopen_codecs_rpc_id(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"find", find}, {"key", key}, {"equal", equal}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
