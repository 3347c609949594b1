/* SPDX-License-Identifier: MIT
 * lreceiver.c: see lreceiver.h. */
#include "lua/lreceiver.h"

#include "base/err.h"
#include "lua/lexchange_handle.h"
#include "lua/lhandler.h"
#include "lua/lshare.h"

void mcp_lreceiver_start(mcp_lreceiver_t *receiver, mcp_exchange_t *x,
                         const mcp_arrival_t *arrival, int receive,
                         int link_table) {
  mcp_lhandler_start_t start = {.arrival = arrival,
                                .watch = receiver->rt->watch,
                                .receive = receive,
                                .link_table = link_table,
                                .upgrade = receiver->upgrade,
                                .up = receiver->up};
  mcp_coroutine_t *co = NULL;
  size_t cost = mcp_lshare_cost(arrival);
  if (mcp_share_charge(x->share, cost) < 0) {
    mcp_lshare_refuse(x);
    return;
  }
  /* What a script has started of its own does not keep peers out. */
  if (receiver->rt->request_count < MCP_EXCHANGE_PER_PROCESS ||
      !x->wants_answer)
    co = mcp_coroutine_new(receiver->rt);
  if (co && !lua_checkstack(co->thread, 3)) {
    mcp_coroutine_drop(co);
    co = NULL;
  }
  if (!co) mcp_share_release(x->share, cost);
  if (!co && x->wants_answer) {
    receiver->rt->busy_count++;
    x->status = 503;
    mcp_exchange_fail(x, MCP_RPC_BUSY, "too many requests in progress");
    return;
  }
  if (!co) {
    mcp_exchange_drop(x);
    return;
  }
  co->exchange = x;
  co->is_request = x->wants_answer;
  if (co->is_request) receiver->rt->request_count++;
  co->share = x->share;
  co->charged = cost;
  x->up = co;
  start.co = co;
  /* Requests only: a GET stays open as long as its client listens. */
  if ((arrival->kind <= MCP_ARRIVAL_BATCH && x->wants_answer) ||
      arrival->kind == MCP_ARRIVAL_ROUTE)
    mcp_coroutine_set_clock(co, &receiver->clock.clock);
  lua_pushcfunction(co->thread, mcp_lhandler_frame);
  lua_pushlightuserdata(co->thread, &start);
  mcp_coroutine_run(co, 1);
}

void mcp_lreceiver_gone(mcp_lreceiver_t *receiver, mcp_exchange_t *x) {
  mcp_coroutine_t *co = x->up;
  bool survives = x->survives, waits = x->waits_drain;
  if (!co) return;
  if (x->kept) {
    mcp_lexchange_detach_kept(receiver->rt->L, x);
    return;
  }
  mcp_lexchange_detach_exchange(co);
  x->up = NULL;
  /* A finalizer must not run Lua: then the coroutine is resumed later. */
  if (!survives) {
    (receiver->held ? mcp_coroutine_cancel : mcp_coroutine_cancel_later)(co);
  } else if (waits) {
    /* It goes on, but a peer that is gone will never read. */
    (receiver->held ? mcp_coroutine_wake : mcp_coroutine_wake_later)(co,
                                                                     MCP_EGONE);
  }
}

void mcp_lreceiver_drain(mcp_exchange_t *x) {
  if (x->up) mcp_coroutine_wake(x->up, 0);
}
