/* SPDX-License-Identifier: MIT
 * guard.h: starting a child process under a guard, a fork of this process that
 * only watches; process.h explains the reason. Uses neither loops nor streams.
 *
 * This process and the guard share one socket pair. The guard sends events;
 * this process sends 4-byte words: how many milliseconds each shutdown step may
 * take. The first word starts the shutdown; a word of 0 means KILL at once.
 * Closing the socket starts the shutdown too: this process has ended. The guard
 * exits when the child has ended and its process group is empty. */
#ifndef MCP_NET_GUARD_H
#define MCP_NET_GUARD_H

#include <stdint.h>
#include <sys/types.h>

typedef enum {
  MCP_GUARD_STARTED = 1, /* the child's number */
  MCP_GUARD_FAILED,      /* what it could not do (mcp_process_step_t), errno */
  MCP_GUARD_EXITED       /* its status, and the signal that ended it or 0 */
} mcp_guard_kind_t;

typedef struct {
  int32_t kind, value, detail;
} mcp_guard_news_t;

typedef struct {
  const char *const *arguments;
  const char *const *environment;
  const char *folder; /* or NULL */
  int fds[3];         /* its standard streams; they stay ours to close */
  uint32_t grace;     /* of each step when this process has ended, in ms */
} mcp_guard_options_t;

/* Forks the guard, which gets the other end of `line`. 0 or a negated errno. */
int mcp_guard_start(const mcp_guard_options_t *options, int line, pid_t *guard);

#endif
