/* SPDX-License-Identifier: MIT
 * access_log.h: the file that has a line for each HTTP request. Several
 * listeners of a process may write to it. Writing never waits: what a pipe does
 * not take is kept, up to MCP_ACCESS_LOG_QUEUE, and lines beyond that are
 * counted and lost. */
#ifndef MCP_TRANSPORT_ACCESS_LOG_H
#define MCP_TRANSPORT_ACCESS_LOG_H

#include "base/buf.h"

/* What may wait for a reader that is slow, in bytes. */
#define MCP_ACCESS_LOG_QUEUE (1u << 20)

typedef struct mcp_access_log mcp_access_log_t;

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

bool mcp_access_log_is_json(const mcp_access_log_t *log);

/* Writes a line, which ends with LF. */
void mcp_access_log_write(mcp_access_log_t *log, mcp_slice_t line);

/* How many lines were lost. */
size_t mcp_access_log_dropped(const mcp_access_log_t *log);

#endif
