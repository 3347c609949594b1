/* SPDX-License-Identifier: MIT
 * lexchange.c: see lexchange.h. */
#include "lua/lexchange.h"

#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/lexchange_handle.h"
#include "lua/lhandler.h"
#include "lua/lid.h"
#include "lua/lmessage.h"
#include "lua/lrepeat.h"
#include "lua/seconds.h"
#include "lua/value.h"
#include "net/peers.h"
#include "transport/link.h"

static void stop_waiting_drain(mcp_coroutine_t *co, void *arg) {
  (void)arg;
  if (co->exchange) co->exchange->waits_drain = false;
}

/* After a message was written: waits until the peer has read, where the caller
 * may wait. Pushes true, or what the wait returns. */
static int finish_send(lua_State *L, const mcp_lexchange_handle_t *h,
                       mcp_exchange_t *x, mcp_coroutine_t *co, bool waits) {
  if (h->x && waits && x->ops->congested(x)) {
    x->waits_drain = true;
    return mcp_coroutine_wait(L, co, stop_waiting_drain, NULL,
                              mcp_coroutine_woken);
  }
  lua_pushboolean(L, true);
  return 1;
}

static bool can_stream_to(mcp_exchange_t *x) {
  return !x->ops->http || x->ops->http->can_stream(x);
}

/* x:send(method, params [, id [, late]]) -> true | nil, text, code
 * A notification before the answer, or a request with an integer id. Waits
 * while the peer does not read, if the handler itself calls it; any other
 * caller gets "EBUSY" once MCP_EXCHANGE_QUEUE is reached. With `late` it is
 * sent even when the handler has been cancelled, and never waits: for
 * cancelling a request that was sent before. */
static int send_message(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  size_t length;
  const char *method = luaL_checklstring(L, 2, &length);
  mcp_value_fault_t fault = {0};
  mcp_exchange_t *x = h->x;
  mcp_coroutine_t *co = h->co;
  bool late = lua_toboolean(L, 5), waits;
  mcp_buf_t *out;
  int code;
  (void)luaL_optinteger(L, 4, 0);
  lua_settop(L, 4);
  if (!x) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  if (co && co->cancelled && !late)
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  if (!can_stream_to(x)) {
    /* A request would wait for ever; a notification may be lost. */
    if (!lua_isnil(L, 4)) return mcp_coroutine_push_error(L, MCP_ENOSTREAM);
    lua_pushboolean(L, true);
    return 1;
  }
  waits =
      !late && co && co == mcp_coroutine_of(co->rt, L) && lua_isyieldable(L);
  if (!waits && !late && x->ops->full(x))
    return mcp_coroutine_push_error(L, MCP_EBUSY);
  out = mcp_exchange_begin(x, MCP_OUT_NOTICE);
  if (!out) return mcp_coroutine_push_error(L, MCP_ENOMEM);
  code = mcp_lmessage_write(L, out, mcp_slice(method, length), 3, 4, &fault);
  if (code < 0) {
    mcp_exchange_abandon(x);
    if (fault.what[0] && code != MCP_ENOMEM)
      return luaL_error(L, "%s: params cannot be JSON: %s", method, fault.what);
    return mcp_coroutine_push_error(L, code);
  }
  code = mcp_exchange_commit(x, MCP_OUT_NOTICE);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  return finish_send(L, h, x, co, waits);
}

/* x:can_stream() -> boolean: the client accepts messages before the answer. */
static int can_stream(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  lua_pushboolean(L, h->x && can_stream_to(h->x));
  return 1;
}

/* HTTP: ends the response; the coroutine goes on without a response path. */
static void end_response(lua_State *L, mcp_lexchange_handle_t *h, bool commit,
                         int *code) {
  mcp_exchange_t *x = h->x;
  if (h->co) {
    mcp_lexchange_detach_exchange(h->co);
    x->up = NULL;
  } else {
    mcp_lexchange_detach_kept(L, x);
  }
  if (commit) {
    *code = mcp_exchange_commit(x, MCP_OUT_ANSWER);
  } else {
    mcp_exchange_drop(x);
  }
}

static bool is_line(const char *text, size_t length) {
  return !text || (!memchr(text, '\n', length) && !memchr(text, '\r', length) &&
                   !memchr(text, '\0', length));
}

