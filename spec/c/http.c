/* SPDX-License-Identifier: MIT
 * http.c: src/wire/http.c for the specs. */
#include <lauxlib.h>
#include <llhttp.h>
#include <lua.h>

#include "base/err.h"
#include "base/mem.h"
#include "wire/http.h"
#include "wire/http_status.h"

#include "push.h"

#define TYPE "codecs.http"

typedef struct {
  mcp_http_t *http;
  mcp_slice_t fed; /* anchored in the user value */
} decoder_t;

static decoder_t *check(lua_State *L) {
  decoder_t *decoder = luaL_checkudata(L, 1, TYPE);
  luaL_argcheck(L, decoder->http != NULL, 1, "closed");
  return decoder;
}

/* new(responses?): a decoder, or nil and the error's name */
static int new_decoder(lua_State *L) {
  bool responses = lua_toboolean(L, 1);
  decoder_t *decoder = lua_newuserdatauv(L, sizeof *decoder, 1);
  *decoder = (decoder_t){0};
  luaL_setmetatable(L, TYPE);
  decoder->http = mcp_http_new(responses);
  return decoder->http ? 1 : push_failure(L, MCP_ENOMEM);
}

static int close_decoder(lua_State *L) {
  decoder_t *decoder = luaL_checkudata(L, 1, TYPE);
  mcp_http_free(decoder->http);
  decoder->http = NULL;
  return 0;
}

static int feed(lua_State *L) {
  decoder_t *decoder = check(L);
  decoder->fed = check_slice(L, 2);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, 1);
  mcp_http_feed(decoder->http, decoder->fed);
  return 0;
}

/* "more", "start", "end"; "body", piece, whether it lies in what was fed; or
 * nil, error name */
static int next(lua_State *L) {
  static const char *const kinds[] = {"more", "start", "body", "end"};
  decoder_t *decoder = check(L);
  mcp_http_event_t event;
  int code = mcp_http_next(decoder->http, &event);
  if (code < 0) return push_failure(L, code);
  lua_pushstring(L, kinds[event.kind]);
  if (event.kind != MCP_HTTP_BODY) return 1;
  push_slice(L, event.body);
  lua_pushboolean(L, event.body.data >= decoder->fed.data &&
                         event.body.data + event.body.len <=
                             decoder->fed.data + decoder->fed.len);
  return 3;
}

static void set_slice(lua_State *L, const char *key, mcp_slice_t value) {
  push_slice(L, value);
  lua_setfield(L, -2, key);
}

static void set_flag(lua_State *L, const char *key, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, key);
}

/* the head as a table; `headers` is a list of { name, value } */
static int head(lua_State *L) {
  static const char *const methods[] = {"OTHER", "GET",    "HEAD",   "POST",
                                        "PUT",   "DELETE", "OPTIONS"};
  const mcp_http_head_t *h = mcp_http_head(check(L)->http);
  lua_createtable(L, 0, 16);
  lua_pushstring(L, methods[h->method]);
  lua_setfield(L, -2, "method");
  set_slice(L, "method_name", h->method_name);
  set_slice(L, "target", h->target);
  set_slice(L, "path", h->path);
  set_slice(L, "query", h->query);
  set_slice(L, "host", h->host);
  set_integer(L, "status", h->status);
  set_integer(L, "content_length", h->content_length);
  set_flag(L, "http_1_0", h->http_1_0);
  set_flag(L, "keep_alive", h->keep_alive);
  set_flag(L, "chunked", h->chunked);
  set_flag(L, "upgrade", h->upgrade);
  set_flag(L, "expect_continue", h->expect_continue);
  set_flag(L, "expect_other", h->expect_other);
  set_flag(L, "repeated", h->repeated);
  push_headers(L, h);
  lua_setfield(L, -2, "headers");
  return 1;
}

