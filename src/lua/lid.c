/* SPDX-License-Identifier: MIT
 * lid.c: see lid.h. */
#include "lua/lid.h"

#include <lauxlib.h>
#include <string.h>

#include "lua/lexchange_handle.h"
#include "wire/number.h"

void mcp_lid_push(lua_State *L, mcp_slice_t id) {
  char key[MCP_RPC_KEY_LENGTH];
  lua_pushlstring(L, key, mcp_rpc_id_key(id, key));
}

size_t mcp_lid_of_value(lua_State *L, int index, char *key) {
  size_t length;
  const char *text;
  if (lua_isinteger(L, index))
    return mcp_number_write_integer(key, lua_tointeger(L, index));
  if (lua_type(L, index) == LUA_TNUMBER)
    return mcp_rpc_id_key_of_double(lua_tonumber(L, index), key);
  if (lua_type(L, index) != LUA_TSTRING) return 0;
  text = lua_tolstring(L, index, &length);
  if (length >= MCP_RPC_KEY_LENGTH) return 0;
  key[0] = '"';
  memcpy(key + 1, text, length);
  return length + 1;
}

/* id_key(value) -> string | nil */
static int id_key(lua_State *L) {
  char key[MCP_RPC_KEY_LENGTH];
  size_t length = mcp_lid_of_value(L, 1, key);
  if (length > 0) {
    lua_pushlstring(L, key, length);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

/* key_of(exchange) -> key | nil: of the id of its request, as long as that can
 * be answered */
static int key_of(lua_State *L) {
  mcp_exchange_t *x = mcp_lexchange_check(L)->x;
  if (!x || x->id_length == 0) return 0;
  mcp_lid_push(L, mcp_exchange_id(x));
  return 1;
}

/* find_id(text) -> key | nil, is_response: see mcp_rpc_id_find */
static int find_id(lua_State *L) {
  mcp_slice_t text;
  mcp_rpc_id_found_t found;
  text.data = luaL_checklstring(L, 1, &text.len);
  found = mcp_rpc_id_find(text);
  if (found.id.len > 0) {
    mcp_lid_push(L, found.id);
  } else {
    lua_pushnil(L);
  }
  lua_pushboolean(L, found.is_response);
  return 2;
}

void mcp_lid_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"id_key", id_key},
                                       {"key_of", key_of},
                                       {"find_id", find_id},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