/* x:event(text | nil, id | nil [, retry_ms [, last [, late]]])
 *   -> true | nil, text, code
 * HTTP: sends an event, the text of a message or "", and starts the stream if
 * it is the first. Waits as x:send does. With `last` the response ends after it
 * (or at once, if `text` is nil) and the exchange is over, but the coroutine
 * goes on. */
static int send_event(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  size_t length = 0, id_length = 0;
  const char *text = luaL_optlstring(L, 2, NULL, &length);
  const char *id = luaL_optlstring(L, 3, NULL, &id_length);
  mcp_exchange_event_t event = {.id = mcp_slice(id, id_length),
                                .retry_ms = luaL_optinteger(L, 4, -1),
                                .is_message = length > 0};
  bool last = lua_toboolean(L, 5), late = last || lua_toboolean(L, 6), waits;
  mcp_out_t what = last ? MCP_OUT_ANSWER : MCP_OUT_NOTICE;
  mcp_exchange_t *x = h->x;
  mcp_coroutine_t *co = h->co;
  mcp_buf_t *out;
  int code = 0;
  luaL_argcheck(L, text || last, 2, "expected a string");
  luaL_argcheck(L, is_line(text, length), 2, "expected one line");
  luaL_argcheck(L, is_line(id, id_length), 3, "expected one line");
  if (!x) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  luaL_argcheck(L, x->ops->http, 1, "this transport has no events");
  if (co && co->cancelled && !late)
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  waits =
      !late && co && co == mcp_coroutine_of(co->rt, L) && lua_isyieldable(L);
  if (!waits && !late && x->ops->full(x))
    return mcp_coroutine_push_error(L, MCP_EBUSY);
  if (!can_stream_to(x)) return mcp_coroutine_push_error(L, MCP_ENOSTREAM);
  /* Nothing but a stream can be answered and yet go on. */
  if (last) code = x->ops->http->open_stream(x);
  if (code == 0 && !h->x) code = MCP_EGONE;
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (text) {
    x->event = &event;
    out = mcp_exchange_begin(x, what);
    x->event = NULL;
    if (!out) return mcp_coroutine_push_error(L, MCP_ENOMEM);
    code = mcp_buf_append(out, text, length);
    if (code < 0) {
      mcp_exchange_abandon(x);
      return mcp_coroutine_push_error(L, code);
    }
  }
  if (last) {
    end_response(L, h, text != NULL, &code);
  } else {
    code = mcp_exchange_commit(x, what);
  }
  if (code < 0) return mcp_coroutine_push_error(L, code);
  return finish_send(L, h, x, co, waits);
}

/* x:open_stream() -> true | nil, text, code. HTTP: starts the event
 * stream before the first message. Other transports: no effect. */
