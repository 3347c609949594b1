/* SPDX-License-Identifier: MIT
 * json.c: the JSON reader, the writer and their Lua values for the specs and
 * the benchmark, as the module codecs.json. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/lkind.h"
#include "lua/value.h"
#include "wire/json.h"

#include "push.h"

/* What the writer keeps from one call to the next. */
#define KEPT (64u << 10)

__attribute__((visibility("default"))) int luaopen_codecs_json(lua_State *L);

/* The text lies at the end of a block of its own, so that a sanitizer sees
 * every byte read beyond it. */
static mcp_slice_t exact(mcp_slice_t s) {
#ifdef __SANITIZE_ADDRESS__
  char *copy = malloc(s.len ? s.len : 1);
  if (copy && s.len) memcpy(copy, s.data, s.len);
  return mcp_slice(copy, s.len);
#else
  return s;
#endif
}

static void give_back(mcp_slice_t s) {
#ifdef __SANITIZE_ADDRESS__
  free((void *)s.data);
#else
  (void)s;
#endif
}

/* nil, code name, offset, what */
static int refuse(lua_State *L, int code, const mcp_json_fault_t *fault) {
  lua_pushnil(L);
  lua_pushstring(L, mcp_err_name(code));
  lua_pushinteger(L, (lua_Integer)fault->offset);
  lua_pushstring(L, fault->what);
  return 4;
}

static mcp_json_limits_t check_limits(lua_State *L, int index) {
  mcp_json_limits_t limits = mcp_json_default_limits;
  if (lua_isnoneornil(L, index)) return limits;
  luaL_checktype(L, index, LUA_TTABLE);
  if (lua_getfield(L, index, "depth") != LUA_TNIL)
    limits.depth = (size_t)luaL_checkinteger(L, -1);
  if (lua_getfield(L, index, "nodes") != LUA_TNIL)
    limits.nodes = (size_t)luaL_checkinteger(L, -1);
  lua_getfield(L, index, "duplicates");
  limits.duplicates = lua_toboolean(L, -1);
  lua_getfield(L, index, "undo");
  limits.undo = lua_toboolean(L, -1);
  lua_pop(L, 4);
  return limits;
}

static int push_value(lua_State *L) {
  const mcp_json_doc_t *doc = lua_touserdata(L, 1);
  mcp_value_push(L, doc, 0);
  return 1;
}

