/* SPDX-License-Identifier: MIT
 * thread.c: see thread.h. The struct has two holders, the loop and the thread;
 * the last one to release it frees it. `lock` protects what both use. */
#include "net/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>
#include <uv.h>

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"
#include "net/interrupt.h"

/* When a thread that has to end is signalled again, in ms: an interrupt that
 * came between two coroutines may have found neither. The pauses double, so
 * that the thread gets on between two of them. */
#define AGAIN 10

typedef struct {
  mcp_list_t link;
  mcp_buf_t bytes;
} note_t;

struct mcp_thread {
  /* Fixed before the thread starts. */
  mcp_thread_options_t options;
  pthread_t id;
  mcp_interrupt_t interrupt; /* the thread's */
  /* Under the lock. */
  pthread_mutex_t lock;
  pthread_cond_t turn; /* for the thread: something below has changed */
  pthread_cond_t over; /* for the loop: `ended` */
  mcp_buf_t work, answer;
  mcp_list_t notes; /* note_t */
  size_t note_bytes;
  unsigned refs;
  bool has_work, has_answer;
  bool quit;     /* receive returns false */
  bool ended;    /* `run` has returned */
  bool attached; /* the async handle is open */
  /* Written under the lock, read without. */
  atomic_bool stop;
  uv_async_t async; /* the loop's */
};

uint64_t mcp_thread_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- signals ---------------------------------------------------------------
 */

static void on_interrupt(void *arg) {
  mcp_thread_t *thread = arg;
  if (atomic_load_explicit(&thread->stop, memory_order_relaxed))
    thread->options.interrupt(thread->options.arg);
}

/* Signals for the process belong to the thread that made the loop. What the
 * processor itself raises must not be blocked. */
static void block_signals(sigset_t *before) {
  static const int open[] = {MCP_INTERRUPT_SIGNAL,
                             SIGSEGV,
                             SIGBUS,
                             SIGFPE,
                             SIGILL,
                             SIGABRT,
                             SIGTRAP,
                             SIGSYS};
  sigset_t set;
  sigfillset(&set);
  for (size_t i = 0; i < sizeof open / sizeof *open; i++)
    sigdelset(&set, open[i]);
  pthread_sigmask(SIG_SETMASK, &set, before);
}

/* --- both sides ------------------------------------------------------------
 */

static void drop_notes(mcp_list_t *notes) {
  while (!mcp_list_empty(notes)) {
    note_t *note = MCP_LIST_MEMBER(notes->next, note_t, link);
    mcp_list_remove(&note->link);
    mcp_buf_deinit(&note->bytes);
    mcp_mem_free(note);
  }
}

static void release(mcp_thread_t *thread) {
  bool last;
  pthread_mutex_lock(&thread->lock);
  last = --thread->refs == 0;
  pthread_mutex_unlock(&thread->lock);
  if (!last) return;
  drop_notes(&thread->notes);
  mcp_buf_deinit(&thread->work);
  mcp_buf_deinit(&thread->answer);
  pthread_cond_destroy(&thread->turn);
  pthread_cond_destroy(&thread->over);
  pthread_mutex_destroy(&thread->lock);
  mcp_mem_free(thread);
}

/* Waits for `cond` until `deadline` (ms); with the lock. */
static void wait_until(mcp_thread_t *thread, pthread_cond_t *cond,
                       uint64_t deadline) {
#ifdef __APPLE__
  uint64_t now = mcp_thread_clock();
  uint64_t left = deadline > now ? deadline - now : 0;
  struct timespec t = {(time_t)(left / 1000), (long)(left % 1000) * 1000000};
  pthread_cond_timedwait_relative_np(cond, &thread->lock, &t);
#else
  struct timespec t = {(time_t)(deadline / 1000),
                       (long)(deadline % 1000) * 1000000};
  pthread_cond_timedwait(cond, &thread->lock, &t);
#endif
}

static void init_cond(pthread_cond_t *cond) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
#ifndef __APPLE__
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
  pthread_cond_init(cond, &attributes);
  pthread_condattr_destroy(&attributes);
}

/* --- the thread ------------------------------------------------------------
 */

/* Lets the loop look; with the lock. */
static void call_loop(mcp_thread_t *thread) {
  if (thread->attached) uv_async_send(&thread->async);
}

