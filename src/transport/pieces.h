/* SPDX-License-Identifier: MIT
 * pieces.h: a file that is sent without being held: read in pieces on a thread
 * of the pool (net/work.h), which also writes them as the receiver needs them.
 * Only a piece of it is held at a time. */
#ifndef MCP_TRANSPORT_PIECES_H
#define MCP_TRANSPORT_PIECES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/file.h"
#include "net/folder.h"
#include "net/loop.h"

/* Bytes of the file that are read at a time; a multiple of 3 of them where
 * Base64 is written. */
#define MCP_PIECES_SIZE (64u << 10)

typedef enum {
  MCP_PIECES_BYTES,  /* as they are */
  MCP_PIECES_BASE64, /* a string of JSON, with its quotes */
  MCP_PIECES_TEXT    /* the same of a file that is UTF-8 */
} mcp_pieces_as_t;

typedef struct mcp_pieces mcp_pieces_t;

/* Called from the loop, once for each mcp_pieces_next: `code` 0 and a piece
 * that may be taken; or a negative code: MCP_EGONE if the file is shorter than
 * it was, or MCP_ECHANGED: a string of JSON would be of one that has changed;
 * MCP_EUTF8, MCP_EBUDGET, or another. */
typedef void (*mcp_pieces_fn)(void *owner, int code, mcp_buf_t *piece);

/* The file's size when it was opened is what will be read. Keeps a reference to
 * it. NULL when there is no memory. */
mcp_pieces_t *mcp_pieces_new(mcp_loop_t *loop, mcp_file_t *file,
                             mcp_pieces_as_t as);

/* Bytes of the file. */
uint64_t mcp_pieces_size(const mcp_pieces_t *pieces);

/* Pieces go to `fn` from now on, and are charged to `share`, which must live
 * until they are freed. */
void mcp_pieces_attach(mcp_pieces_t *pieces, mcp_share_t *share,
                       mcp_pieces_fn fn, void *owner);

/* Begins again: the next piece is the first. A piece on its way is dropped. */
void mcp_pieces_rewind(mcp_pieces_t *pieces);

/* Asks for the next piece, unless one is on its way or none is left. 0,
 * MCP_ENOMEM, MCP_EBUDGET or a libuv code. */
int mcp_pieces_next(mcp_pieces_t *pieces);

/* Has the last piece been handed over? */
bool mcp_pieces_is_done(const mcp_pieces_t *pieces);

/* `fn` is not called any more. Lets the file go, after a read that is in
 * progress. NULL is accepted. */
void mcp_pieces_free(mcp_pieces_t *pieces);

/* How many bytes all pieces will have. For MCP_PIECES_TEXT the file is read,
 * which blocks: call it on a thread of the pool. 0; MCP_EUTF8 with `length` set
 * to the place of the first byte, from 0 on, that is not UTF-8; or the codes of
 * a piece, and MCP_ECANCELED after `stop`, which may be NULL. */
int mcp_pieces_measure(const mcp_file_t *file, mcp_pieces_as_t as,
                       const mcp_folder_stop_t *stop, uint64_t *length);

/* Appends what all pieces have, at once, which blocks as well. Not for
 * MCP_PIECES_BYTES. 0 or the codes of a piece. */
int mcp_pieces_write(const mcp_file_t *file, mcp_pieces_as_t as,
                     mcp_buf_t *out);

#endif
