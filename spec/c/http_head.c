/* SPDX-License-Identifier: MIT
 * http_head.c: src/wire/http_head.c for the specs, and what a listener does
 * with a head by itself (src/transport/http_guard.c, compiled in here because
 * codecs.so has nothing else of src/transport).
 *
 *   scan(bytes [, response])   a table of the head; or nil, error name, why
 *   trailer(bytes)             true; or nil, error name, why
 *   is_token(text), is_target(text), is_name(text), is_value(text)
 *   judge(bytes, challenge or nil, path…)   the status of a request without a
 * token, and which of the pages at these paths is asked for challenge(text,
 * status)    the field page(bytes [, type, fields])   the fields that go with a
 * page */
#include <lauxlib.h>
#include <lua.h>

#include "base/err.h"
#include "base/mem.h"
#include "transport/http_guard.c"
#include "wire/http_head.h"

#include "push.h"

#define PAGES_MOST 8

static int refuse_with(lua_State *L, int code, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, mcp_err_name(code));
  lua_pushstring(L, why);
  return 3;
}

static void set_slice(lua_State *L, const char *name, mcp_slice_t s) {
  lua_pushlstring(L, s.data ? s.data : "", s.len);
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool on) {
  if (!on) return;
  lua_pushboolean(L, true);
  lua_setfield(L, -2, name);
}

static void push_head(lua_State *L, const mcp_http_head_t *head,
                      bool response) {
  lua_newtable(L);
  if (response) {
    lua_pushinteger(L, head->status);
    lua_setfield(L, -2, "status");
  } else {
    set_slice(L, "path", head->path);
    set_slice(L, "query", head->query);
    set_slice(L, "host", head->host);
  }
  lua_pushinteger(L, (lua_Integer)head->content_length);
  lua_setfield(L, -2, "length");
  set_flag(L, "chunked", head->chunked);
  set_flag(L, "keep_alive", head->keep_alive);
  set_flag(L, "upgrade", head->upgrade);
  set_flag(L, "expect_continue", head->expect_continue);
  set_flag(L, "expect_other", head->expect_other);
  set_flag(L, "http_1_0", head->http_1_0);
  push_headers(L, head);
  lua_setfield(L, -2, "fields");
}

static int scan(lua_State *L) {
  mcp_http_table_t table = {0};
  mcp_http_head_t head;
  const char *why = NULL;
  bool response = lua_toboolean(L, 2);
  int code =
      mcp_http_head_scan(check_slice(L, 1), response, &head, &table, &why);
  if (code == 0) push_head(L, &head, response);
  mcp_mem_free(table.items);
  return code == 0 ? 1 : refuse_with(L, code, why);
}

static int trailer(lua_State *L) {
  const char *why = NULL;
  int code = mcp_http_head_scan_trailer(check_slice(L, 1), &why);
  if (code < 0) return refuse_with(L, code, why);
  lua_pushboolean(L, true);
  return 1;
}

#define IS(part)                                                               \
  static int is_##part(lua_State *L) {                                         \
    lua_pushboolean(L, mcp_http_head_is_##part(check_slice(L, 1)));            \
    return 1;                                                                  \
  }
IS(token)
IS(target)
IS(name)
IS(value)

/* Scans the head at 1 and calls `then` with it. */
static int with_head(lua_State *L,
                     int (*then)(lua_State *L, const mcp_http_head_t *head)) {
  mcp_http_table_t table = {0};
  mcp_http_head_t head;
  const char *why = "";
  int code = mcp_http_head_scan(check_slice(L, 1), false, &head, &table, &why);
  int results = code < 0 ? 0 : then(L, &head);
  mcp_mem_free(table.items);
  return code < 0 ? luaL_error(L, "%s", why) : results;
}

static int judge_head(lua_State *L, const mcp_http_head_t *head) {
  mcp_http_page_t pages[PAGES_MOST + 1] = {{0}};
  mcp_http_guard_t guard = {.challenge = lua_tostring(L, 2), .pages = pages};
  const mcp_http_page_t *page;
  int n = lua_gettop(L) - 2;
  for (int i = 0; i < n && i < PAGES_MOST; i++) {
    const char *path = lua_tostring(L, i + 3);
    bool own = path[0] == '*'; /* one with a type */
    pages[i] =
        (mcp_http_page_t){.path = path + own, .type = own ? "text/html" : NULL};
  }
  page = mcp_http_guard_page(&guard, head);
  lua_pushinteger(L, mcp_http_guard_judge(&guard, head));
  lua_pushstring(L, page ? page->path : NULL);
  return 2;
}

static int judge(lua_State *L) {
  return with_head(L, judge_head);
}

static int push_written(lua_State *L, mcp_buf_t *out, int code) {
  lua_pushlstring(L, out->data ? out->data : "", out->len);
  mcp_buf_deinit(out);
  return code < 0 ? luaL_error(L, "%s", mcp_err_name(code)) : 1;
}

static int challenge(lua_State *L) {
  mcp_http_guard_t guard = {.challenge = luaL_checkstring(L, 1)};
  mcp_buf_t out = {0};
  int code = mcp_http_guard_write_challenge(
      &guard, (unsigned)luaL_checkinteger(L, 2), &out);
  return push_written(L, &out, code);
}

static int write_page(lua_State *L, const mcp_http_head_t *head) {
  mcp_http_page_t page = {.path = "/",
                          .body = "",
                          .type = lua_tostring(L, 2),
                          .fields = lua_tostring(L, 3)};
  mcp_buf_t out = {0};
  int code = mcp_http_guard_write_page(&page, head, &out);
  return push_written(L, &out, code);
}

static int page_fields(lua_State *L) {
  return with_head(L, write_page);
}

__attribute__((visibility("default"))) int
luaopen_codecs_http_head(lua_State *L);

int luaopen_codecs_http_head(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"scan", scan},         {"trailer", trailer},
      {"is_token", is_token}, {"is_target", is_target},
      {"is_name", is_name},   {"is_value", is_value},
      {"judge", judge},       {"challenge", challenge},
      {"page", page_fields},  {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
