/* SPDX-License-Identifier: MIT
 * rpc.c: src/wire/rpc.c for the specs.
 *
 *   read(text)   a table: kind, id, method, params, payload (JSON texts), why
 *   result(id)   what a result begins with
 *   error(id, code, text)   a whole error */
#include "wire/rpc.h"

#include <lauxlib.h>
#include <lua.h>

#include "base/err.h"

#include "push.h"

/* The text of a value; a string or key lies between its quotes. */
static void set_raw(lua_State *L, const mcp_json_doc_t *doc, uint32_t at,
                    const char *name) {
  mcp_slice_t raw;
  if (at == 0) return;
  raw = mcp_json_raw(doc, at);
  lua_pushlstring(L, raw.data, raw.len);
  lua_setfield(L, -2, name);
}

static int read_message(lua_State *L) {
  static const char *const kinds[] = {"invalid", "request", "notification",
                                      "result", "error"};
  mcp_json_doc_t doc;
  mcp_json_fault_t fault;
  mcp_rpc_t rpc;
  int code;
  mcp_json_doc_init(&doc);
  code =
      mcp_json_parse(&doc, check_slice(L, 1), &mcp_json_default_limits, &fault);
  if (code < 0) {
    mcp_json_doc_deinit(&doc);
    return luaL_error(L, "%s: %s", mcp_err_name(code), fault.what);
  }
  mcp_rpc_read(&doc, 0, &rpc);
  lua_newtable(L);
  lua_pushstring(L, kinds[rpc.kind]);
  lua_setfield(L, -2, "kind");
  if (rpc.id.len > 0) {
    lua_pushlstring(L, rpc.id.data, rpc.id.len);
    lua_setfield(L, -2, "id");
  }
  set_raw(L, &doc, rpc.method_at, "method");
  set_raw(L, &doc, rpc.params_at, "params");
  set_raw(L, &doc, rpc.payload_at, "payload");
  lua_pushstring(L, rpc.reason);
  lua_setfield(L, -2, "why");
  mcp_json_doc_deinit(&doc);
  return 1;
}

static int give(lua_State *L, mcp_buf_t *out, int code) {
  if (code < 0) {
    mcp_buf_deinit(out);
    return luaL_error(L, "%s", mcp_err_name(code));
  }
  lua_pushlstring(L, out->data, out->len);
  mcp_buf_deinit(out);
  return 1;
}

static int begin_result(lua_State *L) {
  mcp_buf_t out = {0};
  return give(L, &out, mcp_rpc_begin_result(&out, check_slice(L, 1)));
}

static int write_error(lua_State *L) {
  mcp_buf_t out = {0};
  return give(L, &out,
              mcp_rpc_write_error(&out, check_slice(L, 1),
                                  (int)luaL_checkinteger(L, 2),
                                  luaL_checkstring(L, 3)));
}

__attribute__((visibility("default"))) int luaopen_codecs_rpc(lua_State *L);

int luaopen_codecs_rpc(lua_State *L) {
  static const luaL_Reg functions[] = {{"read", read_message},
                                       {"result", begin_result},
                                       {"error", write_error},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
