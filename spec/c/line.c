/* SPDX-License-Identifier: MIT
 * line.c: src/wire/line.c for the specs. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#include "base/err.h"
#include "wire/line.h"

#define TYPE "codecs.line"

typedef struct {
  mcp_line_t line;
  /* Of exactly that size, and ruined when the loan ends. From malloc: what the
     specs let fail is the memory of the code they look at. */
  mcp_buf_t fed;
} reader_t;

static void ruin(reader_t *reader) {
  if (reader->fed.len > 0) memset(reader->fed.data, '!', reader->fed.len);
  free(reader->fed.data);
  reader->fed = (mcp_buf_t){0};
}

static reader_t *check(lua_State *L) {
  return luaL_checkudata(L, 1, TYPE);
}

/* new(limit?): a reader. [-0, +1, m] */
static int new_reader(lua_State *L) {
  size_t limit = (size_t)luaL_optinteger(L, 1, 0);
  reader_t *reader = lua_newuserdatauv(L, sizeof *reader, 0);
  mcp_line_init(&reader->line, limit);
  reader->fed = (mcp_buf_t){0};
  luaL_setmetatable(L, TYPE);
  return 1;
}

static int close_reader(lua_State *L) {
  ruin(check(L));
  mcp_line_deinit(&check(L)->line);
  return 0;
}

static int feed(lua_State *L) {
  reader_t *reader = check(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  ruin(reader);
  if (len > 0) {
    reader->fed.data = malloc(len);
    if (!reader->fed.data) return luaL_error(L, "no memory");
    reader->fed.len = reader->fed.cap = len;
    memcpy(reader->fed.data, bytes, len);
  }
  mcp_line_feed(&reader->line, mcp_buf_slice(&reader->fed));
  return 0;
}

/* kind, text, whether the text lies in the fed bytes; or nil, error name */
static int push(lua_State *L, int code, const mcp_line_event_t *event) {
  static const char *const kinds[] = {"more", "text", "too_long"};
  const reader_t *reader = check(L);
  if (code < 0) {
    lua_pushnil(L);
    lua_pushstring(L, mcp_err_name(code));
    return 2;
  }
  lua_pushstring(L, kinds[event->kind]);
  lua_pushlstring(L, event->text.data, event->text.len);
  lua_pushboolean(L, event->text.data >= reader->fed.data &&
                         event->text.data < reader->fed.data + reader->fed.len);
  return 3;
}

static int next(lua_State *L) {
  mcp_line_event_t event;
  int code = mcp_line_next(&check(L)->line, &event);
  return push(L, code, &event);
}

static int finish(lua_State *L) {
  mcp_line_event_t event;
  int code = mcp_line_finish(&check(L)->line, &event);
  return push(L, code, &event);
}

/* bytes kept, bytes allocated for them */
static int held(lua_State *L) {
  const mcp_line_t *line = &check(L)->line;
  lua_pushinteger(L, (lua_Integer)line->partial.len);
  lua_pushinteger(L, (lua_Integer)line->partial.cap);
  return 2;
}

__attribute__((visibility("default"))) int luaopen_codecs_line(lua_State *L);

int luaopen_codecs_line(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"feed", feed}, {"next", next},         {"finish", finish},
      {"held", held}, {"__gc", close_reader}, {"__close", close_reader},
      {NULL, NULL}};
  static const luaL_Reg functions[] = {{"new", new_reader}, {NULL, NULL}};
  luaL_newmetatable(L, TYPE);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  lua_pushinteger(L, MCP_LINE_LENGTH);
  lua_setfield(L, -2, "LENGTH");
  return 1;
}
