/* SPDX-License-Identifier: MIT
 * lmessage.c: see lmessage.h. */
#include "lua/lmessage.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "lua/lid.h"
#include "wire/json.h"

/* Pushes the watched members of params._meta: their values, not their
 * meaning. */
static void push_watched(lua_State *L, const mcp_lmessage_watch_t *watch,
                         const mcp_json_doc_t *doc, uint32_t meta_at) {
  for (unsigned i = 0; i < watch->count; i++) {
    uint32_t at = 0;
    if (meta_at) {
      at = mcp_json_member(doc, meta_at,
                           mcp_slice(watch->names[i], strlen(watch->names[i])));
    }
    if (!at) {
      lua_pushnil(L);
      continue;
    }
    switch ((mcp_json_kind_t)doc->tokens[at].kind) {
    case MCP_JSON_STRING:
    case MCP_JSON_INTEGER: mcp_value_push(L, doc, at); break;
    case MCP_JSON_OBJECT: lua_pushboolean(L, true); break;
    case MCP_JSON_NULL: lua_pushnil(L); break;
    case MCP_JSON_DOUBLE: { /* 3.0 is an integer, and goes back as it came */
      double n = mcp_json_double(doc, at);
      if (n == floor(n)) {
        mcp_value_push(L, doc, at);
      } else {
        lua_pushboolean(L, false);
      }
      break;
    }
    default: lua_pushboolean(L, false); break;
    }
  }
}

/* Takes out of the table at the top, the params of a request at `at`, what is
 * null: clients write that for what they do not use. [-0, +0, m] */
static void drop_nulls(lua_State *L, const mcp_json_doc_t *doc, uint32_t at) {
  uint32_t end = doc->tokens[at].next;
  for (uint32_t key = at + 1; key < end; key = doc->tokens[key + 1].next) {
    if (doc->tokens[key + 1].kind != MCP_JSON_NULL) continue;
    mcp_value_push(L, doc, key);
    lua_pushnil(L);
    lua_rawset(L, -3);
  }
}

/* The key of its id, or nil. [-0, +1, m] */
static void push_id(lua_State *L, const mcp_rpc_t *rpc) {
  if (rpc->id.len > 0) {
    mcp_lid_push(L, rpc->id);
  } else {
    lua_pushnil(L);
  }
}

uint32_t mcp_lmessage_push_params(lua_State *L, const mcp_json_doc_t *doc,
                                  const mcp_rpc_t *rpc) {
  uint32_t meta_at = 0;
  if (!rpc->params_at) {
    if (rpc->payload_at) {
      mcp_value_push(L, doc, rpc->payload_at);
    } else {
      lua_pushnil(L);
    }
    return 0;
  }
  meta_at = rpc->meta_at;
  if (meta_at && doc->tokens[meta_at].kind == MCP_JSON_OBJECT) {
    mcp_value_push_without(L, doc, rpc->params_at, meta_at);
  } else {
    meta_at = 0;
    mcp_value_push(L, doc, rpc->params_at);
  }
  if (rpc->kind == MCP_RPC_REQUEST) drop_nulls(L, doc, rpc->params_at);
  return meta_at;
}

uint32_t mcp_lmessage_push(lua_State *L, const mcp_lmessage_watch_t *watch,
                           const mcp_json_doc_t *doc, const mcp_rpc_t *rpc) {
  static const char *const kinds[] = {"invalid",     "request", "notification",
                                      "result",      "error",   "bad request",
                                      "bad response"};
  uint32_t meta_at;
  lua_pushstring(L, kinds[rpc->kind]);
  push_id(L, rpc);
  if (rpc->method_at) {
    mcp_value_push(L, doc, rpc->method_at);
  } else {
    lua_pushnil(L);
  }
  meta_at = mcp_lmessage_push_params(L, doc, rpc);
  if (meta_at) {
    mcp_slice_t text = mcp_json_raw(doc, meta_at);
    lua_pushlstring(L, text.data, text.len);
  } else {
    lua_pushnil(L);
  }
  push_watched(L, watch, doc, meta_at);
  return meta_at;
}

