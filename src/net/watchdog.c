/* SPDX-License-Identifier: MIT
 * watchdog.c: see watchdog.h.
 *
 * A signal's handler has no argument of ours, so what it needs is the
 * process's: a counter, the last number, the descriptor that wakes the thread,
 * and what libuv had set up, which is called after. */
#include "net/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

/* Of the thread: it calls little, and writes one line. */
#define STACK_SIZE (128u << 10)
/* Signals of this process have lower numbers. */
#define NUMBERS 65

struct mcp_watchdog {
  mcp_loop_t *loop;
  mcp_watchdog_rules_t rules;
  uv_thread_t thread;
  uv_mutex_t lock; /* recursive; of what follows */
  mcp_list_t alarms;
  pthread_t self;   /* the thread, while it */
  bool runs_alarms; /* is inside run_alarms */
  bool stopping;
  /* The loop's. */
  bool started; /* there is a thread */
  bool ruled;   /* it has rules, so the signals of the process are its own */
  int wake[2];
  int input; /* a duplicate that we own; -1 if unset, or once it has ended */
  bool caught[NUMBERS];
  /* The thread's own. */
  unsigned signals; /* signals that it has seen */
  int number;       /* of the last one */
  mcp_alarm_t signal_alarm, input_alarm;
  uint64_t deadline; /* when the process is ended in any case */
  uint32_t limit;    /* how long the loop may block after a signal */
  uint64_t since;    /* when the loop last answered */
  unsigned answers;  /* the count of answers at that time */
};

static atomic_uint signal_count;
static atomic_int signal_number;
static atomic_int signal_fd = -1;
static struct sigaction before[NUMBERS];

static uint64_t now_ms(void) {
  return uv_hrtime() / 1000000;
}

/* --- signals ----------------------------------------------------------- */

static void on_signal(int number) {
  int saved = errno, fd = atomic_load(&signal_fd);
  atomic_store(&signal_number, number);
  atomic_fetch_add(&signal_count, 1);
  if (fd >= 0) (void)!write(fd, "s", 1);
  if (before[number].sa_handler != SIG_DFL &&
      before[number].sa_handler != SIG_IGN)
    before[number].sa_handler(number);
  errno = saved;
}

int mcp_watchdog_catch(mcp_watchdog_t *watchdog, int number) {
  struct sigaction action;
  if (number <= 0 || number >= NUMBERS) return UV_EINVAL;
  if (watchdog->caught[number]) return 0;
  if (sigaction(number, NULL, &before[number]) < 0) return -errno;
  /* A handler with more arguments is not libuv's. */
  if (before[number].sa_flags & SA_SIGINFO) return UV_EINVAL;
  action = before[number];
  action.sa_handler = on_signal;
  if (sigaction(number, &action, NULL) < 0) return -errno;
  watchdog->caught[number] = true;
  return 0;
}

static void give_signals_back(mcp_watchdog_t *watchdog) {
  if (!watchdog->ruled) return;
  for (int number = 1; number < NUMBERS; number++)
    if (watchdog->caught[number])
      (void)sigaction(number, &before[number], NULL);
  atomic_store(&signal_fd, -1);
}

/* --- rules, on the thread ------------------------------------------------ */

static _Noreturn void end_process(int status, const char *reason) {
  mcp_log(MCP_LOG_ERROR, "%s: exiting with status %d", reason, status);
  _exit(status);
}

/* From here on the thread checks that the loop turns. */
static void begin_stall(mcp_watchdog_t *watchdog) {
  watchdog->since = now_ms();
  watchdog->answers = mcp_loop_answers(watchdog->loop);
  mcp_loop_ask(watchdog->loop);
}

/* For how long has the loop not answered? */
static uint64_t stall(mcp_watchdog_t *watchdog) {
  unsigned answers = mcp_loop_answers(watchdog->loop);
  if (answers != watchdog->answers) {
    watchdog->since = now_ms();
    watchdog->answers = answers;
  }
  mcp_loop_ask(watchdog->loop);
  return now_ms() - watchdog->since;
}