bool mcp_thread_receive(mcp_thread_t *thread, mcp_buf_t *bytes) {
  bool more;
  pthread_mutex_lock(&thread->lock);
  while (!thread->has_work && !thread->quit)
    pthread_cond_wait(&thread->turn, &thread->lock);
  more = thread->has_work && !thread->quit;
  if (more) {
    *bytes = mcp_buf_take(&thread->work);
    thread->has_work = false;
  }
  pthread_mutex_unlock(&thread->lock);
  return more;
}

bool mcp_thread_stopped(const mcp_thread_t *thread) {
  return atomic_load_explicit(&thread->stop, memory_order_relaxed);
}

int mcp_thread_note(mcp_thread_t *thread, mcp_buf_t *bytes) {
  note_t *note = mcp_mem_alloc(sizeof *note);
  bool stopped;
  if (!note) {
    mcp_buf_deinit(bytes);
    return MCP_ENOMEM;
  }
  mcp_list_init(&note->link);
  note->bytes = mcp_buf_take(bytes);
  pthread_mutex_lock(&thread->lock);
  while (thread->note_bytes > MCP_THREAD_NOTES && !mcp_thread_stopped(thread))
    pthread_cond_wait(&thread->turn, &thread->lock);
  stopped = mcp_thread_stopped(thread);
  if (!stopped) {
    thread->note_bytes += note->bytes.len;
    mcp_list_append(&thread->notes, &note->link);
    call_loop(thread);
  }
  pthread_mutex_unlock(&thread->lock);
  if (!stopped) return 0;
  mcp_buf_deinit(&note->bytes);
  mcp_mem_free(note);
  return MCP_ECANCELED;
}

void mcp_thread_answer(mcp_thread_t *thread, mcp_buf_t *bytes) {
  pthread_mutex_lock(&thread->lock);
  thread->answer = mcp_buf_take(bytes);
  thread->has_answer = true;
  call_loop(thread);
  pthread_mutex_unlock(&thread->lock);
}

bool mcp_thread_sleep(mcp_thread_t *thread, uint64_t ms) {
  /* One more, since the clock has dropped the part of a millisecond that has
   * passed already: never shorter than what was asked for. */
  uint64_t deadline = mcp_thread_clock() + ms + 1;
  pthread_mutex_lock(&thread->lock);
  while (!mcp_thread_stopped(thread) && mcp_thread_clock() < deadline)
    wait_until(thread, &thread->turn, deadline);
  pthread_mutex_unlock(&thread->lock);
  return !mcp_thread_stopped(thread);
}

void mcp_thread_step_back(void) {
#ifdef __linux__
  /* Elsewhere this would be the priority of the whole process. */
  (void)setpriority(PRIO_PROCESS, 0, MCP_THREAD_NICE);
#endif
}

static void *enter(void *arg) {
  mcp_thread_t *thread = arg;
  mcp_thread_step_back();
  mcp_interrupt_enter(&thread->interrupt);
  thread->options.run(thread, thread->options.arg);
  /* After that the signal handler of this thread does not call it. */
  (void)mcp_interrupt_leave(&thread->interrupt);
  thread->options.release(thread->options.arg);
  pthread_mutex_lock(&thread->lock);
  thread->ended = true;
  call_loop(thread);
  pthread_cond_signal(&thread->over);
  pthread_mutex_unlock(&thread->lock);
  release(thread);
  return NULL;
}

/* --- the loop --------------------------------------------------------------
 */

static void on_closed(uv_handle_t *handle) {
  release(handle->data);
}

/* Releases the loop's half. */
static void detach(mcp_thread_t *thread) {
  pthread_mutex_lock(&thread->lock);
  thread->attached = false;
  pthread_mutex_unlock(&thread->lock);
  uv_close((uv_handle_t *)&thread->async, on_closed);
}

/* Messages from the thread. Callbacks may close it. */
static void on_async(uv_async_t *async) {
  mcp_thread_t *thread = async->data;
  mcp_thread_options_t to = thread->options;
  mcp_list_t notes;
  mcp_buf_t answer = {0};
  bool has_answer, ended;
  mcp_list_init(&notes);
  pthread_mutex_lock(&thread->lock);
  while (!mcp_list_empty(&thread->notes)) {
    mcp_list_t *link = thread->notes.next;
    mcp_list_remove(link);
    mcp_list_append(&notes, link);
  }
  has_answer = thread->has_answer;
  if (has_answer) answer = mcp_buf_take(&thread->answer);
  thread->has_answer = false;
  ended = thread->ended;
  thread->refs++;
  pthread_mutex_unlock(&thread->lock);
  while (!mcp_list_empty(&notes)) {
    note_t *note = MCP_LIST_MEMBER(notes.next, note_t, link);
    mcp_buf_t bytes = note->bytes;
    mcp_list_remove(&note->link);
    mcp_mem_free(note);
    if (thread->attached) {
      to.on_note(to.owner, &bytes);
    } else {
      mcp_buf_deinit(&bytes);
    }
  }
  if (has_answer && thread->attached) {
    to.on_answer(to.owner, &answer);
  } else {
    mcp_buf_deinit(&answer);
  }
  if (ended && thread->attached) {
    pthread_join(thread->id, NULL);
    detach(thread);
    to.on_ended(to.owner);
  }
  release(thread);
}

