/* SPDX-License-Identifier: MIT
 * exchange.c: src/transport/exchange.c for the specs, with operations that
 * only record what is sent. Compiled in here, because codecs.so has nothing
 * else of src/transport.
 *
 *   has_key(message, key)   has the request in this text that key?
 *   fail(message, code, text, no_memory)   what is sent, and what became of the
 *                           exchange: "answered" or "lost"
 */
#include <lauxlib.h>
#include <lua.h>

#include "base/err.h"

#include "transport/exchange.c"

#include "push.h"

typedef struct {
  mcp_exchange_t x; /* first, so it is this */
  mcp_buf_t out;
  bool no_memory, lost, sent;
} kept_t;

static mcp_buf_t *begin(mcp_exchange_t *x, mcp_out_t out) {
  kept_t *kept = (kept_t *)x;
  return out == MCP_OUT_ANSWER && !kept->no_memory ? &kept->out : NULL;
}

static int commit(mcp_exchange_t *x, mcp_out_t out) {
  ((kept_t *)x)->sent = out == MCP_OUT_ANSWER;
  return 0;
}

static void lose(mcp_exchange_t *x) {
  ((kept_t *)x)->lost = true;
  ((kept_t *)x)->out.len = 0;
}

static const mcp_exchange_ops_t ops = {
    .begin = begin, .commit = commit, .lose = lose};

/* Takes the id of the message at 1. */
static void take_id(lua_State *L, kept_t *kept) {
  mcp_json_doc_t doc;
  mcp_json_fault_t fault = {0};
  mcp_rpc_t rpc;
  int code;
  mcp_json_doc_init(&doc);
  code =
      mcp_json_parse(&doc, check_slice(L, 1), &mcp_json_default_limits, &fault);
  if (code == 0) {
    mcp_rpc_read(&doc, 0, &rpc);
    mcp_exchange_take_id(&kept->x, &rpc);
  }
  mcp_json_doc_deinit(&doc);
  if (code < 0) luaL_error(L, "%s", fault.what);
}

static int has_key(lua_State *L) {
  kept_t kept = {.x = {.ops = &ops}};
  /* An id of before must be gone. */
  memset(kept.x.id, 'x', sizeof kept.x.id);
  kept.x.id_length = sizeof kept.x.id;
  take_id(L, &kept);
  lua_pushboolean(L, mcp_exchange_has_key(&kept.x, check_slice(L, 2)));
  lua_pushlstring(L, kept.x.id, kept.x.id_length);
  return 2;
}

static int fail(lua_State *L) {
  kept_t kept = {.x = {.ops = &ops}, .no_memory = lua_toboolean(L, 4)};
  take_id(L, &kept);
  mcp_exchange_fail(&kept.x, (int)luaL_checkinteger(L, 2),
                    luaL_checkstring(L, 3));
  lua_pushlstring(L, kept.out.data ? kept.out.data : "", kept.out.len);
  mcp_buf_deinit(&kept.out);
  lua_pushstring(L, kept.sent ? "answered" : kept.lost ? "lost" : "forgotten");
  return 2;
}

__attribute__((visibility("default"))) int
luaopen_codecs_exchange(lua_State *L);

int luaopen_codecs_exchange(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"has_key", has_key}, {"fail", fail}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
