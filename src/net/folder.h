/* SPDX-License-Identifier: MIT
 * folder.h: a folder that cannot be left. Files and folders below it are named
 * by relative paths, and no path, and no link on its way, leads anywhere else.
 *
 * Synchronous: it is for small local files, and a slow disk holds up the loop.
 * Knows nothing of addresses, media types or Lua.
 *
 * A path is names joined by single slashes; "" is the folder itself. Anything
 * else that the system would read as a path is refused before the system is
 * asked, so that one file has one name: ".." anywhere and a leading slash with
 * MCP_EOUTSIDE; ".", an empty name (so a trailing slash too) and a NUL with
 * -EINVAL. A name is bytes, not necessarily UTF-8.
 *
 * On Linux the kernel does the rest (openat2 with RESOLVE_BENEATH): relative
 * links that stay inside are followed; links that lead out, even if they come
 * back, and absolute ones, wherever they lead, give MCP_EOUTSIDE. Elsewhere,
 * and where openat2 is missing or forbidden, the path is walked name by name
 * and any link on it gives MCP_EOUTSIDE. Hard links and mounts are files and
 * folders like any other: users who can create them are trusted.
 *
 * Below, "the system's" errors are negated errno values, which are libuv's
 * codes: -ENOENT, -EACCES, -ENOTDIR, -ELOOP, -ENAMETOOLONG, … */
#ifndef MCP_NET_FOLDER_H
#define MCP_NET_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The usual largest file: what would not fit into a message anyway would
 * only fill the memory. */
#define MCP_FOLDER_FILE_SIZE (4u << 20)
/* Entries of one folder: listing a mail spool would hold up the loop. */
#define MCP_FOLDER_ENTRIES 65536

typedef struct mcp_folder mcp_folder_t;

typedef enum {
  MCP_FOLDER_FILE,
  MCP_FOLDER_FOLDER,
  MCP_FOLDER_LINK,
  MCP_FOLDER_OTHER /* FIFO, socket, device: never opened */
} mcp_folder_kind_t;

typedef struct {
  mcp_folder_kind_t kind;
  uint64_t size;   /* bytes of a file; otherwise what the system says */
  double modified; /* seconds since 1970, with their fraction */
} mcp_folder_facts_t;

typedef struct {
  char *name;
  mcp_folder_facts_t facts;
} mcp_folder_entry_t;

/* All zero is an empty list. */
typedef struct {
  mcp_folder_entry_t *entries;
  size_t count;
  size_t cap;
} mcp_folder_list_t;

/* Opens the folder `path` of the file system. Links in `path` are followed: the
 * caller that names the folder is trusted. 0, MCP_ENOMEM, or the system's
 * errors; `*out` is set only on 0. */
int mcp_folder_open(mcp_folder_t **out, const char *path);

/* Frees the folder at once; NULL is accepted. */
void mcp_folder_close(mcp_folder_t *folder);

/* What `path` is, links followed (so never MCP_FOLDER_LINK). 0, MCP_EOUTSIDE,
 * -EINVAL, or the system's errors. */
int mcp_folder_stat(mcp_folder_t *folder, mcp_slice_t path,
                    mcp_folder_facts_t *facts);

/* Appends the file's bytes to `out`. 0; MCP_ETOOBIG for more than `limit`
 * bytes; -EISDIR for a folder; -ENXIO for what is neither (such a thing is
 * not opened: opening alone can block, or move a tape); MCP_EOUTSIDE, -EINVAL,
 * MCP_ENOMEM, or the system's errors. On error `out` may hold a part. */
int mcp_folder_read(mcp_folder_t *folder, mcp_slice_t path, size_t limit,
                    mcp_buf_t *out);

/* Fills `list`, which must be empty, with the entries of the folder `path`,
 * sorted by the bytes of their names, links not followed. 0; MCP_ENODES for
 * more than MCP_FOLDER_ENTRIES; MCP_EOUTSIDE, -EINVAL, -ENOTDIR, MCP_ENOMEM, or
 * the system's errors. `list` owns what it holds; deinit it in any case. */
int mcp_folder_list(mcp_folder_t *folder, mcp_slice_t path,
                    mcp_folder_list_t *list);

/* Frees the entries; `list` is empty and usable afterwards. */
void mcp_folder_list_deinit(mcp_folder_list_t *list);

/* Whether links that stay inside are followed (see above). */
bool mcp_folder_follows(const mcp_folder_t *folder);

#endif
