/* SPDX-License-Identifier: MIT
 * monitor.c: see monitor.h. */
#include "net/monitor.h"

#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

/* After a deadline has passed it asks again so soon, in ms, and then less and
 * less often. */
#define AGAIN 5

#define LOAD(field) atomic_load_explicit(&(field), memory_order_relaxed)
#define STORE(field, value)                                                    \
  atomic_store_explicit(&(field), value, memory_order_relaxed)

uint64_t mcp_monitor_clock(void) {
  return uv_hrtime() / 1000000;
}

/* --- the watchdog's thread -------------------------------------------------
 */

/* The work that was seen at `seen_at` goes on. Asks which code it is, or says
 * that nothing answers: hooks have not run since the last question. */
static void look_at_work(mcp_monitor_t *monitor, uint64_t age) {
  unsigned asked = LOAD(monitor->asked);
  if (age < monitor->next) return;
  if (asked == 0) {
    STORE(monitor->since, monitor->seen_at);
    STORE(monitor->answered, 0);
    STORE(monitor->late, monitor->seen);
    monitor->next = MCP_MONITOR_STILL;
    while (monitor->next <= age) monitor->next *= 10;
  } else {
    if (LOAD(monitor->answered) != asked)
      mcp_log(MCP_LOG_WARNING,
              "a handler still holds the loop after %.0f s, in a C function "
              "or a finalizer",
              (double)age / 1000);
    monitor->next *= 10;
  }
  STORE(monitor->asked, asked + 1);
  mcp_interrupt_send(monitor->interrupt);
}

/* Asks again and again once the deadline has passed, for an interrupt may come
 * between two coroutines, but more and more seldom: to set a hook takes Lua as
 * long as its stack is deep. Returns when to look again, in ms. */
static uint64_t look_at_deadline(mcp_monitor_t *monitor) {
  uint64_t deadline = LOAD(monitor->deadline), now = uv_hrtime(), left;
  if (deadline == 0) return monitor->tick;
  if (now < deadline) {
    left = (deadline - now) / 1000000 + 1;
    return left < monitor->tick ? left : monitor->tick;
  }
  if (LOAD(monitor->passed) != deadline) {
    monitor->pause = AGAIN;
    STORE(monitor->passed, deadline);
  } else if (now < monitor->again) {
    return monitor->tick;
  }
  monitor->again = now + monitor->pause * 1000000;
  monitor->pause *= 2;
  mcp_interrupt_send(monitor->interrupt);
  return monitor->tick < AGAIN ? monitor->tick : AGAIN;
}

static void on_tick(void *arg) {
  mcp_monitor_t *monitor = arg;
  unsigned beat = LOAD(monitor->beat);
  uint64_t now = mcp_monitor_clock();
  if (beat != monitor->seen) {
    monitor->seen = beat;
    monitor->seen_at = now;
    monitor->next = monitor->limit ? monitor->limit : UINT64_MAX;
    monitor->idle = 0;
    STORE(monitor->asked, 0);
  } else if (beat % 2 == 1) {
    look_at_work(monitor, now - monitor->seen_at);
  } else if (++monitor->idle == MCP_MONITOR_IDLE) {
    /* What the loop's thread has published before it sees this flag is seen by
     * the next look. */
    STORE(monitor->asleep, true);
  } else if (monitor->idle > MCP_MONITOR_IDLE) {
    return;
  }
  mcp_watchdog_arm(monitor->watchdog, &monitor->alarm,
                   look_at_deadline(monitor));
}

/* --- the loop's thread -----------------------------------------------------
 */

void mcp_monitor_wake(mcp_monitor_t *monitor) {
  STORE(monitor->asleep, false);
  mcp_watchdog_arm(monitor->watchdog, &monitor->alarm, monitor->tick);
}

int mcp_monitor_attach(mcp_monitor_t *monitor, mcp_watchdog_t *watchdog,
                       uint32_t limit, bool working, void (*fn)(void *),
                       void *arg) {
  mcp_interrupt_t *interrupt = mcp_mem_zalloc(sizeof *interrupt);
  uint32_t tick = MCP_MONITOR_TICK;
  uint64_t deadline = LOAD(monitor->deadline);
  if (!interrupt) return MCP_ENOMEM;
  if (limit > 0 && limit / 4 < tick) tick = limit / 4 + 1;
  interrupt->fn = fn;
  interrupt->arg = arg;
  mcp_interrupt_enter(interrupt);
  *monitor = (mcp_monitor_t){.thread = pthread_self(),
                             .attached = true,
                             .watchdog = watchdog,
                             .interrupt = interrupt,
                             .limit = limit,
                             .beat = working ? 1 : 0,
                             .deadline = deadline,
                             .alarm = {.fn = on_tick, .arg = monitor},
                             .tick = tick};
  mcp_watchdog_arm(watchdog, &monitor->alarm, tick);
  return 0;
}

void mcp_monitor_detach(mcp_monitor_t *monitor) {
  if (!monitor->attached) return;
  mcp_watchdog_disarm(monitor->watchdog, &monitor->alarm);
  monitor->attached = false;
  /* Left by another thread, as a host may close its state, it stays known to
   * its own. */
  if (mcp_interrupt_leave(monitor->interrupt)) mcp_mem_free(monitor->interrupt);
  monitor->interrupt = NULL;
}

bool mcp_monitor_is_late(const mcp_monitor_t *monitor) {
  return monitor->attached && LOAD(monitor->late) == LOAD(monitor->beat);
}

uint64_t mcp_monitor_age(const mcp_monitor_t *monitor) {
  return mcp_monitor_clock() - LOAD(monitor->since);
}

void mcp_budget_run(mcp_budget_t *budget, mcp_monitor_t *monitor) {
  uint64_t around = LOAD(monitor->deadline), next;
  budget->deadline = uv_hrtime() + budget->left;
  budget->around = around;
  if (!mcp_monitor_publishes(monitor)) return;
  next = around && around < budget->deadline ? around : budget->deadline;
  STORE(monitor->deadline, next);
  /* The next look may be later. */
  if (budget->left < (uint64_t)2 * monitor->tick * 1000000)
    mcp_watchdog_arm(monitor->watchdog, &monitor->alarm,
                     budget->left / 1000000 + 1);
}

void mcp_budget_pause(mcp_budget_t *budget, mcp_monitor_t *monitor) {
  uint64_t now = uv_hrtime();
  budget->left = budget->deadline > now ? budget->deadline - now : 0;
  budget->deadline = 0;
  if (mcp_monitor_publishes(monitor)) STORE(monitor->deadline, budget->around);
}

bool mcp_monitor_is_spent(const mcp_monitor_t *monitor) {
  uint64_t deadline = LOAD(monitor->deadline);
  return deadline != 0 && LOAD(monitor->passed) == deadline;
}

bool mcp_monitor_answer(mcp_monitor_t *monitor) {
  unsigned asked = LOAD(monitor->asked), answered = LOAD(monitor->answered);
  STORE(monitor->answered, asked);
  return asked > 1 && answered == asked - 1;
}
