/* SPDX-License-Identifier: MIT
 * link.h: a duplex connection that carries one JSON-RPC message a line, over
 * any stream: our standard input and output, a child's, a socket, or another
 * link in the same process. All its exchanges write to the one pipe; lines of
 * one read are answered with one write. */
#ifndef MCP_TRANSPORT_LINK_H
#define MCP_TRANSPORT_LINK_H

#include "net/stream.h"
#include "transport/exchange.h"

/* A peer that keeps sending lines over the limit has lost the thread. */
#define MCP_LINK_LONG_LINES 8

/* Opens a link over `stream`, which it takes. `name` is static ("stdio"). `up`
 * is handed to `upper`'s functions. `line_limit` in bytes, 0 for
 * MCP_LINE_LENGTH. 0 or a code; the stream is closed then. */
int mcp_link_open(mcp_stream_t *stream, const char *name, size_t line_limit,
                  const mcp_upper_t *upper, void *up, mcp_link_t **link);

/* The loop's clock and the like are not the link's business: `tag` is whatever
 * the room above keeps for this link. */
void **mcp_link_tag(mcp_link_t *link);

/* Sends one message of our own that answers nothing; begin, append, commit as
 * with an exchange. */
mcp_buf_t *mcp_link_begin(mcp_link_t *link);
int mcp_link_commit(mcp_link_t *link);
void mcp_link_abandon(mcp_link_t *link);

/* The exchange under way whose id means `key`, or NULL. */
mcp_exchange_t *mcp_link_find(mcp_link_t *link, mcp_slice_t key);

/* Has the peer left so much unread that it must not get more than answers?
 * (MCP_EXCHANGE_QUEUE) */
bool mcp_link_is_full(const mcp_link_t *link);

/* How many exchanges are under way, those kept not counted. */
unsigned mcp_link_busy(const mcp_link_t *link);

/* Closes it: exchanges under way are gone. Its memory lives until
 * on_link_closed has been called, which is after what was written has been
 * flushed if `flush_first`. Safe to call twice; a second call with
 * `flush_first` false does not wait for a peer that does not read. */
void mcp_link_close(mcp_link_t *link, bool flush_first);

#endif
