/* SPDX-License-Identifier: MIT
 * lcoding.c: see lcoding.h. Loading goes through `require`, so that the module
 * is found where all others are; lua/mcp/coding.lua catches the error. */
#include "lua/lcoding.h"

#include <lauxlib.h>

const mcp_decoder_ops_t *mcp_lcoding_decoder(lua_State *L) {
  const mcp_decoder_ops_t **held;
  int top = lua_gettop(L);
  luaL_checkstack(L, 4, "mcp.coding");
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "mcp.coding") != LUA_TTABLE) {
    lua_getglobal(L, "require");
    lua_pushliteral(L, "mcp.coding");
    lua_call(L, 1, 1);
  }
  lua_getfield(L, -1, "decoder");
  lua_call(L, 0, 1);
  held = luaL_testudata(L, -1, MCP_DECODER_TYPE);
  lua_settop(L, top);
  return held ? *held : NULL;
}
