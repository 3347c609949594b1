/* SPDX-License-Identifier: MIT
 * lshare.c: see lshare.h. */
#include "lua/lshare.h"

#include <lauxlib.h>
#include <stdio.h>

#include "base/account.h"
#include "base/err.h"
#include "base/log.h"
#include "lua/coroutine.h"
#include "lua/garbage.h"
#include "transport/link.h"

#define TYPE_NAME "mcp.share"

typedef struct {
  mcp_share_t *share; /* NULL before it is made, and once closed */
  size_t direct;      /* charged here, and not by a part */
  unsigned part;
} handle_t;

static handle_t *check_handle(lua_State *L) {
  return luaL_checkudata(L, 1, TYPE_NAME);
}

static size_t check_bytes(lua_State *L, int arg) {
  lua_Integer bytes = luaL_checkinteger(L, arg);
  luaL_argcheck(L, bytes >= 0, arg, "expected bytes, 0 or more");
  return (size_t)bytes;
}

/* [-0, +1, me] */
static int push_new(lua_State *L, mcp_share_t *parent, unsigned part) {
  handle_t *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (handle_t){.part = part};
  luaL_setmetatable(L, TYPE_NAME);
  h->share = mcp_share_new(parent, part);
  if (!h->share) return luaL_error(L, "not enough memory");
  return 1;
}

/* share() -> share: for a store of one kind, which may hold a quarter of the
 * limit. */
static int new_share(lua_State *L) {
  return push_new(L, NULL, MCP_SHARE_STORE);
}

/* share:part() -> share: for one owner of what is in the store, who may hold
 * half of what the store may. What is charged to it is charged to both. */
static int new_part(lua_State *L) {
  handle_t *h = check_handle(L);
  luaL_argcheck(L, h->share, 1, "the share is closed");
  return push_new(L, h->share, h->part + 1);
}

/* share:charge(bytes) -> true | nil, text, "EBUDGET". Before anything of that
 * size is kept. */
static int charge(lua_State *L) {
  handle_t *h = check_handle(L);
  size_t bytes = check_bytes(L, 2);
  int code = mcp_share_charge(h->share, bytes);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (h->share) h->direct += bytes;
  lua_pushboolean(L, true);
  return 1;
}

/* share:release(bytes): no more than was charged. Upvalue: the garbage of all
 * shares of the state. */
static int release(lua_State *L) {
  mcp_garbage_t *garbage = lua_touserdata(L, lua_upvalueindex(1));
  handle_t *h = check_handle(L);
  size_t bytes = check_bytes(L, 2);
  luaL_argcheck(L, bytes <= h->direct, 2, "more than was charged");
  h->direct -= bytes;
  mcp_share_release(h->share, bytes);
  mcp_garbage_add(garbage, bytes);
  mcp_garbage_collect(L, garbage);
  return 0;
}

/* share:held() -> bytes */
static int held(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mcp_share_held(check_handle(L)->share));
  return 1;
}

/* share:limit() -> bytes */
static int limit(lua_State *L) {
  size_t max = mcp_account_limit() >> check_handle(L)->part;
  lua_pushinteger(L, max > LUA_MAXINTEGER ? LUA_MAXINTEGER : (lua_Integer)max);
  return 1;
}

/* share:is_tight() -> boolean: at the soft mark, its own or the process's */
static int is_tight(lua_State *L) {
  lua_pushboolean(L, mcp_share_is_tight(check_handle(L)->share));
  return 1;
}

/* share:close(), collection: what is charged is released. What its parts have
 * charged goes with them. */
static int close_share(lua_State *L) {
  handle_t *h = check_handle(L);
  mcp_share_t *share = h->share;
  h->share = NULL;
  mcp_share_release(share, h->direct);
  h->direct = 0;
  mcp_share_drop(share);
  return 0;
}

/* What a table costs beside its members, and a string beside its bytes. */
#define TABLE_COST  56
#define STRING_COST 25
/* Deeper is nothing that came as JSON. */
#define DEPTH 256

