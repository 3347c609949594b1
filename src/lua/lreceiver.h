/* SPDX-License-Identifier: MIT
 * lreceiver.h: what makes a coroutine of each message that arrives, and cancels
 * it when the response path is gone. Endpoints have one each, which their
 * connections share. */
#ifndef MCP_LUA_LRECEIVER_H
#define MCP_LUA_LRECEIVER_H

#include <lua.h>

#include "lua/coroutine.h"
#include "lua/lclock.h"

typedef struct {
  mcp_runtime_t *rt;
  mcp_lclock_t clock; /* the time limits of requests */
  bool held;          /* the endpoint's userdata has not been collected */
  /* Grants the upgrade that `x` asks for. [-0, +?, m] */
  int (*upgrade)(lua_State *L, void *up, mcp_exchange_t *x);
  void *up; /* of `upgrade` */
} mcp_lreceiver_t;

/* Starts the coroutine that calls the function `receive` with the message, or
 * refuses the exchange. `receive` and `link_table`, the connection's table or
 * LUA_NOREF, are registry references. */
void mcp_lreceiver_start(mcp_lreceiver_t *receiver, mcp_exchange_t *x,
                         const mcp_arrival_t *arrival, int receive,
                         int link_table);

/* The response path of `x` is gone: detaches its coroutine, and cancels it
 * unless the exchange survives that. */
void mcp_lreceiver_gone(mcp_lreceiver_t *receiver, mcp_exchange_t *x);

/* The peer has read what was queued: wakes the coroutine that waits for it. */
void mcp_lreceiver_drain(mcp_exchange_t *x);

#endif
