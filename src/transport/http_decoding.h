/* SPDX-License-Identifier: MIT
 * http_decoding.h: the coded body of one response on its way to a decoded one.
 * It decodes no more than its owner has room for: a small body that decodes to
 * a large one stays small until it is read. */
#ifndef MCP_TRANSPORT_HTTP_DECODING_H
#define MCP_TRANSPORT_HTTP_DECODING_H

#include <stdbool.h>

#include "base/buf.h"
#include "wire/decoder.h"

typedef struct mcp_http_decoding mcp_http_decoding_t;

/* 0, MCP_ENOMEM or MCP_EBUDGET. What it holds is charged to `share`, which must
 * outlive it. */
int mcp_http_decoding_open(const mcp_decoder_ops_t *ops, mcp_coding_t coding,
                           mcp_share_t *share, mcp_http_decoding_t **decoding);

/* NULL is accepted. */
void mcp_http_decoding_free(mcp_http_decoding_t *decoding);

/* Takes coded bytes. 0, MCP_ENOMEM or MCP_EBUDGET. */
int mcp_http_decoding_put(mcp_http_decoding_t *decoding, mcp_slice_t bytes);

/* Appends decoded bytes to `body` until it holds more than `allowed`, or no
 * coded bytes are left. 0, or a code, and then `*reason` is a static text or
 * NULL. */
int mcp_http_decoding_pull(mcp_http_decoding_t *decoding, mcp_buf_t *body,
                           size_t allowed, const char **reason);

/* Are coded bytes left? */
bool mcp_http_decoding_has_more(const mcp_http_decoding_t *decoding);

/* Has the data ended, so that nothing is missing? Nothing at all is complete as
 * well. */
bool mcp_http_decoding_is_whole(const mcp_http_decoding_t *decoding);

#endif
