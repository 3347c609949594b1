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
  /* Lua has loaded the module; RTLD_NOLOAD finds that copy and loads nothing.
   */
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
  /* ISO C has no cast from an object pointer to a function pointer. */
  memcpy(&luv_loop, &symbol, sizeof luv_loop);
  loop = luv_loop(L);
  if (!loop) luaL_error(L, "luv has no loop");
  return loop;
}

/* The C function in the registry under `name`, or NULL. [-0, +0, -] */
static lua_CFunction function_of(lua_State *L, const char *name) {
  lua_CFunction fn;
  lua_getfield(L, LUA_REGISTRYINDEX, name);
  fn = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  return fn;
}

/* Is `fn` among the active calls of `thread`? [-0, +0, e] */
static bool is_on_stack(lua_State *thread, lua_CFunction fn) {
  lua_Debug at;
  luaL_checkstack(thread, 1, NULL);
  for (int level = 0; lua_getstack(thread, level, &at); level++) {
    lua_CFunction one;
    lua_getinfo(thread, "f", &at);
    one = lua_tocfunction(thread, -1);
    lua_pop(thread, 1);
    if (one == fn) return true;
  }
  return false;
}

bool mcp_lluv_is_running(lua_State *L, lua_State *main,
                         const mcp_loop_t *loop) {
  bool running = false;
  lua_CFunction run;
  if (!mcp_loop_is_hosts(loop)) return false;
  /* luv's own state: a uv.run inside uv.run resets it, but it includes a run
   * that a coroutine has started. */
  if (lua_getfield(L, LUA_REGISTRYINDEX, MCP_LLUV_MODE) == LUA_TFUNCTION) {
    lua_call(L, 0, 1);
    running = lua_toboolean(L, -1);
  }
  lua_pop(L, 1);
  run = running ? NULL : function_of(L, MCP_LLUV_RUN);
  return running || (run && is_on_stack(main, run));
}
