/* SPDX-License-Identifier: MIT
 * lhttp_call.c: see lhttp_call.h; what each method takes and returns is
 * annotated in lua/mcp/core.types.lua. */
#include "lua/lhttp_call.h"

#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/lhttp_body.h"
#include "lua/lhttp_response.h"
#include "lua/lself.h"
#include "lua/lturn.h"
#include "net/interrupt.h"

#define NEVER UINT64_MAX

/* response:close(), response:__close() */
static int response_close(lua_State *L) {
  mcp_lhttp_response_close(mcp_lself_check_own(L, MCP_LHTTP_RESPONSE_TYPE));
  return 0;
}

/* response:own() */
static int response_own(lua_State *L) {
  mcp_lhttp_response_own(mcp_lhttp_response_check(L));
  return 0;
}

static int response_collect(lua_State *L) {
  mcp_lhttp_response_collect(mcp_lself_check_own(L, MCP_LHTTP_RESPONSE_TYPE));
  return 0;
}

/* Adds all values of the fields called `name`, with ", " between them. False:
 * no such field. */
static bool add_values(luaL_Buffer *b, const mcp_http_head_t *head,
                       mcp_slice_t name) {
  bool found = false;
  for (size_t i = 0; i < head->header_count; i++) {
    const mcp_http_header_t *field = &head->headers[i];
    if (!mcp_slice_equal_nocase(field->name, name)) continue;
    if (found) luaL_addlstring(b, ", ", 2);
    if (field->value.len > 0)
      luaL_addlstring(b, field->value.data, field->value.len);
    found = true;
  }
  return found;
}

/* Pushes the values of the fields called `name`, or nil. [-0, +1, m] */
static void push_field(lua_State *L, mcp_lhttp_call_t *r, mcp_slice_t name) {
  luaL_Buffer b;
  bool found;
  mcp_lhttp_response_begin(r);
  luaL_buffinit(L, &b);
  found = add_values(&b, mcp_http_call_head(r->call), name);
  luaL_pushresult(&b);
  mcp_lhttp_response_finish(r);
  if (found) return;
  lua_pop(L, 1);
  lua_pushnil(L);
}

/* response:header(name) -> string | nil */
static int response_header(lua_State *L) {
  mcp_lhttp_call_t *r = mcp_lhttp_response_check(L);
  mcp_slice_t name;
  name.data = luaL_checklstring(L, 2, &name.len);
  push_field(L, r, name);
  return 1;
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* response:headers() -> table by lower-case name */
static int response_headers(lua_State *L) {
  mcp_lhttp_call_t *r = mcp_lhttp_response_check(L);
  const mcp_http_head_t *head = mcp_http_call_head(r->call);
  mcp_lhttp_response_begin(r);
  lua_createtable(L, 0, (int)head->header_count);
  for (size_t i = 0; i < head->header_count; i++) {
    mcp_slice_t name = head->headers[i].name;
    luaL_Buffer b;
    char *to = luaL_buffinitsize(L, &b, name.len);
    for (size_t j = 0; j < name.len; j++) to[j] = lower(name.data[j]);
    luaL_pushresultsize(&b, name.len);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
      lua_pop(L, 1);
      luaL_buffinit(L, &b);
      add_values(&b, head, name);
      luaL_pushresult(&b);
      lua_rawset(L, -3);
    } else {
      lua_pop(L, 2);
    }
  }
  mcp_lhttp_response_finish(r);
  return 1;
}

/* response.status, and its methods, which are upvalue 2 */
static int response_index(lua_State *L) {
  mcp_lhttp_call_t *r = mcp_lself_check_own(L, MCP_LHTTP_RESPONSE_TYPE);
  size_t length;
  const char *key = lua_tolstring(L, 2, &length);
  if (key && length == 6 && memcmp(key, "status", 6) == 0) {
    lua_pushinteger(L, (lua_Integer)r->status);
    return 1;
  }
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(2));
  return 1;
}

