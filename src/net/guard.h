/* SPDX-License-Identifier: MIT
 * guard.h: starting a child process under a guard, which is a fork of ours that
 * does nothing but watch: process.h says why. Knows neither loops nor streams.
 *
 * We and the guard talk over one socket pair. It sends news; we send words of
 * 4 bytes: how many milliseconds each step of the end may take, the first of
 * which begins it. A word of 0 is KILL at once. That the line ends is the
 * beginning of the end, too: we are gone. The guard ends when the child has
 * ended and nothing of its group is left. */
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
  int32_t kind, one, two;
} mcp_guard_news_t;

typedef struct {
  const char *const *arguments;
  const char *const *environment;
  const char *folder; /* or NULL */
  int fds[3];         /* its standard streams; they stay ours to close */
  uint32_t grace;     /* of each step when we are gone, in ms */
} mcp_guard_options_t;

/* Forks the guard, which gets the other end of `line`. 0 or a negated errno. */
int mcp_guard_start(const mcp_guard_options_t *options, int line, pid_t *guard);

#endif
