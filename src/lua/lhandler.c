/* SPDX-License-Identifier: MIT
 * lhandler.c: see lhandler.h. */
#include "lua/lhandler.h"

#include <lauxlib.h>
#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "lua/lexchange_handle.h"
#include "lua/lfile.h"
#include "lua/lframe.h"
#include "lua/lrepeat.h"
#include "lua/ltrace.h"
#include "wire/rpc.h"

/* What could not be encoded is the author's to mend: it goes to the log, and
 * to the peer as far as it names a place in the result. */
static void answer_unencodable(mcp_exchange_t *x,
                               const mcp_value_fault_t *fault) {
  char text[256];
  snprintf(text, sizeof text, "Internal error: the result cannot be JSON: %s",
           fault->what);
  mcp_log(MCP_LOG_ERROR, "%s", text);
  mcp_exchange_fail(x, MCP_RPC_INTERNAL_ERROR, text);
}

/* The answer is `nil, error`: { code, message, data, status }. Pushes what of
 * it goes out. [-0, +1, e] */
static void push_error(lua_State *L, mcp_exchange_t *x, int index) {
  lua_getfield(L, index, "status");
  x->status = (unsigned)luaL_optinteger(L, -1, 0);
  lua_pop(L, 1);
  lua_createtable(L, 0, 3);
  lua_getfield(L, index, "code");
  lua_setfield(L, -2, "code");
  lua_getfield(L, index, "message");
  lua_setfield(L, -2, "message");
  lua_getfield(L, index, "data");
  lua_setfield(L, -2, "data");
}

/* Ends the exchange without a message, with an HTTP status if `status` > 0. */
static int end_without_message(mcp_coroutine_t *co, lua_Integer status) {
  mcp_exchange_t *x = co->exchange;
  if (status > 0) x->status = (unsigned)status;
  mcp_lexchange_detach_handle(co);
  x->up = NULL;
  mcp_exchange_drop(x);
  return 0;
}

/* Appends the answer: the value at `result`, in `frame` unless that is NULL,
 * or, if it is not nil, the error at `error`. 0 or a code. [-0, +(0|1), e] */
static int write_answer(lua_State *L, mcp_exchange_t *x, int result, int error,
                        const mcp_lframe_t *frame, mcp_value_fault_t *fault) {
  bool failed = !lua_isnil(L, error);
  /* A request has an id and its result an envelope; a batch is its own. */
  bool envelope = failed || x->id_length > 0;
  mcp_buf_t *out;
  int code;
  if (failed) push_error(L, x, error);
  out = mcp_exchange_begin(x, MCP_OUT_ANSWER);
  if (!out) return luaL_error(L, "not enough memory for an answer");
  /* From here to its end nothing raises. */
  if (failed) {
    code = mcp_rpc_begin_error(out, mcp_exchange_id(x));
    if (code == 0) code = mcp_value_write(L, lua_gettop(L), out, 1, fault);
  } else {
    code = envelope ? mcp_rpc_begin_result(out, mcp_exchange_id(x)) : 0;
    if (code == 0)
      code = frame ? mcp_lframe_write(L, frame, result, out)
                   : mcp_value_write(L, result, out, 0, fault);
  }
  if (code == 0 && envelope) code = mcp_buf_append_char(out, '}');
  if (code < 0) mcp_exchange_abandon(x);
  return code;
}

/* Answers `x` with the value at `result` or, if it is not nil, the error at
 * `error`. `co` owes the answer; NULL for a kept exchange. What cannot be
 * encoded is given to the function at `mend`, if there is one: mend(what is at
 * mend + 1, reason, error) gives the result and the error to answer with. With
 * a frame at mend + 2 the result is a string that stands in it, which mend gets
 * as well. */
static int answer(lua_State *L, mcp_exchange_t *x, mcp_coroutine_t *co,
                  int result, int error, int mend) {
  mcp_value_fault_t fault = {0};
  const mcp_lframe_t *frame = mend && lua_type(L, result) == LUA_TSTRING
                                  ? mcp_lframe_at(L, mend + 2)
                                  : NULL;
  int code = write_answer(L, x, result, error, frame, &fault);
  if (code < 0 && code != MCP_ENOMEM) {
    /* Files are values that are not known where usual answers are written. */
    if (code == MCP_EENCODE && lua_isnil(L, error))
      code = mcp_lfile_answer(L, x, co, result, &fault);
    if (code == 0) return 0;
    if (code != MCP_ENOMEM && mend && lua_isfunction(L, mend)) {
      lua_pushvalue(L, mend);
      lua_pushvalue(L, mend + 1);
      lua_pushstring(L, fault.what);
      lua_pushvalue(L, error);
      if (frame) lua_pushvalue(L, result);
      lua_call(L, frame ? 4 : 3, 2);
      return answer(L, x, co, lua_gettop(L) - 1, lua_gettop(L), 0);
    }
  }
  mcp_lexchange_detach_answered(L, x, co);
  if (code == 0) {
    (void)mcp_exchange_commit(x, MCP_OUT_ANSWER);
  } else if (code == MCP_ENOMEM) {
    mcp_exchange_fail(x, MCP_RPC_INTERNAL_ERROR, "Out of memory");
  } else {
    answer_unencodable(x, &fault);
  }
  return 0;
}

#define RESULTS 5