static int response_to_string(lua_State *L) {
  mcp_lhttp_call_t *r = mcp_lself_check_own(L, MCP_LHTTP_RESPONSE_TYPE);
  lua_pushfstring(L, MCP_LHTTP_RESPONSE_TYPE " (%d%s)", (int)r->status,
                  r->call ? "" : ", closed");
  return 1;
}

/* ---- requests ----------------------------------------------------------- */

/* The pool is at 1, the options at 2, the response at 3. */
static int started(lua_State *L, int status, lua_KContext context) {
  mcp_lhttp_call_t *r = lua_touserdata(L, 3);
  int code = mcp_lhttp_response_outcome(r, context), n;
  (void)status;
  if (code < 0) {
    n = mcp_lhttp_call_push_failure(L, r->push_place(L), code, NULL);
  } else if (mcp_http_call_state(r->call) == MCP_HTTP_CALL_FAILED &&
             mcp_http_call_head(r->call)->status == 0) {
    n = mcp_lhttp_response_push_failure(L, r, r->push_place(L));
  } else {
    r->status = mcp_http_call_head(r->call)->status;
    lua_settop(L, 3);
    lua_pushinteger(L, (lua_Integer)r->status);
    push_field(L, r, MCP_SLICE("Content-Type"));
    return 3;
  }
  mcp_lhttp_response_close(r);
  return n;
}

mcp_lhttp_call_t *mcp_lhttp_call_push(lua_State *L, mcp_runtime_t *rt,
                                      size_t event_limit) {
  mcp_lhttp_call_t *r = lua_newuserdatauv(L, sizeof *r, 1);
  *r = (mcp_lhttp_call_t){.rt = rt, .event_limit = event_limit};
  mcp_list_init(&r->owned.of_coroutine);
  luaL_setmetatable(L, MCP_LHTTP_RESPONSE_TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  return r;
}

mcp_buf_t *mcp_lhttp_call_buffer(mcp_lhttp_call_t *r) {
  return &r->body;
}

int mcp_lhttp_call_open_file(mcp_lhttp_call_t *r, const char *path,
                             uint64_t *size) {
  mcp_file_t *file;
  int code = mcp_file_open(path, &file);
  if (code < 0) return code;
  r->upload = mcp_pieces_new(r->rt->loop, file, MCP_PIECES_BYTES);
  mcp_file_unref(file);
  if (!r->upload) return MCP_ENOMEM;
  /* A read may be in progress when the state is closed. */
  mcp_interrupt_stay_loaded();
  *size = mcp_pieces_size(r->upload);
  return 0;
}

int mcp_lhttp_call_start(lua_State *L, mcp_lhttp_call_t *r,
                         const mcp_lhttp_call_start_t *start) {
  mcp_http_call_options_t options = *start->options;
  mcp_coroutine_t *co;
  int code;
  options.upload = r->upload;
  r->body_time = start->body_time;
  r->any_coding = start->any_coding;
  r->push_place = start->push_place;
  /* Before anything is sent. */
  if (!mcp_lturn_begin(L, r->rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  code = mcp_http_call_start(start->pool, &options, &r->body,
                             &mcp_lhttp_response_events, r, &r->call);
  if (code < 0)
    return mcp_lhttp_call_push_failure(L, r->push_place(L), code, NULL);
  r->upload = NULL;
  return mcp_lhttp_response_wait(L, r, MCP_LHTTP_HEAD, NEVER, started);
}

void mcp_lhttp_call_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"header", response_header},
                                     {"headers", response_headers},
                                     {"read", mcp_lhttp_body_read},
                                     {"json", mcp_lhttp_body_json},
                                     {"chunk", mcp_lhttp_body_chunk},
                                     {"event", mcp_lhttp_body_event},
                                     {"own", response_own},
                                     {"close", response_close},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", response_collect},
                                         {"__close", response_close},
                                         {"__tostring", response_to_string},
                                         {NULL, NULL}};
  luaL_newmetatable(L, MCP_LHTTP_RESPONSE_TYPE);
  lua_pushvalue(L, -1);
  luaL_setfuncs(L, metamethods, 1);
  mcp_lself_push_methods(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "methods");
  lua_pushvalue(L, -2);
  lua_insert(L, -2);
  lua_pushcclosure(L, response_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
