/* SPDX-License-Identifier: MIT
 * thread.h: a thread beside the loop. The loop hands it one message at a time;
 * what it hands back arrives on the loop. Handles bytes only, independent of
 * Lua.
 *
 * A message in is one piece of work. The answer to it is one message out, which
 * is delivered without allocating; before it the thread may send notes, up to a
 * limit: a thread that sends faster than the loop reads waits.
 *
 * Stopping: mcp_thread_stop sets a flag, wakes the functions of this file that
 * wait, and delivers a signal (SIGURG) to that one thread, whose handler calls
 * `interrupt` there. So `interrupt` may touch what belongs to the thread
 * without a lock, as far as a signal handler may. */
#ifndef MCP_NET_THREAD_H
#define MCP_NET_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/loop.h"

/* Notes that the loop has not taken yet: over this a thread waits. In bytes. */
#define MCP_THREAD_NOTES (64u << 10)
/* The stack of a thread: what a main thread has on most systems. Only what is
 * touched takes memory. */
#define MCP_THREAD_STACK (8u << 20)

typedef struct mcp_thread mcp_thread_t;

typedef struct {
  /* On the thread: works until mcp_thread_receive returns false. */
  void (*run)(mcp_thread_t *thread, void *arg);
  /* On the thread, inside a signal handler. It may come at any time while
   * `run` runs, also when there is nothing to stop. */
  void (*interrupt)(void *arg);
  /* On the thread, after `run`: no interrupt comes any more, so this may free
   * what `interrupt` uses. */
  void (*release)(void *arg);
  void *arg; /* the thread's */
  /* On the loop. Both take `bytes`. The answer is empty where there was no
   * memory for one. */
  void (*on_note)(void *owner, mcp_buf_t *bytes);
  void (*on_answer)(void *owner, mcp_buf_t *bytes);
  /* On the loop: the thread has ended, and `thread` is freed. The last call;
   * not made after mcp_thread_end_by. */
  void (*on_ended)(void *owner);
  void *owner;
} mcp_thread_options_t;

/* --- for the loop ----------------------------------------------------------
 */

/* Starts one. It does not keep the loop alive (mcp_thread_hold). 0, MCP_ENOMEM,
 * or a libuv code; after a failure `arg` is still the caller's. */
int mcp_thread_start(mcp_loop_t *loop, const mcp_thread_options_t *options,
                     mcp_thread_t **thread);

/* While `hold` is true the thread keeps the loop alive. */
void mcp_thread_hold(mcp_thread_t *thread, bool hold);

/* Hands over the next piece of work, taking `bytes`; the last one must have
 * been answered. */
void mcp_thread_post(mcp_thread_t *thread, mcp_buf_t *bytes);

/* `size` bytes of notes have been used. */
void mcp_thread_credit(mcp_thread_t *thread, size_t size);

/* Asks it to stop the current work, which still ends with an answer. The
 * request holds until the next mcp_thread_post; calling again signals again. */
void mcp_thread_stop(mcp_thread_t *thread);

/* Stops the work and ends the thread: on_ended follows when `run` has returned.
 */
void mcp_thread_close(mcp_thread_t *thread);

/* Closes it and waits for its end, at most until `deadline_ms` of
 * mcp_thread_clock. False: it is still running. Either way `thread` must not be
 * used again, and no callback follows. */
bool mcp_thread_end_by(mcp_thread_t *thread, uint64_t deadline_ms);

/* Milliseconds of a clock that never goes back, as of now. */
uint64_t mcp_thread_clock(void);

/* --- for the thread --------------------------------------------------------
 */

/* Waits for work and moves it to `bytes`; false: the thread must end. */
bool mcp_thread_receive(mcp_thread_t *thread, mcp_buf_t *bytes);

/* Has it been asked to stop? */
bool mcp_thread_stopped(const mcp_thread_t *thread);

/* Sends a note, taking `bytes`; waits while there are too many. 0, MCP_ENOMEM,
 * or MCP_ECANCELED: asked to stop. */
int mcp_thread_note(mcp_thread_t *thread, mcp_buf_t *bytes);

/* Sends the answer, taking `bytes`. */
void mcp_thread_answer(mcp_thread_t *thread, mcp_buf_t *bytes);

/* Waits for `ms`; false: asked to stop. */
bool mcp_thread_sleep(mcp_thread_t *thread, uint64_t ms);

/* What computes beside a loop yields to it: the loop must answer at once, and a
 * processor that both want would else go to the one that never waits. Lowers
 * the priority of the calling thread; on Linux only. */
#define MCP_THREAD_NICE 10
void mcp_thread_step_back(void);

#endif
