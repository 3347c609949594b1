/* SPDX-License-Identifier: MIT
 * watchdog.h: a thread beside the loop, for what must happen even while a
 * long-running callback blocks the loop. It sleeps until a signal, the end of
 * standard input or an alarm wakes it, so it costs nothing in between.
 *
 * Its rules end the process when a handler blocks the loop:
 * - the first signal: once the time to drain is over and the loop stands still,
 *   or the time to leave is over as well: exit status 128 + number;
 * - a second one: if the loop stands still, or has not ended soon after; a
 * third one at once: the same;
 * - the hang-up of standard input: if the loop stands still for so long:
 *   status 1.
 * A loop that turns does all this by itself, and in order. Only the program has
 * a watchdog with rules, one per process; that of a host program has none, and
 * leaves its signals and its input alone. */
#ifndef MCP_NET_WATCHDOG_H
#define MCP_NET_WATCHDOG_H

#include "base/list.h"
#include "net/loop.h"

/* How long a loop may go without an answer after a second signal, in ms. */
#define MCP_WATCHDOG_HURRY 200
/* How long a loop that turns may take to end after that signal, in ms. */
#define MCP_WATCHDOG_SECOND 2000
/* How often the loop is asked for an answer while it may be blocked, in ms. */
#define MCP_WATCHDOG_TICK 50

typedef struct mcp_watchdog mcp_watchdog_t;

typedef struct {
  uint32_t drain; /* ms that calls have to end after the first signal */
  uint32_t leave; /* ms after that for closing */
  uint32_t stall; /* ms that the loop may stand still once input has ended */
  int input; /* the descriptor whose hang-up ends the process, or -1; stays the
                caller's */
} mcp_watchdog_rules_t;

/* A function that runs on the watchdog's thread at its time. It lives in its
 * owner, which disarms it before freeing it. All zero is an alarm that is not
 * armed. */
typedef struct {
  mcp_list_t of_watchdog;
  uint64_t at;
  bool armed;
  void (*fn)(void *arg); /* holds the lock of the watchdog: must be short */
  void *arg;
} mcp_alarm_t;

/* Opens a watchdog; `rules` may be NULL. It does nothing until
 * mcp_watchdog_start, and then handles what has arrived before. 0 or a libuv
 * code, MCP_ENOMEM. */
int mcp_watchdog_open(mcp_loop_t *loop, const mcp_watchdog_rules_t *rules,
                      mcp_watchdog_t **watchdog);

/* Starts its thread, once. 0 or a libuv code. */
int mcp_watchdog_start(mcp_watchdog_t *watchdog);

/* Ends the thread and gives the signals back. NULL is accepted. */
void mcp_watchdog_stop(mcp_watchdog_t *watchdog);

/* From now on `number`, which libuv must catch already, counts as a signal to
 * end; libuv still gets it. 0 or a libuv code. */
int mcp_watchdog_catch(mcp_watchdog_t *watchdog, int number);

/* Arm: alarm->fn(alarm->arg) is called once, `after_ms` from now; an earlier
 * time is replaced. Disarm: it is not called any more. May be called from any
 * thread, and from alarms' functions. */
void mcp_watchdog_arm(mcp_watchdog_t *watchdog, mcp_alarm_t *alarm,
                      uint64_t after_ms);
void mcp_watchdog_disarm(mcp_watchdog_t *watchdog, mcp_alarm_t *alarm);

#endif
