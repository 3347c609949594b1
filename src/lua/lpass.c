/* SPDX-License-Identifier: MIT
 * lpass.c: see lpass.h. */
#include "lua/lpass.h"

#include <lauxlib.h>

#define TYPE_NAME "mcp.pass"

/* Its user values. */
#define SESSION 1
#define ENTER   2

static mcp_lpass_t *check(lua_State *L) {
  return luaL_checkudata(L, 1, TYPE_NAME);
}

mcp_lpass_t *mcp_lpass_at(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL
                                   : luaL_checkudata(L, index, TYPE_NAME);
}

void mcp_lpass_push_session(lua_State *L, int index) {
  (void)lua_getiuservalue(L, index, SESSION);
}

/* The first frame of the coroutine that runs on `L`. */
static void find_first(lua_State *L, lua_Debug *frame) {
  int there = 0, beyond = 1;
  while (lua_getstack(L, beyond, frame)) {
    there = beyond;
    beyond *= 2;
  }
  while (beyond - there > 1) {
    int middle = there + (beyond - there) / 2;
    if (lua_getstack(L, middle, frame)) {
      there = middle;
    } else {
      beyond = middle;
    }
  }
  (void)lua_getstack(L, there, frame);
}

int mcp_lpass_before_wait(lua_State *L) {
  lua_Debug first;
  int pass = lua_gettop(L) + 1;
  find_first(L, &first);
  (void)lua_getlocal(L, &first, MCP_LPASS_AT);
  (void)lua_getiuservalue(L, pass, ENTER);
  (void)lua_getiuservalue(L, pass, SESSION);
  (void)lua_getlocal(L, &first, MCP_LPASS_EXCHANGE_AT);
  return 2;
}

/* pass:open(at): it is good until `at`, by core.now. */
static int open_pass(lua_State *L) {
  mcp_lpass_t *pass = check(L);
  lua_Number at = luaL_checknumber(L, 2) * 1000;
  /* Beyond 2^53 there are no milliseconds. */
  pass->until = at >= 1 ? (uint64_t)(at < 0x1p53 ? at : 0x1p53) : 0;
  return 0;
}

/* pass:close(): the session has ended. */
static int close_pass(lua_State *L) {
  check(L)->until = 0;
  lua_pushnil(L);
  lua_setiuservalue(L, 1, SESSION);
  return 0;
}

/* pass:used() -> seconds by core.now: when a request came by it last, or 0 */
static int used(lua_State *L) {
  lua_pushnumber(L, (lua_Number)check(L)->used / 1000);
  return 1;
}

static void push_metatable(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"open", open_pass}, {"close", close_pass}, {"used", used}, {NULL, NULL}};
  if (luaL_newmetatable(L, TYPE_NAME)) {
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
  }
}

/* pass(session, enter) -> pass, which is not good yet. enter(session, x) is
 * called before the first wait of a request that came by it; it must not
 * wait. */
static int make_pass(lua_State *L) {
  mcp_lpass_t *pass;
  luaL_checkany(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  pass = lua_newuserdatauv(L, sizeof *pass, 2);
  *pass = (mcp_lpass_t){0};
  push_metatable(L);
  lua_setmetatable(L, 3);
  lua_insert(L, 1);
  lua_setiuservalue(L, 1, ENTER);
  lua_setiuservalue(L, 1, SESSION);
  return 1;
}

void mcp_lpass_open(lua_State *L) {
  lua_pushcfunction(L, make_pass);
  lua_setfield(L, -2, "pass");
}
