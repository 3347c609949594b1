/* SPDX-License-Identifier: MIT
 * lmemory.c: see lmemory.h. */
#include "lua/lmemory.h"

#include <lauxlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/lendpoint.h"
#include "net/stream.h"

#define TYPE_NAME "mcp.wire_end"

/* Lives until the stream is gone and the userdata collected. */
typedef struct {
  mcp_stream_t *stream; /* NULL once closed */
  mcp_buf_t incoming;
  bool ended;
  bool held; /* the userdata refers to it */
} end_t;

typedef struct {
  end_t *end;
} handle_t;

static void free_end(end_t *end) {
  mcp_buf_deinit(&end->incoming);
  mcp_mem_free(end);
}

static void on_data(void *owner, mcp_slice_t bytes) {
  end_t *end = owner;
  if (mcp_buf_append_slice(&end->incoming, bytes) < 0) end->ended = true;
}

static void on_end(void *owner, int code) {
  (void)code;
  ((end_t *)owner)->ended = true;
}

static void on_drain(void *owner) {
  (void)owner;
}

static void on_closed(void *owner) {
  end_t *end = owner;
  end->stream = NULL;
  end->ended = true;
  if (!end->held) free_end(end);
}

static const mcp_stream_events_t events = {on_data, on_end, on_drain,
                                           on_closed};

/* memory_pair(receive) -> endpoint, wire_end | nil, text, code */
static int memory_pair(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_stream_t *near, *far;
  handle_t *handle;
  end_t *end;
  mcp_lendpoint_t *endpoint;
  int code;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  endpoint = mcp_lendpoint_push(L, rt, 1);
  handle = lua_newuserdatauv(L, sizeof *handle, 0);
  handle->end = NULL;
  luaL_setmetatable(L, TYPE_NAME);
  end = mcp_mem_zalloc(sizeof *end);
  if (!end) return mcp_coroutine_push_error(L, MCP_ENOMEM);
  handle->end = end;
  end->held = true;
  code = mcp_stream_pair(rt->loop, &near, &far);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  end->stream = far;
  code = mcp_stream_start(far, &events, end);
  if (code == 0) {
    code = mcp_lendpoint_attach(endpoint, near, "memory");
  } else {
    mcp_stream_close(near, false);
  }
  if (code < 0) return mcp_coroutine_push_error(L, code);
  return 2;
}

/* memory_link(receive, receive) -> endpoint, endpoint | nil, text, code
 * Two connections back to back: what one sends the other receives. */
static int memory_link(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_stream_t *near, *far;
  mcp_lendpoint_t *near_end, *far_end;
  int code;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  near_end = mcp_lendpoint_push(L, rt, 1);
  far_end = mcp_lendpoint_push(L, rt, 2);
  code = mcp_stream_pair(rt->loop, &near, &far);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  code = mcp_lendpoint_attach(near_end, near, "memory");
  if (code == 0) {
    code = mcp_lendpoint_attach(far_end, far, "memory");
  } else {
    mcp_stream_close(far, false);
  }
  if (code < 0) return mcp_coroutine_push_error(L, code);
  return 2;
}

static end_t *check_end(lua_State *L) {
  return ((handle_t *)luaL_checkudata(L, 1, TYPE_NAME))->end;
}

/* wire_end:send(text) -> true | nil, text, code: bytes as they are */
static int end_send(lua_State *L) {
  end_t *end = check_end(L);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  mcp_buf_t bytes = {0};
  int code = MCP_ECLOSED;
  if (end && end->stream) {
    code = mcp_buf_append(&bytes, text, length);
    if (code == 0) code = mcp_stream_send(end->stream, &bytes, 0);
    mcp_buf_deinit(&bytes);
  }
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* wire_end:take() -> string: all that has arrived since the last call */
static int end_take(lua_State *L) {
  end_t *end = check_end(L);
  if (!end) {
    lua_pushliteral(L, "");
    return 1;
  }
  lua_pushlstring(L, end->incoming.data ? end->incoming.data : "",
                  end->incoming.len);
  mcp_buf_deinit(&end->incoming);
  return 1;
}

/* wire_end:pause(boolean): a peer that does not read */
static int end_pause(lua_State *L) {
  end_t *end = check_end(L);
  if (end && end->stream) mcp_stream_pause(end->stream, lua_toboolean(L, 2));
  return 0;
}

/* wire_end:is_open() -> boolean: the other side has not closed */
static int end_is_open(lua_State *L) {
  end_t *end = check_end(L);
  lua_pushboolean(L, end && !end->ended);
  return 1;
}

/* wire_end:close() */
static int end_close(lua_State *L) {
  end_t *end = check_end(L);
  if (end && end->stream) mcp_stream_close(end->stream, true);
  return 0;
}

static int end_collect(lua_State *L) {
  handle_t *handle = luaL_checkudata(L, 1, TYPE_NAME);
  end_t *end = handle->end;
  handle->end = NULL;
  if (!end) return 0;
  end->held = false;
  if (end->stream) {
    mcp_stream_close(end->stream, false);
  } else {
    free_end(end);
  }
  return 0;
}

void mcp_lmemory_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {
      {"memory_pair", memory_pair}, {"memory_link", memory_link}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"send", end_send},       {"take", end_take},   {"pause", end_pause},
      {"is_open", end_is_open}, {"close", end_close}, {NULL, NULL}};
  luaL_newmetatable(L, TYPE_NAME);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, end_collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, end_close);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
