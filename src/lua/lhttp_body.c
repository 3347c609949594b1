/* SPDX-License-Identifier: MIT
 * lhttp_body.c: see lhttp_body.h; what each method takes and returns is
 * annotated in lua/mcp/core.types.lua. */
#include "lua/lhttp_body.h"

#include <lauxlib.h>
#include <stdio.h>

#include "base/err.h"
#include "lua/lcoding.h"
#include "lua/lhttp_response.h"
#include "lua/lself.h"
#include "lua/seconds.h"
#include "lua/value.h"
#include "lua/value_decode.h"
#include "wire/http_coding.h"

#define NEVER UINT64_MAX

/* Has a coded body decoded, unless the program asked for a coding and reads the
 * bytes as they are. 0, or the number of values pushed for the failure: then
 * its bytes would be mistaken for the content. [-0, +3, e] */
static int decode(lua_State *L, mcp_lhttp_call_t *r, bool bytes) {
  const mcp_decoder_ops_t *ops = NULL;
  mcp_slice_t coding;
  mcp_coding_t kind;
  char line[96];
  int code;
  if ((bytes && r->any_coding) ||
      !mcp_http_is_coded(mcp_http_call_head(r->call), &coding))
    return 0;
  snprintf(line, sizeof line,
           "Content-Encoding: expected identity, gzip or deflate, got %.*s",
           (int)(coding.len < 32 ? coding.len : 32), coding.data);
  if (mcp_http_coding_kind(coding, &kind)) {
    /* What it runs must not close the response meanwhile. */
    mcp_lhttp_response_begin(r);
    ops = mcp_lcoding_decoder(L);
    mcp_lhttp_response_finish(r);
    if (!r->call) return mcp_coroutine_push_error(L, MCP_ECLOSED);
    if (!ops)
      snprintf(line, sizeof line,
               "mcp.zlib cannot be loaded; the log says "
               "which file is missing");
  }
  code = ops ? mcp_http_call_decode(r->call, ops, kind) : MCP_ECODING;
  if (code == 0) return 0;
  mcp_http_call_stop(r->call);
  return mcp_lhttp_call_push_failure(L, NULL, code, ops ? NULL : line);
}

/* Takes the whole body into r->body. 0, or how many values of a failure it
 * has pushed. */
static int take_body(lua_State *L, mcp_lhttp_call_t *r, lua_KContext context) {
  int code = mcp_lhttp_response_outcome(r, context);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (mcp_http_call_body(r->call).len > r->limit) {
    mcp_http_call_stop(r->call);
    return mcp_lhttp_call_push_failure(L, NULL, MCP_ETOOBIG, "response body");
  }
  switch (mcp_http_call_state(r->call)) {
  case MCP_HTTP_CALL_DONE: break;
  case MCP_HTTP_CALL_FAILED: return mcp_lhttp_response_push_failure(L, r, NULL);
  case MCP_HTTP_CALL_WAITING:
  case MCP_HTTP_CALL_BODY:
    return mcp_lhttp_call_push_failure(L, NULL, MCP_ETIMEDOUT,
                                       "waiting for the response body");
  }
  r->taken = true;
  r->body = mcp_http_call_take(r->call);
  return 0;
}

static int read_k(lua_State *L, int status, lua_KContext context);

/* Arguments 2 and 3 of read and json: limit and timeout. */
static int wait_for_body(lua_State *L, lua_KFunction k) {
  mcp_lhttp_call_t *r = mcp_lhttp_response_check_free(L);
  int failed;
  lua_Integer limit = luaL_optinteger(L, 2, MCP_HTTP_CLIENT_BODY_LENGTH);
  uint64_t ms =
      lua_isnoneornil(L, 3) ? NEVER : mcp_seconds_read(L, 3, "timeout");
  luaL_argcheck(L, limit >= 0, 2, "expected a number of bytes");
  luaL_argcheck(L, !r->sse, 1, "its body is being read as events");
  luaL_argcheck(L, !r->taken, 1, "its body has been read");
  lua_settop(L, 1);
  failed = decode(L, r, k == read_k);
  if (failed) return failed;
  r->limit = (size_t)limit;
  if (!mcp_http_call_is_decoded(r->call) &&
      mcp_http_call_head(r->call)->content_length > limit &&
      mcp_http_call_state(r->call) == MCP_HTTP_CALL_BODY) {
    mcp_http_call_stop(r->call);
    return mcp_lhttp_call_push_failure(L, NULL, MCP_ETOOBIG, "response body");
  }
  mcp_http_call_allow(r->call, r->limit);
  return mcp_lhttp_response_wait(L, r, MCP_LHTTP_BODY, ms, k);
}

static int read_k(lua_State *L, int status, lua_KContext context) {
  mcp_lhttp_call_t *r = lua_touserdata(L, 1);
  int failed = take_body(L, r, context);
  (void)status;
  if (failed) return failed;
  mcp_lhttp_response_begin(r);
  lua_pushlstring(L, r->body.data ? r->body.data : "", r->body.len);
  mcp_buf_deinit(&r->body);
  mcp_lhttp_response_finish(r);
  return 1;
}

/* response:read([limit [, timeout]]) -> string | nil, text, code */
int mcp_lhttp_body_read(lua_State *L) {
  return wait_for_body(L, read_k);
}

static int json_k(lua_State *L, int status, lua_KContext context) {
  mcp_lhttp_call_t *r = lua_touserdata(L, 1);
  int failed = take_body(L, r, context), n;
  (void)status;
  if (failed) return failed;
  mcp_lhttp_response_begin(r);
  n = mcp_value_decode(L, mcp_buf_slice(&r->body));
  mcp_buf_deinit(&r->body);
  mcp_lhttp_response_finish(r);
  return n;
}