int mcp_thread_start(mcp_loop_t *loop, const mcp_thread_options_t *options,
                     mcp_thread_t **out) {
  mcp_thread_t *thread = mcp_mem_zalloc(sizeof *thread);
  pthread_attr_t attributes;
  sigset_t before;
  int code;
  if (!thread) return MCP_ENOMEM;
  mcp_interrupt_prepare();
  thread->options = *options;
  thread->interrupt = (mcp_interrupt_t){.fn = on_interrupt, .arg = thread};
  mcp_list_init(&thread->notes);
  pthread_mutex_init(&thread->lock, NULL);
  init_cond(&thread->turn);
  init_cond(&thread->over);
  atomic_init(&thread->stop, false);
  thread->refs = 1;
  code = uv_async_init(mcp_loop_uv(loop), &thread->async, on_async);
  if (code < 0) {
    release(thread);
    return code;
  }
  thread->async.data = thread;
  thread->attached = true;
  uv_unref((uv_handle_t *)&thread->async);
  pthread_attr_init(&attributes);
  (void)pthread_attr_setstacksize(&attributes, MCP_THREAD_STACK);
  block_signals(&before);
  thread->refs++;
  code = pthread_create(&thread->id, &attributes, enter, thread);
  if (code != 0) thread->refs--;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (code != 0) {
    detach(thread);
    return -code;
  }
  *out = thread;
  return 0;
}

void mcp_thread_hold(mcp_thread_t *thread, bool hold) {
  if (hold) {
    uv_ref((uv_handle_t *)&thread->async);
  } else {
    uv_unref((uv_handle_t *)&thread->async);
  }
}

void mcp_thread_post(mcp_thread_t *thread, mcp_buf_t *bytes) {
  pthread_mutex_lock(&thread->lock);
  thread->work = mcp_buf_take(bytes);
  thread->has_work = true;
  atomic_store(&thread->stop, thread->quit);
  pthread_cond_signal(&thread->turn);
  pthread_mutex_unlock(&thread->lock);
}

void mcp_thread_credit(mcp_thread_t *thread, size_t size) {
  pthread_mutex_lock(&thread->lock);
  thread->note_bytes -= size < thread->note_bytes ? size : thread->note_bytes;
  pthread_cond_signal(&thread->turn);
  pthread_mutex_unlock(&thread->lock);
}

/* With the lock: so the thread has not ended, and its id is valid. */
static void signal_thread(mcp_thread_t *thread) {
  atomic_store(&thread->stop, true);
  pthread_cond_signal(&thread->turn);
  if (!thread->ended) (void)pthread_kill(thread->id, MCP_INTERRUPT_SIGNAL);
}

void mcp_thread_stop(mcp_thread_t *thread) {
  pthread_mutex_lock(&thread->lock);
  signal_thread(thread);
  pthread_mutex_unlock(&thread->lock);
}

void mcp_thread_close(mcp_thread_t *thread) {
  pthread_mutex_lock(&thread->lock);
  thread->quit = true;
  signal_thread(thread);
  pthread_mutex_unlock(&thread->lock);
}

bool mcp_thread_end_by(mcp_thread_t *thread, uint64_t deadline_ms) {
  uint64_t pause = AGAIN;
  bool ended;
  mcp_thread_close(thread);
  pthread_mutex_lock(&thread->lock);
  while (!thread->ended && mcp_thread_clock() < deadline_ms) {
    uint64_t next = mcp_thread_clock() + pause;
    pause *= 2;
    wait_until(thread, &thread->over, next < deadline_ms ? next : deadline_ms);
    if (!thread->ended) signal_thread(thread);
  }
  ended = thread->ended;
  pthread_mutex_unlock(&thread->lock);
  if (ended) {
    pthread_join(thread->id, NULL);
  } else {
    pthread_detach(thread->id);
  }
  detach(thread);
  return ended;
}
