/* SPDX-License-Identifier: MIT
 * lua.c: the targets that are written in Lua: TARGET names a file that returns
 * a function, which is called with every input and raises what is wrong. */
#include <lauxlib.h>
#include <lualib.h>

#include "base/mem.h"
#include "lua/core.h"
#include "target.h"

static int open_state(lua_State *L) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_mcp_core);
  lua_setfield(L, -2, "mcp.core");
  lua_pop(L, 1);
  if (luaL_loadfilex(L, TARGET, "t") != LUA_OK) return lua_error(L);
  lua_call(L, 0, 1);
  return 1;
}

static void must_work(lua_State *L, int status) {
  if (status == LUA_OK) return;
  fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  abort();
}

static int trace(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* At the bottom of the stack lies `trace`, above it the function. */
static lua_State *state(void) {
  static lua_State *L;
  if (L) return L;
  L = lua_newstate(mcp_mem_lua, NULL);
  MUST(L);
  lua_pushcfunction(L, trace);
  lua_pushcfunction(L, open_state);
  must_work(L, lua_pcall(L, 0, 1, 1));
  return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lua_State *L = state();
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *)data, size);
  must_work(L, lua_pcall(L, 1, 0, 1));
  return 0;
}
