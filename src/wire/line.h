/* SPDX-License-Identifier: MIT
 * line.h: one message a line (the stdio transport): LF ends it, CR before it is
 * tolerated, empty lines are skipped. Contents are not checked: NUL and invalid
 * UTF-8 pass here, and the JSON parser refuses them. */
#ifndef MCP_WIRE_LINE_H
#define MCP_WIRE_LINE_H

#include "base/buf.h"

/* A peer that never sends a newline. 4 MiB, as for an HTTP body. */
#define MCP_LINE_LENGTH (4u << 20)

typedef enum {
  MCP_LINE_MORE,    /* nothing further in what was fed */
  MCP_LINE_TEXT,    /* one line, without its end */
  MCP_LINE_TOO_LONG /* the beginning of a line over the limit, the rest of
                       which is skipped */
} mcp_line_event_kind_t;

typedef struct {
  mcp_line_event_kind_t kind;
  mcp_slice_t text; /* valid until the next call; may point into the feed */
} mcp_line_event_t;

typedef struct {
  mcp_buf_t partial; /* the beginning of an unfinished line; never longer than
                        the limit */
  mcp_slice_t rest;  /* what was fed and not read yet */
  size_t limit;
  unsigned skipping : 1, /* in a line that was too long */
      given : 1,         /* `partial` was handed out by the last event */
      held_cr : 1;       /* a CR came after `partial`: text, or a line end? */
} mcp_line_t;

/* `limit`: the longest line in bytes, its end not counted; 0 for
 * MCP_LINE_LENGTH. */
void mcp_line_init(mcp_line_t *line, size_t limit);
void mcp_line_deinit(mcp_line_t *line);

/* Passes bytes in; they are borrowed until `next` has returned MORE. A caller
 * that stops pulling earlier takes them back by feeding nothing. */
void mcp_line_feed(mcp_line_t *line, mcp_slice_t bytes);

/* The next line. A line that lies whole in the fed bytes is not copied.
 * 0 or MCP_ENOMEM, after which the same call may be tried again. TOO_LONG is
 * returned once, when the limit is passed; its text has at most `limit` bytes,
 * how many depends on the pieces that were fed. */
int mcp_line_next(mcp_line_t *line, mcp_line_event_t *event);

/* Takes back what has not been read, to be fed later. */
static inline mcp_slice_t mcp_line_take_rest(mcp_line_t *line) {
  mcp_slice_t rest = line->rest;
  line->rest = (mcp_slice_t){0};
  return rest;
}

/* At the end of input, which ends a line as LF does: gives what `next` would,
 * then the last line if it had no LF, then MORE. Errors as `next`. */
int mcp_line_finish(mcp_line_t *line, mcp_line_event_t *event);

#endif
