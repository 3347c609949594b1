/* SPDX-License-Identifier: MIT
 * lchannel.h: frames of bytes between this process and one that it started, or
 * that has started it (core.channel). A frame is its length, four bytes with
 * the lowest first, and so many bytes. */
#ifndef MCP_LUA_LCHANNEL_H
#define MCP_LUA_LCHANNEL_H

#include "lua/coroutine.h"
#include "net/socket.h"

/* The longest frame: more is no frame of the other side's. In bytes. */
#define MCP_LCHANNEL_FRAME (17u << 20)
/* What may wait to be written: the other side does not read. In bytes. */
#define MCP_LCHANNEL_QUEUE (16u << 20)
/* A frame up to SMALL may wait beyond that, as long as what waits is less than
 * what large ones can fill, and RESERVE: large frames do not cost others their
 * answers. In bytes. */
#define MCP_LCHANNEL_SMALL   65536u
#define MCP_LCHANNEL_RESERVE (4u << 20)
/* What has come and was not received: above this the other side has to wait,
 * unless the frame that is wanted is longer. In bytes. */
#define MCP_LCHANNEL_UNREAD (1u << 20)

/* Adds the function to the table on top. [-0, +0, m] */
void mcp_lchannel_open(lua_State *L, mcp_runtime_t *rt);

/* Pushes a channel over the connection `socket`, which it takes in any case. 0,
 * or a code: nothing is pushed. [-0, +(0|1), m] */
int mcp_lchannel_push(lua_State *L, mcp_runtime_t *rt, mcp_socket_t *socket);

#endif
