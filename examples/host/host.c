/* SPDX-License-Identifier: MIT
 * A program with a loop of its own that serves MCP on the side. It links the
 * core into itself, waits with poll on descriptors of its own and on ours, and
 * turns our loop only when there is something to do.
 *
 *   make host && build/host      then talk to the address it prints, or type:
 *                                every line becomes the text of a resource */
#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lua/core.h"

/* Calls field `name` of the table at `table`, with one number if `seconds` is
 * not negative; its result as a number, or `otherwise` for nil. */
static double call(lua_State *L, int table, const char *name, double seconds,
                   double otherwise) {
  double result;
  lua_getfield(L, table, name);
  if (seconds >= 0) lua_pushnumber(L, seconds);
  lua_call(L, seconds >= 0 ? 1 : 0, 1);
  result = lua_isnumber(L, -1) ? lua_tonumber(L, -1) : otherwise;
  lua_pop(L, 1);
  return result;
}

/* A line of our own input goes to the script. False at the end of input. */
static int take_line(lua_State *L) {
  char line[1024];
  ssize_t n = read(STDIN_FILENO, line, sizeof line);
  if (n <= 0) return 0;
  lua_getglobal(L, "take");
  lua_pushlstring(L, line,
                  strcspn(line, "\n") < (size_t)n ? strcspn(line, "\n")
                                                  : (size_t)n);
  lua_call(L, 1, 0);
  return 1;
}

/* The host's loop; in protected mode, as all of Lua here. The script is
 * argument 1. */
static int run(lua_State *L) {
  struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.events = POLLIN}};
  int mcp, open = 1;
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_mcp_core);
  lua_setfield(L, -2, "mcp.core");
  if (luaL_dofile(L, lua_tostring(L, 1)) != LUA_OK) return lua_error(L);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mcp");
  lua_call(L, 1, 1);
  mcp = lua_gettop(L);
  wait[1].fd = (int)call(L, mcp, "fd", -1, -1);
  while (open) {
    double seconds = call(L, mcp, "timeout", -1, -1);
    if (poll(wait, 2, seconds < 0 ? -1 : (int)(seconds * 1000) + 1) < 0) break;
    call(L, mcp, "step", 0, 0);
    if (wait[0].revents) open = take_line(L);
  }
  return 0;
}

int main(int argc, char **argv) {
  lua_State *L = luaL_newstate();
  int failed;
  if (!L) return 1;
  lua_pushcfunction(L, run);
  lua_pushstring(L, argc > 1 ? argv[1] : "examples/host/host.lua");
  failed = lua_pcall(L, 1, 0, 0) != LUA_OK;
  if (failed) fprintf(stderr, "host: %s\n", lua_tostring(L, -1));
  lua_close(L);
  return failed;
}
