/* SPDX-License-Identifier: MIT
 * push.h: what the modules of spec/c share: slices and errors between C and
 * Lua. */
#ifndef SPEC_PUSH_H
#define SPEC_PUSH_H

#include <lauxlib.h>
#include <lua.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/http.h"

/* The string at `index`. Raises where there is none. [-0, +0, v] */
static inline mcp_slice_t check_slice(lua_State *L, int index) {
  size_t len;
  const char *data = luaL_checklstring(L, index, &len);
  return mcp_slice(data, len);
}

/* [-0, +1, m] */
static inline void push_slice(lua_State *L, mcp_slice_t s) {
  lua_pushlstring(L, s.len ? s.data : "", s.len);
}

/* Pushes nil and the name of the code; returns 2. [-0, +2, m] */
static inline int push_failure(lua_State *L, int code) {
  lua_pushnil(L);
  lua_pushstring(L, mcp_err_name(code));
  return 2;
}

/* Pushes the header fields as a list of { name, value }. [-0, +1, m] */
static inline void push_headers(lua_State *L, const mcp_http_head_t *head) {
  lua_createtable(L, (int)head->header_count, 0);
  for (size_t i = 0; i < head->header_count; i++) {
    lua_createtable(L, 2, 0);
    push_slice(L, head->headers[i].name);
    lua_rawseti(L, -2, 1);
    push_slice(L, head->headers[i].value);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

#endif
