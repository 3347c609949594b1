/* SPDX-License-Identifier: MIT
 * link_lines.c: links of lines. See link.h. */
#include "base/err.h"
#include "base/mem.h"
#include "transport/link_framing.h"
#include "wire/line.h"
#include "wire/rpc_id.h"

typedef struct {
  mcp_link_t base;
  mcp_line_t decoder;
  unsigned long_lines;
  bool ended;
} lines_t;

/* The id of a request of which only the beginning was read, or empty. What may
 * be a response is not answered with its id. */
static mcp_slice_t id_of(mcp_slice_t beginning) {
  mcp_rpc_id_found_t found = mcp_rpc_id_find(beginning);
  return found.is_call ? found.id : MCP_SLICE("");
}

static void pump(lines_t *lines) {
  mcp_link_t *link = &lines->base;
  mcp_line_event_t event;
  while (!link->closing && !mcp_link_is_held_up(link)) {
    int code = lines->ended ? mcp_line_finish(&lines->decoder, &event)
                            : mcp_line_next(&lines->decoder, &event);
    if (code < 0) {
      link->code = code;
      mcp_link_close(link, true);
      return;
    }
    if (event.kind == MCP_LINE_MORE) return;
    if (event.kind == MCP_LINE_TEXT) {
      (void)mcp_link_arrive(link, event.text, true);
      continue;
    }
    mcp_link_complain(link, link->client ? MCP_SLICE("") : id_of(event.text),
                      MCP_RPC_PARSE_ERROR,
                      "Parse error: the line is longer than the limit");
    lines->long_lines++;
    /* It may be an answer that a caller waits for: its id is unknown. */
    if (link->client || lines->long_lines >= MCP_LINK_LONG_LINES) {
      mcp_log(MCP_LOG_WARNING, "%s: closed after %u lines over the limit",
              link->ops.name, lines->long_lines);
      link->code = MCP_ETOOBIG;
      mcp_link_close(link, true);
    }
  }
}

static mcp_slice_t read_bytes(mcp_link_t *link, mcp_slice_t bytes) {
  lines_t *lines = (lines_t *)link;
  mcp_line_feed(&lines->decoder, bytes);
  pump(lines);
  return mcp_line_take_rest(&lines->decoder);
}

static bool end(mcp_link_t *link, int code) {
  lines_t *lines = (lines_t *)link;
  lines->ended = true;
  if (code == 0) pump(lines);
  return true;
}

static mcp_buf_t *begin(mcp_link_t *link) {
  link->out.len = link->mark;
  return &link->out;
}

static void abandon(mcp_link_t *link) {
  link->out.len = link->mark;
}

static int commit(mcp_link_t *link) {
  int code = mcp_buf_append_char(&link->out, '\n');
  if (code < 0) {
    abandon(link);
    return code;
  }
  return mcp_link_put(link);
}

static size_t queued(const mcp_link_t *link) {
  return link->stream ? link->stream->queued : 0;
}

static void close_lines(mcp_link_t *link, bool flush) {
  if (link->cut) flush = false;
  if (flush) (void)mcp_link_flush(link);
  if (link->stream) mcp_stream_close(link->stream, flush);
}

static void set_limit(mcp_link_t *link, size_t bytes) {
  ((lines_t *)link)->decoder.limit = bytes;
}

static void deinit(mcp_link_t *link) {
  mcp_line_deinit(&((lines_t *)link)->decoder);
}

static const mcp_framing_t framing = {.read = read_bytes,
                                      .end = end,
                                      .begin = begin,
                                      .commit = commit,
                                      .abandon = abandon,
                                      .queued = queued,
                                      .large = &mcp_link_large_ops,
                                      .large_end = "\n",
                                      .close = close_lines,
                                      .set_limit = set_limit,
                                      .deinit = deinit};

int mcp_link_open(mcp_stream_t *stream, const char *name, size_t line_limit,
                  const mcp_upper_t *upper, void *up, mcp_link_t **out) {
  lines_t *lines = mcp_mem_zalloc(sizeof *lines);
  if (!lines) {
    mcp_stream_close(stream, false);
    return MCP_ENOMEM;
  }
  mcp_link_init(&lines->base, &framing, name, upper, up);
  mcp_line_init(&lines->decoder, line_limit);
  lines->decoder.partial.share = stream->share;
  *out = &lines->base;
  return mcp_link_start(&lines->base, stream);
}
