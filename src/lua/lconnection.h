/* SPDX-License-Identifier: MIT
 * lconnection.h: one connection over which messages of both sides go: its link
 * and what Lua keeps for it. An endpoint of standard input and output, a child,
 * a WebSocket or a pair in memory has one, a listener one for each client of
 * WebSocket or HTTP+SSE. */
#ifndef MCP_LUA_LCONNECTION_H
#define MCP_LUA_LCONNECTION_H

#include <lua.h>

#include "lua/lreceiver.h"
#include "transport/link.h"

/* How long handlers may go on when standard input has ended. The process is
 * gone within a second whatever they do. In milliseconds. */
#define MCP_LCONNECTION_STDIO_GRACE 500

typedef struct mcp_lconnection mcp_lconnection_t;

/* The connections of one endpoint, which it embeds. */
typedef struct {
  mcp_lreceiver_t receiver;
  mcp_list_t list;
  int receive;  /* registry reference: the Lua function for their messages */
  bool listens; /* the endpoint is a listener */
  /* One has ended and is freed; `upgraded`: its stream was the listener's. It
   * may free the endpoint. */
  void (*on_closed)(void *up, bool upgraded);
  void *up;
} mcp_lconnections_t;

/* Registers the type of what sends on a connection. [-0, +0, m] */
void mcp_lconnection_open(lua_State *L);

void mcp_lconnections_init(mcp_lconnections_t *all, mcp_runtime_t *rt);

/* Frees those that are left; none has a link. */
void mcp_lconnections_deinit(mcp_lconnections_t *all);

/* True while a connection has a link, or its end is being reported. */
bool mcp_lconnections_are_pending(const mcp_lconnections_t *all);

/* Adds a connection without a link and pushes its table. It lives until its
 * link is gone, or mcp_lconnections_deinit. [-0, +1, m] */
mcp_lconnection_t *mcp_lconnection_new(lua_State *L, mcp_lconnections_t *all);

/* The first, or NULL. That of an endpoint that is no listener is its only. */
mcp_lconnection_t *mcp_lconnection_first(const mcp_lconnections_t *all);

/* The connection of a link, or NULL; NULL for no link. */
const mcp_lconnection_t *mcp_lconnection_of(mcp_link_t *link);

/* Its link, or NULL. */
mcp_link_t *mcp_lconnection_link(const mcp_lconnection_t *connection);

/* Registry reference of its table. */
int mcp_lconnection_table(const mcp_lconnection_t *connection);

/* Pushes what sends on it, or nothing once it is gone: returns how many values.
 * [-0, +(0|1), m] */
int mcp_lconnection_push_sender(lua_State *L, const mcp_lconnection_t *c);

/* Open its link over `stream`, which is taken: of lines, or of a WebSocket
 * whose handshake is over. 0 or a code; even then the link may have to report
 * its end, if there is one. */
int mcp_lconnection_attach(mcp_lconnection_t *connection, mcp_stream_t *stream,
                           const char *name);
int mcp_lconnection_attach_ws(mcp_lconnection_t *connection,
                              mcp_stream_t *stream,
                              const mcp_link_ws_t *options, mcp_buf_t *early);

/* Grants the WebSocket (under the limits of `ws`) or the stream of HTTP+SSE
 * that `x` asks a listener for; that has the id which is argument 2, or one
 * that is made. Pushes the table of the new connection, or nil,
 * text, code. [-0, +(1|3), m] */
int mcp_lconnection_upgrade(lua_State *L, mcp_lconnections_t *all,
                            mcp_exchange_t *x, const mcp_link_ws_t *ws);

/* Closes all links. What was written may take `grace_ms` to be read, and a
 * listener's clients get the answers to what they have sent within that time.
 * `hurry`: they are closing already, and that takes too long. */
void mcp_lconnections_close(mcp_lconnections_t *all, uint64_t grace_ms,
                            bool hurry);

#endif
