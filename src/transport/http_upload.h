/* SPDX-License-Identifier: MIT
 * http_upload.h: a file as the body of a request, read in pieces on a thread of
 * the pool (net/work.h). Only a piece of it is held at a time. */
#ifndef MCP_TRANSPORT_HTTP_UPLOAD_H
#define MCP_TRANSPORT_HTTP_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/loop.h"

/* Bytes that are read at a time. */
#define MCP_HTTP_UPLOAD_PIECE (64u << 10)

typedef struct mcp_http_upload mcp_http_upload_t;

/* Called from the loop, once for each mcp_http_upload_next: `code` 0 and a
 * piece that may be taken; or a negative code. */
typedef void (*mcp_http_upload_fn)(void *owner, int code, mcp_buf_t *piece);

/* Opens a regular file; its size then is what will be sent. 0, MCP_ENOMEM, or a
 * libuv code; UV_EINVAL for what is not a regular file. */
int mcp_http_upload_open(mcp_loop_t *loop, const char *path,
                         mcp_http_upload_t **upload);

uint64_t mcp_http_upload_size(const mcp_http_upload_t *upload);

/* Pieces go to `fn` from now on, and are charged to `share`, which must live
 * until the upload is freed. */
void mcp_http_upload_attach(mcp_http_upload_t *upload, mcp_share_t *share,
                            mcp_http_upload_fn fn, void *owner);

/* Begins again: the next piece is the first. A piece on its way is dropped. */
void mcp_http_upload_rewind(mcp_http_upload_t *upload);

/* Asks for the next piece, unless one is on its way or none is left. 0,
 * MCP_ENOMEM, MCP_EBUDGET or a libuv code. */
int mcp_http_upload_next(mcp_http_upload_t *upload);

/* Has the last piece been handed over? */
bool mcp_http_upload_is_done(const mcp_http_upload_t *upload);

/* `fn` is not called any more. It closes the file, after a read that is in
 * progress. NULL is accepted. */
void mcp_http_upload_free(mcp_http_upload_t *upload);

#endif
