/* SPDX-License-Identifier: MIT
 * log.c: src/base/log.c for the specs. Standard error is a socket that keeps
 * the borders of writes while `capture` runs. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#include "push.h"

static int check_level(lua_State *L, int index) {
  static const char *const levels[] = {"wire",    "debug", "info", "notice",
                                       "warning", "error", "off",  NULL};
  return luaL_checkoption(L, index, NULL, levels);
}

static int enabled(lua_State *L) {
  lua_pushboolean(L, mcp_log_enabled((mcp_log_level_t)check_level(L, 1)));
  return 1;
}

static int write_line(lua_State *L) {
  mcp_log((mcp_log_level_t)check_level(L, 1), "%s", luaL_checkstring(L, 2));
  return 0;
}

/* about(level, text, request, kind, name) */
static int write_about(lua_State *L) {
  mcp_log_about_t about = {.kind = luaL_optstring(L, 4, NULL),
                           .name = luaL_optstring(L, 5, NULL)};
  about.request = check_slice(L, 3);
  mcp_log_about((mcp_log_level_t)check_level(L, 1), &about, check_slice(L, 2));
  return 0;
}

/* formatted(level, number, text) */
static int write_formatted(lua_State *L) {
  mcp_log((mcp_log_level_t)check_level(L, 1), "n=%d s=%s",
          (int)luaL_checkinteger(L, 2), luaL_checkstring(L, 3));
  return 0;
}

/* wire("in"|"out", piece, ...): the pieces of one connection */
static int wire(lua_State *L) {
  static const char *const directions[] = {"in", "out", NULL};
  int direction = luaL_checkoption(L, 1, NULL, directions);
  mcp_log_wire_t state = {0};
  for (int i = 2; i <= lua_gettop(L); i++)
    mcp_log_wire(&state, (mcp_log_direction_t)direction, check_slice(L, i));
  return 0;
}

/* capture(f): calls f; a list of what each write(2) to standard error wrote */
static int capture(lua_State *L) {
  int pair[2], saved, status;
  char bytes[8192];
  ssize_t n;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
    return luaL_error(L, "socketpair");
  saved = dup(STDERR_FILENO);
  dup2(pair[1], STDERR_FILENO);
  close(pair[1]);
  lua_settop(L, 1);
  status = lua_pcall(L, 0, 0, 0);
  dup2(saved, STDERR_FILENO);
  close(saved);
  lua_createtable(L, 0, 0);
  while ((n = recv(pair[0], bytes, sizeof bytes, 0)) > 0) {
    lua_pushlstring(L, bytes, (size_t)n);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  close(pair[0]);
  if (status != LUA_OK) {
    lua_pop(L, 1);
    return lua_error(L);
  }
  return 1;
}

/* setenv(value): MCP_LOG of this process */
static int set_environment(lua_State *L) {
  setenv("MCP_LOG", luaL_checkstring(L, 1), 1);
  return 0;
}

__attribute__((visibility("default"))) int luaopen_codecs_log(lua_State *L);

int luaopen_codecs_log(lua_State *L) {
  static const luaL_Reg functions[] = {{"enabled", enabled},
                                       {"write", write_line},
                                       {"formatted", write_formatted},
                                       {"about", write_about},
                                       {"wire", wire},
                                       {"capture", capture},
                                       {"setenv", set_environment},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_pushinteger(L, MCP_LOG_LINE);
  lua_setfield(L, -2, "LINE");
  return 1;
}
