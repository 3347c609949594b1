/* SPDX-License-Identifier: MIT
 * main.c: the luamcp program: one Lua state, the runtime in it, and
 * lua/mcp/cli.lua. The Lua side is compiled into the program (embedded.c), so
 * nothing is looked for on disk before the user's script. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "lua/core.h"

/* Made by scripts/embed.lua: the compiled Lua modules of lua/. */
typedef struct {
  const char *name;
  const char *code;
  size_t size;
} embedded_t;
extern const embedded_t mcp_embedded[];

/* A package.searchers entry. A module found by package.path would shadow it
 * only if it came first: ours comes right after package.preload. */
static int search(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  for (const embedded_t *m = mcp_embedded; m->name; m++) {
    if (strcmp(m->name, name) != 0) continue;
    if (luaL_loadbufferx(L, m->code, m->size, m->name, "b") != LUA_OK)
      return lua_error(L);
    lua_pushliteral(L, ":embedded:");
    return 2;
  }
  lua_pushfstring(L, "no embedded module '%s'", name);
  return 1;
}

/* Puts `search` second among package.searchers. [-0, +0, m] */
static void add_searcher(lua_State *L) {
  lua_Integer n;
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  n = luaL_len(L, -1);
  for (lua_Integer i = n; i >= 2; i--) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 2);
}

static int traceback(lua_State *L) {
  const char *text = lua_tostring(L, 1);
  if (!text && luaL_callmeta(L, 1, "__tostring")) text = lua_tostring(L, -1);
  if (!text)
    text = lua_pushfstring(L, "(an error of type %s)", luaL_typename(L, 1));
  luaL_traceback(L, L, text, 1);
  return 1;
}

/* Everything that may raise happens in here. */
static int protected_main(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  luaL_openlibs(L);
  /* A young generation fits the life of a message's values. */
  lua_gc(L, LUA_GCGEN, 0, 0);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_mcp_core);
  lua_setfield(L, -2, "mcp.core");
  lua_pop(L, 1);
  /* For developing: MCP_LUA_FROM_PATH takes the Lua side from package.path. */
  if (!getenv("MCP_LUA_FROM_PATH")) add_searcher(L);
  lua_pushcfunction(L, traceback);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mcp.cli");
  lua_call(L, 1, 1);
  lua_createtable(L, argc, 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i);
  }
  if (lua_pcall(L, 1, 1, -3) != LUA_OK) return lua_error(L);
  return 1;
}

int main(int argc, char **argv) {
  mcp_arena_t *arena = mcp_arena_new();
  lua_State *L = arena ? lua_newstate(mcp_arena_lua, arena) : NULL;
  int status, code = EXIT_FAILURE;
  if (!L) {
    fputs("luamcp: not enough memory to start\n", stderr);
    return EXIT_FAILURE;
  }
  lua_pushcfunction(L, protected_main);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  status = lua_pcall(L, 2, 1, 0);
  if (status == LUA_OK) {
    code = (int)lua_tointeger(L, -1);
  } else {
    const char *text = lua_tostring(L, -1);
    fprintf(stderr, "luamcp: %s\n", text ? text : "not enough memory");
  }
  lua_close(L);
  mcp_arena_free(arena);
  return code;
}
