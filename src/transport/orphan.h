/* SPDX-License-Identifier: MIT
 * orphan.h: the events of a stream between two owners. They ignore everything,
 * until another owner sets its own or the stream is closed. */
#ifndef MCP_TRANSPORT_ORPHAN_H
#define MCP_TRANSPORT_ORPHAN_H

#include "net/stream.h"

void mcp_orphan_on_data(void *owner, mcp_slice_t bytes);
void mcp_orphan_on_end(void *owner, int code);
void mcp_orphan_ignore(void *owner);

/* Initializes a mcp_stream_events_t; `on_closed` may be mcp_orphan_ignore. */
#define MCP_ORPHAN_EVENTS(on_closed)                                           \
  { mcp_orphan_on_data, mcp_orphan_on_end, mcp_orphan_ignore, on_closed }

#endif
