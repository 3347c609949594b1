/* SPDX-License-Identifier: MIT
 * account.c: src/base/account.c, and buffers that are charged to it, for the
 * specs. */
#include "base/account.h"

#include <lauxlib.h>
#include <lua.h>

#include "base/buf.h"
#include "base/err.h"

#define SHARE "spec.share"
#define BUF   "spec.charged"

typedef struct {
  mcp_share_t *share; /* NULL once dropped */
} handle_t;

static handle_t *check(lua_State *L, int index) {
  return luaL_checkudata(L, index, SHARE);
}

/* true, or nil and the error's name */
static int push_code(lua_State *L, int code) {
  if (code < 0) {
    lua_pushnil(L);
    lua_pushstring(L, mcp_err_name(code));
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* share(parent | nil, part) */
static int new_share(lua_State *L) {
  mcp_share_t *parent = lua_isnil(L, 1) ? NULL : check(L, 1)->share;
  unsigned part = (unsigned)luaL_checkinteger(L, 2);
  handle_t *h = lua_newuserdatauv(L, sizeof *h, 0);
  h->share = mcp_share_new(parent, part);
  luaL_setmetatable(L, SHARE);
  return 1;
}

static void count(void *arg) {
  ++*(int *)arg;
}

static int freed;

/* Freed shares are counted from here on. */
static int watch(lua_State *L) {
  mcp_share_on_gone(check(L, 1)->share, count, &freed);
  return 0;
}

static int get_freed(lua_State *L) {
  lua_pushinteger(L, freed);
  freed = 0;
  return 1;
}

static int charge(lua_State *L) {
  return push_code(
      L, mcp_share_charge(check(L, 1)->share, (size_t)luaL_checkinteger(L, 2)));
}

static int release(lua_State *L) {
  mcp_share_release(check(L, 1)->share, (size_t)luaL_checkinteger(L, 2));
  return 0;
}

static int held(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mcp_share_held(check(L, 1)->share));
  return 1;
}

static int is_tight(lua_State *L) {
  lua_pushboolean(L, mcp_share_is_tight(check(L, 1)->share));
  return 1;
}

/* share:join(group | nil) */
static int join(lua_State *L) {
  mcp_share_t *group = lua_isnoneornil(L, 2) ? NULL : check(L, 2)->share;
  return push_code(L, mcp_share_join(check(L, 1)->share, group));
}

static int drop(lua_State *L) {
  handle_t *h = check(L, 1);
  mcp_share_drop(h->share);
  h->share = NULL;
  return 0;
}

/* account() -> held, limit, refused */
static int account(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mcp_account_held());
  lua_pushinteger(L, (lua_Integer)mcp_account_limit());
  lua_pushinteger(L, (lua_Integer)mcp_account_refused());
  return 3;
}

static int set_limit(lua_State *L) {
  mcp_account_set_limit((size_t)luaL_checkinteger(L, 1));
  return 0;
}

static mcp_buf_t *check_buf(lua_State *L, int index) {
  return luaL_checkudata(L, index, BUF);
}

/* buf(share | nil) */
static int new_buf(lua_State *L) {
  mcp_share_t *share = lua_isnoneornil(L, 1) ? NULL : check(L, 1)->share;
  mcp_buf_t *buf = lua_newuserdatauv(L, sizeof *buf, 0);
  *buf = (mcp_buf_t){.share = share};
  luaL_setmetatable(L, BUF);
  return 1;
}

static int append(lua_State *L) {
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  return push_code(L, mcp_buf_append(check_buf(L, 1), data, len));
}

static int take(lua_State *L) {
  mcp_buf_t taken = mcp_buf_take(check_buf(L, 1)), *buf;
  buf = lua_newuserdatauv(L, sizeof *buf, 0);
  *buf = taken;
  luaL_setmetatable(L, BUF);
  return 1;
}

/* buf:move_rest(from, at): into buf, which is empty */
static int move_rest(lua_State *L) {
  return push_code(L, mcp_buf_move_rest(check_buf(L, 1), check_buf(L, 2),
                                        (size_t)luaL_checkinteger(L, 3)));
}

static int charge_to(lua_State *L) {
  return push_code(L, mcp_buf_charge(check_buf(L, 1), check(L, 2)->share));
}

static int reset(lua_State *L) {
  mcp_buf_reset(check_buf(L, 1), (size_t)luaL_checkinteger(L, 2));
  return 0;
}

static int deinit(lua_State *L) {
  mcp_buf_deinit(check_buf(L, 1));
  return 0;
}

static int text(lua_State *L) {
  mcp_buf_t *buf = check_buf(L, 1);
  lua_pushlstring(L, buf->data ? buf->data : "", buf->len);
  lua_pushinteger(L, (lua_Integer)buf->cap);
  return 2;
}

__attribute__((visibility("default"))) int luaopen_codecs_account(lua_State *L);

int luaopen_codecs_account(lua_State *L) {
  static const luaL_Reg shares[] = {
      {"charge", charge},     {"release", release},
      {"held", held},         {"drop", drop},
      {"is_tight", is_tight}, {"watch", watch},
      {"join", join},         {NULL, NULL}};
  static const luaL_Reg bufs[] = {
      {"append", append},       {"take", take},   {"move_rest", move_rest},
      {"charge_to", charge_to}, {"reset", reset}, {"deinit", deinit},
      {"text", text},           {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"share", new_share},     {"buf", new_buf},     {"account", account},
      {"set_limit", set_limit}, {"freed", get_freed}, {NULL, NULL}};
  luaL_newmetatable(L, SHARE);
  luaL_newlib(L, shares);
  lua_setfield(L, -2, "__index");
  luaL_newmetatable(L, BUF);
  luaL_newlib(L, bufs);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