static int open_stream(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  int code = 0;
  if (!h->x) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  if (h->x->ops->http) code = h->x->ops->http->open_stream(h->x);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* x:hold() -> true | nil, text, code. Waits, and keeps the exchange open,
 * until x:release() is called or it is cancelled or its response path is
 * gone. Only its own coroutine may call it. */
static int hold(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  mcp_coroutine_t *co = h->co;
  if (!co || !h->x) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  luaL_argcheck(L, co == mcp_coroutine_of(co->rt, L), 1,
                "only its own handler can hold an exchange");
  mcp_coroutine_check(L, co);
  mcp_coroutine_limit(co, 0);
  return mcp_coroutine_wait(L, co, NULL, NULL, mcp_coroutine_woken);
}

/* x:keep() -> true | nil, text, code. The handler may return, and what it
 * returns is ignored: the exchange stays open (over HTTP as an
 * event stream) and costs little, until it is finished, released or cancelled,
 * or its response path is gone. Only its own coroutine may call it. */
static int keep(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  mcp_coroutine_t *co = h->co;
  mcp_share_t *share;
  int code = 0;
  if (!co || !h->x) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  luaL_argcheck(L, co == mcp_coroutine_of(co->rt, L), 1,
                "only its own handler can keep an exchange");
  if (co->cancelled) return mcp_coroutine_push_error(L, MCP_ECANCELED);
  lua_settop(L, 1);
  /* What it was asked is kept with it. */
  share = h->x->share;
  code = mcp_share_charge(share, co->charged);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  h->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
  if (h->x->ops->http) code = h->x->ops->http->open_stream(h->x);
  if (code == 0 && h->x) code = mcp_exchange_keep(h->x);
  if (code < 0 || !h->x) {
    luaL_unref(L, LUA_REGISTRYINDEX, h->anchor);
    h->anchor = LUA_NOREF;
    mcp_share_release(share, co->charged);
    return mcp_coroutine_push_error(L, code < 0 ? code : MCP_EGONE);
  }
  h->charged = co->charged;
  h->x->up = h;
  h->co = NULL;
  co->handle = NULL;
  co->exchange = NULL;
  lua_pushboolean(L, true);
  return 1;
}

/* Ends a kept exchange without an answer. */
static void end_kept(lua_State *L, mcp_exchange_t *x) {
  mcp_lexchange_detach_kept(L, x);
  mcp_exchange_drop(x);
}

/* x:finish(result | nil, error) -> true | nil, text, code. Answers a kept
 * exchange. */
static int finish(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  lua_settop(L, 3);
  if (!h->x) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  luaL_argcheck(L, !h->co, 1, "not a kept exchange: return the answer");
  luaL_argcheck(L, h->x->id_length > 0, 1, "not a request: call release");
  mcp_lhandler_finish(L, h->x, 2, 3);
  lua_pushboolean(L, true);
  return 1;
}

/* x:cut(): ends a kept exchange whose peer does not read. HTTP: closes the
 * connection. Other transports: answers with an error. */
static int cut(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  mcp_exchange_t *x = h->x;
  if (!x || h->co) return 0;
  if (x->ops->http) {
    x->ops->http->cut(x);
    return 0;
  }
  mcp_lexchange_detach_kept(L, x);
  mcp_exchange_fail(x, MCP_RPC_BUSY, "closed: too many unread messages");
  return 0;
}

/* x:release(): ends x:hold; ends a kept exchange without an answer. */
static int release(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  if (h->co) {
    mcp_coroutine_wake(h->co, 0);
  } else if (h->x) {
    end_kept(L, h->x);
  }
  return 0;
}

/* x:cancel(): cancels the handler; ends a kept exchange, which has none. */
static int cancel(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  if (h->co) {
    mcp_coroutine_cancel(h->co);
  } else if (h->x) {
    end_kept(L, h->x);
  }
  return 0;
}

/* x:cancel_other(id): cancels the request of that id on the same connection,
 * if it is in progress. For notifications/cancelled. */
static int cancel_other(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  mcp_exchange_t *other;
  char key[MCP_RPC_KEY_LENGTH];
  size_t length = mcp_lid_of_value(L, 2, key);
  if (!h->x || !h->x->link || length == 0) return 0;
  other = mcp_link_find(h->x->link, mcp_slice(key, length));
  if (other && other->kept) {
    end_kept(L, other);
  } else if (other && other->up) {
    mcp_coroutine_cancel(other->up);
  }
  return 0;
}

/* x:end_others(): ends every other exchange of the same connection without an
 * answer, kept ones too: its peer has initialized again. */
static int end_others(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  if (h->x && h->x->link) mcp_link_end_others(h->x->link, h->x);
  return 0;
}

/* x:feed() -> true | nil, text, code. For an arrival "post": passes its
 * message to the connection that it belongs to. */
static int feed(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  int code = MCP_ECLOSED;
  lua_settop(L, 1);
  if (h->x && h->x->ops->http) code = h->x->ops->http->feed(h->x);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* x:request() -> method, path, query, body. For an arrival "route", once; also
 * for a "post" without a link. */
static int request(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  mcp_slice_t parts[4];
  lua_settop(L, 1);
  if (!h->x) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  luaL_argcheck(L, h->has_body, 1, "not a request for a path");
  h->x->ops->http->request(h->x, parts);
  for (int i = 0; i < 4; i++)
    lua_pushlstring(L, parts[i].data ? parts[i].data : "", parts[i].len);
  h->x->ops->http->forget_body(h->x);
  return 4;
}

/* x:respond(status, body) -> true | nil, text, code. For an arrival "route":
 * answers it. The exchange is over; no answer is expected. */
static int respond(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  lua_Integer status = luaL_checkinteger(L, 2);
  size_t length;
  const char *body = luaL_checklstring(L, 3, &length);
  mcp_exchange_t *x = h->x;
  int code;
  luaL_argcheck(L, status >= 200 && status <= 599, 2, "expected 200 to 599");
  if (!x || !h->co) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  luaL_argcheck(L, h->is_route, 1, "not a request for a path");
  mcp_lexchange_detach_exchange(h->co);
  x->up = NULL;
  code = x->ops->http->respond(x, (unsigned)status, mcp_slice(body, length));
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* x:upgrade([id]) -> link | nil, text, code. For an arrival "upgrade": turns
 * the connection into a WebSocket or the stream of HTTP+SSE, with that id, and
 * returns its table. The exchange is over; no answer is expected. */
static int upgrade(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  lua_settop(L, 2);
  if (!h->x || !h->co) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  luaL_argcheck(L, h->upgrade, 1, "not a request for an upgrade");
  return h->upgrade(L, h->up, h->x);
}

/* x:is_cancelled() -> boolean [, code]: "ETIMEDOUT" if its time is over, else
 * "ECANCELED" */
static int is_cancelled(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  bool cancelled = h->co ? h->co->cancelled : h->anchor == LUA_NOREF;
  lua_pushboolean(L, cancelled);
  if (!cancelled) return 1;
  lua_pushstring(L, mcp_err_name((h->co ? h->co->expired : h->expired)
                                     ? MCP_ETIMEDOUT
                                     : MCP_ECANCELED));
  return 2;
}

/* x:limit(seconds): sets how long the handler may take from now; 0: no limit.
 */
static int limit(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  uint32_t ms = mcp_seconds_read32(L, 2, "limit");
  if (h->co) mcp_coroutine_limit(h->co, ms);
  return 0;
}

/* x:expire(seconds): HTTP: after that time the stream ends, if this is a GET,
 * and so does the connection that it was upgraded to. */
static int expire(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  lua_Number seconds = luaL_checknumber(L, 2);
  if (h->x && h->co && seconds < 1e9)
    h->x->ends_at = mcp_loop_now(h->co->rt->loop) +
                    (seconds > 0 ? mcp_seconds_to_ms(seconds) : 1);
  return 0;
}

/* x:restart_clock(): its time starts again, or goes on after stop_clock. */
static int restart_clock(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  if (h->co) mcp_coroutine_restart_clock(h->co);
  return 0;
}

/* x:stop_clock(): stops its time, while the handler does something that has a
 * limit of its own. */
static int stop_clock(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  if (h->co) mcp_coroutine_stop_clock(h->co);
  return 0;
}

/* x:ticket() -> integer | nil: a unique number, the same for "head" or "post
 * head" and for the message whose head that was. */
static int ticket(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  if (!h->x || h->x->ticket == 0) return 0;
  lua_pushinteger(L, (lua_Integer)h->x->ticket);
  return 1;
}

/* x:charge_to(key) -> true | nil, text, "EBUDGET" | "ENOMEM": what the
 * connection holds counts towards the share of the principal with that key,
 * from now on and until the next call. Refused while that share is at its soft
 * mark. */
static int charge_to(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  size_t length;
  const char *key = luaL_checklstring(L, 2, &length);
  if (h->x && h->co && h->x->share) {
    mcp_share_t *principal =
        mcp_peers_hold_principal(h->co->rt->loop, mcp_slice(key, length));
    int code = principal ? mcp_share_join(h->x->share, principal) : MCP_ENOMEM;
    mcp_share_drop(principal);
    if (code < 0) return mcp_coroutine_push_error(L, code);
  }
  lua_pushboolean(L, true);
  return 1;
}

/* x:charge(bytes) -> true | nil, text, "EBUDGET": memory that the handler of
 * this exchange uses because of its message, until it ends. */
static int charge(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  lua_Integer bytes = luaL_checkinteger(L, 2);
  luaL_argcheck(L, bytes >= 0, 2, "expected bytes, 0 or more");
  if (h->co) {
    int code = mcp_share_charge(h->co->share, (size_t)bytes);
    if (code < 0) return mcp_coroutine_push_error(L, code);
    if (h->co->share) h->co->charged += (size_t)bytes;
  }
  lua_pushboolean(L, true);
  return 1;
}

/* x:is_open() -> boolean */
static int is_open(lua_State *L) {
  lua_pushboolean(L, mcp_lexchange_check(L)->x != NULL);
  return 1;
}

/* x:id() -> raw value | nil: the id of a request as it came, for answers that
 * refer to it. */
static int get_id(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  if (!h->x || h->x->id_length == 0) return 0;
  mcp_value_push_raw(L, mcp_exchange_id(h->x));
  return 1;
}

/* x:survive(): losing the response path does not cancel the handler. */
static int survive(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  if (h->x) h->x->survives = true;
  return 0;
}

/* x:transport() -> "stdio", "http", … */
static int transport(lua_State *L) {
  lua_pushstring(L, mcp_lexchange_check(L)->transport);
  return 1;
}

/* x:header(name) -> string | nil (absent) | false (came twice) */
static int header(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  size_t length;
  const char *name = luaL_checklstring(L, 2, &length);
  if (!h->x || !h->x->ops->http) {
    lua_pushnil(L);
  } else {
    mcp_lexchange_push_header(L, h->x, mcp_slice(name, length));
  }
  return 1;
}

/* x:headers() -> { [lower-case name] = value }; several fields of one name are
 * joined by ", " (RFC 9110 5.3). Without headers the table is empty. */
static int headers(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  mcp_slice_t name, value;
  size_t count;
  lua_newtable(L);
  if (!h->x || !h->x->ops->http) return 1;
  count = h->x->ops->http->each_header(h->x, SIZE_MAX, &name, &value);
  for (size_t i = 0; i < count; i++) {
    luaL_Buffer b;
    h->x->ops->http->each_header(h->x, i, &name, &value);
    char *to = luaL_buffinitsize(L, &b, name.len);
    for (size_t j = 0; j < name.len; j++) {
      char c = name.data[j];
      to[j] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    luaL_pushresultsize(&b, name.len);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushlstring(L, value.data, value.len);
    } else {
      lua_pushliteral(L, ", ");
      lua_pushlstring(L, value.data, value.len);
      lua_concat(L, 3);
    }
    lua_rawset(L, -3);
  }
  return 1;
}

/* x:set_header(name, value): of the HTTP response. Other transports: no effect.
 */
static int set_header(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  size_t name_length, value_length;
  const char *name = luaL_checklstring(L, 2, &name_length);
  const char *value = luaL_checklstring(L, 3, &value_length);
  int code;
  if (!h->x || !h->x->ops->http) return 0;
  code = h->x->ops->http->set_header(h->x, mcp_slice(name, name_length),
                                     mcp_slice(value, value_length));
  if (code < 0) return luaL_error(L, "header %s: %s", name, mcp_err_text(code));
  return 0;
}

static int to_string(lua_State *L) {
  mcp_lexchange_handle_t *h = mcp_lexchange_check(L);
  lua_pushfstring(L, MCP_LEXCHANGE_TYPE " (%s, %s)", h->transport,
                  h->x ? "open" : "over");
  return 1;
}

void mcp_lexchange_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg methods[] = {{"send", send_message},
                                     {"event", send_event},
                                     {"can_stream", can_stream},
                                     {"expire", expire},
                                     {"open_stream", open_stream},
                                     {"hold", hold},
                                     {"keep", keep},
                                     {"finish", finish},
                                     {"cut", cut},
                                     {"release", release},
                                     {"upgrade", upgrade},
                                     {"feed", feed},
                                     {"request", request},
                                     {"respond", respond},
                                     {"id", get_id},
                                     {"cancel", cancel},
                                     {"cancel_other", cancel_other},
                                     {"end_others", end_others},
                                     {"is_cancelled", is_cancelled},
                                     {"limit", limit},
                                     {"restart_clock", restart_clock},
                                     {"stop_clock", stop_clock},
                                     {"is_open", is_open},
                                     {"ticket", ticket},
                                     {"charge", charge},
                                     {"charge_to", charge_to},
                                     {"survive", survive},
                                     {"remember", mcp_lrepeat_remember},
                                     {"transport", transport},
                                     {"header", header},
                                     {"headers", headers},
                                     {"set_header", set_header},
                                     {NULL, NULL}};
  rt->detach_handle = mcp_lexchange_detach_handle;
  mcp_lexchange_push_metatable(L);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, to_string);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
}
