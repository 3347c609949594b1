/* SPDX-License-Identifier: MIT
 * lservice.c: see lservice.h. */
#include "lua/lservice.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <unistd.h>

#include "lua/coroutine.h"
#include "net/service.h"

/* notify(address, text) -> true | nil, text, code */
static int notify(lua_State *L) {
  size_t size;
  const char *address = luaL_checkstring(L, 1);
  const char *text = luaL_checklstring(L, 2, &size);
  int code = mcp_service_notify(address, text, size);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* take_variable(name) -> string | nil: a variable of the environment, which
 * children do not get from then on. */
static int take_variable(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const char *value = getenv(name);
  if (!value) return 0;
  lua_pushstring(L, value);
  unsetenv(name);
  return 1;
}

/* find_user(user | nil, group | nil) -> uid, gid, name | nil, unknown: `name`
 * is empty for a number that no user has. */
static int find_user(lua_State *L) {
  const char *user = luaL_optstring(L, 1, NULL);
  const char *group = luaL_optstring(L, 2, NULL), *unknown = NULL;
  mcp_service_user_t found;
  if (mcp_service_find_user(user, group, &found, &unknown) < 0) {
    lua_pushnil(L);
    lua_pushstring(L, unknown);
    return 2;
  }
  lua_pushinteger(L, (lua_Integer)found.uid);
  lua_pushinteger(L, (lua_Integer)found.gid);
  lua_pushstring(L, found.name);
  return 3;
}

/* become(user | nil, group | nil) -> true | nil, text, code */
static int become(lua_State *L) {
  const char *user = luaL_optstring(L, 1, NULL);
  const char *group = luaL_optstring(L, 2, NULL), *unknown;
  mcp_service_user_t found;
  int code = mcp_service_find_user(user, group, &found, &unknown);
  if (code == 0) code = mcp_service_become(&found);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* change_owner(path, uid, gid) -> true | nil, text, code */
static int change_owner(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  uid_t uid = (uid_t)luaL_checkinteger(L, 2);
  gid_t gid = (gid_t)luaL_checkinteger(L, 3);
  if (lchown(path, uid, gid) < 0) return mcp_coroutine_push_error(L, -errno);
  lua_pushboolean(L, true);
  return 1;
}

/* pid() -> integer */
static int pid(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)getpid());
  return 1;
}

void mcp_lservice_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"notify", notify},
                                       {"take_variable", take_variable},
                                       {"find_user", find_user},
                                       {"become", become},
                                       {"change_owner", change_owner},
                                       {"pid", pid},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
