/* SPDX-License-Identifier: MIT
 * lhttp_response.c: see lhttp_response.h. Inside a coroutine a wait yields;
 * outside it turns the loop. */
#include "lua/lhttp_response.h"

#include <lauxlib.h>
#include <limits.h>

#include "base/err.h"
#include "lua/lself.h"
#include "lua/lturn.h"

#define NEVER UINT64_MAX

static uint64_t now(const mcp_lhttp_call_t *r) {
  return mcp_loop_now(r->rt->loop);
}

static uint64_t later(uint64_t at, uint64_t ms) {
  return at > NEVER - ms ? NEVER : at + ms;
}

/* ---- waiting ------------------------------------------------------------ */

/* Parses the bytes received so far, up to the next event. */
static void pull_event(mcp_lhttp_call_t *r) {
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
static bool is_ready(mcp_lhttp_call_t *r) {
  mcp_http_call_state_t state = mcp_http_call_state(r->call);
  if (r->wait == MCP_LHTTP_EVENT) {
    pull_event(r);
    if (r->has_event || r->event_code < 0) return true;
  }
  if (r->wait == MCP_LHTTP_BODY && mcp_http_call_body(r->call).len > r->limit)
    return true;
  if (r->wait == MCP_LHTTP_CHUNK && mcp_http_call_body(r->call).len > 0)
    return true;
  return state >= MCP_HTTP_CALL_DONE ||
         (r->wait == MCP_LHTTP_HEAD && state != MCP_HTTP_CALL_WAITING);
}

/* Sets the timer to the earlier of two limits: that of the whole wait, and that
 * between two pieces of a body. */
static void set_alarm(mcp_lhttp_call_t *r) {
  uint64_t t = now(r);
  uint64_t left = r->deadline == NEVER ? NEVER
                  : r->deadline > t    ? r->deadline - t
                                       : 0;
  if ((r->wait == MCP_LHTTP_BODY || r->wait == MCP_LHTTP_CHUNK) &&
      r->body_time < left)
    left = r->body_time;
  mcp_http_call_alarm(r->call, left);
}

static void end_wait(mcp_lhttp_call_t *r, int code) {
  mcp_coroutine_t *co = r->co;
  r->co = NULL;
  if (co) mcp_coroutine_wake(co, code);
}

static void on_change(void *owner) {
  mcp_lhttp_call_t *r = owner;
  if (r->wait == MCP_LHTTP_NOTHING || !r->call) return;
  if (!r->co) return; /* the function that turns the loop checks by itself */
  if (is_ready(r)) {
    end_wait(r, 0);
  } else {
    set_alarm(r);
  }
}

static void on_alarm(void *owner) {
  mcp_lhttp_call_t *r = owner;
  if (r->wait == MCP_LHTTP_NOTHING) return;
  r->rang = true;
  end_wait(r, 0);
}

const mcp_http_call_events_t mcp_lhttp_response_events = {on_change, on_alarm};

/* A cancelled coroutine does not read the response: its connection ends. */
static void cancel_wait(mcp_coroutine_t *co, void *arg) {
  mcp_lhttp_call_t *r = arg;
  (void)co;
  r->co = NULL;
  r->wait = MCP_LHTTP_NOTHING;
  if (r->call) mcp_http_call_stop(r->call);
}

/* May what is there be handed over at once? A program that reads piece after
 * piece would otherwise hold the loop as long as pieces are there, and a coded
 * body can be a long one. */
static bool goes_on(mcp_lhttp_call_t *r) {
  unsigned most = r->wait == MCP_LHTTP_CHUNK   ? 1
                  : r->wait == MCP_LHTTP_EVENT ? 64
                                               : UINT_MAX;
  if (r->at_once++ < most) return true;
  r->at_once = 0;
  return false;
}

int mcp_lhttp_response_wait(lua_State *L, mcp_lhttp_call_t *r,
                            mcp_lhttp_wait_t wait, uint64_t ms,
                            lua_KFunction k) {
  mcp_coroutine_t *co;
  bool ready;
  if (!mcp_lturn_begin(L, r->rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  r->wait = wait;
  r->rang = false;
  r->deadline = later(now(r), ms);
  ready = is_ready(r);
  if (ready && goes_on(r)) return k(L, LUA_OK, 0);
  if (ready) {
    mcp_http_call_alarm(r->call, 0); /* after one turn of the loop */
  } else {
    r->at_once = 0;
    set_alarm(r);
  }
  if (co) {
    r->co = co;
    return mcp_coroutine_wait(L, co, cancel_wait, r, k);
  }
  if (ready) {
    (void)mcp_lturn_once(L, r->rt, 0);
    return k(L, LUA_OK, 0);
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

int mcp_lhttp_response_outcome(mcp_lhttp_call_t *r, lua_KContext context) {
  mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  r->wait = MCP_LHTTP_NOTHING;
  if (r->call) mcp_http_call_alarm(r->call, NEVER);
  if (co && co->wake_code < 0) return co->wake_code;
  return r->call ? 0 : MCP_ECLOSED;
}

/* ---- its life ----------------------------------------------------------- */

static void drop(mcp_lhttp_call_t *r) {
  mcp_list_remove(&r->owned.of_coroutine);
  mcp_http_call_free(r->call);
  r->call = NULL;
  mcp_sse_free(r->sse);
  r->sse = NULL;
  mcp_buf_deinit(&r->fed);
  mcp_buf_deinit(&r->body);
  mcp_pieces_free(r->upload);
  r->upload = NULL;
  r->event = (mcp_sse_event_t){0};
  r->has_event = false;
}

mcp_lhttp_call_t *mcp_lhttp_response_check(lua_State *L) {
  mcp_lhttp_call_t *r = mcp_lself_check_own(L, MCP_LHTTP_RESPONSE_TYPE);
  luaL_argcheck(L, r->call && !r->closed, 1, "closed response");
  luaL_argcheck(L, !r->busy, 1, "the response is in use");
  return r;
}

mcp_lhttp_call_t *mcp_lhttp_response_check_free(lua_State *L) {
  mcp_lhttp_call_t *r = mcp_lhttp_response_check(L);
  if (r->wait != MCP_LHTTP_NOTHING)
    luaL_error(L, "another method of this response is waiting");
  return r;
}

void mcp_lhttp_response_begin(mcp_lhttp_call_t *r) {
  r->busy = true;
}

void mcp_lhttp_response_finish(mcp_lhttp_call_t *r) {
  r->busy = false;
  if (r->closed) drop(r);
}

static void close_it(mcp_lhttp_call_t *r) {
  r->closed = true;
  if (r->busy) return;
  drop(r);
  r->wait = MCP_LHTTP_NOTHING;
}

static void on_owner_ended(mcp_coroutine_owned_t *owned) {
  mcp_lhttp_call_t *r = MCP_LIST_MEMBER(owned, mcp_lhttp_call_t, owned);
  mcp_coroutine_t *co = r->co;
  r->co = NULL;
  close_it(r);
  if (co) mcp_coroutine_wake_later(co, MCP_ECLOSED);
}

void mcp_lhttp_response_own(mcp_lhttp_call_t *r) {
  r->owned.end = on_owner_ended;
  mcp_list_remove(&r->owned.of_coroutine);
  mcp_coroutine_own(r->rt, &r->owned);
}

void mcp_lhttp_response_close(mcp_lhttp_call_t *r) {
  mcp_coroutine_t *co = r->co;
  r->co = NULL;
  close_it(r);
  if (co) mcp_coroutine_wake(co, MCP_ECLOSED);
}

void mcp_lhttp_response_collect(mcp_lhttp_call_t *r) {
  r->co = NULL;
  r->busy = false;
  close_it(r);
}

/* ---- failures ----------------------------------------------------------- */

int mcp_lhttp_call_push_failure(lua_State *L, const char *place, int code,
                                const char *reason) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s%s%s%s%s%s", place ? place : "", place ? ": " : "",
                  mcp_err_text(code), reason ? " (" : "", reason ? reason : "",
                  reason ? ")" : "");
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}

int mcp_lhttp_response_push_failure(lua_State *L, mcp_lhttp_call_t *r,
                                    const char *place) {
  const char *reason;
  int code = mcp_http_call_failure(r->call, &reason), n;
  mcp_lhttp_response_begin(r);
  n = mcp_lhttp_call_push_failure(L, place, code, reason);
  mcp_lhttp_response_finish(r);
  return n;
}
