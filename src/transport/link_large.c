/* SPDX-License-Identifier: MIT
 * link_large.c: answers with a file in them, on a link. One is sent at a time;
 * meanwhile other messages gather in link->out, as while a read is answered,
 * and the next such answer waits for it. See link_framing.h. */
#include "base/err.h"
#include "base/mem.h"
#include "transport/link_framing.h"

struct mcp_link_large {
  mcp_link_large_t *next;
  mcp_link_t *link;
  mcp_exchange_t *x;
  mcp_buf_t head;     /* what stands before the content of the file */
  mcp_large_t *large; /* the rest */
};

static void free_answer(mcp_link_large_t *answer) {
  mcp_link_t *link = answer->link;
  mcp_large_free(answer->large);
  mcp_buf_deinit(&answer->head);
  mcp_mem_free(answer);
  mcp_share_release(link->share, sizeof *answer);
}

static int send_part(void *owner, mcp_buf_t *part, bool last) {
  mcp_link_large_t *answer = owner;
  mcp_link_t *link = answer->link;
  size_t size = part->len;
  int code;
  mcp_log_wire(&link->wire_out, MCP_LOG_OUT, mcp_buf_slice(part));
  code = mcp_stream_send(link->stream, part, 0);
  if (code == 0) mcp_link_large_sent(answer->x, size, last);
  return code;
}

static size_t queued(void *owner) {
  const mcp_link_large_t *answer = owner;
  return answer->link->stream->queued;
}

/* The connection ends in the middle of the message. */
static void fail(mcp_link_t *link, int code) {
  if (!link->closing) link->code = code;
  mcp_link_close(link, false);
}

/* Sends the head of the first, after the messages that are complete. */
static int begin(mcp_link_t *link) {
  mcp_link_large_t *answer = link->large;
  int code = mcp_link_flush(link);
  if (code == 0 && link->framing->begin_large)
    code = link->framing->begin_large(
        &link->out, answer->head.len + mcp_large_length(answer->large));
  if (code == 0)
    code = mcp_buf_append_slice(&link->out, mcp_buf_slice(&answer->head));
  if (code < 0) return code;
  mcp_log_wire(&link->wire_out, MCP_LOG_OUT, mcp_buf_slice(&link->out));
  link->mark = link->out.len;
  code = mcp_link_flush(link);
  mcp_link_large_sent(answer->x, answer->head.len, false);
  mcp_buf_deinit(&answer->head);
  return code < 0 ? code : mcp_large_go(answer->large);
}

static void on_ended(void *owner, int code) {
  mcp_link_large_t *answer = owner;
  mcp_link_t *link = answer->link;
  if (code < 0) {
    fail(link, code);
    return;
  }
  link->large = answer->next;
  mcp_link_large_over(answer->x);
  free_answer(answer);
  if (link->large) {
    code = begin(link);
    if (code < 0) fail(link, code);
    return;
  }
  link->gather = MCP_LINK_GATHER;
  mcp_link_uncork(link);
  /* What waited for the peer goes on; otherwise it does when that has read. */
  if (!link->closing && link->stream->queued == 0) mcp_link_go_on(link);
}

static const mcp_large_ops_t ops = {send_part, queued, on_ended};

static mcp_link_large_t *new_answer(mcp_link_t *link) {
  mcp_link_large_t *answer;
  if (mcp_share_charge(link->share, sizeof *answer) < 0) return NULL;
  answer = mcp_mem_zalloc(sizeof *answer);
  if (!answer) {
    mcp_share_release(link->share, sizeof *answer);
    return NULL;
  }
  answer->link = link;
  answer->head.share = link->share;
  return answer;
}

static int add(mcp_link_t *link, mcp_exchange_t *x, size_t from,
               const mcp_large_file_t *file) {
  mcp_link_large_t *answer = new_answer(link), **last = &link->large;
  mcp_buf_t *out = &link->out;
  const char *end = link->framing->large_end;
  int code = answer ? 0 : MCP_ENOMEM;
  if (code == 0)
    code = mcp_buf_append(&answer->head, out->data + from, file->at - from);
  if (code == 0) code = mcp_buf_append(out, end, strlen(end));
  if (code == 0) {
    answer->x = x;
    answer->large = mcp_large_new(
        file, mcp_slice(out->data + file->at, out->len - file->at), link->share,
        &ops, answer);
    if (!answer->large) code = MCP_ENOMEM;
  }
  mcp_link_abandon(link);
  if (code < 0) {
    if (answer) free_answer(answer);
    return MCP_ENOMEM;
  }
  while (*last) last = &(*last)->next;
  *last = answer;
  if (link->large != answer) return 0;
  mcp_link_cork(link);
  link->gather = SIZE_MAX;
  code = begin(link);
  if (code < 0) fail(link, code);
  return 0;
}

static void go(mcp_link_t *link) {
  int code = mcp_large_go(link->large->large);
  if (code < 0) fail(link, code);
}

static uint64_t progress(const mcp_link_t *link) {
  return link->large ? mcp_large_progress(link->large->large) : 0;
}

static void drop(mcp_link_t *link) {
  if (!link->large) return;
  /* What is complete must not go into the middle of a message. */
  link->cut = true;
  link->out.len = link->mark = 0;
  while (link->large) {
    mcp_link_large_t *answer = link->large;
    link->large = answer->next;
    free_answer(answer);
  }
}

const mcp_link_large_ops_t mcp_link_large_ops = {add, go, progress, drop};