/* response:json([limit [, timeout]]) -> value | nil, text, code */
int mcp_lhttp_body_json(lua_State *L) {
  return wait_for_body(L, json_k);
}

static int chunk_k(lua_State *L, int status, lua_KContext context) {
  mcp_lhttp_call_t *r = lua_touserdata(L, 1);
  int code = mcp_lhttp_response_outcome(r, context);
  (void)status;
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (mcp_http_call_body(r->call).len > 0) {
    r->body = mcp_http_call_take(r->call);
    mcp_lhttp_response_begin(r);
    lua_pushlstring(L, r->body.data, r->body.len);
    mcp_buf_deinit(&r->body);
    mcp_lhttp_response_finish(r);
    return 1;
  }
  switch (mcp_http_call_state(r->call)) {
  case MCP_HTTP_CALL_DONE: return 0;
  case MCP_HTTP_CALL_FAILED: return mcp_lhttp_response_push_failure(L, r, NULL);
  case MCP_HTTP_CALL_WAITING:
  case MCP_HTTP_CALL_BODY: break;
  }
  return mcp_lhttp_call_push_failure(L, NULL, MCP_ETIMEDOUT,
                                     "waiting for the response body");
}

/* response:chunk([timeout]) -> string | nil | nil, text, code */
int mcp_lhttp_body_chunk(lua_State *L) {
  mcp_lhttp_call_t *r = mcp_lself_check_own(L, MCP_LHTTP_RESPONSE_TYPE);
  uint64_t ms =
      lua_isnoneornil(L, 2) ? NEVER : mcp_seconds_read(L, 2, "timeout");
  int failed;
  /* Not by a mistake of the reader: it may have ended with its owner. */
  if (r->closed) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  r = mcp_lhttp_response_check_free(L);
  luaL_argcheck(L, !r->sse, 1, "its body is being read as events");
  luaL_argcheck(L, !r->taken, 1, "its body has been read");
  lua_settop(L, 1);
  failed = decode(L, r, true);
  if (failed) return failed;
  mcp_http_call_allow(r->call, MCP_HTTP_CLIENT_UNREAD);
  return mcp_lhttp_response_wait(L, r, MCP_LHTTP_CHUNK, ms, chunk_k);
}

static void set_text(lua_State *L, const char *key, mcp_slice_t value) {
  lua_pushlstring(L, value.len ? value.data : "", value.len);
  lua_setfield(L, -2, key);
}

/* Pushes the event table and, of a message, its value; or nil and the
 * error of the decoder. */
static int push_event(lua_State *L, const mcp_sse_event_t *event) {
  bool message = event->name.len == 0 ||
                 mcp_slice_equal(event->name, MCP_SLICE("message"));
  int n;
  lua_createtable(L, 0, 3);
  if (event->has_id) set_text(L, "id", event->id);
  if (!message) set_text(L, "event", event->name);
  if (event->retry_ms >= 0) {
    lua_pushinteger(L, (lua_Integer)event->retry_ms);
    lua_setfield(L, -2, "retry");
  }
  if (event->data.len == 0) return 1;
  if (!message) {
    set_text(L, "data", event->data);
    return 1;
  }
  n = mcp_value_decode(L, event->data);
  if (n == 1) return 2;
  lua_pop(L, 1);
  lua_pushvalue(L, -3);
  set_text(L, "data", event->data);
  lua_pop(L, 1);
  return 3;
}

static int event_k(lua_State *L, int status, lua_KContext context) {
  mcp_lhttp_call_t *r = lua_touserdata(L, 1);
  int code = mcp_lhttp_response_outcome(r, context), n;
  (void)status;
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (r->has_event) {
    mcp_lhttp_response_begin(r);
    n = push_event(L, &r->event);
    r->has_event = false;
    r->event = (mcp_sse_event_t){0};
    mcp_lhttp_response_finish(r);
    return n;
  }
  if (r->event_code < 0) {
    mcp_http_call_stop(r->call);
    return mcp_lhttp_call_push_failure(L, NULL, r->event_code, "event");
  }
  switch (mcp_http_call_state(r->call)) {
  case MCP_HTTP_CALL_DONE: return 0;
  case MCP_HTTP_CALL_FAILED: return mcp_lhttp_response_push_failure(L, r, NULL);
  case MCP_HTTP_CALL_WAITING:
  case MCP_HTTP_CALL_BODY: break;
  }
  return mcp_coroutine_push_error(L, MCP_ETIMEDOUT);
}

/* response:event([timeout]) -> event [, message | nil, text]
 * | nil | nil, text, code */
int mcp_lhttp_body_event(lua_State *L) {
  mcp_lhttp_call_t *r = mcp_lhttp_response_check_free(L);
  uint64_t ms =
      lua_isnoneornil(L, 2) ? NEVER : mcp_seconds_read(L, 2, "timeout");
  int failed;
  luaL_argcheck(L, !r->taken, 1, "its body has been read");
  lua_settop(L, 1);
  failed = decode(L, r, false);
  if (failed) return failed;
  if (!r->sse) {
    r->sse = mcp_sse_new(r->event_limit);
    if (!r->sse) return mcp_coroutine_push_error(L, MCP_ENOMEM);
    mcp_sse_set_share(r->sse, mcp_http_call_share(r->call));
  }
  mcp_http_call_allow(r->call, MCP_HTTP_CLIENT_UNREAD);
  return mcp_lhttp_response_wait(L, r, MCP_LHTTP_EVENT, ms, event_k);
}
