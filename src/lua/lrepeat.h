/* SPDX-License-Identifier: MIT
 * lrepeat.h: a client sends request after request with the same method and the
 * same params._meta, over HTTP with the same header fields. What Lua has judged
 * of them once it need not judge again: it leaves a function with the
 * connection, which gets the requests that follow for as long as nothing of
 * that changes. */
#ifndef MCP_LUA_LREPEAT_H
#define MCP_LUA_LREPEAT_H

#include <lua.h>

#include "lua/lpass.h"
#include "transport/exchange.h"

/* Requests of one connection that differ in method or _meta (over HTTP under
 * the same header fields), after which it is given up; and tried again after as
 * many. */
#define MCP_LREPEAT_MISSES 8
#define MCP_LREPEAT_AGAIN  64

/* What is pushed besides the function. */
typedef struct {
  bool by_pass;      /* the pass below it */
  uint32_t alone_at; /* where the arguments are, if params has nothing else that
                        is new; else 0 */
} mcp_lrepeat_t;

/* The request of `co` that `arrival` brought is one that a function waits for,
 * by a pass that is good or by none: pushes the pass, if there is one, and the
 * function, and says what that takes. [-0, +(0|1|2), -] */
bool mcp_lrepeat_push(lua_State *L, mcp_coroutine_t *co,
                      const mcp_arrival_t *arrival, mcp_lrepeat_t *takes);

/* Is it worth leaving a function for requests like this one? */
bool mcp_lrepeat_is_worth(mcp_exchange_t *x);

/* x:remember(fn, method, meta | nil [, pass [, name]]): requests like this one,
 * whose method is `method` and whose _meta has the text `meta`, go to fn(x,
 * params, session | nil) instead of the listener's function, and survive if
 * this one does. With a pass (lpass.h), as long as that is good. Where params
 * has this `name`, an object `arguments` and no other member but _meta, they go
 * to fn(x, nil, session | nil, arguments). Without memory for it they do not.
 * The texts stay with the connection: the caller says how long they may be.
 * x:remember(): what was left is forgotten. */
int mcp_lrepeat_remember(lua_State *L);

/* Forgets what was left with a connection. */
void mcp_lrepeat_free(lua_State *L, void *memo);

#endif
