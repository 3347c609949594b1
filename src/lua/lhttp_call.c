/* SPDX-License-Identifier: MIT
 * lhttp_call.c: see lhttp_call.h; what each method takes and returns is
 * annotated in lua/mcp/core.types.lua. Inside a coroutine a wait yields;
 * outside it turns the loop.
 *
 * While a method makes Lua values of what a response holds, the collector may
 * run, and with it a finalizer that closes that very response: it is marked
 * `busy` meanwhile, and closed when the method is done. */
#include "lua/lhttp_call.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "lua/lturn.h"
#include "lua/seconds.h"
#include "lua/value.h"
#include "transport/http_call.h"
#include "wire/http_coding.h"
#include "wire/sse.h"

#define RESPONSE_TYPE "mcp.http_response"

#define NEVER UINT64_MAX

typedef enum { NOTHING, HEAD, BODY, EVENT } wait_t;

typedef struct mcp_lhttp_call response_t;

/* Its user value is the pool. */
struct mcp_lhttp_call {
  mcp_runtime_t *rt;
  mcp_http_call_t *call; /* NULL before it is sent and once it is closed */
  mcp_coroutine_t *co;   /* which waits, or NULL */
  wait_t wait;           /* what is awaited, in a coroutine or not */
  bool rang;             /* the time of that wait is over */
  uint64_t deadline;     /* of that wait, in ms of the loop's clock */
  uint64_t body_time;
  size_t limit;       /* of the body that is waited for */
  size_t event_limit; /* 0: the default */
  mcp_sse_t *sse;     /* once an event was asked for */
  mcp_buf_t fed;      /* what `sse` reads from */
  mcp_buf_t body;     /* what is made a Lua value now, or the request */
  mcp_sse_event_t event;
  int event_code; /* < 0: no further event can be read */
  bool has_event; /* read, and not handed over */
  bool taken;     /* the body has been handed over */
  bool busy, closed;
  bool any_coding; /* the program asked for one and decodes it itself */
  const char *(*push_place)(lua_State *L); /* see mcp_lhttp_call_start_t */
  unsigned status;
};

static uint64_t now(const response_t *r) {
  return mcp_loop_now(r->rt->loop);
}

static uint64_t later(uint64_t at, uint64_t ms) {
  return at > NEVER - ms ? NEVER : at + ms;
}

/* ---- waiting ------------------------------------------------------------ */

/* Parses the bytes received so far, up to the next event. */
static void pull_event(response_t *r) {
  while (!r->has_event && r->event_code == 0) {
    int code = mcp_sse_next(r->sse, &r->event);
    if (code < 0) {
      r->event_code = code;
    } else if (r->event.kind == MCP_SSE_EVENT) {
      r->has_event = true;
    } else {
      /* MORE: nothing points into these any longer. */
      mcp_buf_deinit(&r->fed);
      if (mcp_http_call_body(r->call).len == 0) return;
      r->fed = mcp_http_call_take(r->call);
      mcp_sse_feed(r->sse, mcp_buf_slice(&r->fed));
    }
  }
}

/* What is awaited has arrived, or never will. */
static bool is_ready(response_t *r) {
  mcp_http_call_state_t state = mcp_http_call_state(r->call);
  if (r->wait == EVENT) {
    pull_event(r);
    if (r->has_event || r->event_code < 0) return true;
  }
  if (r->wait == BODY && mcp_http_call_body(r->call).len > r->limit)
    return true;
  return state >= MCP_HTTP_CALL_DONE ||
         (r->wait == HEAD && state != MCP_HTTP_CALL_WAITING);
}

/* Sets the timer to the earlier of two limits: that of the whole wait, and that
 * between two pieces of a body. */
static void set_alarm(response_t *r) {
  uint64_t t = now(r);
  uint64_t left = r->deadline == NEVER ? NEVER
                  : r->deadline > t    ? r->deadline - t
                                       : 0;
  if (r->wait == BODY && r->body_time < left) left = r->body_time;
  mcp_http_call_alarm(r->call, left);
}

static void end_wait(response_t *r, int code) {
  mcp_coroutine_t *co = r->co;
  r->co = NULL;
  if (co) mcp_coroutine_wake(co, code);
}

static void on_change(void *owner) {
  response_t *r = owner;
  if (r->wait == NOTHING || !r->call) return;
  if (!r->co) return; /* the function that turns the loop checks by itself */
  if (is_ready(r)) {
    end_wait(r, 0);
  } else {
    set_alarm(r);
  }
}

static void on_alarm(void *owner) {
  response_t *r = owner;
  if (r->wait == NOTHING) return;
  r->rang = true;
  end_wait(r, 0);
}

