/* SPDX-License-Identifier: MIT
 * lframe.c: see lframe.h. */
#include "lua/lframe.h"

#include <lauxlib.h>
#include <string.h>

#include "lua/value.h"
#include "wire/json.h"

struct mcp_lframe {
  size_t before, after; /* bytes of each, which lie one after the other */
  char text[];
};

/* Its address is the registry's key of the metatable. */
static const char type_key;

const mcp_lframe_t *mcp_lframe_at(lua_State *L, int index) {
  bool ours;
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index))
    return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &type_key);
  ours = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return ours ? lua_touserdata(L, index) : NULL;
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
  *frame = (mcp_lframe_t){.before = before.len, .after = after.len};
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

void mcp_lframe_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {
      {"frame", make_frame}, {"framed", framed}, {NULL, NULL}};
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "mcp.frame");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &type_key);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
