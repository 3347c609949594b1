/* SPDX-License-Identifier: MIT
 * loop.h: the event loop, timers and signals. Knows bytes and time, nothing
 * of what they mean. Times are milliseconds of a clock that never goes back. */
#ifndef MCP_NET_LOOP_H
#define MCP_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"

/* One read takes at most this much from a socket: a message of 100 KB in one
 * piece, so that it is not copied. */
#define MCP_LOOP_READ_SIZE 131072
/* Close callbacks may close further handles, and so on, to this depth. */
#define MCP_LOOP_ROUNDS 4
/* The scratch buffer for outgoing messages is kept up to this size. */
#define MCP_LOOP_SCRATCH_SIZE 65536

typedef struct mcp_loop mcp_loop_t;
typedef struct mcp_timer mcp_timer_t;
typedef struct mcp_signal mcp_signal_t;
typedef struct mcp_peers mcp_peers_t;

/* Runs before the loop is freed, for objects that must not outlive it even if
 * their owner cannot wait for their end. */
typedef struct mcp_loop_cleanup {
  mcp_list_t of_loop;
  void (*end)(struct mcp_loop_cleanup *cleanup);
} mcp_loop_cleanup_t;

/* A loop of our own. 0 or a libuv code, MCP_ENOMEM. */
int mcp_loop_new(mcp_loop_t **loop);

/* The same on a host's loop, a uv_loop_t, which must outlive it and which the
 * host runs. */
int mcp_loop_over(void *uv, mcp_loop_t **loop);

/* Moves a loop of our own to a host's, a uv_loop_t, with `timers` timers, which
 * must be all that is open: MCP_EBUSY if there is more, MCP_ENESTED inside a
 * callback, or a libuv code; the loop is as before then. */
int mcp_loop_move(mcp_loop_t *loop, void *uv, int timers);

/* Is it a host's? */
bool mcp_loop_is_hosts(const mcp_loop_t *loop);

/* Closes what is still open, turns the loop until every handle is closed, and
 * frees it. Inside a callback of the loop (a handler that ends the process and
 * closes its state) it only runs the cleanups: the memory is freed with the
 * process. NULL is accepted. */
void mcp_loop_free(mcp_loop_t *loop);

/* Turns the loop until something happened or `timeout_ms` passed (0: only what
 * is ready, negative: as long as it takes). Returns 1 while the loop has active
 * handles, else 0. MCP_ENESTED inside a callback of this loop: a loop cannot be
 * turned from within itself. */
int mcp_loop_step(mcp_loop_t *loop, int64_t timeout_ms);

/* Is a callback of this loop running? Covers only turns that mcp_loop_step has
 * begun, not those of a host. */
bool mcp_loop_is_turning(const mcp_loop_t *loop);

/* Makes a step that is waiting return. */
void mcp_loop_wake(mcp_loop_t *loop);

/* For the watchdog's thread, and for a signal handler: a check that the loop is
 * alive. mcp_loop_ask wakes the loop, which then increments the counter that
 * mcp_loop_answers returns (once for several calls, perhaps). A callback with
 * much work may increment it with mcp_loop_note_work, once for each piece. */
void mcp_loop_ask(mcp_loop_t *loop);
unsigned mcp_loop_answers(const mcp_loop_t *loop);
void mcp_loop_note_work(mcp_loop_t *loop);

/* Where standard input was moved to (net/pipe.c), or -1. */
void mcp_loop_set_input(mcp_loop_t *loop, int fd);
int mcp_loop_input(const mcp_loop_t *loop);

/* Milliseconds since some fixed moment, as of the last turn. */
uint64_t mcp_loop_now(const mcp_loop_t *loop);

/* For tests of what takes long: lets the clock of the loop jump, and with it
 * every timer of ours; not those of a host, and not what other threads and
 * processes do. A timer that is due then expires in the next turn. */
void mcp_loop_skip(mcp_loop_t *loop, uint64_t ms);

/* How long until the next timer of ours expires, in ms; UINT64_MAX: never. */
uint64_t mcp_loop_next_due(mcp_loop_t *loop);

/* Would a turn that does not wait do anything? */
bool mcp_loop_is_ready(mcp_loop_t *loop);

/* For hosts that drive the loop: the descriptor that becomes readable, and how
 * long a wait on it may last in milliseconds (-1: no limit). */
int mcp_loop_fd(const mcp_loop_t *loop);
int mcp_loop_timeout(mcp_loop_t *loop);

/* Registers `cleanup->end(cleanup)`, which mcp_loop_free calls and which may
 * still close handles; and removes it. */
void mcp_loop_add_cleanup(mcp_loop_t *loop, mcp_loop_cleanup_t *cleanup);
void mcp_loop_drop_cleanup(mcp_loop_cleanup_t *cleanup);

/* The listeners that wait for a descriptor, the one that waited longest first.
 */
mcp_list_t *mcp_loop_starved(mcp_loop_t *loop);

/* Between these two calls another thread works on something that calls back on
 * the loop and needs its memory: leaving a host's loop waits for it. A loop of
 * our own is turned until no handle is left anyway. */
void mcp_loop_begin_lookup(mcp_loop_t *loop);
void mcp_loop_end_lookup(mcp_loop_t *loop);

/* The uv_loop_t underneath, for the files of src/net. */
void *mcp_loop_uv(mcp_loop_t *loop);

/* MCP_LOOP_READ_SIZE bytes that reads share: the contents are valid until the
 * reader's callback returns. */
char *mcp_loop_read_buffer(mcp_loop_t *loop);

/* One buffer that encoders share; empty it before use. */
mcp_buf_t *mcp_loop_scratch(mcp_loop_t *loop);

/* The table of peers.c, and the function that frees it with the loop. NULL
 * until it is set. */
mcp_peers_t *mcp_loop_peers(const mcp_loop_t *loop);
void mcp_loop_set_peers(mcp_loop_t *loop, mcp_peers_t *peers,
                        void (*free_peers)(mcp_peers_t *peers));

/* What is called at the end of each pass over the sockets (gather.c): memory of
 * mcp_mem_alloc that begins with a uv_check_t. It is closed and freed with the
 * loop. NULL until it is set. */
void *mcp_loop_pass_end(const mcp_loop_t *loop);
void mcp_loop_set_pass_end(mcp_loop_t *loop, void *pass_end);

/* A stopped timer: mcp_timer_set starts it without allocating, for callers that
 * can no longer fail. A quiet timer does not keep the loop alive. NULL: no
 * memory. */
mcp_timer_t *mcp_timer_new(mcp_loop_t *loop, bool quiet, void (*fn)(void *),
                           void *arg);

/* Lets it expire once, `after_ms` from now, whether it was running or not. */
void mcp_timer_set(mcp_timer_t *timer, uint64_t after_ms);

/* Calls `fn(arg)` once after `after_ms`, and every `every_ms` from then on if
 * that is not 0. NULL: no memory. A one-shot timer must still be stopped to be
 * freed. */
mcp_timer_t *mcp_timer_start(mcp_loop_t *loop, uint64_t after_ms,
                             uint64_t every_ms, bool quiet, void (*fn)(void *),
                             void *arg);

/* Ends and frees it: fn is not called again. NULL is accepted. */
void mcp_timer_stop(mcp_timer_t *timer);

/* Calls `fn(arg, number)` for every signal `number`; does not keep the loop
 * alive. NULL on failure. */
mcp_signal_t *mcp_signal_start(mcp_loop_t *loop, int number,
                               void (*fn)(void *, int), void *arg);
void mcp_signal_stop(mcp_signal_t *sig);

#endif