static const mcp_http_call_events_t call_events = {on_change, on_alarm};

/* A cancelled coroutine does not read the response: its connection ends. */
static void cancel_wait(mcp_coroutine_t *co, void *arg) {
  response_t *r = arg;
  (void)co;
  r->co = NULL;
  r->wait = NOTHING;
  if (r->call) mcp_http_call_stop(r->call);
}

/* Waits until `r`, at the bottom of the stack or where `k` looks for it, has
 * what `wait` says; then `k` goes on, and `outcome` tells it how the wait has
 * ended. [-0, +?, e] */
static int wait_for(lua_State *L, response_t *r, wait_t wait, uint64_t ms,
                    lua_KFunction k) {
  mcp_coroutine_t *co;
  if (!mcp_lturn_begin(L, r->rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  r->wait = wait;
  r->rang = false;
  r->deadline = later(now(r), ms);
  if (is_ready(r)) return k(L, LUA_OK, 0);
  set_alarm(r);
  if (co) {
    r->co = co;
    return mcp_coroutine_wait(L, co, cancel_wait, r, k);
  }
  while (r->call && !r->rang && !is_ready(r)) {
    size_t had = mcp_http_call_body(r->call).len;
    bool open = mcp_lturn_once(L, r->rt, -1);
    if (!r->call || is_ready(r)) break;
    if (!open && !r->rang) mcp_http_call_stop(r->call);
    if (mcp_http_call_body(r->call).len != had) set_alarm(r);
  }
  return k(L, LUA_OK, 0);
}

/* The result of a wait: 0, or a code. A timeout is not a code here: the caller
 * first looks at what has arrived. */
static int outcome(response_t *r, lua_KContext context) {
  mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  r->wait = NOTHING;
  if (r->call) mcp_http_call_alarm(r->call, NEVER);
  if (co && co->wake_code < 0) return co->wake_code;
  return r->call ? 0 : MCP_ECLOSED;
}

/* ---- answers ------------------------------------------------------------ */

static void drop(response_t *r) {
  mcp_http_call_free(r->call);
  r->call = NULL;
  mcp_sse_free(r->sse);
  r->sse = NULL;
  mcp_buf_deinit(&r->fed);
  mcp_buf_deinit(&r->body);
  r->event = (mcp_sse_event_t){0};
  r->has_event = false;
}

static response_t *check_response(lua_State *L) {
  response_t *r = luaL_checkudata(L, 1, RESPONSE_TYPE);
  luaL_argcheck(L, r->call && !r->closed, 1, "closed response");
  luaL_argcheck(L, !r->busy, 1, "the response is in use");
  return r;
}

/* A response that no other method waits for: two waits would conflict. */
static response_t *check_free(lua_State *L) {
  response_t *r = check_response(L);
  if (r->wait != NOTHING)
    luaL_error(L, "another method of this response is waiting");
  return r;
}

/* Bracket the making of Lua values out of what it holds. */
static void begin(response_t *r) {
  r->busy = true;
}

static void finish(response_t *r) {
  r->busy = false;
  if (r->closed) drop(r);
}

static void close_it(response_t *r) {
  r->closed = true;
  if (r->busy) return;
  drop(r);
  r->wait = NOTHING;
}

/* response:close(), response:__close() */
static int response_close(lua_State *L) {
  response_t *r = luaL_checkudata(L, 1, RESPONSE_TYPE);
  mcp_coroutine_t *co = r->co;
  r->co = NULL;
  close_it(r);
  if (co) mcp_coroutine_wake(co, MCP_ECLOSED);
  return 0;
}

static int response_collect(lua_State *L) {
  response_t *r = luaL_checkudata(L, 1, RESPONSE_TYPE);
  r->co = NULL;
  r->busy = false;
  close_it(r);
  return 0;
}

int mcp_lhttp_call_push_failure(lua_State *L, const char *place, int code,
                                const char *reason) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s%s%s%s%s%s", place ? place : "", place ? ": " : "",
                  mcp_err_text(code), reason ? " (" : "", reason ? reason : "",
                  reason ? ")" : "");
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}

