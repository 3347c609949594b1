/* SPDX-License-Identifier: MIT
 * monitor.h: finds callbacks that hold the loop, from the watchdog's thread.
 * The loop's thread publishes a counter before and after each piece of work,
 * two plain stores. The watchdog's thread looks at it a few times within the
 * limit while there is work, and sleeps while there is none.
 *
 * What it finds it asks the loop's thread about, by an interrupt
 * (interrupt.h): only that thread can tell which code it runs. */
#ifndef MCP_NET_MONITOR_H
#define MCP_NET_MONITOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/interrupt.h"
#include "net/watchdog.h"

/* How often it looks, in ms, unless the limit asks for more. */
#define MCP_MONITOR_TICK 25
/* After so many looks without any work it sleeps. */
#define MCP_MONITOR_IDLE 20
/* Work that goes on is reported at this age, in ms, and at each tenfold of it.
 */
#define MCP_MONITOR_STILL 1000

/* All zero: not attached, and nothing is published. */
typedef struct {
  /* Of the loop's thread. `thread` is that thread while attached. */
  pthread_t thread;
  bool attached;
  mcp_watchdog_t *watchdog;
  mcp_interrupt_t *interrupt;
  uint32_t limit; /* ms; 0: nothing is reported */
  /* Published by the loop's thread. */
  atomic_uint beat; /* odd while it works */
  atomic_uint answered;
  _Atomic uint64_t deadline; /* of the work that runs, in ns; 0: none */
  /* Published by the watchdog's thread. */
  atomic_uint late;        /* the beat that is over the limit, or 0 */
  atomic_uint asked;       /* how many times it has asked about that */
  _Atomic uint64_t since;  /* when that beat was first seen */
  _Atomic uint64_t passed; /* the deadline that it has seen pass, or 0 */
  atomic_bool asleep;      /* it must be woken; cleared by the loop's thread */
  /* The watchdog's thread's own; its lock is held. */
  mcp_alarm_t alarm;
  uint32_t tick;
  unsigned seen, idle;
  uint64_t seen_at, next;
  uint64_t again, pause; /* when it asks about a deadline next, in ns, and how
                            long after that, in ms */
} mcp_monitor_t;

/* The time that some work may run in all, spent in pieces. */
typedef struct {
  bool set;
  uint64_t left;     /* ns, while it does not run */
  uint64_t deadline; /* while it runs */
  uint64_t around;   /* the deadline of the work around it, or 0 */
} mcp_budget_t;

/* Begins, on the loop's thread; the thread of `watchdog` runs and goes on at
 * least until mcp_monitor_detach. `fn(arg)` is called in a signal handler of
 * the loop's thread when something is asked. `working`: inside a piece of work.
 * 0 or MCP_ENOMEM. */
int mcp_monitor_attach(mcp_monitor_t *monitor, mcp_watchdog_t *watchdog,
                       uint32_t limit, bool working, void (*fn)(void *),
                       void *arg);
void mcp_monitor_detach(mcp_monitor_t *monitor);

/* Milliseconds of the clock of `since`. */
uint64_t mcp_monitor_clock(void);

/* Wakes the watchdog's thread. */
void mcp_monitor_wake(mcp_monitor_t *monitor);

static inline bool mcp_monitor_publishes(const mcp_monitor_t *monitor) {
  return monitor->attached && pthread_equal(pthread_self(), monitor->thread);
}

/* Around each piece of work; they do not nest. The second one is true if it
 * was over the limit. */
static inline void mcp_monitor_begin(mcp_monitor_t *monitor) {
  unsigned beat;
  if (!mcp_monitor_publishes(monitor)) return;
  beat = atomic_load_explicit(&monitor->beat, memory_order_relaxed);
  atomic_store_explicit(&monitor->beat, beat + 1, memory_order_relaxed);
  if (atomic_load_explicit(&monitor->asleep, memory_order_relaxed))
    mcp_monitor_wake(monitor);
}

static inline bool mcp_monitor_end(mcp_monitor_t *monitor) {
  unsigned beat;
  if (!mcp_monitor_publishes(monitor)) return false;
  beat = atomic_load_explicit(&monitor->beat, memory_order_relaxed);
  atomic_store_explicit(&monitor->beat, beat + 1, memory_order_relaxed);
  return beat == atomic_load_explicit(&monitor->late, memory_order_relaxed);
}

/* On the loop's thread, in the signal handler too: is the work that runs now
 * over the limit? */
bool mcp_monitor_is_late(const mcp_monitor_t *monitor);

/* For how long that has been going on, in ms: since it was first seen. */
uint64_t mcp_monitor_age(const mcp_monitor_t *monitor);

/* Before and after each piece of work with the budget, inside the two above.
 * While it runs the watchdog's thread interrupts it once the time is spent, and
 * again until it pauses. */
void mcp_budget_run(mcp_budget_t *budget, mcp_monitor_t *monitor);
void mcp_budget_pause(mcp_budget_t *budget, mcp_monitor_t *monitor);

/* On the loop's thread, in the signal handler too: is the time of what runs now
 * spent? */
bool mcp_monitor_is_spent(const mcp_monitor_t *monitor);

/* The question has been answered. True: the work is so old that it is to be
 * reported while it goes on, and the watchdog's thread has not done that. */
bool mcp_monitor_answer(mcp_monitor_t *monitor);

#endif