/* header(name): its value, whether there is more than one; or nil */
static int header(lua_State *L) {
  bool found, twice;
  mcp_slice_t value = mcp_http_header(mcp_http_head(check(L)->http),
                                      check_slice(L, 2), &found, &twice);
  if (!found) return 0;
  push_slice(L, value);
  lua_pushboolean(L, twice);
  return 2;
}

static int head_accepts(lua_State *L) {
  lua_pushboolean(L, mcp_http_head_accepts(mcp_http_head(check(L)->http),
                                           check_slice(L, 2)));
  return 1;
}

/* true, or nil and the error's name */
static int finish(lua_State *L) {
  int code = mcp_http_finish(check(L)->http);
  if (code < 0) return push_failure(L, code);
  lua_pushboolean(L, 1);
  return 1;
}

static int why(lua_State *L) {
  lua_pushstring(L, mcp_http_error_text(check(L)->http));
  return 1;
}

static int rest(lua_State *L) {
  push_slice(L, mcp_http_rest(check(L)->http));
  return 1;
}

static int begun(lua_State *L) {
  lua_pushboolean(L, mcp_http_begun(check(L)->http));
  return 1;
}

static int shrink(lua_State *L) {
  mcp_http_shrink(check(L)->http);
  return 0;
}

static int expect_no_body(lua_State *L) {
  mcp_http_expect_no_body(check(L)->http);
  return 0;
}

static int limit_head(lua_State *L) {
  mcp_http_limit_head(check(L)->http, (size_t)luaL_checkinteger(L, 2));
  return 0;
}

static int media_is(lua_State *L) {
  lua_pushboolean(L, mcp_http_media_is(check_slice(L, 1), check_slice(L, 2)));
  return 1;
}

static int accepts(lua_State *L) {
  lua_pushboolean(L, mcp_http_accepts(check_slice(L, 1), check_slice(L, 2)));
  return 1;
}

static int reason(lua_State *L) {
  lua_pushstring(L, mcp_http_status_phrase((unsigned)luaL_checkinteger(L, 1)));
  return 1;
}

/* Fails the nth allocation from now: false where the build cannot. */
static int fail_allocation(lua_State *L) {
  lua_pushboolean(L,
                  mcp_mem_fail((unsigned long)luaL_checkinteger(L, 1), false));
  return 1;
}

__attribute__((visibility("default"))) int luaopen_codecs_http(lua_State *L);

int luaopen_codecs_http(lua_State *L) {
  static const luaL_Reg methods[] = {{"feed", feed},
                                     {"next", next},
                                     {"head", head},
                                     {"header", header},
                                     {"accepts", head_accepts},
                                     {"finish", finish},
                                     {"why", why},
                                     {"rest", rest},
                                     {"begun", begun},
                                     {"shrink", shrink},
                                     {"expect_no_body", expect_no_body},
                                     {"limit_head", limit_head},
                                     {"__gc", close_decoder},
                                     {"__close", close_decoder},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"new", new_decoder},
                                       {"media_is", media_is},
                                       {"accepts", accepts},
                                       {"reason", reason},
                                       {"fail_allocation", fail_allocation},
                                       {NULL, NULL}};
  luaL_newmetatable(L, TYPE);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  set_integer(L, "TARGET_LENGTH", MCP_HTTP_TARGET_LENGTH);
  set_integer(L, "HEAD_LENGTH", MCP_HTTP_HEAD_LENGTH);
  set_integer(L, "HEADER_COUNT", MCP_HTTP_HEADER_COUNT);
  set_integer(L, "LEADING_CRLF", MCP_HTTP_LEADING_CRLF);
  set_integer(L, "EXTENSION_LENGTH", MCP_HTTP_EXTENSION_LENGTH);
  set_integer(L, "TRAILER_LENGTH", MCP_HTTP_TRAILER_LENGTH);
  set_integer(L, "INTERIM_COUNT", MCP_HTTP_INTERIM_COUNT);
  lua_pushfstring(L, "%d.%d.%d", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
                  LLHTTP_VERSION_PATCH);
  lua_setfield(L, -2, "LLHTTP");
  return 1;
}
