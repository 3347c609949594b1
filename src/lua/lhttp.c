/* SPDX-License-Identifier: MIT
 * lhttp.c: see lhttp.h; what each function takes and gives is annotated in
 * lua/mcp/core.types.lua. Inside a coroutine waiting yields; outside it turns
 * the loop.
 *
 * While a method makes Lua values of what an answer holds, the collector may
 * run, and with it a finalizer that closes that very answer: it is marked
 * `busy` meanwhile, and closed when the method is done. */
#include "lua/lhttp.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/version.h"
#include "lua/lturn.h"
#include "lua/value.h"
#include "transport/http_client.h"
#include "wire/http_coding.h"
#include "wire/http_request.h"
#include "wire/sse.h"

#define POOL_TYPE     "mcp.http_pool"
#define RESPONSE_TYPE "mcp.http_response"

#define NEVER UINT64_MAX

typedef struct {
  mcp_runtime_t *rt;
  mcp_http_pool_t *pool; /* NULL until it is opened */
  uint64_t body_time;    /* ms between two pieces of a body; NEVER */
} pool_t;

typedef enum { NOTHING, HEAD, BODY, EVENT } wait_t;

/* Its user value is the pool. */
typedef struct {
  mcp_runtime_t *rt;
  mcp_http_call_t *call; /* NULL before it is sent and once it is closed */
  mcp_coroutine_t *co;   /* which waits, or NULL */
  wait_t wait;           /* for what somebody waits, in a coroutine or not */
  bool rang;             /* the time of that wait is over */
  uint64_t deadline;     /* of that wait, in ms of the loop's clock */
  uint64_t body_time;
  size_t limit;       /* of the body that is waited for */
  size_t event_limit; /* 0: the default */
  mcp_sse_t *sse;     /* once an event was asked for */
  mcp_buf_t fed;      /* what `sse` reads from */
  mcp_buf_t body;     /* what is made a Lua value now, or the request */
  mcp_sse_event_t event;
  int event_code; /* why there will be none any more */
  bool has_event; /* read, and not handed over */
  bool taken;     /* the body has been handed over */
  bool busy, closed;
  bool any_coding; /* the program asked for one, and reads it itself */
  unsigned status;
} response_t;

static mcp_runtime_t *runtime(lua_State *L) {
  return mcp_coroutine_runtime(L);
}

static uint64_t now(const response_t *r) {
  return mcp_loop_now(r->rt->loop);
}

static uint64_t later(uint64_t at, uint64_t ms) {
  return at > NEVER - ms ? NEVER : at + ms;
}

/* Seconds to milliseconds, rounded up. */
static uint64_t to_ms(lua_State *L, int index, const char *what) {
  lua_Number seconds;
  if (!lua_isnumber(L, index))
    luaL_error(L, "%s: number expected, got %s", what, luaL_typename(L, index));
  seconds = lua_tonumber(L, index);
  if (!(seconds >= 0 && seconds < 1e12))
    luaL_error(L, "%s: seconds expected, 0 or more", what);
  return (uint64_t)ceil(seconds * 1000);
}

/* ---- waiting ------------------------------------------------------------ */

/* Reads events out of what has come, until there is one. */
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

/* Has come what is waited for, or will it never? */
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

/* Until when the wait may last: in all, and between two pieces of a body. */
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
  if (!r->co) return; /* who turns the loop looks for himself */
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

/* Whoever is cancelled wants nothing of it any more: its connection ends. */
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

/* How a wait has ended: 0, or a code. That its time was over is no code: what
 * has come meanwhile counts. */
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

/* One that nobody waits for: what two want of it would not fit together. */
static response_t *check_free(lua_State *L) {
  response_t *r = check_response(L);
  if (r->wait != NOTHING) luaL_error(L, "somebody is waiting already");
  return r;
}

/* Before and after Lua values are made of what it holds. */
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

/* Pushes nil, what went wrong, and the name of `code`. [-0, +3, m] */
static int push_failure(lua_State *L, const char *place, int code,
                        const char *why) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s%s%s%s%s%s", place ? place : "", place ? ": " : "",
                  mcp_err_text(code), why ? " (" : "", why ? why : "",
                  why ? ")" : "");
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}

