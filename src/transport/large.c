/* SPDX-License-Identifier: MIT
 * large.c: see large.h. */
#include "transport/large.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/stream.h"

struct mcp_large {
  mcp_loop_t *loop;
  uint64_t progress_ms;
  mcp_pieces_t *pieces;
  mcp_buf_t tail;
  mcp_share_t *share;
  uint64_t length; /* of the string */
  uint64_t left;   /* of it */
  const mcp_large_ops_t *ops;
  void *owner;
};

/* A file that is not what was announced gives another length, or no UTF-8. */
static int send_piece(mcp_large_t *large, mcp_buf_t *piece) {
  bool last = mcp_pieces_is_done(large->pieces);
  if (piece->len > large->left || (last && piece->len < large->left))
    return MCP_ECHANGED;
  large->left -= piece->len;
  if (last) {
    int code = mcp_buf_append_slice(piece, mcp_buf_slice(&large->tail));
    if (code < 0) return code;
  }
  large->progress_ms = mcp_loop_now(large->loop);
  return large->ops->send(large->owner, piece, last);
}

static void on_piece(void *owner, int code, mcp_buf_t *piece) {
  mcp_large_t *large = owner;
  bool read = code == 0, over = false;
  if (code == 0) {
    over = mcp_pieces_is_done(large->pieces);
    code = send_piece(large, piece);
    read = code != MCP_ECHANGED;
  }
  if (!read)
    mcp_log(MCP_LOG_ERROR, "the file of an answer, while it is sent: %s",
            mcp_err_text(code));
  if (code == 0 && !over) code = mcp_large_go(large);
  if (code < 0 || over) large->ops->ended(large->owner, code);
}

mcp_large_t *mcp_large_new(const mcp_large_file_t *file, mcp_slice_t tail,
                           mcp_share_t *share, const mcp_large_ops_t *ops,
                           void *owner) {
  mcp_large_t *large;
  if (mcp_share_charge(share, sizeof *large) < 0) return NULL;
  large = mcp_mem_zalloc(sizeof *large);
  if (!large) {
    mcp_share_release(share, sizeof *large);
    return NULL;
  }
  large->share = large->tail.share = share;
  large->length = large->left = file->length;
  large->ops = ops;
  large->owner = owner;
  large->loop = file->loop;
  large->progress_ms = mcp_loop_now(file->loop);
  large->pieces = mcp_pieces_new(file->loop, file->file, file->as);
  if (!large->pieces || mcp_buf_append_slice(&large->tail, tail) < 0) {
    mcp_large_free(large);
    return NULL;
  }
  mcp_pieces_attach(large->pieces, share, on_piece, large);
  return large;
}

int mcp_large_go(mcp_large_t *large) {
  if (large->ops->queued(large->owner) > MCP_STREAM_HIGH_WATER) return 0;
  return mcp_pieces_next(large->pieces);
}

uint64_t mcp_large_progress(const mcp_large_t *large) {
  return large->progress_ms;
}

uint64_t mcp_large_length(const mcp_large_t *large) {
  return large->length + large->tail.len;
}

void mcp_large_free(mcp_large_t *large) {
  if (!large) return;
  mcp_pieces_free(large->pieces);
  mcp_buf_deinit(&large->tail);
  mcp_share_release(large->share, sizeof *large);
  mcp_mem_free(large);
}
