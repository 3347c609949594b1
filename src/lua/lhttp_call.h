/* SPDX-License-Identifier: MIT
 * lhttp_call.h: one HTTP request and its response, as Lua sees them. */
#ifndef MCP_LUA_LHTTP_CALL_H
#define MCP_LUA_LHTTP_CALL_H

#include <lua.h>

#include "lua/coroutine.h"
#include "transport/http_call.h"

/* The userdata of a response. */
typedef struct mcp_lhttp_call mcp_lhttp_call_t;

typedef struct {
  mcp_http_pool_t *pool;
  const mcp_http_call_options_t *options;
  uint64_t body_time; /* ms between two pieces of the body; UINT64_MAX: any */
  bool any_coding;    /* the program named content codings that it decodes */
  /* Pushes the peer's name for error messages, from the options at 2.
   * [-0, +1, e] */
  const char *(*push_place)(lua_State *L);
} mcp_lhttp_call_start_t;

/* Registers the type "mcp.http_response". [-0, +0, m] */
void mcp_lhttp_call_open(lua_State *L);

/* Pushes a response, not started yet, at index 3; the pool's userdata is at 1.
 * `event_limit` is in bytes, 0 for the default. [-0, +1, m] */
mcp_lhttp_call_t *mcp_lhttp_call_push(lua_State *L, mcp_runtime_t *rt,
                                      size_t event_limit);

/* The buffer that the request is written to; it belongs to the response. */
mcp_buf_t *mcp_lhttp_call_buffer(mcp_lhttp_call_t *r);

/* Opens the file that is the body. 0 and its size, or the codes of
 * mcp_file_open. */
int mcp_lhttp_call_open_file(mcp_lhttp_call_t *r, const char *path,
                             uint64_t *size);

/* Sends the request and waits for the head of the response: response, status,
 * content type | nil, text, code. Use as `return mcp_lhttp_call_start(…)`. [-0,
 * +?, e] */
int mcp_lhttp_call_start(lua_State *L, mcp_lhttp_call_t *r,
                         const mcp_lhttp_call_start_t *start);

/* Pushes nil, "place: text of code (reason)" and the name of `code`; `place`
 * and `reason` may be NULL. Returns 3. [-0, +3, m] */
int mcp_lhttp_call_push_failure(lua_State *L, const char *place, int code,
                                const char *reason);

#endif
