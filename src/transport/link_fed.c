/* SPDX-License-Identifier: MIT
 * link_fed.c: links whose messages are handed over one by one, and go out
 * through functions of the maker of the link. See link.h. */
#include "base/err.h"
#include "base/mem.h"
#include "transport/link_framing.h"

typedef struct {
  mcp_link_t base;
  const mcp_link_sink_t *sink;
  void *maker;
} fed_t;

static mcp_buf_t *begin(mcp_link_t *link) {
  fed_t *fed = (fed_t *)link;
  return fed->sink->begin(fed->maker);
}

static int commit(mcp_link_t *link) {
  fed_t *fed = (fed_t *)link;
  return fed->sink->commit(fed->maker);
}

static void abandon(mcp_link_t *link) {
  fed_t *fed = (fed_t *)link;
  fed->sink->abandon(fed->maker);
}

static size_t queued(const mcp_link_t *link) {
  const fed_t *fed = (const fed_t *)link;
  return link->closing ? 0 : fed->sink->queued(fed->maker);
}

static void close_fed(mcp_link_t *link, bool flush) {
  fed_t *fed = (fed_t *)link;
  if (fed->sink) fed->sink->close(fed->maker, flush);
}

static void deinit(mcp_link_t *link) {
  (void)link;
}

static const mcp_framing_t framing = {.begin = begin,
                                      .commit = commit,
                                      .abandon = abandon,
                                      .queued = queued,
                                      .close = close_fed,
                                      .deinit = deinit};

int mcp_link_open_fed(const mcp_link_sink_t *sink, void *maker,
                      mcp_share_t *share, const char *name,
                      const mcp_upper_t *upper, void *up, mcp_link_t **out) {
  fed_t *fed = mcp_mem_zalloc(sizeof *fed);
  if (!fed) return MCP_ENOMEM;
  mcp_link_init(&fed->base, &framing, name, upper, up);
  fed->base.share = fed->base.out.share = share;
  fed->sink = sink;
  fed->maker = maker;
  *out = &fed->base;
  return 0;
}

int mcp_link_feed(mcp_link_t *link, mcp_slice_t text, uint64_t ends_at) {
  fed_t *fed = (fed_t *)link;
  int code;
  if (link->framing != &framing || link->closing) return MCP_ECLOSED;
  code = fed->sink->admit(fed->maker, ends_at);
  return code < 0 ? code : mcp_link_arrive(link, text, false);
}

void mcp_link_fed_drained(mcp_link_t *link) {
  if (!link->closing) mcp_link_drained(link);
}

void mcp_link_fed_closed(mcp_link_t *link, int code) {
  fed_t *fed = (fed_t *)link;
  if (!link->closing) {
    /* It went by itself: nothing is left to be closed. */
    fed->sink = NULL;
    link->code = code;
    mcp_link_close(link, false);
  }
  mcp_link_closed(link);
}
