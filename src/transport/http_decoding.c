/* SPDX-License-Identifier: MIT
 * http_decoding.c: see http_decoding.h. */
#include "transport/http_decoding.h"

#include "base/err.h"
#include "base/mem.h"

/* Decoded at a time, in bytes. */
#define STEP (16u << 10)

struct mcp_http_decoding {
  const mcp_decoder_ops_t *ops;
  mcp_decoder_t *decoder;
  mcp_share_t *share;
  mcp_buf_t coded;
  size_t from; /* what has been decoded of `coded` */
  bool begun;  /* a coded byte has come */
  bool over;   /* the decoder has found the end of the data */
  bool full;   /* the last step filled its room: more may be left in it */
};

static const mcp_decoder_memory_t memory = {mcp_mem_alloc, mcp_mem_free};

int mcp_http_decoding_open(const mcp_decoder_ops_t *ops, mcp_coding_t coding,
                           mcp_share_t *share, mcp_http_decoding_t **out) {
  mcp_http_decoding_t *d = mcp_mem_zalloc(sizeof *d);
  int code = MCP_ENOMEM;
  if (!d) return code;
  code = mcp_share_charge(share, MCP_DECODER_COST);
  if (code < 0) goto fail;
  d->ops = ops;
  d->share = share;
  d->coded.share = share;
  d->decoder = ops->open(coding, &memory);
  if (d->decoder) {
    *out = d;
    return 0;
  }
  mcp_share_release(share, MCP_DECODER_COST);
  code = MCP_ENOMEM;

fail:
  mcp_mem_free(d);
  return code;
}

void mcp_http_decoding_free(mcp_http_decoding_t *d) {
  if (!d) return;
  d->ops->close(d->decoder);
  mcp_buf_deinit(&d->coded);
  mcp_share_release(d->share, MCP_DECODER_COST);
  mcp_mem_free(d);
}

int mcp_http_decoding_put(mcp_http_decoding_t *d, mcp_slice_t bytes) {
  if (bytes.len > 0) d->begun = true;
  return mcp_buf_append_slice(&d->coded, bytes);
}

bool mcp_http_decoding_has_more(const mcp_http_decoding_t *d) {
  return d->full || d->coded.len > d->from;
}

bool mcp_http_decoding_is_whole(const mcp_http_decoding_t *d) {
  return d->over || !d->begun;
}

int mcp_http_decoding_pull(mcp_http_decoding_t *d, mcp_buf_t *body,
                           size_t allowed, const char **reason) {
  *reason = NULL;
  while (mcp_http_decoding_has_more(d) && body->len <= allowed) {
    mcp_slice_t in = mcp_buf_slice(&d->coded);
    size_t made;
    int code = mcp_buf_reserve(body, STEP);
    if (code < 0) return code;
    if (d->from > 0) in = mcp_slice(in.data + d->from, in.len - d->from);
    code = d->ops->step(d->decoder, &in, body->data + body->len, STEP, &made,
                        reason);
    if (code < 0) return code;
    body->len += made;
    d->from = d->coded.len - in.len;
    d->over = code == MCP_DECODER_END;
    d->full = !d->over && made == STEP;
  }
  if (d->from == d->coded.len) {
    mcp_buf_deinit(&d->coded);
    d->from = 0;
  }
  return 0;
}