/* [-0, +0, -], with two slots of the stack for each level. */
static size_t weigh(lua_State *L, int index, int depth) {
  size_t bytes = 0;
  switch (lua_type(L, index)) {
  case LUA_TSTRING: return STRING_COST + lua_rawlen(L, index);
  case LUA_TUSERDATA: return TABLE_COST + lua_rawlen(L, index);
  case LUA_TTABLE: break;
  default: return 0;
  }
  if (depth == 0 || !lua_checkstack(L, 3)) return TABLE_COST;
  bytes = TABLE_COST;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    int top = lua_gettop(L);
    if (lua_type(L, top - 1) == LUA_TSTRING)
      bytes += STRING_COST + lua_rawlen(L, top - 1);
    bytes += 2 * sizeof(lua_Integer) * 2 + weigh(L, top, depth - 1);
  }
  return bytes;
}

/* weight(value, …) -> bytes: about what values that came as JSON take; tables
 * are walked, whatever their metatables. */
static int weight(lua_State *L) {
  size_t bytes = 0;
  int count = lua_gettop(L);
  for (int i = 1; i <= count; i++) bytes += weigh(L, i, DEPTH);
  lua_pushinteger(L, (lua_Integer)bytes);
  return 1;
}

/* memory() -> held, limit, refused: bytes charged to the account of the
 * process, its limit in bytes, and how many charges have been refused */
static int memory(lua_State *L) {
  size_t limit = mcp_account_limit();
  lua_pushinteger(L, (lua_Integer)mcp_account_held());
  lua_pushinteger(L,
                  limit > LUA_MAXINTEGER ? LUA_MAXINTEGER : (lua_Integer)limit);
  lua_pushinteger(L, (lua_Integer)mcp_account_refused());
  return 3;
}

/* limit_memory(bytes): 0 for no limit */
static int limit_memory(lua_State *L) {
  mcp_account_set_limit(check_bytes(L, 1));
  return 0;
}

size_t mcp_lshare_cost(const mcp_arrival_t *arrival) {
  const mcp_json_doc_t *doc = arrival->doc;
  return doc ? MCP_LSHARE_TASK + doc->count * (size_t)MCP_LSHARE_VALUE +
                   doc->text.len
             : MCP_LSHARE_TASK;
}

void mcp_lshare_refuse(mcp_exchange_t *x) {
  mcp_link_t *link = x->link;
  if (x->wants_answer) {
    x->status = 503;
    if (x->ops->http) {
      char seconds[12];
      int n = snprintf(seconds, sizeof seconds, "%d", MCP_EXCHANGE_RETRY);
      (void)x->ops->http->set_header(x, MCP_SLICE("Retry-After"),
                                     mcp_slice(seconds, (size_t)n));
    }
    mcp_exchange_fail(x, MCP_RPC_BUSY,
                      "Busy: memory is short, try again later");
    return;
  }
  mcp_exchange_drop(x);
  /* It may be an answer that a coroutine waits for. */
  if (link) {
    mcp_log(MCP_LOG_WARNING, "connection closed: out of its memory limit");
    mcp_link_close(link, true);
  }
}

void mcp_lshare_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"charge", charge},     {"release", release},
      {"held", held},         {"limit", limit},
      {"is_tight", is_tight}, {"close", close_share},
      {"part", new_part},     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"share", new_share},
                                       {"weight", weight},
                                       {"memory", memory},
                                       {"limit_memory", limit_memory},
                                       {NULL, NULL}};
  mcp_garbage_t *garbage;
  luaL_newmetatable(L, TYPE_NAME);
  luaL_newlibtable(L, methods);
  garbage = lua_newuserdatauv(L, sizeof *garbage, 0);
  *garbage = (mcp_garbage_t){0};
  luaL_setfuncs(L, methods, 1);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, close_share);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close_share);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
