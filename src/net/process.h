/* SPDX-License-Identifier: MIT
 * process.h: a child process whose standard input and output are one stream.
 *
 * Nothing of it is left behind. The child leads a process group of its own,
 * and a guard watches over it: a small process of ours that reaps whatever
 * dies there, and that carries out the end whether we ask for it or are gone
 * ourselves, killed with KILL for instance. What the guard does at the end is
 * what the protocol asks of a client: end of input; after a grace TERM to the
 * group; after another grace KILL to the group. Who has left the group by a
 * setsid() of his own is none of our business.
 *
 * The guard is a fork of this process that runs nothing of it: it shares its
 * memory until one of the two writes to it. It has no descriptor of ours but
 * its end of one socket pair. */
#ifndef MCP_NET_PROCESS_H
#define MCP_NET_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "net/loop.h"
#include "net/stream.h"

/* All in milliseconds. Between the end of its input and TERM, and between TERM
 * and KILL. */
#define MCP_PROCESS_GRACE 2000
/* The same where nobody is left to wait for it: we are gone, or the child is
 * and what it has started is not. */
#define MCP_PROCESS_ORPHAN_GRACE 600
/* What a child has written before it died is read to the end. But somebody
 * else may hold the pipe: when nothing has come for this time, that was it. */
#define MCP_PROCESS_DRAIN_TIME 100
/* The most that takes in all. */
#define MCP_PROCESS_DRAIN_MOST 2000

typedef enum {
  MCP_PROCESS_INHERIT, /* our standard error */
  MCP_PROCESS_NULL,    /* the null device */
  MCP_PROCESS_CAPTURE  /* on_error gets it */
} mcp_process_error_t;

typedef enum { MCP_PROCESS_FOLDER = 1, MCP_PROCESS_PROGRAM } mcp_process_step_t;

/* Both arrays end with NULL. */
typedef struct {
  const char *const *arguments;   /* the first is the program: a path, or a
                                     name to be found in the new PATH */
  const char *const *environment; /* "NAME=value": all that it gets */
  const char *folder;             /* where it starts; NULL: where we are */
  mcp_process_error_t error;
  /* What it writes to standard error; valid during the call. An empty slice
   * is its end. */
  void (*on_error)(void *owner, mcp_slice_t bytes);
  /* It has ended: its status, or the signal that ended it, else 0. Not called
   * when nobody knows, because the guard was killed. */
  void (*on_exit)(void *owner, int status, int signal);
  /* Nothing of its group is left, and the process is freed: comes last. */
  void (*on_gone)(void *owner);
  void *owner;
} mcp_process_options_t;

typedef struct mcp_process mcp_process_t;

/* Starts it. The call returns when the program runs, and has copied what it
 * needs of `options`. `*stream` is what the child reads and writes. Its end
 * comes when the child ends or closes its output: with 0, with MCP_EGONE if the
 * child failed (stream->why says how), or with a libuv code. Closing it ends
 * the child as above with `flush`, and by KILL at once without; what the child
 * still says is read and dropped. on_closed does not wait for that, on_gone
 * does. `*process` is valid until then.
 * 0, MCP_ENOMEM, or a libuv code; `*step` is then what the child could not do,
 * or 0. */
int mcp_process_open(mcp_loop_t *loop, const mcp_process_options_t *options,
                     mcp_process_t **process, mcp_stream_t **stream,
                     mcp_process_step_t *step);

/* Its number. */
int mcp_process_pid(const mcp_process_t *process);

/* Does what is heard of its end keep the loop going? It does at first. What it
 * writes does as long as it is read. */
void mcp_process_hold(mcp_process_t *process, bool hold);

/* How long each step of the end takes, instead of MCP_PROCESS_GRACE. If it is
 * under way already its next step comes no later than so. */
void mcp_process_set_grace(mcp_process_t *process, uint64_t grace_ms);

#endif
