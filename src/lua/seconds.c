/* SPDX-License-Identifier: MIT
 * seconds.c: see seconds.h. */
#include "lua/seconds.h"

#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>

uint64_t mcp_seconds_to_ms(lua_Number seconds) {
  if (!(seconds > 0)) return 0;
  seconds = ceil(seconds * 1000);
  return seconds < (lua_Number)MCP_SECONDS_FOREVER ? (uint64_t)seconds
                                                   : MCP_SECONDS_FOREVER;
}

/* The number at `index`; `bounded`: below MCP_SECONDS_MAX. [-0, +0, v] */
static lua_Number check(lua_State *L, int index, const char *what,
                        bool bounded) {
  lua_Number seconds = lua_tonumber(L, index);
  if (!lua_isnumber(L, index))
    luaL_error(L, "%s: expected seconds, got %s", what,
               luaL_typename(L, index));
  if (!(seconds >= 0 && (!bounded || seconds < MCP_SECONDS_MAX)))
    luaL_error(L, "%s: expected seconds, 0 or more, got %f", what,
               (LUAI_UACNUMBER)seconds);
  return seconds;
}

uint64_t mcp_seconds_read(lua_State *L, int index, const char *what) {
  return mcp_seconds_to_ms(check(L, index, what, true));
}

uint32_t mcp_seconds_read32(lua_State *L, int index, const char *what) {
  uint64_t ms = mcp_seconds_to_ms(check(L, index, what, false));
  return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

int mcp_seconds_field(lua_State *L, int table, const char *name, uint64_t *ms) {
  int found = lua_getfield(L, table, name) != LUA_TNIL;
  if (found) *ms = mcp_seconds_read(L, -1, name);
  lua_pop(L, 1);
  return found;
}
