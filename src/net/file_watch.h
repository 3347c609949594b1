/* SPDX-License-Identifier: MIT
 * file_watch.h: tells of changes in a folder or of a file. Editors replace a
 * file by renaming another one, so what is watched for that is the folder. */
#ifndef MCP_NET_FILE_WATCH_H
#define MCP_NET_FILE_WATCH_H

#include "net/loop.h"

typedef struct mcp_file_watch mcp_file_watch_t;

/* Calls `fn(arg, name)` for each change below `path`, a folder, not in folders
 * below it; `name` is that of the file in it, or NULL if the system does not
 * say. With `poll_ms` that is not 0 it looks at `path`, a file or a folder, so
 * often instead, for systems that cannot tell. It does not keep the loop alive.
 * 0 or a libuv code: UV_ENOSPC or UV_EMFILE where there are no more watches,
 * UV_ENOENT, UV_ENOSYS; MCP_ENOMEM. */
int mcp_file_watch_start(mcp_loop_t *loop, const char *path, unsigned poll_ms,
                         void (*fn)(void *arg, const char *name), void *arg,
                         mcp_file_watch_t **watch);

/* Ends and frees it: fn is not called again. NULL is accepted. */
void mcp_file_watch_stop(mcp_file_watch_t *watch);

#endif