/* The same of a call that has failed. */
static int push_call_failure(lua_State *L, response_t *r, const char *place) {
  const char *why;
  int code = mcp_http_call_failure(r->call, &why), n;
  begin(r);
  n = push_failure(L, place, code, why);
  finish(r);
  return n;
}

/* Adds all values of the fields called `name`, with ", " between them; false
 * if there is none. */
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

/* A coded body, which nobody asked for, is named: it would be taken for what it
 * says otherwise. 0, or how many values of a failure it has pushed. A program
 * that asked for a coding itself reads it as it came. */
static int refuse_coded(lua_State *L, response_t *r, bool bytes) {
  mcp_slice_t coding;
  char line[96];
  if ((bytes && r->any_coding) ||
      !mcp_http_is_coded(mcp_http_call_head(r->call), &coding))
    return 0;
  snprintf(line, sizeof line, "Content-Encoding: identity expected, got %.*s",
           (int)(coding.len < 32 ? coding.len : 32), coding.data);
  mcp_http_call_stop(r->call);
  return push_failure(L, NULL, MCP_ECODING, line);
}

/* Takes the whole body into r->body. 0, or how many values of a failure it
 * has pushed. */
static int take_body(lua_State *L, response_t *r, lua_KContext context) {
  int code = outcome(r, context);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (mcp_http_call_body(r->call).len > r->limit) {
    mcp_http_call_stop(r->call);
    return push_failure(L, NULL, MCP_ETOOBIG, "the body of an answer");
  }
  switch (mcp_http_call_state(r->call)) {
  case MCP_HTTP_CALL_DONE: break;
  case MCP_HTTP_CALL_FAILED: return push_call_failure(L, r, NULL);
  case MCP_HTTP_CALL_WAITING:
  case MCP_HTTP_CALL_BODY:
    return push_failure(L, NULL, MCP_ETIMEDOUT, "the body has not come");
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
  uint64_t ms = lua_isnoneornil(L, 3) ? NEVER : to_ms(L, 3, "timeout");
  luaL_argcheck(L, limit >= 0, 2, "number of bytes expected");
  luaL_argcheck(L, !r->sse, 1, "its events are being read");
  luaL_argcheck(L, !r->taken, 1, "its body has been read");
  lua_settop(L, 1);
  refused = refuse_coded(L, r, k == read_k);
  if (refused) return refused;
  r->limit = (size_t)limit;
  if (mcp_http_call_head(r->call)->content_length > limit &&
      mcp_http_call_state(r->call) == MCP_HTTP_CALL_BODY) {
    mcp_http_call_stop(r->call);
    return push_failure(L, NULL, MCP_ETOOBIG, "the body of an answer");
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

/* Pushes the event table and, of a message, its value; or nil and why it is
 * none. */
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
    return push_failure(L, NULL, r->event_code, "an event");
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
  uint64_t ms = lua_isnoneornil(L, 2) ? NEVER : to_ms(L, 2, "timeout");
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

/* What a request is, while it is read from its table. */
typedef struct {
  mcp_http_call_options_t call;
  mcp_slice_t method, target, body;
  bool has_body;
  bool any_coding; /* it says itself which it takes */
} request_t;

/* The string in field `name` of the table at 2, which keeps it: NULL if there
 * is none. [-0, +0, e] */
static const char *text_field(lua_State *L, const char *name,
                              mcp_slice_t *slice, bool bytes) {
  const char *text;
  size_t length;
  int type = lua_getfield(L, 2, name);
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return NULL;
  }
  if (type != LUA_TSTRING)
    luaL_error(L, "request: %s: string expected, got %s", name,
               luaL_typename(L, -1));
  text = lua_tolstring(L, -1, &length);
  if (!bytes && strlen(text) != length)
    luaL_error(L, "request: %s: a NUL in it", name);
  if (slice) *slice = mcp_slice(text, length);
  lua_pop(L, 1);
  return text;
}

static lua_Integer integer_field(lua_State *L, const char *name,
                                 lua_Integer most) {
  lua_Integer n = 0;
  int fine = 1;
  if (lua_getfield(L, 2, name) != LUA_TNIL) {
    n = lua_tointegerx(L, -1, &fine);
    if (!fine || n < 1 || n > most)
      luaL_error(L, "request: %s: an integer from 1 to %I expected", name,
                 (LUAI_UACINT)most);
  }
  lua_pop(L, 1);
  return n;
}

static const char *const known[] = {
    "host",       "port",        "unix",       "tls",  "server_name",
    "method",     "target",      "headers",    "body", "timeout",
    "head_limit", "event_limit", "idempotent", "only", NULL};

static void check_names(lua_State *L, const char *what,
                        const char *const *names, int table) {
  lua_pushnil(L);
  while (lua_next(L, table)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    const char *const *name = names;
    while (*name && strcmp(*name, key) != 0) name++;
    if (!*name) luaL_error(L, "%s: unknown option \"%s\"", what, key);
    lua_pop(L, 1);
  }
}

static mcp_tls_t *tls_field(lua_State *L) {
  mcp_tls_t *tls = NULL;
  if (lua_getfield(L, 2, "tls") != LUA_TNIL) {
    mcp_tls_t **held = luaL_testudata(L, -1, MCP_TLS_TYPE);
    if (!held || !*held || mcp_tls_is_server(*held))
      luaL_error(L, "request: tls: a client's TLS context expected, got %s",
                 held && *held ? "a server's" : luaL_typename(L, -1));
    tls = *held;
  }
  lua_pop(L, 1);
  return tls;
}

static unsigned only_field(lua_State *L) {
  const char *only = text_field(L, "only", NULL, false);
  if (!only) return 0;
  if (strcmp(only, "public") == 0) return MCP_CONNECT_PUBLIC;
  if (strcmp(only, "loopback") == 0) return MCP_CONNECT_LOOPBACK;
  luaL_error(L,
             "request: only: \"public\" or \"loopback\" expected, got "
             "\"%s\"",
             only);
  return 0;
}

static mcp_http_again_t again_field(lua_State *L, mcp_slice_t method) {
  mcp_http_again_t again = MCP_HTTP_AGAIN_STALE;
  if (lua_getfield(L, 2, "idempotent") != LUA_TNIL) {
    again = lua_toboolean(L, -1) ? MCP_HTTP_AGAIN_YES : MCP_HTTP_AGAIN_NEVER;
  } else if (mcp_http_request_is_idempotent(method)) {
    again = MCP_HTTP_AGAIN_YES;
  }
  lua_pop(L, 1);
  return again;
}

/* Reads the table at 2; its strings stay in it. [-0, +0, e] */
static void read_request(lua_State *L, request_t *request) {
  mcp_http_call_options_t *call = &request->call;
  luaL_checktype(L, 2, LUA_TTABLE);
  check_names(L, "request", known, 2);
  *request = (request_t){.method = MCP_SLICE("GET"), .target = MCP_SLICE("/")};
  call->host = text_field(L, "host", NULL, false);
  call->port = (int)integer_field(L, "port", 65535);
  call->unix_path = text_field(L, "unix", NULL, false);
  if (!call->unix_path && (!call->host || !call->port))
    luaL_error(L, "request: host and port, or unix, expected");
  if (call->unix_path) call->port = 0;
  call->tls = tls_field(L);
  call->server_name = text_field(L, "server_name", NULL, false);
  call->flags = only_field(L);
  call->head_limit = (size_t)integer_field(L, "head_limit", 1 << 20);
  if (lua_getfield(L, 2, "timeout") != LUA_TNIL) {
    uint64_t ms = to_ms(L, -1, "request: timeout");
    call->head_time = ms ? ms : NEVER;
  }
  lua_pop(L, 1);
  text_field(L, "method", &request->method, true);
  text_field(L, "target", &request->target, true);
  request->has_body = text_field(L, "body", &request->body, true) != NULL;
  call->again = again_field(L, request->method);
  call->no_body = mcp_slice_equal(request->method, MCP_SLICE("HEAD"));
}

/* Appends the fields of the list at the top. 0, or a code; then `*name` is the
 * field's it arose at. */
static int write_fields(lua_State *L, request_t *request, mcp_buf_t *out,
                        const char **name, const char **why) {
  bool agent = false, coding = false;
  int code;
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    mcp_slice_t key, value;
    if (lua_rawgeti(L, -1, i) != LUA_TTABLE ||
        lua_rawgeti(L, -1, 1) != LUA_TSTRING ||
        lua_rawgeti(L, -2, 2) != LUA_TSTRING)
      return luaL_error(L, "request: headers: { name, value } expected at %I",
                        (LUAI_UACINT)i);
    key.data = lua_tolstring(L, -2, &key.len);
    value.data = lua_tolstring(L, -1, &value.len);
    *name = key.data;
    agent = agent || mcp_slice_equal_nocase(key, MCP_SLICE("User-Agent"));
    coding =
        coding || mcp_slice_equal_nocase(key, MCP_SLICE("Accept-Encoding"));
    code = mcp_http_request_field(out, key, value, why);
    /* The names and values are still in their tables. */
    lua_pop(L, 3);
    if (code < 0) return code;
  }
  *name = NULL;
  request->any_coding = coding;
  if (!coding) {
    code = mcp_http_request_field(out, MCP_SLICE("Accept-Encoding"),
                                  MCP_SLICE(MCP_HTTP_ACCEPT_CODING), why);
    if (code < 0) return code;
  }
  if (agent) return 0;
  return mcp_http_request_field(out, MCP_SLICE("User-Agent"),
                                MCP_SLICE("luamcp/" MCP_VERSION), why);
}

/* Writes the request to `out`. 0, or a code, and the field it arose at. */
static int write_request(lua_State *L, request_t *request, mcp_buf_t *out,
                         const char **name, const char **why) {
  const mcp_http_call_options_t *call = &request->call;
  mcp_slice_t host = MCP_SLICE("localhost");
  int code, type, usual = call->tls ? 443 : 80;
  *name = NULL;
  if (call->host) host = mcp_slice(call->host, strlen(call->host));
  code = mcp_http_request_begin(out, request->method, request->target, host,
                                call->port == usual ? 0 : call->port, why);
  if (code < 0) return code;
  type = lua_getfield(L, 2, "headers");
  if (type != LUA_TTABLE && type != LUA_TNIL)
    return luaL_error(L, "request: headers: table expected, got %s",
                      luaL_typename(L, -1));
  if (type == LUA_TNIL) lua_newtable(L);
  code = write_fields(L, request, out, name, why);
  lua_pop(L, 1);
  if (code < 0) return code;
  return mcp_http_request_end(out, request->method, request->body,
                              request->has_body);
}

/* Pushes "host:port", or the path of the socket file, of the table at 2. */
static const char *push_place(lua_State *L) {
  const char *host = text_field(L, "host", NULL, false);
  const char *path = text_field(L, "unix", NULL, false);
  if (path) return lua_pushfstring(L, "%s", path);
  if (!host) return lua_pushliteral(L, "request");
  return lua_pushfstring(L, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host,
                         (int)integer_field(L, "port", 65535));
}

/* The pool is at 1, the options at 2, the response at 3. */
static int request_k(lua_State *L, int status, lua_KContext context) {
  response_t *r = lua_touserdata(L, 3);
  int code = outcome(r, context), n;
  (void)status;
  if (code < 0) {
    n = push_failure(L, push_place(L), code, NULL);
  } else if (mcp_http_call_state(r->call) == MCP_HTTP_CALL_FAILED &&
             mcp_http_call_head(r->call)->status == 0) {
    n = push_call_failure(L, r, push_place(L));
  } else {
    r->status = mcp_http_call_head(r->call)->status;
    lua_settop(L, 3);
    return 1;
  }
  close_it(r);
  return n;
}

/* pool:request(options) -> response | nil, text, code */
static int pool_request(lua_State *L) {
  pool_t *pool = luaL_checkudata(L, 1, POOL_TYPE);
  const char *why = NULL, *name = NULL;
  request_t request;
  mcp_coroutine_t *co;
  response_t *r;
  int code;
  lua_settop(L, 2);
  read_request(L, &request);
  r = lua_newuserdatauv(L, sizeof *r, 1);
  *r = (response_t){.rt = pool->rt, .body_time = pool->body_time};
  luaL_setmetatable(L, RESPONSE_TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 3, 1);
  r->event_limit = (size_t)integer_field(L, "event_limit", 1 << 30);
  code = write_request(L, &request, &r->body, &name, &why);
  r->any_coding = request.any_coding;
  if (code < 0) {
    mcp_buf_deinit(&r->body);
    if (!name) return push_failure(L, "request", code, why);
    lua_pushfstring(L, "request: headers: \"%s\"", name);
    return push_failure(L, lua_tostring(L, -1), code, why);
  }
  /* Before anything is sent. */
  if (!mcp_lturn_begin(L, pool->rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  code = mcp_http_call_start(pool->pool, &request.call, &r->body, &call_events,
                             r, &r->call);
  if (code < 0) return push_failure(L, push_place(L), code, NULL);
  return wait_for(L, r, HEAD, NEVER, request_k);
}

/* ---- pools -------------------------------------------------------------- */

static int pool_close(lua_State *L) {
  pool_t *pool = luaL_checkudata(L, 1, POOL_TYPE);
  if (pool->pool) mcp_http_pool_close(pool->pool);
  return 0;
}

static int pool_collect(lua_State *L) {
  pool_t *pool = luaL_checkudata(L, 1, POOL_TYPE);
  mcp_http_pool_free(pool->pool);
  pool->pool = NULL;
  return 0;
}

/* pool:connections() -> open, idle, waiting */
static int pool_connections(lua_State *L) {
  pool_t *pool = luaL_checkudata(L, 1, POOL_TYPE);
  mcp_http_pool_facts_t facts = mcp_http_pool_facts(pool->pool);
  lua_pushinteger(L, (lua_Integer)facts.open);
  lua_pushinteger(L, (lua_Integer)facts.idle);
  lua_pushinteger(L, (lua_Integer)facts.waiting);
  return 3;
}

static uint64_t time_option(lua_State *L, const char *name) {
  uint64_t ms = 0;
  if (lua_getfield(L, 1, name) != LUA_TNIL) {
    ms = to_ms(L, -1, name);
    if (ms == 0) ms = NEVER;
  }
  lua_pop(L, 1);
  return ms;
}

/* http_pool([options]) -> pool */
static int new_pool(lua_State *L) {
  static const char *const names[] = {"connections", "idle_timeout",
                                      "connect_timeout", "body_timeout", NULL};
  mcp_runtime_t *rt = runtime(L);
  mcp_http_pool_options_t options = {0};
  pool_t *pool;
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
    lua_replace(L, 1);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  check_names(L, "http_pool", names, 1);
  if (lua_getfield(L, 1, "connections") != LUA_TNIL) {
    int fine;
    lua_Integer n = lua_tointegerx(L, -1, &fine);
    if (!fine || n < 1 || n > 65535)
      return luaL_error(L, "http_pool: connections: an integer from 1 to 65535 "
                           "expected");
    options.connections = (unsigned)n;
  }
  lua_settop(L, 1);
  options.idle_time = time_option(L, "idle_timeout");
  options.connect_time = time_option(L, "connect_timeout");
  pool = lua_newuserdatauv(L, sizeof *pool, 0);
  *pool = (pool_t){.rt = rt, .body_time = time_option(L, "body_timeout")};
  if (!pool->body_time) pool->body_time = MCP_HTTP_CLIENT_BODY_TIME;
  luaL_setmetatable(L, POOL_TYPE);
  pool->pool = mcp_http_pool_new(rt->loop, &options);
  if (!pool->pool) return luaL_error(L, "not enough memory");
  return 1;
}

void mcp_lhttp_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"http_pool", new_pool}, {NULL, NULL}};
  static const luaL_Reg pool_methods[] = {{"request", pool_request},
                                          {"close", pool_close},
                                          {"connections", pool_connections},
                                          {NULL, NULL}};
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
  luaL_newmetatable(L, POOL_TYPE);
  luaL_newlib(L, pool_methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, pool_collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, pool_close);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  luaL_newmetatable(L, RESPONSE_TYPE);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "methods");
  lua_pushcclosure(L, response_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
