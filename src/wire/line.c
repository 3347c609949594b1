/* SPDX-License-Identifier: MIT
 * line.c: see line.h. Every byte is looked at once and copied at most once:
 * only the beginning of a line that the feed cut is kept. */
#include "wire/line.h"

#include "base/err.h"

/* Capacity that stays with an idle reader. */
#define KEEP 4096

void mcp_line_init(mcp_line_t *line, size_t limit) {
  *line = (mcp_line_t){.limit = limit ? limit : MCP_LINE_LENGTH};
}

void mcp_line_deinit(mcp_line_t *line) {
  mcp_buf_deinit(&line->partial);
  *line = (mcp_line_t){.limit = line->limit};
}

void mcp_line_feed(mcp_line_t *line, mcp_slice_t bytes) {
  line->rest = bytes;
}

static void forget(mcp_line_t *line) {
  mcp_buf_reset(&line->partial, KEEP);
  line->given = 0;
  line->held_cr = 0;
}

static void advance(mcp_line_t *line, size_t n) {
  line->rest.data += n;
  line->rest.len -= n;
}

/* Takes the piece up to the next LF, or to the end of the feed. */
static int read_piece(mcp_line_t *line, mcp_line_event_t *event) {
  mcp_slice_t piece = line->rest;
  const char *lf = memchr(piece.data, '\n', piece.len);
  bool cr, held;
  size_t step;
  int code;
  if (lf) piece.len = (size_t)(lf - piece.data);
  step = piece.len + (lf ? 1 : 0);
  if (line->skipping) {
    line->skipping = !lf;
    advance(line, step);
    return 0;
  }
  /* Only a CR right before the LF belongs to the line's end: the one in hand
   * is text as soon as anything follows, the one here may be. */
  held = line->held_cr && piece.len > 0;
  cr = piece.len > 0 && piece.data[piece.len - 1] == '\r';
  if (cr) piece.len--;
  if (piece.len + held > line->limit - line->partial.len) {
    event->kind = MCP_LINE_TOO_LONG;
    event->text = line->partial.len > 0 ? mcp_buf_slice(&line->partial)
                                        : mcp_slice(piece.data, line->limit);
    line->given = 1;
    line->skipping = !lf;
    advance(line, step);
    return 0;
  }
  if (lf && line->partial.len == 0 && !held) {
    event->text = piece;
  } else {
    code = mcp_buf_reserve(&line->partial, piece.len + held);
    if (code < 0) return code;
    if (held) mcp_buf_append_char(&line->partial, '\r');
    mcp_buf_append_slice(&line->partial, piece);
    if (lf) event->text = mcp_buf_slice(&line->partial);
  }
  line->held_cr = !lf && cr;
  advance(line, step);
  if (event->text.len > 0) event->kind = MCP_LINE_TEXT;
  line->given = event->text.len > 0;
  return 0;
}

int mcp_line_next(mcp_line_t *line, mcp_line_event_t *event) {
  *event = (mcp_line_event_t){MCP_LINE_MORE, {NULL, 0}};
  if (line->given) forget(line);
  while (line->rest.len > 0 && event->kind == MCP_LINE_MORE) {
    int code = read_piece(line, event);
    if (code < 0) return code;
  }
  /* MORE: the bytes that were fed are the feeder's again. */
  if (event->kind == MCP_LINE_MORE) line->rest = (mcp_slice_t){0};
  return 0;
}

int mcp_line_finish(mcp_line_t *line, mcp_line_event_t *event) {
  int code = mcp_line_next(line, event);
  if (code < 0 || event->kind != MCP_LINE_MORE) return code;
  line->skipping = 0;
  line->held_cr = 0;
  if (line->partial.len > 0) {
    event->kind = MCP_LINE_TEXT;
    event->text = mcp_buf_slice(&line->partial);
    line->given = 1;
  }
  return 0;
}
