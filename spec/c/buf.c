/* SPDX-License-Identifier: MIT
 * buf.c: src/base/buf.c, err.c and mem.c for the specs. */
#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#include "push.h"

#define TYPE "codecs.buf"

static mcp_buf_t *check(lua_State *L) {
  return luaL_checkudata(L, 1, TYPE);
}

/* true, or nil and the error's name */
static int push_code(lua_State *L, int code) {
  if (code < 0) {
    lua_pushnil(L);
    lua_pushstring(L, mcp_err_name(code));
    return 2;
  }
  lua_pushboolean(L, 1);
  return 1;
}

static mcp_buf_t *push_buf(lua_State *L) {
  mcp_buf_t *buf = lua_newuserdatauv(L, sizeof *buf, 0);
  *buf = (mcp_buf_t){0};
  luaL_setmetatable(L, TYPE);
  return buf;
}

static int new_buf(lua_State *L) {
  push_buf(L);
  return 1;
}

static int deinit(lua_State *L) {
  mcp_buf_deinit(check(L));
  return 0;
}

static int append(lua_State *L) {
  return push_code(L, mcp_buf_append_slice(check(L), check_slice(L, 2)));
}

static int append_char(lua_State *L) {
  char c = *luaL_checkstring(L, 2);
  return push_code(L, mcp_buf_append_char(check(L), c));
}

static int append_literal(lua_State *L) {
  return push_code(L, mcp_buf_append_literal(check(L), "lite\0ral"));
}

/* The integer's bits are read as unsigned: -1 is the largest. */
static int append_uint(lua_State *L) {
  unsigned long long n = (unsigned long long)luaL_checkinteger(L, 2);
  return push_code(L, mcp_buf_append_uint(check(L), n));
}

/* As append_uint: -1 asks for SIZE_MAX bytes. */
static int reserve(lua_State *L) {
  return push_code(L,
                   mcp_buf_reserve(check(L), (size_t)luaL_checkinteger(L, 2)));
}

static int consume(lua_State *L) {
  mcp_buf_consume(check(L), (size_t)luaL_checkinteger(L, 2));
  return 0;
}

static int take(lua_State *L) {
  mcp_buf_t *buf = check(L), *taken = push_buf(L);
  *taken = mcp_buf_take(buf);
  return 1;
}

static int reset(lua_State *L) {
  mcp_buf_reset(check(L), (size_t)luaL_checkinteger(L, 2));
  return 0;
}

/* the bytes, the capacity, whether nothing is allocated */
static int text(lua_State *L) {
  mcp_buf_t *buf = check(L);
  mcp_slice_t bytes = mcp_buf_slice(buf);
  lua_pushlstring(L, bytes.data, bytes.len);
  lua_pushinteger(L, (lua_Integer)buf->cap);
  lua_pushboolean(L, buf->data == NULL);
  return 3;
}

static int capacity(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check(L)->cap);
  return 1;
}

static int equal(lua_State *L) {
  lua_pushboolean(L, mcp_slice_equal(check_slice(L, 1), check_slice(L, 2)));
  return 1;
}

static int equal_nocase(lua_State *L) {
  mcp_slice_t a = check_slice(L, 1), b = check_slice(L, 2);
  lua_pushboolean(L, mcp_slice_equal_nocase(a, b));
  return 1;
}

static int trim(lua_State *L) {
  mcp_slice_t trimmed = mcp_slice_trim(check_slice(L, 1));
  lua_pushlstring(L, trimmed.data, trimmed.len);
  return 1;
}

/* The list of err.h: { name =, code =, text = }, ... */
static int errors(lua_State *L) {
  lua_newtable(L);
#define ROW(symbol, number, words)                                             \
  lua_newtable(L);                                                             \
  lua_pushstring(L, #symbol);                                                  \
  lua_setfield(L, -2, "name");                                                 \
  lua_pushinteger(L, MCP_##symbol);                                            \
  lua_setfield(L, -2, "code");                                                 \
  lua_pushstring(L, words);                                                    \
  lua_setfield(L, -2, "text");                                                 \
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  MCP_ERR_LIST(ROW)
#undef ROW
  return 1;
}

/* error(code): what mcp_err_name and mcp_err_text say of it */
static int error_of(lua_State *L) {
  int code = (int)luaL_checkinteger(L, 1);
  lua_pushstring(L, mcp_err_name(code));
  lua_pushstring(L, mcp_err_text(code));
  return 2;
}

/* error_at(code): where these texts lie */
static int error_at(lua_State *L) {
  int code = (int)luaL_checkinteger(L, 1);
  lua_pushlightuserdata(L, (void *)(uintptr_t)mcp_err_name(code));
  lua_pushlightuserdata(L, (void *)(uintptr_t)mcp_err_text(code));
  return 2;
}

/* fail(nth, onward): see mcp_mem_fail; false where the build cannot */
static int fail_memory(lua_State *L) {
  unsigned long nth = (unsigned long)luaL_checkinteger(L, 1);
  lua_pushboolean(L, mcp_mem_fail(nth, lua_toboolean(L, 2)));
  return 1;
}

/* bytes now held; 0 where the build does not count */
static int memory(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mcp_mem_held());
  return 1;
}

__attribute__((visibility("default"))) int luaopen_codecs_buf(lua_State *L);

int luaopen_codecs_buf(lua_State *L) {
  static const luaL_Reg methods[] = {{"append", append},
                                     {"append_char", append_char},
                                     {"append_literal", append_literal},
                                     {"append_uint", append_uint},
                                     {"reserve", reserve},
                                     {"consume", consume},
                                     {"take", take},
                                     {"reset", reset},
                                     {"text", text},
                                     {"capacity", capacity},
                                     {"deinit", deinit},
                                     {"__gc", deinit},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"new", new_buf},
                                       {"equal", equal},
                                       {"equal_nocase", equal_nocase},
                                       {"trim", trim},
                                       {"errors", errors},
                                       {"error", error_of},
                                       {"error_at", error_at},
                                       {"fail", fail_memory},
                                       {"memory", memory},
                                       {NULL, NULL}};
  luaL_newmetatable(L, TYPE);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
