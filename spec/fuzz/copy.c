/* SPDX-License-Identifier: MIT
 * copy.c: any bytes as copied values, which a process that is not trusted may
 * send. What can be read can be written, and is then read as the same. */
#include "lua/copy.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "lua/value.h"
#include "target.h"

#define LIMIT (1u << 24)

/* Equal as copies: keys that are tables are not compared. */
static const char same[] =
    "local function same(a, b)\n"
    "  if type(a) ~= 'table' or type(b) ~= 'table' then\n"
    "    return math.type(a) == math.type(b) and (a == b or a ~= a and b ~= "
    "b)\n"
    "  end\n"
    "  if getmetatable(a) ~= getmetatable(b) then return false end\n"
    "  local count = 0\n"
    "  for key, value in next, a do\n"
    "    count = count + 1\n"
    "    if type(key) ~= 'table' and not same(value, rawget(b, key)) then\n"
    "      return false\n"
    "    end\n"
    "  end\n"
    "  for _ in next, b do count = count - 1 end\n"
    "  return count == 0\n"
    "end\n"
    "return same\n";

static int go(lua_State *L) {
  const mcp_slice_t *bytes = lua_touserdata(L, 1);
  mcp_buf_t *out = lua_touserdata(L, 2);
  int count, again;
  lua_settop(L, 0);
  count = mcp_copy_push(L, *bytes);
  MUST(lua_gettop(L) == (count > 0 ? count : 0));
  for (int i = 1; i <= count; i++) {
    mcp_copy_fault_t fault;
    MUST(mcp_copy_write(L, i, out, LIMIT, &fault) == 0);
    MUST(lua_gettop(L) == count);
  }
  if (count < 1) return 0;
  luaL_checkstack(L, 8, NULL);
  again = mcp_copy_push(L, mcp_buf_slice(out));
  MUST(again == count);
  for (int i = 1; i <= count; i++) {
    lua_getfield(L, LUA_REGISTRYINDEX, "same");
    lua_pushvalue(L, i);
    lua_pushvalue(L, count + i);
    lua_call(L, 2, 1);
    MUST(lua_toboolean(L, -1));
    lua_pop(L, 1);
  }
  return 0;
}

static lua_State *state(void) {
  static lua_State *L;
  if (L) return L;
  L = luaL_newstate();
  MUST(L);
  luaL_openlibs(L);
  mcp_value_open(L);
  lua_settop(L, 0);
  MUST(luaL_loadstring(L, same) == LUA_OK);
  lua_call(L, 0, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "same");
  return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lua_State *L = state();
  mcp_slice_t bytes = input(data, size);
  mcp_buf_t out = {0};
  lua_pushcfunction(L, go);
  lua_pushlightuserdata(L, &bytes);
  lua_pushlightuserdata(L, &out);
  /* Only a stack that is full may raise. */
  if (lua_pcall(L, 2, 0, 0) != LUA_OK)
    MUST(strstr(lua_tostring(L, -1), "stack overflow"));
  lua_settop(L, 0);
  mcp_buf_deinit(&out);
  return 0;
}
