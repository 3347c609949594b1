/* SPDX-License-Identifier: MIT
 * lexchange.h: an exchange as Lua sees it: the way back for notices, the facts
 * of the transport, and the first frame of every handler's coroutine. */
#ifndef MCP_LUA_LEXCHANGE_H
#define MCP_LUA_LEXCHANGE_H

#include <lua.h>

#include "lua/coroutine.h"
#include "lua/value.h"

/* Registers the type "mcp.exchange". [-0, +0, m] */
void mcp_lexchange_open(lua_State *L);

/* Members of params._meta that the Lua side wants to see without making a
 * table of it. */
#define MCP_LEXCHANGE_WATCHED 8

typedef struct {
  unsigned count;
  const char *names[MCP_LEXCHANGE_WATCHED]; /* owned by Lua strings */
} mcp_lexchange_watch_t;

/* What the frame needs; lives on the stack of whoever starts the coroutine. */
typedef struct {
  mcp_coroutine_t *co;
  const mcp_arrival_t *arrival;
  const mcp_lexchange_watch_t *watch;
  /* Grants the upgrade that `x` asks for, as lendpoint.c does it. [-0, +?, m]
   */
  int (*upgrade)(lua_State *L, void *up, mcp_exchange_t *x);
  void *up;
  int receive;    /* registry reference of the Lua function */
  int link_table; /* registry reference of the connection's table, or none */
} mcp_lexchange_start_t;

/* The first frame, a lua_CFunction: argument 1 is a light userdata, the
 * mcp_lexchange_start_t. Calls
 *   receive(exchange, link, kind, id, method, params, meta, watched…,
 *           version, mcp_method, mcp_name, session)
 * and answers with what it returns: `result`, or `nil, error`; an integer
 * where no message is owed is an HTTP status. After these it may return a
 * function and its argument, for an answer that cannot be encoded:
 * mend(argument, why, error | nil) gives another result, or nil and an error.
 *   kind     "request", "notification", "result", "error", "batch", "get",
 *            "delete", "upgrade", "post", "head" and "post head" (of
 *            a message whose body is still to come)
 *   id       a string that is equal for equal ids, or nil
 *   params   the params without _meta, and of a request without what is null,
 *            or the payload of a result or error; a batch: a list of { kind,
 * id, method, params, meta, watched…, raw_id =, why = } meta     the text of
 * params._meta if it is an object watched… its watched members: strings and
 * integers as they are, true for an object, false for anything else, nil if
 * absent or null version… header fields of Streamable HTTP, nil elsewhere;
 * false where a field came twice */
int mcp_lexchange_frame(lua_State *L);

/* Calls the function below its `arguments` and answers the exchange of `co`,
 * which runs on `L`, with what it returns. [-(arguments + 1), +0, e] */
int mcp_lexchange_answer(lua_State *L, mcp_coroutine_t *co, int arguments);

/* The exchange of `co` is over or gone: the userdata no longer reaches it. */
void mcp_lexchange_forget(mcp_coroutine_t *co);

/* The way back of a kept exchange is gone, or it has its end: the userdata no
 * longer reaches it, and the registry holds it no longer. [-0, +0, -] */
void mcp_lexchange_part(lua_State *L, mcp_exchange_t *x);

/* Writes the message `method` with the params at `params` (nil for none) and,
 * where `id` is not NULL, that id. 0 or a code; what could not be encoded is in
 * `fault`. [-0, +0, -] */
int mcp_lexchange_write(lua_State *L, mcp_buf_t *out, mcp_slice_t method,
                        int params, const lua_Integer *id,
                        mcp_value_fault_t *fault);

/* The way back is gone, but the coroutine goes on: it can still be cancelled.
 */
void mcp_lexchange_lose(mcp_coroutine_t *co);

#endif
