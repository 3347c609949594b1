/* SPDX-License-Identifier: MIT
 * lendpoint.h: what messages arrive at, as Lua sees it: an HTTP listener, or
 * one end of a connection (standard input and output, a child process, a
 * socket, a pair in memory). */
#ifndef MCP_LUA_LENDPOINT_H
#define MCP_LUA_LENDPOINT_H

#include <lua.h>

#include "lua/coroutine.h"
#include "net/stream.h"
#include "transport/link.h"

typedef struct mcp_lendpoint mcp_lendpoint_t;

/* What an endpoint does with the process on its other side. */
typedef struct {
  void (*unref)(void *process);
  bool (*is_gone)(const void *process); /* nothing of it is left */
  /* How long each step of its end may take, in ms; 0: it ends at once. */
  void (*set_grace)(void *process, uint64_t grace_ms);
  /* Pushes its number. [-0, +1, -] */
  int (*push_pid)(lua_State *L, const void *process);
  /* Pushes how it has ended: its status, or nil and the number of the signal;
   * nothing before. [-0, +(0|2), -] */
  int (*push_exit)(lua_State *L, const void *process);
} mcp_lendpoint_process_ops_t;

/* Adds listen_http and serve_stdio to the table at the top, whose functions
 * carry the runtime as upvalue 1. [-0, +0, m] */
void mcp_lendpoint_open(lua_State *L, mcp_runtime_t *rt);

/* Pushes an endpoint without a link as yet, whose messages go to the function
 * at `receive`; returns it for mcp_lendpoint_attach. [-0, +1, m] */
mcp_lendpoint_t *mcp_lendpoint_push(lua_State *L, mcp_runtime_t *rt,
                                    int receive);

/* Opens its link over `stream`, which is taken. `name` is static. 0 or a
 * code. */
int mcp_lendpoint_attach(mcp_lendpoint_t *endpoint, mcp_stream_t *stream,
                         const char *name);

/* The same for a WebSocket whose handshake is over; `early` has the bytes that
 * came after it. */
int mcp_lendpoint_attach_ws(mcp_lendpoint_t *endpoint, mcp_stream_t *stream,
                            const mcp_link_ws_t *options, mcp_buf_t *early);

/* The other side is a process, a reference to which is taken: closing the
 * endpoint ends it. */
void mcp_lendpoint_set_process(mcp_lendpoint_t *endpoint,
                               const mcp_lendpoint_process_ops_t *ops,
                               void *process);

#endif
