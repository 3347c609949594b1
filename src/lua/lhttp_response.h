/* SPDX-License-Identifier: MIT
 * lhttp_response.h: what a response userdata holds, its end, and waiting for
 * more of it. Between lhttp_call.c, which sends the request, and lhttp_body.c,
 * which reads the body; no other file includes this one.
 *
 * While a method makes Lua values of what a response holds, the collector may
 * run, and with it a finalizer that closes that very response: it is marked
 * `busy` meanwhile, and closed when the method is done. */
#ifndef MCP_LUA_LHTTP_RESPONSE_H
#define MCP_LUA_LHTTP_RESPONSE_H

#include "lua/lhttp_call.h"
#include "wire/sse.h"

#define MCP_LHTTP_RESPONSE_TYPE "mcp.http_response"

/* What a method waits for. */
typedef enum {
  MCP_LHTTP_NOTHING,
  MCP_LHTTP_HEAD,
  MCP_LHTTP_BODY,
  MCP_LHTTP_CHUNK,
  MCP_LHTTP_EVENT
} mcp_lhttp_wait_t;

/* Its user value is the pool. */
struct mcp_lhttp_call {
  mcp_runtime_t *rt;
  mcp_http_call_t *call; /* NULL before it is sent and once it is closed */
  mcp_coroutine_t *co;   /* which waits, or NULL */
  mcp_lhttp_wait_t wait; /* what is awaited, in a coroutine or not */
  bool rang;             /* the time of that wait is over */
  uint64_t deadline;     /* of that wait, in ms of the loop's clock */
  uint64_t body_time;
  size_t limit;       /* of the body that is waited for */
  size_t event_limit; /* 0: the default */
  mcp_sse_t *sse;     /* once an event was asked for */
  mcp_buf_t fed;      /* what `sse` reads from */
  mcp_buf_t body;     /* what is made a Lua value now, or the request */
  mcp_coroutine_owned_t owned; /* see mcp_lhttp_response_own */
  mcp_pieces_t *upload;        /* until the call has it, or NULL */
  mcp_sse_event_t event;
  int event_code;   /* < 0: no further event can be read */
  bool has_event;   /* read, and not handed over */
  unsigned at_once; /* results that needed no waiting, in a row */
  bool taken;       /* the body has been handed over */
  bool busy, closed;
  bool any_coding; /* the program asked for one and decodes it itself */
  const char *(*push_place)(lua_State *L); /* see mcp_lhttp_call_start_t */
  unsigned status;
};

/* What the call under a response reports to it. */
extern const mcp_http_call_events_t mcp_lhttp_response_events;

/* The response at index 1, which is not closed. [-0, +0, v] */
mcp_lhttp_call_t *mcp_lhttp_response_check(lua_State *L);

/* The same, and no other method waits for it: two waits would conflict.
 * [-0, +0, v] */
mcp_lhttp_call_t *mcp_lhttp_response_check_free(lua_State *L);

/* Bracket the making of Lua values out of what it holds. */
void mcp_lhttp_response_begin(mcp_lhttp_call_t *r);
void mcp_lhttp_response_finish(mcp_lhttp_call_t *r);

/* Waits until `r`, at the bottom of the stack or where `k` looks for it, has
 * what `wait` says; then `k` goes on, and mcp_lhttp_response_outcome says how
 * the wait has ended. [-0, +?, e] */
int mcp_lhttp_response_wait(lua_State *L, mcp_lhttp_call_t *r,
                            mcp_lhttp_wait_t wait, uint64_t ms,
                            lua_KFunction k);

/* The result of a wait: 0, or a code. A timeout is not a code here: the caller
 * first looks at what has arrived. */
int mcp_lhttp_response_outcome(mcp_lhttp_call_t *r, lua_KContext context);

/* Pushes nil, text and code of a call that has failed; `place` may be NULL.
 * Returns 3. [-0, +3, m] */
int mcp_lhttp_response_push_failure(lua_State *L, mcp_lhttp_call_t *r,
                                    const char *place);

/* Lets it end with the coroutine that is running now, if there is one: a
 * handler that forgets it leaves no connection. */
void mcp_lhttp_response_own(mcp_lhttp_call_t *r);

/* Ends it, and wakes the coroutine that waits for it. */
void mcp_lhttp_response_close(mcp_lhttp_call_t *r);

/* The same for its finalizer: what waited for it is collected as well. */
void mcp_lhttp_response_collect(mcp_lhttp_call_t *r);

#endif
