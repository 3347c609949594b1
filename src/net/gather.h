/* SPDX-License-Identifier: MIT
 * gather.h: answers that are written together at the end of a pass.
 *
 * A pass reads every socket that is ready. Answering each one at once makes the
 * code that computes answers and the system's code that sends them displace
 * each other from the processor's caches, for every request; first all answers
 * and then all writes costs 5 to 8 % less CPU a request. So while sockets are
 * read, an owner (a stream) may leave bytes here that need not go at once. */
#ifndef MCP_NET_GATHER_H
#define MCP_NET_GATHER_H

#include <stdbool.h>

#include "base/buf.h"
#include "net/loop.h"

/* So many pieces, and bytes, at most; what comes then is written at once. More
 * would not stay in the cache. */
#define MCP_GATHER_PIECES 32
#define MCP_GATHER_SIZE   16384

typedef struct mcp_gather mcp_gather_t;

/* Writes `bytes`, which are valid during the call. */
typedef void (*mcp_gather_fn)(void *owner, mcp_slice_t bytes);

/* The one of this loop, created at the first call, with what writes for every
 * owner. NULL: no memory. It is freed with the loop. */
mcp_gather_t *mcp_gather_of(mcp_loop_t *loop, mcp_gather_fn write);

/* Before what was read from a socket is handed on: from here to the end of the
 * pass bytes may be left. Writes what is there if there is little room left, or
 * the pass takes long, so no callback may be running that a failed write
 * disturbs. */
void mcp_gather_begin(mcp_gather_t *gather);

/* Leaves a copy of `bytes`. False: no pass is going on, or there is no room;
 * the owner writes at once then, after what it has left before. */
bool mcp_gather_leave(mcp_gather_t *gather, void *owner, mcp_slice_t bytes);

/* Takes the first bytes back that this owner has left; they are valid until the
 * pass ends. False: there are none. */
bool mcp_gather_take(mcp_gather_t *gather, const void *owner,
                     mcp_slice_t *bytes);

#endif
