/* SPDX-License-Identifier: MIT
 * access_log.h: the file that has a line for each request over a network.
 * Several listeners of a process may write to it. Writing never waits: what a
 * pipe does not take is kept, up to MCP_ACCESS_LOG_QUEUE, and lines beyond that
 * are counted and lost. */
#ifndef MCP_TRANSPORT_ACCESS_LOG_H
#define MCP_TRANSPORT_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"

/* What may wait for a reader that is slow, in bytes. */
#define MCP_ACCESS_LOG_QUEUE (1u << 20)

/* The most of a path that is written, and of what the upper side adds, in
 * bytes. */
#define MCP_ACCESS_LOG_PATH 256
#define MCP_ACCESS_LOG_NOTE 768
/* The room that a path takes once it is escaped, with its NUL. */
#define MCP_ACCESS_LOG_ESCAPED (MCP_ACCESS_LOG_PATH * 6 + 4)

typedef struct mcp_access_log mcp_access_log_t;

/* What a line says, in this order after the time. */
typedef struct {
  const char *remote, *method, *path; /* the path is escaped */
  unsigned status;
  uint64_t bytes;
  struct timespec began; /* CLOCK_MONOTONIC */
  /* Members: ",\"key\":value" of JSON, else " key=value". */
  mcp_slice_t note;
} mcp_access_line_t;

/* Opens the file at `path`, which is made if it is not there, for appending;
 * NULL: standard output. `json`: lines are objects, else key=value. The log has
 * one reference. NULL, with a negative code in `*code`. */
mcp_access_log_t *mcp_access_log_open(const char *path, bool json, int *code);

void mcp_access_log_retain(mcp_access_log_t *log);
/* The last one closes the file, after an attempt to write what waits. */
void mcp_access_log_release(mcp_access_log_t *log);

/* Opens the file at the same path again: the one that was open may have been
 * renamed. 0, or a code: what was open goes on. */
int mcp_access_log_reopen(mcp_access_log_t *log);

/* Writes `path` so that it can stand between quotes into `to`, which has
 * MCP_ACCESS_LOG_ESCAPED bytes. */
void mcp_access_log_escape(const mcp_access_log_t *log, mcp_slice_t path,
                           char *to);

/* Writes the line of a request that has ended now. */
void mcp_access_log_write(mcp_access_log_t *log, const mcp_access_line_t *line);

/* How many lines were lost. */
size_t mcp_access_log_dropped(const mcp_access_log_t *log);

#endif
