/* SPDX-License-Identifier: MIT
 * private_file.h: a small file that only its owner may read: tokens. Whole at a
 * time, and never half written. */
#ifndef MCP_NET_PRIVATE_FILE_H
#define MCP_NET_PRIVATE_FILE_H

#include "base/buf.h"

/* No store of tokens is larger. In bytes. */
#define MCP_PRIVATE_FILE_LENGTH (1u << 20)

/* Appends the file's bytes to `out`. 0, MCP_EFILEMODE if other users can read
 * it, another user owns it, or it is not a regular file; MCP_ETOOBIG,
 * MCP_ENOMEM, or the negated errno. */
int mcp_private_file_read(const char *path, mcp_buf_t *out);

/* Replaces the file, mode 0600: a new one is written beside it, brought to the
 * disk and renamed. 0, MCP_ENOMEM or the negated errno. */
int mcp_private_file_write(const char *path, mcp_slice_t bytes);

#endif
