/* SPDX-License-Identifier: MIT
 * folder.h: a folder that cannot be left. Files and folders below it are named
 * by relative paths, and no path, and no link on its way, leads anywhere else.
 *
 * The functions with a `stop` block while the system works, so they run on a
 * thread of the pool (net/work.h); the others run on the loop's thread. Knows
 * nothing of addresses, media types or Lua.
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

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/file.h"

/* The usual largest file, read or written: what would not fit into a message
 * anyway would only fill the memory, or the disk. */
#define MCP_FOLDER_FILE_SIZE (4u << 20)
/* A stopped operation ends after this many bytes. */
#define MCP_FOLDER_STEP (1u << 20)
/* Entries of one folder: listing a mail spool would hold up the loop. */
#define MCP_FOLDER_ENTRIES 65536

typedef struct mcp_folder mcp_folder_t;

/* Set from another thread, to stop an operation: it returns MCP_ECANCELED, or
 * ends as it would have. */
typedef struct {
  atomic_bool flag;
} mcp_folder_stop_t;

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

/* Opens the folder `path` of the file system, making it first if it is missing
 * and `create` is true. Links in `path` are followed: the caller that names the
 * folder is trusted. Reference 1 is the caller's. 0, MCP_ENOMEM, or the
 * system's errors; `*out` is set only on 0. */
int mcp_folder_open(mcp_folder_t **out, const char *path, bool create);

/* Writes the absolute path that `path` leads to, without links, to `out`, which
 * has PATH_MAX bytes. 0, or the system's errors: -ENOENT for a link to nothing.
 */
int mcp_folder_real_path(const char *path, char *out);

/* An operation on another thread holds a reference; the last unref frees it.
 * NULL is accepted. */
mcp_folder_t *mcp_folder_ref(mcp_folder_t *folder);
void mcp_folder_unref(mcp_folder_t *folder);

/* Whether links that stay inside are followed (see above); and never again: for
 * the specs. */
bool mcp_folder_follows(const mcp_folder_t *folder);
void mcp_folder_walk(mcp_folder_t *folder);

/* `stop` may be NULL in all of these. */

/* What `path` is, links followed (so never MCP_FOLDER_LINK). 0, MCP_EOUTSIDE,
 * -EINVAL, or the system's errors. */
int mcp_folder_stat(const mcp_folder_t *folder, mcp_slice_t path,
                    mcp_folder_facts_t *facts);

/* A part of a file: what follows `from`, and no more than `length`. */
typedef struct {
  uint64_t from;
  uint64_t length; /* UINT64_MAX: to the end */
} mcp_folder_part_t;

/* Appends the file's bytes, or that part of them, to `out`: nothing from the
 * end on. 0; MCP_ETOOBIG for more than `limit` bytes; -EISDIR for a folder;
 * -ENXIO for what is neither (such a thing is not opened: opening alone can
 * block, or move a tape); MCP_EOUTSIDE, -EINVAL, MCP_ENOMEM, MCP_ECANCELED, or
 * the system's errors. On error `out` may hold a part. */
int mcp_folder_read(const mcp_folder_t *folder, mcp_slice_t path,
                    const mcp_folder_part_t *part, size_t limit, mcp_buf_t *out,
                    const mcp_folder_stop_t *stop);

/* Opens a file for reading it later. 0, or the codes of mcp_folder_read but
 * MCP_ETOOBIG. */
int mcp_folder_open_file(const mcp_folder_t *folder, mcp_slice_t path,
                         mcp_file_t **out);

/* Fills `list`, which must be empty, with the entries of the folder `path`,
 * sorted by the bytes of their names, links not followed. 0; MCP_ENODES for
 * more than MCP_FOLDER_ENTRIES; MCP_EOUTSIDE, -EINVAL, -ENOTDIR, MCP_ENOMEM,
 * MCP_ECANCELED, or the system's errors. `list` owns what it holds; deinit it
 * in any case. */
int mcp_folder_list(const mcp_folder_t *folder, mcp_slice_t path,
                    mcp_folder_list_t *list, const mcp_folder_stop_t *stop);

/* Frees the entries; `list` is empty and usable afterwards. */
void mcp_folder_list_deinit(mcp_folder_list_t *list);

/* --- writing: folder_write.c -------------------------------------------------
 *
 * The last name of a path is never followed: a link there is refused (write
 * and append: -ELOOP), or is itself what is renamed or removed. Links before it
 * are followed as in reading. A name that is created must be UTF-8 without
 * control characters, else -EINVAL: a client could not be shown another. The
 * path "" is -EINVAL here. What is there already and may not be written by this
 * process gives -EACCES, also where replacing it would succeed. */

typedef struct {
  bool sync;       /* returns when the disk has it */
  bool create;     /* -EEXIST if the name exists */
  bool only_mine;  /* a file that only its owner can read and write */
  bool keep_owner; /* what replaces a file has its owner and group, or -EPERM */
} mcp_folder_write_t;

/* Replaces the file `path`, or makes it: the bytes go to a temporary file
 * beside it (".mcp-….tmp"), which then takes its name in one step. A reader
 * gets the old file or the new one, whole, and so does the next start after a
 * failure. A file
 * keeps its permissions; a new one has those of the umask. 0; -EEXIST, -EISDIR,
 * -ELOOP, -ENXIO (a device or the like), MCP_EOUTSIDE, -EINVAL, MCP_ECANCELED,
 * or the system's errors, with -ENOSPC, -EDQUOT and -EFBIG among them. */
int mcp_folder_write(const mcp_folder_t *folder, mcp_slice_t path,
                     mcp_slice_t bytes, const mcp_folder_write_t *how,
                     const mcp_folder_stop_t *stop);

/* Appends to the file `path`, or makes it; MCP_ETOOBIG if it had more than
 * `limit` bytes after that. One call of the system where the system takes it
 * whole; where it takes a part and then fails, that part is cut off again.
 * Other codes as above. */
int mcp_folder_append(const mcp_folder_t *folder, mcp_slice_t path,
                      mcp_slice_t bytes, size_t limit,
                      const mcp_folder_write_t *how,
                      const mcp_folder_stop_t *stop);

/* Removes a file, a link or an empty folder. 0, -ENOTEMPTY, or as above. */
int mcp_folder_remove(const mcp_folder_t *folder, mcp_slice_t path);

/* Renames, replacing a file at `to` in one step; with `create` -EEXIST if there
 * is anything. 0, or as above and as rename(2). */
int mcp_folder_rename(const mcp_folder_t *folder, mcp_slice_t from,
                      mcp_slice_t to, bool create);

/* Makes the folder `path`; with `parents` also those above it, and a folder
 * that exists is no error. 0, -EEXIST, or as above. */
int mcp_folder_make(const mcp_folder_t *folder, mcp_slice_t path, bool parents);

#endif
