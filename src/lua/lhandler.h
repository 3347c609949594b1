/* SPDX-License-Identifier: MIT
 * lhandler.h: the first frame of every handler's coroutine. It calls the
 * function with the message, and answers the exchange with what that returns.
 */
#ifndef MCP_LUA_LHANDLER_H
#define MCP_LUA_LHANDLER_H

#include <lua.h>

#include "lua/coroutine.h"
#include "lua/lmessage.h"

/* What the frame needs; lives on the C stack of the function that starts the
 * coroutine. */
typedef struct {
  mcp_coroutine_t *co;
  const mcp_arrival_t *arrival;
  const mcp_lmessage_watch_t *watch;
  /* Grants the upgrade that `x` asks for. [-0, +?, m] */
  int (*upgrade)(lua_State *L, void *up, mcp_exchange_t *x);
  void *up;
  int receive;    /* registry reference of the Lua function */
  int link_table; /* registry reference of the connection's table, or none */
} mcp_lhandler_start_t;

/* The first frame, a lua_CFunction: argument 1 is a light userdata, the
 * mcp_lhandler_start_t. Calls
 *   receive(exchange, link, kind, id, method, params, meta, watched…,
 *           version, mcp_method, mcp_name, session, repeated)
 * and answers with what it returns: `result`, or `nil, error`; an integer
 * where no message is owed is an HTTP status. After these it may return a
 * function and its argument, for an answer that cannot be encoded:
 * mend(argument, reason, error | nil) returns another result, or nil and an
 * error. And a frame (lframe.h), if the result is the string that stands in it;
 * mend gets that string as well, and finds the reason itself.
 *   kind …   see mcp_lmessage_push and mcp_lmessage_push_batch; besides those
 *            "get", "delete", "upgrade", "post", "head" and "post head" (of a
 *            message whose body is still to come), which have only a kind
 *   version… header fields of Streamable HTTP, nil elsewhere; false where a
 *            field came twice
 *   repeated of a request: it is worth leaving a function for those like it,
 *            which gets the next instead (lrepeat.h) */
int mcp_lhandler_frame(lua_State *L);

/* Calls the function below its `arguments` and answers the exchange of `co`,
 * which runs on `L`, with what it returns. [-(arguments + 1), +0, e] */
int mcp_lhandler_answer(lua_State *L, mcp_coroutine_t *co, int arguments);

/* Answers the kept exchange `x` with the value at `result` or, if that at
 * `error` is not nil, with the error. [-0, +?, e] */
void mcp_lhandler_finish(lua_State *L, mcp_exchange_t *x, int result,
                         int error);

#endif
