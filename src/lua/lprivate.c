/* SPDX-License-Identifier: MIT
 * lprivate.c: see lprivate.h. */
#include "lua/lprivate.h"

#include <lauxlib.h>

#include "base/err.h"
#include "lua/coroutine.h"
#include "net/private_file.h"

#define HELD "mcp.private.held"

static int free_held(lua_State *L) {
  mcp_buf_deinit(luaL_checkudata(L, 1, HELD));
  return 0;
}

/* read_private(path) -> bytes | nil, text, code */
static int read_private(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  mcp_buf_t *held = lua_newuserdatauv(L, sizeof *held, 0);
  int code;
  *held = (mcp_buf_t){0};
  luaL_setmetatable(L, HELD);
  code = mcp_private_file_read(path, held);
  if (code < 0) {
    mcp_buf_deinit(held);
    return mcp_coroutine_push_error(L, code);
  }
  lua_pushlstring(L, held->data ? held->data : "", held->len);
  mcp_buf_deinit(held);
  return 1;
}

/* write_private(path, bytes) -> true | nil, text, code */
static int write_private(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  mcp_slice_t bytes;
  int code;
  bytes.data = luaL_checklstring(L, 2, &bytes.len);
  code = mcp_private_file_write(path, bytes);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

void mcp_lprivate_open(lua_State *L) {
  luaL_newmetatable(L, HELD);
  lua_pushcfunction(L, free_held);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_pushcfunction(L, read_private);
  lua_setfield(L, -2, "read_private");
  lua_pushcfunction(L, write_private);
  lua_setfield(L, -2, "write_private");
}
