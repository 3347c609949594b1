/* SPDX-License-Identifier: MIT
 * sse.c: src/wire/sse.c for the specs. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#include "base/err.h"
#include "wire/sse.h"

#include "push.h"

#define TYPE "codecs.sse"

typedef struct {
  mcp_sse_t *sse;
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
  reader_t *reader = luaL_checkudata(L, 1, TYPE);
  luaL_argcheck(L, reader->sse != NULL, 1, "closed");
  return reader;
}

static mcp_slice_t optional_slice(lua_State *L, int index) {
  size_t len;
  const char *data = luaL_optlstring(L, index, "", &len);
  return mcp_slice(data, len);
}

/* new(limit?): a reader, or nil and the error's name. [-0, +1|+2, m] */
static int new_reader(lua_State *L) {
  size_t limit = (size_t)luaL_optinteger(L, 1, 0);
  reader_t *reader = lua_newuserdatauv(L, sizeof *reader, 0);
  *reader = (reader_t){0};
  luaL_setmetatable(L, TYPE);
  reader->sse = mcp_sse_new(limit);
  return reader->sse ? 1 : push_failure(L, MCP_ENOMEM);
}

static int close_reader(lua_State *L) {
  reader_t *reader = luaL_checkudata(L, 1, TYPE);
  ruin(reader);
  mcp_sse_free(reader->sse);
  reader->sse = NULL;
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
  mcp_sse_feed(reader->sse, mcp_buf_slice(&reader->fed));
  return 0;
}

static void set_slice(lua_State *L, const char *key, mcp_slice_t value) {
  lua_pushlstring(L, value.data, value.len);
  lua_setfield(L, -2, key);
}

/* the event; false when there is none; or nil, error name */
static int next(lua_State *L) {
  reader_t *reader = check(L);
  mcp_sse_event_t event;
  int code = mcp_sse_next(reader->sse, &event);
  if (code < 0) return push_failure(L, code);
  if (event.kind == MCP_SSE_MORE) {
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_createtable(L, 0, 6);
  set_slice(L, "name", event.name);
  set_slice(L, "data", event.data);
  set_slice(L, "id", event.id);
  lua_pushboolean(L, event.has_id);
  lua_setfield(L, -2, "has_id");
  lua_pushinteger(L, (lua_Integer)event.retry_ms);
  lua_setfield(L, -2, "retry");
  lua_pushboolean(L, event.data.data >= reader->fed.data &&
                         event.data.data < reader->fed.data + reader->fed.len);
  lua_setfield(L, -2, "in_feed");
  return 1;
}

/* What was written, or nil, the error's name and what stands in the buffer
 * nevertheless. */
static int push_written(lua_State *L, mcp_buf_t *out, int code) {
  int n = 0;
  if (code < 0) n = push_failure(L, code);
  lua_pushlstring(L, out->data, out->len);
  mcp_buf_deinit(out);
  return n + 1;
}

/* write(data, name?, id?, retry?) */
static int write_event(lua_State *L) {
  mcp_buf_t out = {0};
  mcp_slice_t data = optional_slice(L, 1), name = optional_slice(L, 2);
  mcp_slice_t id = optional_slice(L, 3);
  int64_t retry_ms = luaL_optinteger(L, 4, -1);
  int code = mcp_sse_write_begin(&out, name, id, retry_ms);
  if (code == 0) code = mcp_buf_append_slice(&out, data);
  if (code == 0) code = mcp_sse_write_end(&out);
  return push_written(L, &out, code);
}

/* comment(text) */
static int write_comment(lua_State *L) {
  mcp_buf_t out = {0};
  int code = mcp_sse_write_comment(&out, optional_slice(L, 1));
  return push_written(L, &out, code);
}

__attribute__((visibility("default"))) int luaopen_codecs_sse(lua_State *L);

int luaopen_codecs_sse(lua_State *L) {
  static const luaL_Reg methods[] = {{"feed", feed},
                                     {"next", next},
                                     {"__gc", close_reader},
                                     {"__close", close_reader},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"new", new_reader},
                                       {"write", write_event},
                                       {"comment", write_comment},
                                       {NULL, NULL}};
  luaL_newmetatable(L, TYPE);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  lua_pushinteger(L, MCP_SSE_EVENT_LENGTH);
  lua_setfield(L, -2, "LENGTH");
  lua_pushinteger(L, MCP_SSE_RETRY);
  lua_setfield(L, -2, "RETRY");
  return 1;
}
