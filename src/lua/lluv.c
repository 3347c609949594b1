/* SPDX-License-Identifier: MIT
 * lluv.c: see lluv.h. */
#include "lua/lluv.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <string.h>

/* What luv exports for this (luv.h). */
typedef void *(*luv_loop_fn)(lua_State *L);

void *mcp_lluv_loop(lua_State *L) {
  luv_loop_fn luv_loop = NULL;
  void *module, *symbol = NULL, *loop;
  int kind = lua_getfield(L, LUA_REGISTRYINDEX, MCP_LLUV_PATH);
  if (kind == LUA_TNIL) {
    lua_pop(L, 1);
    return NULL;
  }
  /* Lua has loaded it for itself; this finds that one and loads nothing. */
  module = kind == LUA_TSTRING
               ? dlopen(lua_tostring(L, -1), RTLD_NOW | RTLD_NOLOAD)
               : dlopen(NULL, RTLD_NOW);
  if (module) {
    symbol = dlsym(module, "luv_loop");
    /* Lua holds it as long as the state lives. */
    dlclose(module);
  }
  lua_pop(L, 1);
  if (!symbol) luaL_error(L, "luv's loop cannot be found: no luv_loop");
  /* A cast would be no C. */
  memcpy(&luv_loop, &symbol, sizeof luv_loop);
  loop = luv_loop(L);
  if (!loop) luaL_error(L, "luv has no loop");
  return loop;
}

void mcp_lluv_check(lua_State *L, const mcp_loop_t *loop) {
  if (!mcp_loop_is_hosts(loop)) return;
  if (lua_getfield(L, LUA_REGISTRYINDEX, MCP_LLUV_MODE) == LUA_TFUNCTION) {
    lua_call(L, 0, 1);
    if (lua_toboolean(L, -1))
      luaL_error(L, "cannot wait here: luv's loop is running, and cannot be "
                    "turned from inside; use mcp.spawn");
  }
  lua_pop(L, 1);
}
