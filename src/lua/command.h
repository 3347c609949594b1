/* SPDX-License-Identifier: MIT
 * command.h: a child process that Lua code runs, with what it has written and
 * which coroutines wait for it. Makes no Lua values: lprocess.c does. */
#ifndef MCP_LUA_COMMAND_H
#define MCP_LUA_COMMAND_H

#include "lua/coroutine.h"
#include "lua/output.h"
#include "net/process.h"

/* Output that is not read yet: above this the child has to wait, so that a
 * program that writes without end does not fill our memory. In bytes, for each
 * of its two outputs. */
#define MCP_COMMAND_UNREAD (256u << 10)
/* Between TERM and KILL for the group of a process that is no longer wanted:
 * programs that ignore TERM. In milliseconds. */
#define MCP_COMMAND_GRACE 1000

/* What can be waited for. The first two are indices of `outputs`. */
typedef enum {
  MCP_COMMAND_OUTPUT,
  MCP_COMMAND_ERROR,
  MCP_COMMAND_INPUT,
  MCP_COMMAND_END,
  MCP_COMMAND_WAITS
} mcp_command_wait_t;
#define MCP_COMMAND_OUTPUTS 2

typedef struct mcp_command mcp_command_t;

/* A wait, and what it is for. */
typedef struct {
  mcp_command_t *command;
  mcp_coroutine_t *co; /* which waits, or NULL */
  bool turning;        /* code outside coroutines waits */
  size_t wanted;       /* bytes of an output; 0: whatever there is */
  bool line;           /* of an output: a line of at most `wanted` */
  size_t at;           /* of an input: bytes that have been sent */
} mcp_command_slot_t;

struct mcp_command {
  mcp_runtime_t *rt;
  mcp_process_t *process; /* NULL once it is gone */
  mcp_stream_t *stream;   /* the same */
  unsigned refs;          /* the process, the userdata, a callback */
  int pid;
  bool lost;   /* it has ended, with an unknown status */
  bool exited; /* with these: */
  int status, signal;
  bool closed;      /* by us: nothing is read or written any more */
  bool input_ended; /* by us */
  bool collecting;  /* all output is kept, up to `limit` */
  bool over;        /* there was more */
  bool rang;        /* the time of the wait for its end is over */
  size_t limit;
  uint64_t ms; /* the time of that wait */
  mcp_timer_t *timer;
  mcp_share_t *share;
  mcp_output_t outputs[MCP_COMMAND_OUTPUTS];
  mcp_command_slot_t slots[MCP_COMMAND_WAITS];
  mcp_coroutine_owned_t owned;
};

/* One without a process, with one reference. NULL: no memory. */
mcp_command_t *mcp_command_new(mcp_runtime_t *rt);
void mcp_command_unref(mcp_command_t *command);

/* Starts it; from now on it ends with the running coroutine, if there is one.
 * Reads the arguments, the environment, the folder, `error` and `no_output` of
 * `options`. As mcp_process_open. */
int mcp_command_start(mcp_command_t *command, mcp_process_options_t *options,
                      mcp_process_step_t *step);

/* Ends the process and its group: TERM, after `grace_ms` KILL, at once where
 * that is 0. Waits return MCP_ECLOSED in a later turn. For finalizers too. */
void mcp_command_shut(mcp_command_t *command, uint64_t grace_ms);

/* Has the process ended, as far as that can be known? */
bool mcp_command_is_ended(const mcp_command_t *command);

/* Is what a slot describes there, or will it never be? */
bool mcp_command_is_ready(mcp_command_t *command, mcp_command_wait_t wait);

/* The same of the first two slots, and of MCP_COMMAND_END. */
bool mcp_command_has_output(mcp_command_t *command, mcp_command_wait_t wait);
bool mcp_command_has_end(const mcp_command_t *command);

/* Wakes the coroutine that waits for it, if it is ready. */
void mcp_command_notify(mcp_command_t *command, mcp_command_wait_t wait);

/* Pauses or resumes reading of an output, by what is held and wanted of it. */
void mcp_command_adjust(mcp_command_t *command, mcp_command_wait_t output);

void mcp_command_stop_timer(mcp_command_t *command);

#endif
