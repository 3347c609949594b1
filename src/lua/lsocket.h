/* SPDX-License-Identifier: MIT
 * lsocket.h: sockets that listen and from which this process does not accept:
 * they are given to a listener, or to a child (core.open_socket,
 * core.inherited). */
#ifndef MCP_LUA_LSOCKET_H
#define MCP_LUA_LSOCKET_H

#include "lua/coroutine.h"
#include "net/socket.h"

/* Adds the functions to the table on top. [-0, +0, m] */
void mcp_lsocket_open(lua_State *L, mcp_runtime_t *rt);

/* The socket of the userdata at `index`, which is not closed. What takes it
 * leaves it empty. [-0, +0, v] */
mcp_socket_t *mcp_lsocket_check(lua_State *L, int index);

/* The tally of the userdata at `index`. [-0, +0, v] */
mcp_tally_t *mcp_lsocket_check_tally(lua_State *L, int index);

/* Pushes a userdata with an empty socket. [-0, +1, m] */
mcp_socket_t *mcp_lsocket_push(lua_State *L);

#endif
