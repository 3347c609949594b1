/* SPDX-License-Identifier: MIT
 * guard.h: starting a child process under a guard, a fork of this process that
 * only watches; process.h explains the reason. Uses neither loops nor streams.
 *
 * This process and the guard share one socket pair. The guard sends events;
 * this process sends 4-byte words: what to do in the upper two bits, a number
 * below. Closing the socket starts the shutdown too: this process has ended.
 * The guard exits when the child has ended and its process group is empty. */
#ifndef MCP_NET_GUARD_H
#define MCP_NET_GUARD_H

#include <stdint.h>
#include <sys/types.h>

/* Starts the shutdown, whose steps may take so many ms; 0 is KILL at once. A
 * further word can only make it shorter. */
#define MCP_GUARD_END 0u
/* The same, and its first step, the wait for the end of the child by itself, is
 * left out: TERM at once. */
#define MCP_GUARD_TERM 0x40000000u
/* Sends the group the signal of this number. */
#define MCP_GUARD_SIGNAL 0x80000000u
/* The largest number. */
#define MCP_GUARD_NUMBER 0x3fffffffu

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
  const int *passed;  /* further ones, see process.h */
  unsigned passed_count;
  uint32_t grace; /* of each step when this process has ended, in ms */
} mcp_guard_options_t;

/* Forks the guard, which gets the other end of `line`. 0 or a negated errno. */
int mcp_guard_start(const mcp_guard_options_t *options, int line, pid_t *guard);

#endif
