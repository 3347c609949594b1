/* SPDX-License-Identifier: MIT
 * lconnect.c: see lconnect.h. */
#include "lua/lconnect.h"

#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/lendpoint.h"
#include "lua/ltext.h"
#include "lua/lturn.h"
#include "lua/seconds.h"
#include "net/address.h"
#include "net/connect.h"

/* A pending attempt to connect, on the Lua stack of the function that waits. */
typedef struct {
  mcp_runtime_t *rt;
  mcp_coroutine_t *co; /* NULL where the loop is turned instead */
  mcp_connect_t *op;
  mcp_lendpoint_t *endpoint; /* what the stream becomes */
  const char *name;
  int code;
  bool done;
} dial_t;

static void on_connected(void *owner, int code, mcp_stream_t *stream) {
  dial_t *dial = owner;
  mcp_coroutine_t *co = dial->co;
  dial->op = NULL;
  dial->code = code;
  dial->done = true;
  if (code == 0)
    dial->code = mcp_lendpoint_attach(dial->endpoint, stream, dial->name);
  if (co) mcp_coroutine_wake(co, dial->code);
}

static void cancel_dial(mcp_coroutine_t *co, void *arg) {
  dial_t *dial = arg;
  (void)co;
  mcp_connect_cancel(dial->op);
  dial->op = NULL;
}

/* The endpoint lies below the attempt. */
static int dialled(lua_State *L, int status, lua_KContext context) {
  mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  (void)status;
  if (co->wake_code < 0) return mcp_coroutine_push_error(L, co->wake_code);
  lua_settop(L, 3);
  return 1;
}

static uint64_t time_field(lua_State *L) {
  uint64_t ms = MCP_LCONNECT_TIME;
  (void)mcp_seconds_field(L, 1, "timeout", &ms);
  return ms;
}

static unsigned flags_field(lua_State *L) {
  static const char *const names[] = {"any", "public", "loopback", NULL};
  static const unsigned flags[] = {0, MCP_CONNECT_PUBLIC, MCP_CONNECT_LOOPBACK};
  int chosen;
  lua_getfield(L, 1, "only");
  chosen = luaL_checkoption(L, -1, "any", names);
  lua_pop(L, 1);
  return flags[chosen];
}

/* connect_socket({ host =, port = | unix =, only =, timeout = }, receive)
 * -> endpoint | nil, text, code
 * Waits until it is connected; messages are lines, as over standard input and
 * output. `only`: "public" or "loopback". */
static int connect_socket(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_coroutine_t *co;
  const char *host, *path;
  lua_Integer port;
  uint64_t ms;
  unsigned flags;
  mcp_lendpoint_t *endpoint;
  dial_t *dial;
  int code;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  host = mcp_ltext_field(L, 1, "host", NULL);
  path = mcp_ltext_field(L, 1, "unix", NULL);
  if (!host == !path) return luaL_error(L, "expected host or unix");
  lua_getfield(L, 1, "port");
  port = host ? luaL_checkinteger(L, -1) : 0;
  lua_pop(L, 1);
  ms = time_field(L);
  flags = flags_field(L);
  if (!mcp_lturn_begin(L, rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  endpoint = mcp_lendpoint_push(L, rt, 2);
  dial = lua_newuserdatauv(L, sizeof *dial, 0);
  *dial = (dial_t){.rt = rt, .co = co, .name = path ? "unix" : "tcp"};
  dial->endpoint = endpoint;
  code =
      path ? mcp_unix_connect(rt->loop, path, ms, on_connected, dial, &dial->op)
           : mcp_tcp_connect(rt->loop, host,
                             port < 0 || port > 65535 ? 0 : (int)port, flags,
                             ms, on_connected, dial, &dial->op);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (co) return mcp_coroutine_wait(L, co, cancel_dial, dial, dialled);
  while (!dial->done) mcp_lturn_once(L, rt, -1);
  if (dial->code < 0) return mcp_coroutine_push_error(L, dial->code);
  lua_settop(L, 3);
  return 1;
}

/* is_public_address(host) -> boolean */
static int is_public_address(lua_State *L) {
  lua_pushboolean(L, mcp_address_text_is_public(luaL_checkstring(L, 1)));
  return 1;
}

void mcp_lconnect_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"connect_socket", connect_socket},
                                       {"is_public_address", is_public_address},
                                       {NULL, NULL}};
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
