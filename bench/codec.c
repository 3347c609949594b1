/* SPDX-License-Identifier: MIT
 *
 * codec: our JSON reader and writer as two plain functions, so that bench can
 * time them beside lua-cjson. Only for measuring; the product exposes no such
 * module.
 */
#include <lauxlib.h>
#include <lua.h>

#include "base/buf.h"
#include "lua/value.h"
#include "wire/json.h"

/* decode(text) -> value */
static int l_decode(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  mcp_json_doc_t doc;
  mcp_json_doc_init(&doc);
  if (mcp_json_parse(&doc, mcp_slice(text, size), &mcp_json_default_limits,
                     NULL))
    return luaL_error(L, "not JSON");
  mcp_value_push(L, &doc, 0);
  mcp_json_doc_deinit(&doc);
  return 1;
}

/* encode(value) -> size; the text stays in a buffer that is used again, as it
 * does on its way to a socket */
static int l_encode(lua_State *L) {
  mcp_buf_t *out = lua_touserdata(L, lua_upvalueindex(1));
  mcp_value_fault_t fault;
  mcp_buf_reset(out, 1 << 20);
  if (mcp_value_write(L, 1, out, 0, &fault))
    return luaL_error(L, "cannot be encoded: %s", fault.what);
  lua_pushinteger(L, (lua_Integer)out->len);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_codec(lua_State *L);

int luaopen_codec(lua_State *L) {
  mcp_value_open(L);
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, l_decode);
  lua_setfield(L, -2, "decode");
  mcp_buf_t *out = lua_newuserdatauv(L, sizeof *out, 0);
  *out = (mcp_buf_t){0};
  lua_pushcclosure(L, l_encode, 1);
  lua_setfield(L, -2, "encode");
  return 1;
}
