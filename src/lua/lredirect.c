/* SPDX-License-Identifier: MIT
 * lredirect.c: see lredirect.h. */
#include "lua/lredirect.h"

#include <lauxlib.h>

#include "base/err.h"
#include "transport/redirect_listener.h"

#define TYPE_NAME "mcp.redirect_listener"

typedef struct {
  mcp_runtime_t *rt;
  mcp_redirect_listener_t *listener; /* NULL once closed */
  int fn;                            /* registry reference */
} redirect_t;

static void on_visit(void *owner, mcp_slice_t target) {
  redirect_t *self = owner;
  mcp_coroutine_t *co = mcp_coroutine_new(self->rt);
  if (!co) return;
  if (!lua_checkstack(co->thread, 3)) {
    mcp_coroutine_drop(co);
    return;
  }
  lua_rawgeti(co->thread, LUA_REGISTRYINDEX, self->fn);
  /* A light one: making a string may raise, here outside of any coroutine. */
  lua_pushlightuserdata(co->thread, &target);
  mcp_coroutine_run(co, 1);
}

/* The function that runs in the coroutine: upvalue 1 is the user's. */
static int tell(lua_State *L) {
  const mcp_slice_t *target = lua_touserdata(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushlstring(L, target->data, target->len);
  lua_call(L, 1, 0);
  return 0;
}

static int close_listener(lua_State *L) {
  redirect_t *self = luaL_checkudata(L, 1, TYPE_NAME);
  mcp_redirect_listener_close(self->listener);
  self->listener = NULL;
  luaL_unref(L, LUA_REGISTRYINDEX, self->fn);
  self->fn = LUA_NOREF;
  return 0;
}

/* listen_redirect(host, port, path, fn) -> listener, port | nil, text, code
 * fn(target) must not wait. */
static int listen_redirect(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  const char *host = luaL_checkstring(L, 1);
  int port = (int)luaL_checkinteger(L, 2), code;
  const char *path = luaL_checkstring(L, 3);
  redirect_t *self;
  luaL_checktype(L, 4, LUA_TFUNCTION);
  lua_settop(L, 4);
  self = lua_newuserdatauv(L, sizeof *self, 0);
  *self = (redirect_t){.rt = rt, .fn = LUA_NOREF};
  luaL_setmetatable(L, TYPE_NAME);
  lua_pushvalue(L, 4);
  lua_pushcclosure(L, tell, 1);
  self->fn = luaL_ref(L, LUA_REGISTRYINDEX);
  code = mcp_redirect_listener_open(rt->loop, host, port, path, on_visit, self,
                                    &self->listener);
  if (code < 0) {
    luaL_unref(L, LUA_REGISTRYINDEX, self->fn);
    self->fn = LUA_NOREF;
    return mcp_coroutine_push_error(L, code);
  }
  lua_pushinteger(L, mcp_redirect_listener_port(self->listener));
  return 2;
}

void mcp_lredirect_open(lua_State *L, mcp_runtime_t *rt) {
  luaL_newmetatable(L, TYPE_NAME);
  lua_pushcfunction(L, close_listener);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close_listener);
  lua_setfield(L, -2, "__close");
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, close_listener);
  lua_setfield(L, -2, "close");
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, rt);
  lua_pushcclosure(L, listen_redirect, 1);
  lua_setfield(L, -2, "listen_redirect");
}
