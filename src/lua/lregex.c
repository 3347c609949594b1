/* SPDX-License-Identifier: MIT
 * lregex.c: see lregex.h.
 *
 *   regex.compile(pattern [, max_length])  the object, or nil, message
 *   object:matches(subject [, steps])   a boolean and the steps it took,
 *                                       or nil, message
 *   object:close()                      frees it now; else the collector does
 */
#include "lua/lregex.h"

#include <lauxlib.h>

#include "base/err.h"
#include "wire/regex.h"

#define TYPE "mcp.regex"

typedef struct {
  mcp_regex_t *regex; /* NULL while closed */
} object_t;

static mcp_slice_t check_slice(lua_State *L, int arg) {
  mcp_slice_t s;
  s.data = luaL_checklstring(L, arg, &s.len);
  return s;
}

/* The integer `arg`, at least 1; `usual` if it is absent. */
static size_t opt_size(lua_State *L, int arg, size_t usual) {
  lua_Integer n = luaL_optinteger(L, arg, (lua_Integer)usual);
  luaL_argcheck(L, n > 0, arg, "expected a positive integer");
  return (size_t)n;
}

static int compile(lua_State *L) {
  mcp_slice_t pattern = check_slice(L, 1);
  size_t max_length = opt_size(L, 2, MCP_REGEX_PATTERN_LENGTH);
  mcp_regex_fault_t fault;
  object_t *object = lua_newuserdatauv(L, sizeof *object, 0);
  object->regex = NULL;
  luaL_setmetatable(L, TYPE);
  if (mcp_regex_new(&object->regex, pattern, max_length, &fault) == 0) return 1;
  lua_pushnil(L);
  if (fault.offset > 0) {
    lua_pushfstring(L, "%s (at byte %I)", fault.what,
                    (LUAI_UACINT)fault.offset + 1);
  } else {
    lua_pushstring(L, fault.what);
  }
  return 2;
}

static int matches(lua_State *L) {
  object_t *object = luaL_checkudata(L, 1, TYPE);
  mcp_slice_t subject = check_slice(L, 2);
  size_t steps = opt_size(L, 3, MCP_REGEX_STEPS), left = steps;
  int code;
  luaL_argcheck(L, object->regex, 1, "closed");
  code = mcp_regex_match(object->regex, subject, &left);
  if (code < 0) {
    lua_pushnil(L);
    lua_pushstring(L, code == MCP_ETOOBIG
                          ? "matching takes more work than its limit"
                          : mcp_err_text(code));
    return 2;
  }
  lua_pushboolean(L, code);
  lua_pushinteger(L, (lua_Integer)(steps - left));
  return 2;
}

static int close(lua_State *L) {
  object_t *object = luaL_checkudata(L, 1, TYPE);
  mcp_regex_free(object->regex);
  object->regex = NULL;
  return 0;
}

int mcp_lregex_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"matches", matches}, {"close", close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"compile", compile}, {NULL, NULL}};
  if (luaL_newmetatable(L, TYPE)) {
    lua_pushcfunction(L, close);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__gc");
    lua_setfield(L, -2, "__close");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
