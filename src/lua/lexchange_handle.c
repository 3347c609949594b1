/* SPDX-License-Identifier: MIT
 * lexchange_handle.c: see lexchange_handle.h. */
#include "lua/lexchange_handle.h"

#include <lauxlib.h>

typedef mcp_lexchange_handle_t handle_t;

/* Its address is the registry's key of the metatable: one lookup a message,
 * without a string. */
static const char type_key;

void mcp_lexchange_push_metatable(lua_State *L) {
  luaL_newmetatable(L, MCP_LEXCHANGE_TYPE);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &type_key);
}

handle_t *mcp_lexchange_check(lua_State *L) {
  bool ours = false;
  if (lua_getmetatable(L, 1)) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &type_key);
    ours = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  /* The one that raises compares by name. */
  return ours ? lua_touserdata(L, 1)
              : luaL_checkudata(L, 1, MCP_LEXCHANGE_TYPE);
}

void mcp_lexchange_detach_handle(mcp_coroutine_t *co) {
  handle_t *h = co->handle;
  if (h) {
    h->x = NULL;
    h->co = NULL;
    h->expired = co->expired;
  }
  co->handle = NULL;
  co->exchange = NULL;
}

void mcp_lexchange_detach_exchange(mcp_coroutine_t *co) {
  handle_t *h = co->handle;
  if (h) h->x = NULL;
  co->exchange = NULL;
}

void mcp_lexchange_detach_kept(lua_State *L, mcp_exchange_t *x) {
  handle_t *h = x->up;
  int anchor;
  if (!h) return;
  anchor = h->anchor;
  mcp_share_release(x->share, h->charged);
  h->charged = 0;
  x->up = NULL;
  h->x = NULL;
  h->anchor = LUA_NOREF;
  luaL_unref(L, LUA_REGISTRYINDEX, anchor);
}

handle_t *mcp_lexchange_push(lua_State *L, mcp_coroutine_t *co) {
  handle_t *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (handle_t){.transport = co->exchange->ops->name, .anchor = LUA_NOREF};
  lua_rawgetp(L, LUA_REGISTRYINDEX, &type_key);
  lua_setmetatable(L, -2);
  h->x = co->exchange;
  h->co = co;
  co->handle = h;
  return h;
}

void mcp_lexchange_push_header(lua_State *L, mcp_exchange_t *x,
                               mcp_slice_t name) {
  mcp_slice_t value;
  bool twice = false;
  if (!x->ops->http->header(x, name, &value, &twice)) {
    lua_pushnil(L);
  } else if (twice) {
    lua_pushboolean(L, false);
  } else {
    lua_pushlstring(L, value.data, value.len);
  }
}
