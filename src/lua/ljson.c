/* SPDX-License-Identifier: MIT
 * ljson.c: see ljson.h. The codec is that of messages (wire/json.h, value.h);
 * here are limits, indentation, and errors that name their place. */
#include "lua/ljson.h"

#include <lauxlib.h>

#include "base/err.h"
#include "lua/value.h"
#include "lua/value_decode.h"
#include "wire/json_place.h"

#define HELD "mcp.json.held"

static int free_held(lua_State *L) {
  mcp_buf_deinit(luaL_checkudata(L, 1, HELD));
  return 0;
}

/* An empty buffer that the collector frees. [-0, +1, m] */
static mcp_buf_t *push_held(lua_State *L) {
  mcp_buf_t *held = lua_newuserdatauv(L, sizeof *held, 0);
  *held = (mcp_buf_t){0};
  luaL_setmetatable(L, HELD);
  return held;
}

static size_t limit_of(lua_State *L, int arg, size_t most) {
  lua_Integer n = luaL_optinteger(L, arg, -1);
  return n < 0 || (lua_Unsigned)n > most ? most : (size_t)n;
}

/* [-0, +3, m] */
static int push_fault(lua_State *L, const char *text, int code) {
  lua_pushnil(L);
  lua_pushstring(L, text);
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}

/* json_encode(value, sorted, spaces, limit) -> text | nil, message, code */
static int encode(lua_State *L) {
  mcp_value_fault_t fault = {0};
  unsigned spaces = (unsigned)luaL_optinteger(L, 3, 0);
  size_t limit = limit_of(L, 4, SIZE_MAX);
  mcp_buf_t *compact, *text;
  int code;
  luaL_checkany(L, 1);
  compact = text = push_held(L);
  code =
      mcp_value_write_within(L, 1, compact, lua_toboolean(L, 2), limit, &fault);
  if (code < 0)
    return push_fault(L, fault.what[0] ? fault.what : mcp_err_text(code), code);
  if (spaces > 0) {
    text = push_held(L);
    code = mcp_json_indent(text, mcp_buf_slice(compact), spaces);
    if (code == 0 && text->len > limit) code = MCP_ETOOBIG;
    if (code < 0) return push_fault(L, mcp_err_text(code), code);
  }
  lua_pushlstring(L, text->data, text->len);
  mcp_buf_deinit(compact);
  mcp_buf_deinit(text);
  return 1;
}

/* nil, message, code, place. [-0, +4, m] */
static int push_place(lua_State *L, mcp_slice_t text, int code,
                      const mcp_json_fault_t *fault) {
  const char *what = fault->what ? fault->what : mcp_err_text(code);
  mcp_json_place_t place;
  mcp_json_locate(text, fault->offset, &place);
  lua_pushnil(L);
  lua_pushfstring(L, "line %I, column %I (byte %I)%s%s: %s",
                  (lua_Integer)place.line, (lua_Integer)place.column,
                  (lua_Integer)fault->offset + 1, place.path[0] ? ", at " : "",
                  place.path, what);
  lua_pushstring(L, mcp_err_name(code));
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, (lua_Integer)place.line);
  lua_setfield(L, -2, "line");
  lua_pushinteger(L, (lua_Integer)place.column);
  lua_setfield(L, -2, "column");
  lua_pushinteger(L, (lua_Integer)fault->offset + 1);
  lua_setfield(L, -2, "byte");
  lua_pushstring(L, place.path);
  lua_setfield(L, -2, "path");
  return 4;
}

/* json_decode(text, depth, values) -> value | nil, message, code, place */
static int decode(lua_State *L) {
  mcp_json_limits_t limits = mcp_json_default_limits;
  mcp_json_fault_t fault = {0};
  mcp_slice_t text;
  int code;
  text.data = luaL_checklstring(L, 1, &text.len);
  limits.depth = limit_of(L, 2, MCP_JSON_DEPTH);
  if (!lua_isnoneornil(L, 3)) limits.nodes = limit_of(L, 3, UINT32_MAX >> 5);
  code = mcp_value_decode_within(L, text, &limits, &fault);
  return code == 0 ? 1 : push_place(L, text, code, &fault);
}

void mcp_ljson_open(lua_State *L) {
  luaL_newmetatable(L, HELD);
  lua_pushcfunction(L, free_held);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_pushcfunction(L, encode);
  lua_setfield(L, -2, "json_encode");
  lua_pushcfunction(L, decode);
  lua_setfield(L, -2, "json_decode");
}
