/* SPDX-License-Identifier: MIT
 * process.h: a child process whose standard input and output are one stream.
 *
 * No process of it remains. The child leads a process group of its own, and a
 * guard watches the group: a small process that reaps what dies there and shuts
 * the group down, at our request or when this process has ended, killed with
 * KILL for instance. The shutdown is the one that the protocol asks of a
 * client: close its input; after a grace period TERM to the group; after
 * another one KILL to the group. Processes that call setsid() leave the group
 * and are not tracked.
 *
 * The guard is a fork of this process that runs none of its code: it shares its
 * memory until one of the two writes to it. The only descriptor it keeps is its
 * end of one socket pair. */
#ifndef MCP_NET_PROCESS_H
#define MCP_NET_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "net/loop.h"
#include "net/stream.h"

/* All in milliseconds. Between the end of its input and TERM, and between TERM
 * and KILL. */
#define MCP_PROCESS_GRACE 2000
/* The same when no process waits for it: this one has ended, or the child has
 * and its descendants have not. */
#define MCP_PROCESS_ORPHAN_GRACE 600
/* Output that a child has written before it died is read to the end. But
 * another process may hold the pipe: when nothing has arrived for this time,
 * the output counts as ended. */
#define MCP_PROCESS_DRAIN_TIME 100
/* The longest time that takes in all. */
#define MCP_PROCESS_DRAIN_MAX 2000

/* The most descriptors that a child gets beyond its standard ones. */
#define MCP_PROCESS_PASSED 16

typedef enum {
  MCP_PROCESS_INHERIT, /* our standard error */
  MCP_PROCESS_NULL,    /* the null device */
  MCP_PROCESS_CAPTURE, /* on_error gets it */
  MCP_PROCESS_MERGE    /* its standard output */
} mcp_process_error_t;

typedef enum { MCP_PROCESS_FOLDER = 1, MCP_PROCESS_PROGRAM } mcp_process_step_t;

/* Both arrays end with NULL. */
typedef struct {
  const char *const *arguments;   /* the first is the program: a path, or a
                                     name to be found in the new PATH */
  const char *const *environment; /* "NAME=value": all that it gets */
  const char *folder;             /* where it starts; NULL: where we are */
  mcp_process_error_t error;
  bool no_output;  /* its standard output is the null device */
  bool our_output; /* or ours */
  /* Descriptors that it has at 3, 4 and so on, at most MCP_PROCESS_PASSED. They
   * stay ours to close. */
  const int *passed;
  unsigned passed_count;
  /* Its input and its output end apart: what it does not read any more ends
   * neither the stream nor the child. */
  bool apart;
  /* What it writes to standard error; valid during the call. An empty slice
   * is its end: no call follows. */
  void (*on_error)(void *owner, mcp_slice_t bytes);
  /* The child has ended: its status, or the signal that ended it, else 0. */
  void (*on_exit)(void *owner, int status, int signal);
  /* In place of that, if the guard was killed: the status is unknown. */
  void (*on_lost)(void *owner);
  /* Its group is empty and the process is freed: the last call. */
  void (*on_gone)(void *owner);
  void *owner;
} mcp_process_options_t;

typedef struct mcp_process mcp_process_t;

/* Starts it. The call returns when the program runs, and has copied what it
 * needs of `options`. `*stream` is what the child reads and writes. Its end
 * comes when the child ends or closes its output: with 0, with MCP_EGONE if the
 * child failed (details in stream->reason), or with a libuv code. Closing it
 * with `flush` ends the child as above, without it by KILL at once; further
 * output of the child is read and dropped. on_closed does not wait for that,
 * on_gone does. `*process` is valid until then. 0, MCP_ENOMEM, or a libuv code;
 * `*step` is then what the child could not do, or 0. */
int mcp_process_open(mcp_loop_t *loop, const mcp_process_options_t *options,
                     mcp_process_t **process, mcp_stream_t **stream,
                     mcp_process_step_t *step);

/* Has it left input unread? For on_exit: false also if that is unknown. */
bool mcp_process_has_unread(const mcp_process_t *process);

/* Its number. */
int mcp_process_pid(const mcp_process_t *process);

/* Does waiting for its end keep the loop alive? True at first. Its output does
 * so as long as it is read. */
void mcp_process_hold(mcp_process_t *process, bool hold);

/* Ends its input, after what is queued has been written. The stream stays;
 * its on_closed comes only right before on_gone then. */
void mcp_process_end_input(mcp_process_t *process);

/* Pauses or resumes what on_error gets. */
void mcp_process_pause_error(mcp_process_t *process, bool pause);

/* Closes the stream: TERM to the group at once, KILL after `grace_ms`. */
void mcp_process_end(mcp_process_t *process, uint64_t grace_ms);

/* Sends a signal to the group. False: no process is left in it. */
bool mcp_process_signal(mcp_process_t *process, int number);

/* Sets how long each step of the shutdown takes, instead of MCP_PROCESS_GRACE.
 * If the shutdown has begun, the next step comes no later than that. */
void mcp_process_set_grace(mcp_process_t *process, uint64_t grace_ms);

#endif
