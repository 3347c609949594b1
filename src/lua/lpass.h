/* SPDX-License-Identifier: MIT
 * lpass.h: a request of a session looks for the session, and is one of those in
 * progress from then on. A request that a function waits for (lrepeat.h) does
 * neither: a pass hands it the session for as long as nothing of the session
 * has to be looked at, and it is in progress for others once it waits. */
#ifndef MCP_LUA_LPASS_H
#define MCP_LUA_LPASS_H

#include <lua.h>

#include "lua/coroutine.h"

/* A userdata; its first user value is the session, nil once that has ended, and
 * its second the function that enters a request in it. */
typedef struct {
  uint64_t until; /* it is good before that, in ms of the loop's clock */
  uint64_t used;  /* when a request came by it last, or 0 */
} mcp_lpass_t;

/* The pass at `index`, or NULL if it is nil. Raises for anything else.
 * [-0, +0, v] */
mcp_lpass_t *mcp_lpass_at(lua_State *L, int index);

/* A request comes by the pass: false if that is no longer good. */
static inline bool mcp_lpass_use(mcp_lpass_t *pass, uint64_t now) {
  if (now >= pass->until) return false;
  pass->used = now;
  return true;
}

/* Pushes the session of the pass at `index`. [-0, +1, -] */
void mcp_lpass_push_session(lua_State *L, int index);

/* Where the first frame of a coroutine that came by a pass has the userdata of
 * its exchange, and the pass. */
#define MCP_LPASS_EXCHANGE_AT 1
#define MCP_LPASS_AT          2

/* Of such a coroutine, which runs on `L`: what is to be called before its first
 * wait (mcp_coroutine_t). [-0, +(1 + the number returned), -] */
int mcp_lpass_before_wait(lua_State *L);

/* Adds pass to the table at the top. [-0, +0, m] */
void mcp_lpass_open(lua_State *L);

#endif
