/* SPDX-License-Identifier: MIT
 * lexchange_handle.h: the userdata of an exchange, and what it refers to while
 * the exchange is open. */
#ifndef MCP_LUA_LEXCHANGE_HANDLE_H
#define MCP_LUA_LEXCHANGE_HANDLE_H

#include <lua.h>

#include "lua/coroutine.h"
#include "transport/exchange.h"

#define MCP_LEXCHANGE_TYPE "mcp.exchange"

typedef struct {
  mcp_exchange_t *x;   /* NULL once it is over, or its response path is gone */
  mcp_coroutine_t *co; /* owes the answer; NULL once that is given, or kept */
  const char *transport;
  int (*upgrade)(lua_State *L, void *up, mcp_exchange_t *x); /* or NULL */
  void *up;      /* of `upgrade`; lives as long as x */
  bool is_route; /* MCP_ARRIVAL_ROUTE */
  bool has_body; /* that, or MCP_ARRIVAL_POST without a link */
  int anchor; /* registry reference to the userdata itself while it is kept */
  size_t charged; /* to the share of `x` while it is kept */
  bool expired;   /* the coroutine, which is gone, ran out of time */
} mcp_lexchange_handle_t;

/* Pushes the metatable of exchanges, made by the first call. [-0, +1, m] */
void mcp_lexchange_push_metatable(lua_State *L);

/* Pushes the userdata of the exchange that `co` answers. [-0, +1, m] */
mcp_lexchange_handle_t *mcp_lexchange_push(lua_State *L, mcp_coroutine_t *co);

/* Argument 1, which is an exchange. [-0, +0, v] */
mcp_lexchange_handle_t *mcp_lexchange_check(lua_State *L);

/* The exchange of `co` is over: its userdata no longer reaches the exchange or
 * the coroutine, nor the coroutine the exchange. */
void mcp_lexchange_detach_handle(mcp_coroutine_t *co);

/* The response path of `co` is gone, but the coroutine goes on: its userdata
 * can still cancel it. */
void mcp_lexchange_detach_exchange(mcp_coroutine_t *co);

/* The kept exchange `x` is over, or its response path is gone: its userdata no
 * longer reaches it, and the registry no longer holds the userdata.
 * [-0, +0, -] */
void mcp_lexchange_detach_kept(lua_State *L, mcp_exchange_t *x);

/* One of these two, as the answer of `x` is sent: `co` owes it; NULL: `x` is
 * kept. [-0, +0, -] */
static inline void mcp_lexchange_detach_answered(lua_State *L,
                                                 mcp_exchange_t *x,
                                                 mcp_coroutine_t *co) {
  if (co) {
    mcp_lexchange_detach_handle(co);
    x->up = NULL;
  } else {
    mcp_lexchange_detach_kept(L, x);
  }
}

/* Pushes a header field of the request: a string, nil if it is absent, false
 * if it came twice. [-0, +1, m] */
void mcp_lexchange_push_header(lua_State *L, mcp_exchange_t *x,
                               mcp_slice_t name);

#endif
