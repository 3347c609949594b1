/* SPDX-License-Identifier: MIT
 * lcommand.c: see lcommand.h. */
#include "lua/lcommand.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/coroutine.h"
#include "lua/ltext.h"

/* More would be an accident, and the system would refuse it anyway. */
#define ARGUMENTS_MAX 4096

extern char **environ;

const char **mcp_lcommand_push_arguments(lua_State *L) {
  lua_Unsigned count = 0;
  const char **list;
  if (lua_getfield(L, 1, "args") != LUA_TNIL) {
    luaL_argcheck(L, lua_istable(L, -1), 1, "args: expected a list");
    count = lua_rawlen(L, -1);
    luaL_argcheck(L, count < ARGUMENTS_MAX, 1, "args: expected at most 4095");
  }
  list = lua_newuserdatauv(L, (size_t)(count + 2) * sizeof *list, 0);
  lua_getfield(L, 1, "command");
  list[0] = mcp_ltext_check(L, "command");
  luaL_argcheck(L, *list[0], 1, "command: expected the name of a program");
  lua_pop(L, 1);
  for (lua_Unsigned i = 1; i <= count; i++) {
    lua_rawgeti(L, -2, (lua_Integer)i);
    list[i] = mcp_ltext_check(L, "args");
    lua_pop(L, 1);
  }
  list[count + 1] = NULL;
  lua_remove(L, -2);
  return list;
}

/* Adds a variable of ours to the table at the top, unless it is there. A
 * function that a shell has put into its value is code, not a value.
 * [-0, +0, m] */
static void inherit(lua_State *L, const char *name, size_t length,
                    const char *value) {
  lua_pushlstring(L, name, length);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TNIL && strncmp(value, "()", 2) != 0) {
    lua_pushvalue(L, -2);
    lua_pushfstring(L, "%s=%s", lua_tostring(L, -1), value);
    lua_rawset(L, -5);
  }
  lua_pop(L, 2);
}

/* What every child may know of us. [-0, +0, m] */
static void inherit_allowed(lua_State *L) {
  static const char *const names[] = {"HOME", "LOGNAME", "PATH", "SHELL",
                                      "TERM", "USER",    "LANG", "TMPDIR"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = getenv(names[i]);
    if (value) inherit(L, names[i], strlen(names[i]), value);
  }
  for (char **at = environ; at && *at; at++) {
    const char *end = strchr(*at, '=');
    if (end && strncmp(*at, "LC_", 3) == 0)
      inherit(L, *at, (size_t)(end - *at), end + 1);
  }
}

/* Sets the variable `name`, whose value is at the top, in the table at `all`.
 * [-1, +0, m] */
static void set_variable(lua_State *L, int all, const char *name) {
  lua_pushfstring(L, "%s=%s", name, lua_tostring(L, -1));
  lua_remove(L, -2);
  lua_setfield(L, all, name);
}

/* All that we have. [-0, +0, m] */
static void inherit_all(lua_State *L) {
  for (char **at = environ; at && *at; at++) {
    const char *end = strchr(*at, '=');
    if (end) inherit(L, *at, (size_t)(end - *at), end + 1);
  }
}

/* A table from names to "NAME=value". [-0, +1, e] */
static void push_variables(lua_State *L, mcp_lcommand_inherit_t inherited) {
  int all, given;
  lua_newtable(L);
  all = lua_gettop(L);
  if (inherited == MCP_LCOMMAND_ALLOWED) inherit_allowed(L);
  if (inherited == MCP_LCOMMAND_ALL) inherit_all(L);
  if (lua_getfield(L, 1, "env") == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  luaL_argcheck(L, lua_istable(L, -1), 1, "env: expected a table");
  given = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, given)) {
    const char *name;
    lua_pushvalue(L, -2);
    name = mcp_ltext_check(L, "env: a name");
    luaL_argcheck(L, *name && !strchr(name, '='), 1,
                  "env: expected a name without =");
    lua_pop(L, 1);
    if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) {
      lua_pop(L, 1);
      lua_pushnil(L);
      lua_setfield(L, all, name);
    } else {
      (void)mcp_ltext_check(L, name);
      set_variable(L, all, name);
    }
  }
  lua_pop(L, 1);
}

const char **mcp_lcommand_push_environment(lua_State *L,
                                           mcp_lcommand_inherit_t inherited) {
  const char **list;
  size_t count = 0;
  int all;
  push_variables(L, inherited);
  all = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, all); lua_pop(L, 1)) count++;
  list = lua_newuserdatauv(L, (count + 1) * sizeof *list, 0);
  count = 0;
  for (lua_pushnil(L); lua_next(L, all); lua_pop(L, 1))
    list[count++] = lua_tostring(L, -1);
  list[count] = NULL;
  return list;
}

const char *mcp_lcommand_push_folder(lua_State *L) {
  if (lua_getfield(L, 1, "cwd") == LUA_TNIL) return NULL;
  return mcp_ltext_check(L, "cwd");
}

int mcp_lcommand_push_failure(lua_State *L, int code, mcp_process_step_t step,
                              const char *folder) {
  if (step != MCP_PROCESS_FOLDER) return mcp_coroutine_push_error(L, code);
  lua_pushnil(L);
  lua_pushfstring(L, "cwd \"%s\": %s", folder, mcp_err_text(code));
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}
