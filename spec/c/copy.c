/* SPDX-License-Identifier: MIT
 * copy.c: src/lua/copy.c for the specs. */
#include "lua/copy.h"

#include <lauxlib.h>
#include <lua.h>

#include "base/err.h"
#include "lua/value.h"

#define LIMIT (1u << 20)

/* write(limit, …) -> bytes | nil, what, code */
static int write_all(lua_State *L) {
  size_t limit = (size_t)luaL_optinteger(L, 1, LIMIT);
  mcp_copy_fault_t fault;
  mcp_buf_t out = {0};
  int code = 0, last = lua_gettop(L);
  for (int i = 2; code == 0 && i <= last; i++)
    code = mcp_copy_write(L, i, &out, limit, &fault);
  if (lua_gettop(L) != last) return luaL_error(L, "the stack has moved");
  if (code < 0) {
    lua_pushnil(L);
    lua_pushstring(L, fault.what);
    lua_pushstring(L, mcp_err_name(code));
  } else {
    lua_pushlstring(L, out.data ? out.data : "", out.len);
  }
  mcp_buf_deinit(&out);
  return code < 0 ? 3 : 1;
}

/* read(bytes) -> count, values… | -1 */
static int read_all(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  int count, base = lua_gettop(L);
  count = mcp_copy_push(L, mcp_slice(bytes, size));
  if (lua_gettop(L) != base + (count > 0 ? count : 0))
    return luaL_error(L, "the stack has moved");
  lua_pushinteger(L, count);
  lua_insert(L, base + 1);
  return lua_gettop(L) - base;
}

__attribute__((visibility("default"))) int luaopen_codecs_copy(lua_State *L);

int luaopen_codecs_copy(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"write", write_all}, {"read", read_all}, {NULL, NULL}};
  mcp_value_open(L);
  luaL_newlib(L, functions);
  return 1;
}
