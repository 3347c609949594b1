/* SPDX-License-Identifier: MIT
 * zlib_module.c: the Lua module mcp.zlib, apart from mcp.core for the reason in
 * wire/decoder.h. It holds nothing and touches no loop. */
#include <lauxlib.h>
#include <zlib.h>

#include "zlib/inflate.h"

__attribute__((visibility("default"))) int luaopen_mcp_zlib(lua_State *L);

int luaopen_mcp_zlib(lua_State *L) {
  const mcp_decoder_ops_t **held;
  luaL_checkversion(L);
  lua_createtable(L, 0, 2);
  lua_pushstring(L, zlibVersion());
  lua_setfield(L, -2, "version");
  held = lua_newuserdatauv(L, sizeof *held, 0);
  *held = &mcp_inflate_ops;
  luaL_newmetatable(L, MCP_DECODER_TYPE);
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "decoder");
  return 1;
}