static void on_signal_alarm(void *arg) {
  mcp_watchdog_t *watchdog = arg;
  int status = 128 + watchdog->number;
  if (watchdog->limit == 0) {
    /* The drain time is over: has the loop noticed? */
    watchdog->limit = MCP_WATCHDOG_HURRY;
    begin_stall(watchdog);
  } else if (stall(watchdog) >= watchdog->limit) {
    end_process(status, watchdog->signals > 1
                            ? "second signal while a handler is running"
                            : "signal: the grace period is over and a "
                              "handler is still running");
  }
  if (now_ms() >= watchdog->deadline)
    end_process(status, "signal: shutdown took too long");
  mcp_watchdog_arm(watchdog, &watchdog->signal_alarm, MCP_WATCHDOG_TICK);
}

static void look_at_signals(mcp_watchdog_t *watchdog) {
  unsigned count = atomic_load(&signal_count);
  if (count == watchdog->signals) return;
  watchdog->number = atomic_load(&signal_number);
  if (count > 2) end_process(128 + watchdog->number, "third signal");
  watchdog->signals = count;
  if (count == 1) {
    watchdog->limit = 0;
    watchdog->deadline =
        now_ms() + watchdog->rules.drain + watchdog->rules.leave;
    mcp_watchdog_arm(watchdog, &watchdog->signal_alarm, watchdog->rules.drain);
  } else {
    watchdog->limit = MCP_WATCHDOG_HURRY;
    watchdog->deadline = now_ms() + MCP_WATCHDOG_SECOND;
    begin_stall(watchdog);
    mcp_watchdog_arm(watchdog, &watchdog->signal_alarm, MCP_WATCHDOG_TICK);
  }
}

static void on_input_alarm(void *arg) {
  mcp_watchdog_t *watchdog = arg;
  if (stall(watchdog) >= watchdog->rules.stall)
    end_process(1, "standard input closed while a handler is running");
  mcp_watchdog_arm(watchdog, &watchdog->input_alarm, MCP_WATCHDOG_TICK);
}

/* Input written before the end may still be read: only a loop that makes no
 * progress is ended. */
static void input_ended(mcp_watchdog_t *watchdog) {
  close(watchdog->input);
  watchdog->input = -1;
  begin_stall(watchdog);
  mcp_watchdog_arm(watchdog, &watchdog->input_alarm, MCP_WATCHDOG_TICK);
}

/* --- the thread ---------------------------------------------------------- */

/* The alarm that has expired, or NULL and *wait: how long until the next one
 * does, in ms for poll. The lock is held. */
static mcp_alarm_t *next_alarm(mcp_watchdog_t *watchdog, int *wait) {
  uint64_t now = now_ms(), next = UINT64_MAX;
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&watchdog->alarms, it, after) {
    mcp_alarm_t *alarm = MCP_LIST_MEMBER(it, mcp_alarm_t, of_watchdog);
    if (alarm->at <= now) return alarm;
    if (alarm->at < next) next = alarm->at;
  }
  next = next == UINT64_MAX ? next : next - now;
  *wait = next == UINT64_MAX ? -1 : next > 60000 ? 60000 : (int)next;
  return NULL;
}

/* Runs the alarms that have expired. False: the thread must end. */
static bool run_alarms(mcp_watchdog_t *watchdog, int *wait) {
  mcp_alarm_t *alarm;
  bool goes_on;
  uv_mutex_lock(&watchdog->lock);
  watchdog->self = pthread_self();
  watchdog->runs_alarms = true;
  while (!watchdog->stopping && (alarm = next_alarm(watchdog, wait)) != NULL) {
    mcp_watchdog_disarm(watchdog, alarm);
    alarm->fn(alarm->arg);
  }
  watchdog->runs_alarms = false;
  goes_on = !watchdog->stopping;
  uv_mutex_unlock(&watchdog->lock);
  return goes_on;
}

static void run(void *arg) {
  mcp_watchdog_t *watchdog = arg;
  int wait = -1;
  while (run_alarms(watchdog, &wait)) {
    struct pollfd fds[2] = {{.fd = watchdog->wake[0], .events = POLLIN},
                            {.fd = watchdog->input, .events = POLLRDHUP}};
    char bytes[64];
    if (poll(fds, 2, wait) < 0) continue;
    if (fds[0].revents) (void)!read(watchdog->wake[0], bytes, sizeof bytes);
    if (watchdog->ruled) look_at_signals(watchdog);
    if (fds[1].revents && watchdog->input >= 0) input_ended(watchdog);
  }
}

