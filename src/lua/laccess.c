/* SPDX-License-Identifier: MIT
 * laccess.c: see laccess.h. */
#include "lua/laccess.h"

#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/lexchange_handle.h"

#define TYPE_NAME "mcp.access_log"

typedef struct {
  mcp_access_log_t *log; /* NULL before it is opened and once it is closed */
} handle_t;

mcp_access_log_t *mcp_laccess_check(lua_State *L) {
  handle_t *h = luaL_testudata(L, -1, TYPE_NAME);
  if (!h || !h->log)
    luaL_error(L, "access_log: expected an open access log, got %s",
               luaL_typename(L, -1));
  return h->log;
}

/* access_log(path | nil, json) -> log | nil, text, code. Without a path it is
 * standard output. */
static int open_log(lua_State *L) {
  const char *path = luaL_optstring(L, 1, NULL);
  handle_t *h = lua_newuserdatauv(L, sizeof *h, 0);
  int code = 0;
  h->log = NULL;
  luaL_setmetatable(L, TYPE_NAME);
  h->log = mcp_access_log_open(path, lua_toboolean(L, 2), &code);
  return h->log ? 1 : mcp_coroutine_push_error(L, code);
}

static handle_t *check(lua_State *L) {
  return luaL_checkudata(L, 1, TYPE_NAME);
}

/* log:reopen() -> true | nil, text, code */
static int reopen(lua_State *L) {
  handle_t *h = check(L);
  int code = h->log ? mcp_access_log_reopen(h->log) : MCP_ECLOSED;
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* log:dropped() -> integer: lines that were lost */
static int dropped(lua_State *L) {
  handle_t *h = check(L);
  lua_pushinteger(L, h->log ? (lua_Integer)mcp_access_log_dropped(h->log) : 0);
  return 1;
}

/* log:close(): the file is closed with the last listener that writes to it */
static int close_log(lua_State *L) {
  handle_t *h = check(L);
  mcp_access_log_release(h->log);
  h->log = NULL;
  return 0;
}

/* access_note(exchange | nil, text): members for the line of its request; nil:
 * of that which the running coroutine answers */
static int note(lua_State *L) {
  const mcp_runtime_t *rt = lua_touserdata(L, lua_upvalueindex(1));
  mcp_exchange_t *x = NULL;
  mcp_slice_t text;
  if (!lua_isnil(L, 1)) {
    x = mcp_lexchange_check(L)->x;
  } else if (rt->current) {
    x = rt->current->exchange;
  }
  text.data = luaL_checklstring(L, 2, &text.len);
  if (x && x->ops->note) x->ops->note(x, text);
  return 0;
}

/* peer_of(exchange) -> the address of an HTTP client, "unix" for one of a
 * socket file; nil for other transports and once the exchange is over */
static int peer_of(lua_State *L) {
  const mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  char address[64];
  if (!h->x || !h->x->ops->http || !h->x->ops->http->peer) return 0;
  h->x->ops->http->peer(h->x, address, sizeof address);
  if (strcmp(address, "-") == 0) return 0;
  lua_pushstring(L, address);
  return 1;
}

void mcp_laccess_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"access_log", open_log},
                                       {"access_note", note},
                                       {"peer_of", peer_of},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {{"reopen", reopen},
                                     {"dropped", dropped},
                                     {"close", close_log},
                                     {NULL, NULL}};
  luaL_newmetatable(L, TYPE_NAME);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, close_log);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
