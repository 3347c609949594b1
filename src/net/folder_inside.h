/* SPDX-License-Identifier: MIT
 * folder_inside.h: what the files that implement folder.h share: opening what
 * a checked path names. For src/net/folder*.c alone. */
#ifndef MCP_NET_FOLDER_INSIDE_H
#define MCP_NET_FOLDER_INSIDE_H

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "net/folder.h"

/* Opening must not block, nor make a terminal the controlling one. */
#define MCP_FOLDER_SAFE (O_NONBLOCK | O_NOCTTY)

/* Only to look at: works without the right to read, touches no device. */
#ifdef O_PATH
#define MCP_FOLDER_LOOK O_PATH
#else
#define MCP_FOLDER_LOOK (O_RDONLY | MCP_FOLDER_SAFE)
#endif

struct mcp_folder {
  int fd;
  unsigned refs; /* used on the loop's thread only */
  bool beneath;  /* openat2 works here */
};

/* A path that has passed the check, with its terminator. */
typedef struct {
  char text[PATH_MAX];
} mcp_folder_name_t;

/* 0 with `name` filled ("." for the folder itself), or a code. */
int mcp_folder_inside_check(mcp_slice_t path, mcp_folder_name_t *name);

/* Opens a checked name, changing it. A descriptor, or a code. */
int mcp_folder_inside_open(const mcp_folder_t *folder, mcp_folder_name_t *name,
                           int flags);

mcp_folder_kind_t mcp_folder_inside_kind(const struct stat *st);

static inline bool mcp_folder_is_stopped(const mcp_folder_stop_t *stop) {
  return stop && atomic_load_explicit(&stop->flag, memory_order_relaxed);
}

#endif
