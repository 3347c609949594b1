/* SPDX-License-Identifier: MIT
 * sse.h: event streams (HTML Living Standard, 9.2): reading and writing.
 *
 *   event: message
 *   id: 7
 *   retry: 2000
 *   data: {"jsonrpc":"2.0",…}
 *   <empty line>           a line that begins with ':' is a comment */
#ifndef MCP_WIRE_SSE_H
#define MCP_WIRE_SSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* A server that never ends an event. 4 MiB, as for a body. */
#define MCP_SSE_EVENT_LENGTH (4u << 20)

/* The longest retry: in milliseconds, a day; more is read as this much. */
#define MCP_SSE_RETRY 86400000

typedef enum {
  MCP_SSE_MORE,
  MCP_SSE_EVENT /* an event was dispatched (empty data included) */
} mcp_sse_event_kind_t;

typedef struct {
  mcp_sse_event_kind_t kind;
  mcp_slice_t name; /* event: field; empty means "message" */
  mcp_slice_t data; /* data: lines joined by LF; may be empty */
  mcp_slice_t id;   /* the last event id so far */
  bool has_id;      /* this event itself carried an id field */
  int64_t retry_ms; /* retry: of this event, or -1 */
} mcp_sse_event_t;

typedef struct mcp_sse mcp_sse_t;

/* `limit`: bytes held for one event (its data, name and id, and the line that
 * is being read), 0 for MCP_SSE_EVENT_LENGTH. NULL: no memory. */
mcp_sse_t *mcp_sse_new(size_t limit);
void mcp_sse_free(mcp_sse_t *sse);

/* What is kept of an event is charged to `share`. Before the first bytes. */
void mcp_sse_set_share(mcp_sse_t *sse, mcp_share_t *share);

/* Hands over bytes, borrowed until `next` has said MORE. */
void mcp_sse_feed(mcp_sse_t *sse, mcp_slice_t bytes);

/* The next event; its slices are valid until the next call. Unlike a browser
 * we hand over every event with a field we know, if its data is empty too:
 * MCP's priming event is an id without data, and a retry: may come alone. An
 * event that the end of the stream cuts is never handed over.
 * 0, MCP_ETOOBIG (an event over the limit), MCP_EUTF8, MCP_ENOMEM; the stream
 * is lost with the first error, and every later call repeats it. */
int mcp_sse_next(mcp_sse_t *sse, mcp_sse_event_t *event);

/* Appends what stands before the data of an event ("event: …", "id: …",
 * "retry: …", "data: "). The caller appends one line of data, without CR and
 * LF, then calls mcp_sse_write_end. Empty `name` and `id` are left out,
 * retry_ms < 0 too. 0, MCP_ESSE if name or id holds CR, LF or NUL, or
 * MCP_ENOMEM; after an error `out` is as it was. */
int mcp_sse_write_begin(mcp_buf_t *out, mcp_slice_t name, mcp_slice_t id,
                        int64_t retry_ms);
int mcp_sse_write_end(mcp_buf_t *out);

/* Appends a comment line with its empty line (heartbeat). 0, MCP_ESSE if the
 * text holds CR or LF, or MCP_ENOMEM; after an error `out` is as it was. */
int mcp_sse_write_comment(mcp_buf_t *out, mcp_slice_t text);

#endif