/* receive has returned `result, error [, mend, its argument [, frame]]`. */
static int after(lua_State *L, int status, lua_KContext context) {
  mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  mcp_exchange_t *x = co->exchange;
  int result = lua_gettop(L) - RESULTS + 1, error = result + 1;
  bool failed = !lua_isnil(L, error);
  (void)status;
  if (!x) return 0; /* the response path is gone, or the exchange is kept */
  if (co->cancelled) return end_without_message(co, 0);
  if (!x->wants_answer && (!failed || x->link))
    return end_without_message(co, lua_tointeger(L, result));
  if (!failed && x->id_length == 0 &&
      (lua_isnil(L, result) || lua_isinteger(L, result)))
    return end_without_message(co, lua_tointeger(L, result));
  if (!failed && lua_isnil(L, result))
    return luaL_error(L, "the handler returned no result for a request");
  return answer(L, x, co, result, error, error + 1);
}

int mcp_lhandler_answer(lua_State *L, mcp_coroutine_t *co, int arguments) {
  lua_callk(L, arguments, RESULTS, (lua_KContext)co, after);
  return after(L, LUA_OK, (lua_KContext)co);
}

/* Calls what Lua has left for requests like this one, if there is such a
 * function. */
static bool call_repeated(lua_State *L, const mcp_lhandler_start_t *start,
                          int *results) {
  const mcp_arrival_t *arrival = start->arrival;
  mcp_lrepeat_t takes;
  if (arrival->kind != MCP_ARRIVAL_MESSAGE ||
      !mcp_lrepeat_push(L, start->co, arrival, &takes))
    return false;
  lua_pushvalue(L, MCP_LPASS_EXCHANGE_AT);
  if (takes.alone_at) {
    lua_pushnil(L);
  } else {
    (void)mcp_lmessage_push_params(L, arrival->doc, arrival->rpc);
  }
  if (takes.by_pass) {
    mcp_lpass_push_session(L, MCP_LPASS_AT);
    start->co->before_wait = mcp_lpass_before_wait;
  } else {
    lua_pushnil(L);
  }
  if (takes.alone_at) mcp_value_push(L, arrival->doc, takes.alone_at);
  *results = mcp_lhandler_answer(L, start->co, takes.alone_at ? 4 : 3);
  return true;
}

/* Header fields of Streamable HTTP among the arguments. */
#define MCP_LHANDLER_FIELDS 4

int mcp_lhandler_frame(lua_State *L) {
  const mcp_lhandler_start_t *start = lua_touserdata(L, 1);
  const mcp_lmessage_watch_t *watch = start->watch;
  mcp_coroutine_t *co = start->co;
  mcp_exchange_t *x = co->exchange;
  mcp_lexchange_handle_t *h;
  uint32_t meta;
  int first, results;
  luaL_checkstack(L, 24 + MCP_LMESSAGE_WATCHED, NULL);
  lua_settop(L, 0);
  /* At the bottom of the stack it cannot be collected while it is in use, and
   * so needs no finalizer. */
  h = mcp_lexchange_push(L, co);
  if (call_repeated(L, start, &results)) return results;
  lua_rawgeti(L, LUA_REGISTRYINDEX, start->receive);
  first = lua_gettop(L) + 1;
  lua_pushvalue(L, 1);
  if (start->link_table == LUA_NOREF) {
    lua_pushnil(L);
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, start->link_table);
  }
  switch (start->arrival->kind) {
  case MCP_ARRIVAL_MESSAGE:
    meta =
        mcp_lmessage_push(L, watch, start->arrival->doc, start->arrival->rpc);
    if (x->wants_answer)
      mcp_ltrace_arrived(L, co, 1, start->arrival->doc, meta);
    break;
  case MCP_ARRIVAL_BATCH:
    mcp_lmessage_push_batch(L, watch, start->arrival->doc);
    mcp_ltrace_arrived(L, co, 1, NULL, 0);
    break;
  case MCP_ARRIVAL_GET: lua_pushliteral(L, "get"); break;
  case MCP_ARRIVAL_DELETE: lua_pushliteral(L, "delete"); break;
  case MCP_ARRIVAL_UPGRADE:
    h->upgrade = start->upgrade;
    h->up = start->up;
    lua_pushliteral(L, "upgrade");
    break;
  case MCP_ARRIVAL_POST:
    h->has_body = !start->arrival->link;
    lua_pushliteral(L, "post");
    break;
  case MCP_ARRIVAL_ROUTE:
    h->is_route = h->has_body = true;
    lua_pushliteral(L, "route");
    mcp_ltrace_arrived(L, co, 1, NULL, 0);
    break;
  case MCP_ARRIVAL_HEAD:
    lua_pushstring(L, start->arrival->is_post ? "post head" : "head");
    break;
  }
  if (x->ops->http) {
    /* nils for what this arrival has not */
    lua_settop(L, first + 1 + MCP_LMESSAGE_VALUES + (int)watch->count);
    mcp_lexchange_push_header(L, x, MCP_SLICE("mcp-protocol-version"));
    mcp_lexchange_push_header(L, x, MCP_SLICE("mcp-method"));
    mcp_lexchange_push_header(L, x, MCP_SLICE("mcp-name"));
    mcp_lexchange_push_header(L, x, MCP_SLICE("mcp-session-id"));
    lua_pushboolean(L, mcp_lrepeat_is_worth(x));
  } else if (x->link && x->id_length > 0) {
    lua_settop(L, first + 1 + MCP_LMESSAGE_VALUES + (int)watch->count +
                      MCP_LHANDLER_FIELDS);
    lua_pushboolean(L, mcp_lrepeat_is_worth(x));
  }
  return mcp_lhandler_answer(L, co, lua_gettop(L) - first + 1);
}

void mcp_lhandler_finish(lua_State *L, mcp_exchange_t *x, int result,
                         int error) {
  (void)answer(L, x, NULL, result, error, 0);
}