static int push_tokens(lua_State *L) {
  static const char *const kinds[] = {"null",   "false",  "true",  "integer",
                                      "double", "string", "array", "object"};
  const mcp_json_doc_t *doc = lua_touserdata(L, 1);
  lua_createtable(L, (int)doc->count, 0);
  for (uint32_t i = 0; i < doc->count; i++) {
    const mcp_json_token_t *t = &doc->tokens[i];
    lua_createtable(L, 0, 8);
    lua_pushstring(L, kinds[t->kind]);
    lua_setfield(L, -2, "kind");
    lua_pushinteger(L, t->start);
    lua_setfield(L, -2, "start");
    lua_pushinteger(L, t->length);
    lua_setfield(L, -2, "length");
    lua_pushinteger(L, t->next);
    lua_setfield(L, -2, "next");
    lua_pushinteger(L, t->count);
    lua_setfield(L, -2, "count");
    lua_pushboolean(L, t->escaped);
    lua_setfield(L, -2, "escaped");
    push_slice(L, mcp_json_raw(doc, i));
    lua_setfield(L, -2, "text");
    if (t->kind == MCP_JSON_INTEGER || t->kind == MCP_JSON_DOUBLE) {
      lua_pushnumber(L, mcp_json_double(doc, i));
      lua_setfield(L, -2, "double");
    }
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* Parses the text at 1 and has `then` push what becomes of it. */
static int read(lua_State *L, lua_CFunction then) {
  mcp_slice_t text = check_slice(L, 1);
  mcp_json_limits_t limits = check_limits(L, 2);
  mcp_json_fault_t fault = {0, ""};
  mcp_json_doc_t doc;
  int code;
  text = exact(text);
  mcp_json_doc_init(&doc);
  code = mcp_json_parse(&doc, text, &limits, &fault);
  if (code < 0) {
    mcp_json_doc_deinit(&doc);
    give_back(text);
    return refuse(L, code, &fault);
  }
#ifndef __SANITIZE_ADDRESS__
  /* Nothing to release: the way of most messages. */
  if (doc.tokens == doc.few && !doc.undone.data && then == push_value) {
    mcp_value_push(L, &doc, 0);
    return 1;
  }
#endif
  lua_pushcfunction(L, then);
  lua_pushlightuserdata(L, &doc);
  code = lua_pcall(L, 1, 1, 0);
  mcp_json_doc_deinit(&doc);
  give_back(text);
  return code == LUA_OK ? 1 : lua_error(L);
}

static int decode(lua_State *L) {
  return read(L, push_value);
}

static int tokens(lua_State *L) {
  return read(L, push_tokens);
}

/* check(text) -> true or the four of a refusal; makes no Lua values */
static int check(lua_State *L) {
  mcp_slice_t text = check_slice(L, 1);
  mcp_json_limits_t limits = check_limits(L, 2);
  mcp_json_fault_t fault = {0, ""};
  mcp_json_doc_t doc;
  int code;
  text = exact(text);
  mcp_json_doc_init(&doc);
  code = mcp_json_parse(&doc, text, &limits, &fault);
  mcp_json_doc_deinit(&doc);
  give_back(text);
  if (code < 0) return refuse(L, code, &fault);
  lua_pushboolean(L, 1);
  return 1;
}

/* member(text, key) -> the text of the member's value, or nil */
static int member(lua_State *L) {
  mcp_slice_t text = check_slice(L, 1), key = check_slice(L, 2);
  mcp_json_doc_t doc;
  uint32_t at;
  mcp_json_doc_init(&doc);
  if (mcp_json_parse(&doc, text, &mcp_json_default_limits, NULL) < 0)
    return luaL_error(L, "bad text");
  at = mcp_json_member(&doc, 0, key);
  if (at)
    push_slice(L, mcp_json_raw(&doc, at));
  else
    lua_pushnil(L);
  mcp_json_doc_deinit(&doc);
  return 1;
}

/* string_is(text, plain) -> does the JSON string read `plain`? */
static int string_is(lua_State *L) {
  mcp_slice_t text = check_slice(L, 1), plain = check_slice(L, 2);
  mcp_json_doc_t doc;
  mcp_json_doc_init(&doc);
  if (mcp_json_parse(&doc, text, &mcp_json_default_limits, NULL) < 0)
    return luaL_error(L, "bad text");
  lua_pushboolean(L, mcp_json_string_is(&doc, 0, plain));
  mcp_json_doc_deinit(&doc);
  return 1;
}

static int free_buf(lua_State *L) {
  mcp_buf_deinit(lua_touserdata(L, 1));
  return 0;
}

static int encode(lua_State *L) {
  mcp_buf_t *out = lua_touserdata(L, lua_upvalueindex(1));
  mcp_value_fault_t fault;
  int code;
  luaL_checkany(L, 1);
  mcp_buf_reset(out, KEPT);
  code = mcp_value_write(L, 1, out, lua_toboolean(L, 2), &fault);
  if (code < 0) {
    lua_pushnil(L);
    lua_pushstring(L, mcp_err_name(code));
    lua_pushstring(L, fault.what);
    return 3;
  }
  push_slice(L, mcp_buf_slice(out));
  return 1;
}

static int array(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  mcp_value_push_array_mt(L);
  lua_setmetatable(L, 1);
  lua_settop(L, 1);
  return 1;
}

static int mark_array(lua_State *L) {
  lua_settop(L, 1);
  mcp_value_mark_array(L);
  return 0;
}

static int raw(lua_State *L) {
  mcp_value_push_raw(L, check_slice(L, 1));
  return 1;
}

static int mem_fail(lua_State *L) {
  lua_Integer nth = luaL_checkinteger(L, 1);
  bool onward = lua_toboolean(L, 2);
  lua_pushboolean(L, mcp_mem_fail((unsigned long)nth, onward));
  return 1;
}

static int mem_held(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mcp_mem_held());
  return 1;
}

static const luaL_Reg functions[] = {{"decode", decode},
                                     {"tokens", tokens},
                                     {"check", check},
                                     {"member", member},
                                     {"string_is", string_is},
                                     {"array", array},
                                     {"raw", raw},
                                     {"mark_array", mark_array},
                                     {"mem_fail", mem_fail},
                                     {"mem_held", mem_held},
                                     {NULL, NULL}};

int luaopen_codecs_json(lua_State *L) {
  mcp_buf_t *out;
  mcp_value_open(L);
  luaL_newlib(L, functions);
  out = lua_newuserdatauv(L, sizeof *out, 0);
  *out = (mcp_buf_t){0};
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, free_buf);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pushcclosure(L, encode, 1);
  lua_setfield(L, -2, "encode");
  mcp_value_push_null(L);
  lua_setfield(L, -2, "null");
  mcp_value_push_array_mt(L);
  lua_setfield(L, -2, "array_mt");
  mcp_lkind_open(L);
  return 1;
}
