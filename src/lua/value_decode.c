/* SPDX-License-Identifier: MIT
 * value_decode.c: see value_decode.h. */
#include "lua/value_decode.h"

#include <lauxlib.h>

#include "base/err.h"
#include "lua/value.h"

/* The tokens of a text that has many of them. */
#define DOC_TYPE "mcp.document"

static int free_doc(lua_State *L) {
  mcp_json_doc_deinit(luaL_checkudata(L, 1, DOC_TYPE));
  return 0;
}

/* Of the userdata at the top. [-0, +0, m] */
static void set_owner_metatable(lua_State *L) {
  if (luaL_newmetatable(L, DOC_TYPE)) {
    lua_pushcfunction(L, free_doc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
}

int mcp_value_decode_within(lua_State *L, mcp_slice_t text,
                            const mcp_json_limits_t *limits,
                            mcp_json_fault_t *fault) {
  mcp_json_limits_t few = *limits;
  mcp_json_doc_t small, *doc = &small;
  int code, base = lua_gettop(L);
  mcp_json_doc_init(doc);
  if (few.nodes > MCP_JSON_INLINE_TOKENS) few.nodes = MCP_JSON_INLINE_TOKENS;
  code = mcp_json_parse(doc, text, &few, fault);
  if (code == MCP_ENODES && limits->nodes > few.nodes) {
    /* Its tokens must have an owner that outlives an error. */
    doc = lua_newuserdatauv(L, sizeof *doc, 0);
    mcp_json_doc_init(doc);
    set_owner_metatable(L);
    code = mcp_json_parse(doc, text, limits, fault);
  }
  if (code < 0) {
    lua_settop(L, base);
    return code;
  }
  mcp_value_push(L, doc, 0);
  mcp_json_doc_deinit(doc);
  if (doc != &small) lua_remove(L, base + 1);
  return 0;
}

int mcp_value_decode(lua_State *L, mcp_slice_t text) {
  mcp_json_fault_t fault = {0};
  int code = mcp_value_decode_within(L, text, &mcp_json_default_limits, &fault);
  if (code == 0) return 1;
  lua_pushnil(L);
  lua_pushfstring(L, "%s at byte %I",
                  fault.what ? fault.what : mcp_err_text(code),
                  (lua_Integer)fault.offset);
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}