void mcp_lmessage_push_batch(lua_State *L, const mcp_lmessage_watch_t *watch,
                             const mcp_json_doc_t *doc) {
  uint32_t count = doc->tokens[0].count, at = 1;
  int values = MCP_LMESSAGE_VALUES + (int)watch->count;
  lua_pushliteral(L, "batch");
  lua_pushnil(L);
  lua_pushnil(L);
  lua_createtable(L, (int)count, 0);
  for (uint32_t i = 1; i <= count; i++, at = doc->tokens[at].next) {
    mcp_rpc_t rpc;
    mcp_rpc_read(doc, at, &rpc);
    lua_createtable(L, values, 2);
    (void)mcp_lmessage_push(L, watch, doc, &rpc);
    for (int value = values; value >= 1; value--)
      lua_rawseti(L, -1 - value, value);
    if (rpc.id.len > 0) {
      mcp_value_push_raw(L, rpc.id);
      lua_setfield(L, -2, "raw_id");
    }
    if (rpc.reason) {
      lua_pushstring(L, rpc.reason);
      lua_setfield(L, -2, "reason");
    }
    lua_rawseti(L, -2, (lua_Integer)i);
  }
}

static int write_id(lua_State *L, mcp_buf_t *out, int id) {
  mcp_slice_t text;
  if (lua_type(L, id) == LUA_TNUMBER)
    return mcp_json_write_integer(out, lua_tointeger(L, id));
  text.data = lua_tolstring(L, id, &text.len);
  return mcp_json_write_string(out, text);
}

int mcp_lmessage_write(lua_State *L, mcp_buf_t *out, mcp_slice_t method,
                       int params, int id, mcp_value_fault_t *fault) {
  int code = mcp_buf_append_literal(out, "{\"jsonrpc\":\"2.0\",");
  if (code == 0 && !lua_isnil(L, id)) {
    code = mcp_buf_append_literal(out, "\"id\":");
    if (code == 0) code = write_id(L, out, id);
    if (code == 0) code = mcp_buf_append_char(out, ',');
  }
  if (code == 0) code = mcp_buf_append_literal(out, "\"method\":");
  if (code == 0) code = mcp_json_write_string(out, method);
  if (code == 0 && !lua_isnil(L, params)) {
    code = mcp_buf_append_literal(out, ",\"params\":");
    if (code == 0) code = mcp_value_write(L, params, out, 0, fault);
  }
  return code == 0 ? mcp_buf_append_char(out, '}') : code;
}

int mcp_lmessage_push_failure(lua_State *L, const char *method, int code,
                              const mcp_value_fault_t *fault) {
  if (!fault->what[0] || code == MCP_ENOMEM)
    return mcp_coroutine_push_error(L, code);
  lua_pushnil(L);
  lua_pushfstring(L, "%s: params cannot be JSON: %s", method, fault->what);
  lua_pushstring(L, mcp_err_name(MCP_EENCODE));
  return 3;
}

/* encode_message(method, params [, id]) -> string | nil, text, code: the text
 * that sender:send sends. */
static int encode_message(lua_State *L) {
  mcp_value_fault_t fault = {0};
  mcp_buf_t *out = mcp_loop_scratch(mcp_coroutine_runtime(L)->loop);
  mcp_slice_t method;
  int code;
  method.data = luaL_checklstring(L, 1, &method.len);
  if (lua_type(L, 3) != LUA_TSTRING) (void)luaL_optinteger(L, 3, 0);
  lua_settop(L, 3);
  out->len = 0;
  code = mcp_lmessage_write(L, out, method, 2, 3, &fault);
  if (code < 0) return mcp_lmessage_push_failure(L, method.data, code, &fault);
  lua_pushlstring(L, out->data, out->len);
  mcp_buf_reset(out, MCP_LOOP_SCRATCH_SIZE);
  return 1;
}

void mcp_lmessage_open(lua_State *L, mcp_runtime_t *rt) {
  lua_pushlightuserdata(L, rt);
  lua_pushcclosure(L, encode_message, 1);
  lua_setfield(L, -2, "encode_message");
}
