/* SPDX-License-Identifier: MIT
 * large.h: the rest of an answer with a file in it: the content of the file as
 * a string of JSON, then what follows it. It is sent in pieces, as the
 * connection takes them; what has been read and not yet taken is bounded. What
 * stands before the content has been sent by the transport. */
#ifndef MCP_TRANSPORT_LARGE_H
#define MCP_TRANSPORT_LARGE_H

#include "transport/pieces.h"

/* The file of an answer, see mcp_exchange_send_file. */
typedef struct {
  mcp_loop_t *loop;
  mcp_file_t *file;
  mcp_pieces_as_t as;
  uint64_t length; /* of its string: what mcp_pieces_measure has found */
  size_t at;       /* where it stands in what was appended since begin */
} mcp_large_file_t;

/* What a transport fills. Nothing of a large is used after `ended`, which may
 * free it, and which is called from the loop, never inside mcp_large_go. */
typedef struct {
  /* Sends a part, whose memory may be taken; `last`: the end of the answer. 0
   * or a code. */
  int (*send)(void *owner, mcp_buf_t *part, bool last);
  size_t (*queued)(void *owner); /* bytes that the peer has left unread */
  /* 0: all was sent. Or a code: the file or the connection has failed, and what
   * was sent must not look whole. */
  void (*ended)(void *owner, int code);
} mcp_large_ops_t;

typedef struct mcp_large mcp_large_t;

/* `tail` is what follows the content; it is copied. All is charged to `share`.
 * NULL: there is no memory, or not as much. */
mcp_large_t *mcp_large_new(const mcp_large_file_t *file, mcp_slice_t tail,
                           mcp_share_t *share, const mcp_large_ops_t *ops,
                           void *owner);

/* Begins, or goes on when the connection has drained. 0 or a code, which
 * `ended` does not get. */
int mcp_large_go(mcp_large_t *large);

/* When the last part was sent, by the loop's clock. */
uint64_t mcp_large_progress(const mcp_large_t *large);

/* Bytes that it has in all. */
uint64_t mcp_large_length(const mcp_large_t *large);

void mcp_large_free(mcp_large_t *large); /* NULL is accepted */

#endif
