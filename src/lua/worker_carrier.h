/* SPDX-License-Identifier: MIT
 * worker_carrier.h: what carries a worker's state: a thread of this process, or
 * a process of its own that runs mcp_worker_child. To the caller's side
 * (lworker.c) both look alike: one call goes in, notes and one answer come
 * out.
 *
 * Frames between processes: 4 bytes of size, a letter ('S' setup, 'C' call,
 * 'N' note, 'R' reply to a note, 'W' waits for the reply after so many, 'A'
 * answer), the message. */
#ifndef MCP_LUA_WORKER_CARRIER_H
#define MCP_LUA_WORKER_CARRIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "lua/worker_state.h"
#include "net/loop.h"

/* Notes that the caller has not taken, in bytes: above this the process is not
 * read. */
#define MCP_CARRIER_NOTES (64u << 10)

typedef struct mcp_carrier mcp_carrier_t;

typedef struct {
  mcp_slice_t setup; /* copied */
  mcp_worker_limits_t limits;
  /* For a process: the program and its arguments, "NAME=value", both ended by
   * NULL. NULL: a thread. */
  const char *const *arguments;
  const char *const *environment;
  /* All on the loop. The first two take `bytes`; an empty answer says that
   * there was no memory for one. on_ended comes last, and the carrier is then
   * freed: by itself only where a process has died (`reason` is a text, valid
   * during the call). */
  void (*on_note)(void *owner, mcp_buf_t *bytes);
  void (*on_answer)(void *owner, mcp_buf_t *bytes);
  /* It has nothing to do before the next reply. */
  void (*on_wait)(void *owner);
  void (*on_ended)(void *owner, const char *reason);
  void *owner;
} mcp_carrier_options_t;

/* 0, MCP_ENOMEM, or a libuv code. */
int mcp_carrier_open(mcp_loop_t *loop, const mcp_carrier_options_t *options,
                     mcp_carrier_t **carrier);

/* One that is held keeps the loop going. */
void mcp_carrier_hold(mcp_carrier_t *carrier, bool hold);

/* The next call, taking `bytes`. 0, or a code: then it will end. */
int mcp_carrier_post(mcp_carrier_t *carrier, mcp_buf_t *bytes);

/* Sends a reply to a note, of this call: processes only. 0, or a code: then it
 * will end. */
int mcp_carrier_reply(mcp_carrier_t *carrier, mcp_slice_t bytes);

/* `size` bytes of notes have been used. */
void mcp_carrier_credit(mcp_carrier_t *carrier, size_t size);

/* Stops the running call. A thread is asked to, and answers if it can; a
 * process is killed: on_ended follows. */
void mcp_carrier_stop(mcp_carrier_t *carrier);

/* Ends it, stopping what it does: on_ended follows. */
void mcp_carrier_close(mcp_carrier_t *carrier);

/* The same where the loop ends: waits until `deadline_ms` of mcp_thread_clock.
 * False: a thread is left. No callback comes. */
bool mcp_carrier_end_by(mcp_carrier_t *carrier, uint64_t deadline_ms);

/* --- the other side --------------------------------------------------------
 */

/* The main function of a worker's process: runs the calls that arrive at
 * standard input until that ends. `open_core` and `prepare` are for its state
 * (mcp_worker_limits_t). Returns an exit status. */
int mcp_worker_child(lua_CFunction open_core, lua_CFunction prepare);

#endif
