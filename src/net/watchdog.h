/* SPDX-License-Identifier: MIT
 * watchdog.h: a thread beside the loop, for what must happen though the loop
 * does not turn because a callback computes. It sleeps until a signal, the end
 * of standard input or an alarm wakes it, so it costs nothing meanwhile.
 *
 * Its rules end the process against the will of a handler that computes:
 * - the first signal: once the time to drain is over and the loop stands still,
 *   or the time to leave is over as well: exit status 128 + number;
 * - a second one: if the loop stands still, or has not ended soon after; a
 * third one at once: the same;
 * - the hang-up of standard input: if the loop stands still for so long:
 *   status 1.
 * A loop that turns does all this by itself, and better. Only a program of its
 * own has a watchdog, one a process. */
#ifndef MCP_NET_WATCHDOG_H
#define MCP_NET_WATCHDOG_H

#include "base/list.h"
#include "net/loop.h"

/* A loop that has not answered for so long after a second signal, in ms. */
#define MCP_WATCHDOG_HURRY 200
/* How long one that turns may take to end after it, in ms. */
#define MCP_WATCHDOG_SECOND 2000
/* How often a loop is asked whether it turns, while that is in doubt; in ms. */
#define MCP_WATCHDOG_TICK 50

typedef struct mcp_watchdog mcp_watchdog_t;

typedef struct {
  uint32_t drain; /* ms after the first signal that calls have to end */
  uint32_t leave; /* ms after that for what is being closed */
  uint32_t stall; /* ms that the loop may stand still once input has ended */
  int input;      /* the descriptor whose hang-up is meant, or -1; not taken */
} mcp_watchdog_rules_t;

/* Something to be done on the watchdog's thread, at its time. Lies in its
 * owner, who disarms it before it goes. All zero is one that is not armed. */
typedef struct {
  mcp_list_t of_watchdog;
  uint64_t at;
  bool armed;
  void (*fn)(void *arg); /* holds the lock of the watchdog: must be short */
  void *arg;
} mcp_alarm_t;

/* Opens what it needs; it sleeps until mcp_watchdog_start, and sees then what
 * has come meanwhile. 0 or a libuv code, MCP_ENOMEM. */
int mcp_watchdog_open(mcp_loop_t *loop, const mcp_watchdog_rules_t *rules,
                      mcp_watchdog_t **watchdog);

/* Starts its thread, once. 0 or a libuv code. */
int mcp_watchdog_start(mcp_watchdog_t *watchdog);

/* Ends the thread and gives the signals back. NULL is accepted. */
void mcp_watchdog_stop(mcp_watchdog_t *watchdog);

/* From now on `number`, which libuv must catch already, counts as a signal to
 * end; libuv gets it all the same. 0 or a libuv code. */
int mcp_watchdog_catch(mcp_watchdog_t *watchdog, int number);

/* Lets alarm->fn(alarm->arg) be called once, `after_ms` from now, whether it
 * was armed or not; and not any more. From any thread, alarms' functions too.
 * After disarming it does not run. */
void mcp_watchdog_arm(mcp_watchdog_t *watchdog, mcp_alarm_t *alarm,
                      uint64_t after_ms);
void mcp_watchdog_disarm(mcp_watchdog_t *watchdog, mcp_alarm_t *alarm);

#endif
