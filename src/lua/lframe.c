/* SPDX-License-Identifier: MIT
 * lframe.c: see lframe.h. */
#include "lua/lframe.h"

#include <lauxlib.h>
#include <string.h>

#include "lua/value.h"
#include "wire/json.h"

struct mcp_lframe {
  const void *type;     /* the address of type_key: no other userdata has it */
  size_t before, after; /* bytes of each, which lie one after the other */
  char text[];
};

/* Its address is the registry's key of the metatable, and marks a frame. */
static const char type_key;

const mcp_lframe_t *mcp_lframe_at(lua_State *L, int index) {
  const mcp_lframe_t *frame = lua_touserdata(L, index);
  bool ours = frame && lua_rawlen(L, index) >= sizeof *frame &&
              frame->type == &type_key;
  return ours ? frame : NULL;
}

int mcp_lframe_write(lua_State *L, const mcp_lframe_t *frame, int index,
                     mcp_buf_t *out) {
  mcp_slice_t text;
  int code = mcp_buf_append(out, frame->text, frame->before);
  text.data = lua_tolstring(L, index, &text.len);
  if (code == 0) code = mcp_json_write_string(out, text);
  return code < 0
             ? code
             : mcp_buf_append(out, frame->text + frame->before, frame->after);
}

/* frame(before, after) -> frame: the JSON texts before and after a string. They
 * are not checked: they hold no line break. */
static int make_frame(lua_State *L) {
  mcp_lframe_t *frame;
  mcp_slice_t before, after;
  before.data = luaL_checklstring(L, 1, &before.len);
  after.data = luaL_checklstring(L, 2, &after.len);
  frame = lua_newuserdatauv(L, sizeof *frame + before.len + after.len, 0);
  *frame = (mcp_lframe_t){
      .type = &type_key, .before = before.len, .after = after.len};
  memcpy(frame->text, before.data, before.len);
  memcpy(frame->text + before.len, after.data, after.len);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &type_key);
  lua_setmetatable(L, -2);
  return 1;
}

/* framed(frame, text) -> raw value | nil: the frame with the string `text` in
 * it. nil where `text` is not valid UTF-8, or memory is short. */
static int framed(lua_State *L) {
  mcp_buf_t *out = mcp_loop_scratch(mcp_coroutine_runtime(L)->loop);
  const mcp_lframe_t *frame = mcp_lframe_at(L, 1);
  luaL_argcheck(L, frame, 1, "a frame expected");
  (void)luaL_checkstring(L, 2);
  out->len = 0;
  if (mcp_lframe_write(L, frame, 2, out) < 0) return 0;
  mcp_value_push_raw_line(L, mcp_buf_slice(out));
  mcp_buf_reset(out, MCP_LOOP_SCRATCH_SIZE);
  return 1;
}

static int came_back(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return lua_gettop(L);
}

/* only_text(other, a, first, second, …) -> first, nil, true if `first` is a
 * string and `second` is nil or missing; else what other(a, first, second, …)
 * returns. Takes what a handler returns without a copy of it. */
static int only_text(lua_State *L) {
  enum { OTHER = 1, FIRST = 3 };
  int arguments = lua_gettop(L) - OTHER;
  if (lua_type(L, FIRST) == LUA_TSTRING && lua_isnoneornil(L, FIRST + 1)) {
    lua_settop(L, FIRST);
    lua_pushnil(L);
    lua_pushboolean(L, true);
    return 3;
  }
  lua_callk(L, arguments, LUA_MULTRET, 0, came_back);
  return came_back(L, LUA_OK, 0);
}

void mcp_lframe_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"frame", make_frame},
                                       {"framed", framed},
                                       {"only_text", only_text},
                                       {NULL, NULL}};
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "mcp.frame");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &type_key);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
