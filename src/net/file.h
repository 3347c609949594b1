/* SPDX-License-Identifier: MIT
 * file.h: a regular file that is open for reading, with what it was like when
 * it was opened: so that what is announced of it can be kept, or a change be
 * noticed. Reading blocks while the system works, so it belongs on a thread of
 * the pool (net/work.h); references are counted on the loop's thread. */
#ifndef MCP_NET_FILE_H
#define MCP_NET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mcp_file mcp_file_t;

/* Opens the regular file `path`. Reference 1 is the caller's. 0, MCP_ENOMEM, or
 * a libuv code: UV_EISDIR, UV_EINVAL for a device or the like, or the
 * system's. */
int mcp_file_open(const char *path, mcp_file_t **out);

/* The same of a descriptor, which is taken, also when it fails. */
int mcp_file_over(int fd, mcp_file_t **out);

mcp_file_t *mcp_file_ref(mcp_file_t *file);
void mcp_file_unref(mcp_file_t *file); /* NULL is accepted */

/* Bytes, and seconds since 1970, as of its opening. */
uint64_t mcp_file_size(const mcp_file_t *file);
double mcp_file_modified(const mcp_file_t *file);

/* Reads `length` bytes that begin at `from`. 0; MCP_EGONE if it has fewer now;
 * or the system's error. */
int mcp_file_read(const mcp_file_t *file, uint64_t from, char *to,
                  size_t length);

/* Have its size and its time of modification stayed the same? */
bool mcp_file_is_same(const mcp_file_t *file);

#endif