static void wake(mcp_watchdog_t *watchdog) {
  (void)!write(watchdog->wake[1], "w", 1);
}

void mcp_watchdog_arm(mcp_watchdog_t *watchdog, mcp_alarm_t *alarm,
                      uint64_t after_ms) {
  bool own;
  uv_mutex_lock(&watchdog->lock);
  if (!alarm->armed) mcp_list_append(&watchdog->alarms, &alarm->of_watchdog);
  alarm->armed = true;
  alarm->at = now_ms() + after_ms;
  /* After an alarm's function has run, the next alarm is searched in any case.
   */
  own = watchdog->runs_alarms && pthread_equal(watchdog->self, pthread_self());
  uv_mutex_unlock(&watchdog->lock);
  if (!own) wake(watchdog);
}

void mcp_watchdog_disarm(mcp_watchdog_t *watchdog, mcp_alarm_t *alarm) {
  uv_mutex_lock(&watchdog->lock);
  if (alarm->armed) mcp_list_remove(&alarm->of_watchdog);
  alarm->armed = false;
  uv_mutex_unlock(&watchdog->lock);
}

static void free_watchdog(mcp_watchdog_t *watchdog) {
  if (watchdog->input >= 0) close(watchdog->input);
  if (watchdog->wake[0] >= 0) close(watchdog->wake[0]);
  if (watchdog->wake[1] >= 0) close(watchdog->wake[1]);
  uv_mutex_destroy(&watchdog->lock);
  mcp_mem_free(watchdog);
}

/* The thread blocks all signals, so that they still go to the other threads. */
int mcp_watchdog_start(mcp_watchdog_t *watchdog) {
  uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE,
                                 .stack_size = STACK_SIZE};
  sigset_t all, old;
  int code;
  if (watchdog->started) return 0;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  code = uv_thread_create_ex(&watchdog->thread, &options, run, watchdog);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  watchdog->started = code == 0;
  return code;
}

int mcp_watchdog_open(mcp_loop_t *loop, const mcp_watchdog_rules_t *rules,
                      mcp_watchdog_t **out) {
  mcp_watchdog_t *watchdog = mcp_mem_zalloc(sizeof *watchdog);
  int code;
  if (!watchdog) return MCP_ENOMEM;
  if ((code = uv_mutex_init_recursive(&watchdog->lock)) < 0) {
    mcp_mem_free(watchdog);
    return code;
  }
  watchdog->loop = loop;
  watchdog->ruled = rules != NULL;
  if (rules) watchdog->rules = *rules;
  watchdog->wake[0] = watchdog->wake[1] = watchdog->input = -1;
  mcp_list_init(&watchdog->alarms);
  watchdog->signal_alarm =
      (mcp_alarm_t){.fn = on_signal_alarm, .arg = watchdog};
  watchdog->input_alarm = (mcp_alarm_t){.fn = on_input_alarm, .arg = watchdog};
  code = uv_pipe(watchdog->wake, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE);
  if (code < 0) {
    watchdog->wake[0] = watchdog->wake[1] = -1;
    goto fail;
  }
  if (rules && rules->input >= 0) {
    watchdog->input = fcntl(rules->input, F_DUPFD_CLOEXEC, 3);
    if (watchdog->input < 0) {
      code = -errno;
      goto fail;
    }
  }
  if (rules) {
    atomic_store(&signal_count, 0);
    atomic_store(&signal_fd, watchdog->wake[1]);
  }
  *out = watchdog;
  return 0;

fail:
  free_watchdog(watchdog);
  return code;
}

void mcp_watchdog_stop(mcp_watchdog_t *watchdog) {
  if (!watchdog) return;
  give_signals_back(watchdog);
  uv_mutex_lock(&watchdog->lock);
  watchdog->stopping = true;
  uv_mutex_unlock(&watchdog->lock);
  wake(watchdog);
  if (watchdog->started) uv_thread_join(&watchdog->thread);
  free_watchdog(watchdog);
}