/* The same of a call that has failed. */
static int push_call_failure(lua_State *L, response_t *r, const char *place) {
  const char *reason;
  int code = mcp_http_call_failure(r->call, &reason), n;
  begin(r);
  n = mcp_lhttp_call_push_failure(L, place, code, reason);
  finish(r);
  return n;
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

/* response:header(name) -> string | nil */
static int response_header(lua_State *L) {
  response_t *r = check_response(L);
  mcp_slice_t name;
  luaL_Buffer b;
  bool found;
  name.data = luaL_checklstring(L, 2, &name.len);
  lua_settop(L, 2);
  begin(r);
  luaL_buffinit(L, &b);
  found = add_values(&b, mcp_http_call_head(r->call), name);
  luaL_pushresult(&b);
  finish(r);
  if (!found) lua_pushnil(L);
  return 1;
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* response:headers() -> table by lower-case name */
static int response_headers(lua_State *L) {
  response_t *r = check_response(L);
  const mcp_http_head_t *head = mcp_http_call_head(r->call);
  begin(r);
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
  finish(r);
  return 1;
}

/* Refuses a body with a content coding that the program did not ask for, since
 * its bytes would be mistaken for the content. 0, or the number of values
 * pushed for the failure. A program that asked for a coding reads the bytes as
 * they are. */
static int refuse_coded(lua_State *L, response_t *r, bool bytes) {
  mcp_slice_t coding;
  char line[96];
  if ((bytes && r->any_coding) ||
      !mcp_http_is_coded(mcp_http_call_head(r->call), &coding))
    return 0;
  snprintf(line, sizeof line, "Content-Encoding: expected identity, got %.*s",
           (int)(coding.len < 32 ? coding.len : 32), coding.data);
  mcp_http_call_stop(r->call);
  return mcp_lhttp_call_push_failure(L, NULL, MCP_ECODING, line);
}

/* Takes the whole body into r->body. 0, or how many values of a failure it
 * has pushed. */
static int take_body(lua_State *L, response_t *r, lua_KContext context) {
  int code = outcome(r, context);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (mcp_http_call_body(r->call).len > r->limit) {
    mcp_http_call_stop(r->call);
    return mcp_lhttp_call_push_failure(L, NULL, MCP_ETOOBIG, "response body");
  }
  switch (mcp_http_call_state(r->call)) {
  case MCP_HTTP_CALL_DONE: break;
  case MCP_HTTP_CALL_FAILED: return push_call_failure(L, r, NULL);
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
  response_t *r = check_free(L);
  int refused;
  lua_Integer limit = luaL_optinteger(L, 2, MCP_HTTP_CLIENT_BODY_LENGTH);
  uint64_t ms =
      lua_isnoneornil(L, 3) ? NEVER : mcp_seconds_read(L, 3, "timeout");
  luaL_argcheck(L, limit >= 0, 2, "expected a number of bytes");
  luaL_argcheck(L, !r->sse, 1, "its body is being read as events");
  luaL_argcheck(L, !r->taken, 1, "its body has been read");
  lua_settop(L, 1);
  refused = refuse_coded(L, r, k == read_k);
  if (refused) return refused;
  r->limit = (size_t)limit;
  if (mcp_http_call_head(r->call)->content_length > limit &&
      mcp_http_call_state(r->call) == MCP_HTTP_CALL_BODY) {
    mcp_http_call_stop(r->call);
    return mcp_lhttp_call_push_failure(L, NULL, MCP_ETOOBIG, "response body");
  }
  mcp_http_call_allow(r->call, r->limit);
  return wait_for(L, r, BODY, ms, k);
}

static int read_k(lua_State *L, int status, lua_KContext context) {
  response_t *r = lua_touserdata(L, 1);
  int failed = take_body(L, r, context);
  (void)status;
  if (failed) return failed;
  begin(r);
  lua_pushlstring(L, r->body.data ? r->body.data : "", r->body.len);
  mcp_buf_deinit(&r->body);
  finish(r);
  return 1;
}

/* response:read([limit [, timeout]]) -> string | nil, text, code */
static int response_read(lua_State *L) {
  return wait_for_body(L, read_k);
}

static int json_k(lua_State *L, int status, lua_KContext context) {
  response_t *r = lua_touserdata(L, 1);
  int failed = take_body(L, r, context), n;
  (void)status;
  if (failed) return failed;
  begin(r);
  n = mcp_value_decode(L, mcp_buf_slice(&r->body));
  mcp_buf_deinit(&r->body);
  finish(r);
  return n;
}

/* response:json([limit [, timeout]]) -> value | nil, text, code */
static int response_json(lua_State *L) {
  return wait_for_body(L, json_k);
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
  response_t *r = lua_touserdata(L, 1);
  int code = outcome(r, context), n;
  (void)status;
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (r->has_event) {
    begin(r);
    n = push_event(L, &r->event);
    r->has_event = false;
    r->event = (mcp_sse_event_t){0};
    finish(r);
    return n;
  }
  if (r->event_code < 0) {
    mcp_http_call_stop(r->call);
    return mcp_lhttp_call_push_failure(L, NULL, r->event_code, "event");
  }
  switch (mcp_http_call_state(r->call)) {
  case MCP_HTTP_CALL_DONE: return 0;
  case MCP_HTTP_CALL_FAILED: return push_call_failure(L, r, NULL);
  case MCP_HTTP_CALL_WAITING:
  case MCP_HTTP_CALL_BODY: break;
  }
  return mcp_coroutine_push_error(L, MCP_ETIMEDOUT);
}

/* response:event([timeout]) -> event [, message | nil, text]
 * | nil | nil, text, code */
static int response_event(lua_State *L) {
  response_t *r = check_free(L);
  uint64_t ms =
      lua_isnoneornil(L, 2) ? NEVER : mcp_seconds_read(L, 2, "timeout");
  int refused;
  luaL_argcheck(L, !r->taken, 1, "its body has been read");
  lua_settop(L, 1);
  refused = refuse_coded(L, r, false);
  if (refused) return refused;
  if (!r->sse) {
    r->sse = mcp_sse_new(r->event_limit);
    if (!r->sse) return mcp_coroutine_push_error(L, MCP_ENOMEM);
    mcp_sse_set_share(r->sse, mcp_http_call_share(r->call));
  }
  mcp_http_call_allow(r->call, MCP_HTTP_CLIENT_UNREAD);
  return wait_for(L, r, EVENT, ms, event_k);
}

/* response.status, and its methods, which are upvalue 1 */
static int response_index(lua_State *L) {
  response_t *r = luaL_checkudata(L, 1, RESPONSE_TYPE);
  size_t length;
  const char *key = lua_tolstring(L, 2, &length);
  if (key && length == 6 && memcmp(key, "status", 6) == 0) {
    lua_pushinteger(L, (lua_Integer)r->status);
    return 1;
  }
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

static int response_to_string(lua_State *L) {
  response_t *r = luaL_checkudata(L, 1, RESPONSE_TYPE);
  lua_pushfstring(L, RESPONSE_TYPE " (%d%s)", (int)r->status,
                  r->call ? "" : ", closed");
  return 1;
}

/* ---- requests ----------------------------------------------------------- */

/* The pool is at 1, the options at 2, the response at 3. */
static int started(lua_State *L, int status, lua_KContext context) {
  response_t *r = lua_touserdata(L, 3);
  int code = outcome(r, context), n;
  (void)status;
  if (code < 0) {
    n = mcp_lhttp_call_push_failure(L, r->push_place(L), code, NULL);
  } else if (mcp_http_call_state(r->call) == MCP_HTTP_CALL_FAILED &&
             mcp_http_call_head(r->call)->status == 0) {
    n = push_call_failure(L, r, r->push_place(L));
  } else {
    r->status = mcp_http_call_head(r->call)->status;
    lua_settop(L, 3);
    return 1;
  }
  close_it(r);
  return n;
}

mcp_lhttp_call_t *mcp_lhttp_call_push(lua_State *L, mcp_runtime_t *rt,
                                      size_t event_limit) {
  response_t *r = lua_newuserdatauv(L, sizeof *r, 1);
  *r = (response_t){.rt = rt, .event_limit = event_limit};
  luaL_setmetatable(L, RESPONSE_TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  return r;
}

mcp_buf_t *mcp_lhttp_call_buffer(mcp_lhttp_call_t *r) {
  return &r->body;
}

int mcp_lhttp_call_start(lua_State *L, mcp_lhttp_call_t *r,
                         const mcp_lhttp_call_start_t *start) {
  mcp_coroutine_t *co;
  int code;
  r->body_time = start->body_time;
  r->any_coding = start->any_coding;
  r->push_place = start->push_place;
  /* Before anything is sent. */
  if (!mcp_lturn_begin(L, r->rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  code = mcp_http_call_start(start->pool, start->options, &r->body,
                             &call_events, r, &r->call);
  if (code < 0)
    return mcp_lhttp_call_push_failure(L, r->push_place(L), code, NULL);
  return wait_for(L, r, HEAD, NEVER, started);
}

void mcp_lhttp_call_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"header", response_header},
                                     {"headers", response_headers},
                                     {"read", response_read},
                                     {"json", response_json},
                                     {"event", response_event},
                                     {"close", response_close},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", response_collect},
                                         {"__close", response_close},
                                         {"__tostring", response_to_string},
                                         {NULL, NULL}};
  luaL_newmetatable(L, RESPONSE_TYPE);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "methods");
  lua_pushcclosure(L, response_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
