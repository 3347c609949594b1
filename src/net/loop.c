/* SPDX-License-Identifier: MIT
 * loop.c: see loop.h. */
#include "net/loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"

struct mcp_loop {
  uv_loop_t *uv; /* our own, or a host's */
  uv_loop_t own;
  uv_timer_t deadline;  /* of the step now running */
  uv_async_t wakers[2]; /* the second is on the loop that it was moved to */
  uv_async_t *waker;
  uv_prepare_t starter; /* of `set`, on a loop that a host turns */
  mcp_list_t set;       /* timers that timers have set: not started yet */
  mcp_list_t cleanups;
  mcp_list_t starved; /* see mcp_loop_starved */
  mcp_buf_t scratch;
  uv_check_t *pass_end; /* see mcp_loop_pass_end */
  mcp_peers_t *peers;   /* NULL before the first connection */
  void (*free_peers)(mcp_peers_t *peers);
  uint64_t skipped;    /* ms that the clock has jumped */
  unsigned lookups;    /* in progress, in other threads */
  unsigned rounds;     /* of closing that leaving still takes */
  atomic_uint answers; /* signs of life */
  int input;           /* where standard input is, or -1 */
  bool turning;  /* inside turn(): one of its callbacks runs, or it waits */
  bool stepping; /* inside a step that may wait */
  bool in_timer; /* a timer's function is running */
  char read_buffer[MCP_LOOP_READ_SIZE];
};

struct mcp_timer {
  uv_timer_t uv;
  mcp_loop_t *loop;
  mcp_list_t of_set;
  uint64_t due, every; /* while it is in `set`, or is moved */
  bool quiet;
  void (*fn)(void *);
  void *arg;
};

struct mcp_signal {
  uv_signal_t uv;
  void (*fn)(void *, int);
  void *arg;
};

static uint64_t now_ms(void) {
  return uv_hrtime() / 1000000;
}

static void on_timer(uv_timer_t *uv);

/* Starts the timers that timers have set. */
static void start_set(mcp_loop_t *loop) {
  uint64_t now;
  /* Also where all of them have been stopped: an active handle would keep the
   * loop alive. */
  uv_prepare_stop(&loop->starter);
  if (mcp_list_empty(&loop->set)) return;
  uv_update_time(loop->uv);
  now = uv_now(loop->uv);
  while (!mcp_list_empty(&loop->set)) {
    mcp_timer_t *timer = MCP_LIST_MEMBER(loop->set.next, mcp_timer_t, of_set);
    mcp_list_remove(&timer->of_set);
    uv_timer_start(&timer->uv, on_timer,
                   timer->due > now ? timer->due - now : 0, timer->every);
  }
}

static void on_prepare(uv_prepare_t *starter) {
  start_set(starter->data);
}

/* The one place that runs libuv's loop. A callback that turned the loop it was
 * called by would free what the callers below it still use. 1: something is
 * still open, 0: nothing is, or MCP_ENESTED. */
static int turn(mcp_loop_t *loop, uv_run_mode mode) {
  int alive;
  if (loop->turning) return MCP_ENESTED;
  loop->turning = true;
  alive = uv_run(loop->uv, mode) != 0;
  loop->turning = false;
  start_set(loop);
  return alive;
}

static void on_wake(uv_async_t *waker) {
  mcp_loop_t *loop = waker->data;
  mcp_loop_note_work(loop);
}

static void free_handle(uv_handle_t *handle) {
  mcp_mem_free(handle);
}

/* What was closed before the deadline is called back in the same turn as it,
 * and closes what it still has; that is called back in the next. */
static void on_left(uv_handle_t *deadline) {
  mcp_loop_t *loop = deadline->data;
  if (--loop->rounds == 0) return;
  uv_timer_init(loop->uv, &loop->deadline);
  uv_close(deadline, on_left);
}

/* Their close callbacks still have to run. */
static void close_basics(mcp_loop_t *loop, uv_close_cb deadline_closed) {
  uv_close((uv_handle_t *)&loop->deadline, deadline_closed);
  uv_close((uv_handle_t *)&loop->starter, NULL);
  if (loop->pass_end) uv_close((uv_handle_t *)loop->pass_end, free_handle);
  loop->pass_end = NULL;
}

/* Leaves a host's loop, which goes on with the host's handles: none of ours may
 * remain when our memory is freed, and nothing may call back into code that Lua
 * unloads. A lookup that is running in a thread cannot be stopped, so this
 * waits for it. */
static void leave(mcp_loop_t *loop) {
  while (loop->lookups > 0 && turn(loop, UV_RUN_ONCE) > 0) continue;
  loop->rounds = MCP_LOOP_ROUNDS;
  loop->deadline.data = loop;
  close_basics(loop, on_left);
  while (loop->rounds > 0 && turn(loop, UV_RUN_NOWAIT) > 0) continue;
}

static void open_basics(mcp_loop_t *loop) {
  uv_timer_init(loop->uv, &loop->deadline);
  uv_unref((uv_handle_t *)&loop->deadline);
  uv_prepare_init(loop->uv, &loop->starter);
  loop->starter.data = loop;
}

/* Descriptors that libuv takes for a loop. */
#define DESCRIPTORS 8

/* libuv ends the process where it gets none for its pipe of signals: whether
 * there are enough is asked before. */
static int probe_descriptors(void) {
  int fds[DESCRIPTORS], count = 0, code = 0;
  while (count < DESCRIPTORS) {
    fds[count] = dup(STDERR_FILENO);
    if (fds[count] < 0) {
      if (errno == EMFILE || errno == ENFILE) code = -errno;
      break;
    }
    count++;
  }
  while (count > 0) close(fds[--count]);
  return code;
}

static int open_loop(uv_loop_t *uv, mcp_loop_t **out) {
  mcp_loop_t *loop = mcp_mem_alloc(sizeof *loop);
  int code;
  if (!loop) return MCP_ENOMEM;
  memset(loop, 0, offsetof(mcp_loop_t, read_buffer));
  loop->uv = uv ? uv : &loop->own;
  loop->waker = &loop->wakers[0];
  loop->waker->data = loop;
  loop->input = -1;
  mcp_list_init(&loop->cleanups);
  mcp_list_init(&loop->starved);
  /* A peer that hangs up must be an error code, not the end of the process.
   * libuv has no MSG_NOSIGNAL, so it is the whole process's disposition; a
   * host that set one of its own keeps it. */
  struct sigaction now;
  if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
    signal(SIGPIPE, SIG_IGN);
  if (!uv && (code = probe_descriptors()) == 0) code = uv_loop_init(&loop->own);
  if (!uv && code < 0) {
    mcp_mem_free(loop);
    return code;
  }
  open_basics(loop);
  mcp_list_init(&loop->set);
  if ((code = uv_async_init(loop->uv, loop->waker, on_wake)) < 0) {
    leave(loop);
    if (!uv) uv_loop_close(&loop->own);
    mcp_mem_free(loop);
    return code;
  }
  uv_unref((uv_handle_t *)loop->waker);
  *out = loop;
  return 0;
}

int mcp_loop_new(mcp_loop_t **loop) {
  return open_loop(NULL, loop);
}

int mcp_loop_over(void *uv, mcp_loop_t **loop) {
  return open_loop(uv, loop);
}

bool mcp_loop_is_hosts(const mcp_loop_t *loop) {
  return loop->uv != &loop->own;
}

static void let_go(uv_handle_t *handle, void *arg) {
  (void)arg;
  uv_unref(handle);
}

static void free_loop(mcp_loop_t *loop) {
  mcp_buf_deinit(&loop->scratch);
  if (loop->peers) loop->free_peers(loop->peers);
  mcp_mem_free(loop);
}

void mcp_loop_free(mcp_loop_t *loop) {
  if (!loop) return;
  while (!mcp_list_empty(&loop->cleanups)) {
    mcp_loop_cleanup_t *cleanup =
        MCP_LIST_MEMBER(loop->cleanups.next, mcp_loop_cleanup_t, of_loop);
    mcp_list_remove(&cleanup->of_loop);
    cleanup->end(cleanup);
  }
  if (loop->turning) return;
  uv_close((uv_handle_t *)loop->waker, NULL);
  if (mcp_loop_is_hosts(loop)) {
    leave(loop);
    free_loop(loop);
    return;
  }
  /* Owners have closed their handles; their close callbacks still have to run.
   * A handle that was never closed must not keep the process alive. */
  close_basics(loop, NULL);
  uv_walk(loop->uv, let_go, NULL);
  (void)turn(loop, UV_RUN_DEFAULT);
  uv_loop_close(loop->uv);
  free_loop(loop);
}

/* Its expiry ends the wait of a step. Before libuv 1.45 it may expire before
 * the wait, which then must not begin. */
static void on_deadline(uv_timer_t *timer) {
  uv_stop(timer->loop);
}

static int wait_turn(mcp_loop_t *loop) {
  int alive;
  loop->stepping = true;
  alive = turn(loop, UV_RUN_ONCE);
  loop->stepping = false;
  return alive;
}

int mcp_loop_step(mcp_loop_t *loop, int64_t timeout_ms) {
  if (loop->turning) return MCP_ENESTED;
  if (timeout_ms == 0) return turn(loop, UV_RUN_NOWAIT);
  if (timeout_ms < 0) return wait_turn(loop);
  uv_update_time(loop->uv);
  uv_timer_start(&loop->deadline, on_deadline, (uint64_t)timeout_ms, 0);
  /* An unreferenced timer alone would not make the loop wait. */
  uv_ref((uv_handle_t *)&loop->deadline);
  (void)wait_turn(loop);
  uv_unref((uv_handle_t *)&loop->deadline);
  uv_timer_stop(&loop->deadline);
  return uv_loop_alive(loop->uv) != 0;
}

bool mcp_loop_is_turning(const mcp_loop_t *loop) {
  return loop->turning;
}

void mcp_loop_wake(mcp_loop_t *loop) {
  /* From a callback of the step itself a flag is enough. A child's exit may be
   * reported while everything is closing. */
  if (loop->stepping) {
    uv_stop(loop->uv);
  } else if (!uv_is_closing((uv_handle_t *)loop->waker)) {
    uv_async_send(loop->waker);
  }
}

void mcp_loop_ask(mcp_loop_t *loop) {
  uv_async_send(loop->waker);
}

unsigned mcp_loop_answers(const mcp_loop_t *loop) {
  return atomic_load_explicit(&loop->answers, memory_order_relaxed);
}

void mcp_loop_note_work(mcp_loop_t *loop) {
  /* One thread writes: a plain increment is enough. */
  unsigned n = atomic_load_explicit(&loop->answers, memory_order_relaxed);
  atomic_store_explicit(&loop->answers, n + 1, memory_order_relaxed);
}

void mcp_loop_set_input(mcp_loop_t *loop, int fd) {
  loop->input = fd;
}

int mcp_loop_input(const mcp_loop_t *loop) {
  return loop->input;
}

void mcp_loop_begin_lookup(mcp_loop_t *loop) {
  loop->lookups++;
}

void mcp_loop_end_lookup(mcp_loop_t *loop) {
  loop->lookups--;
}

void mcp_loop_add_cleanup(mcp_loop_t *loop, mcp_loop_cleanup_t *cleanup) {
  mcp_list_append(&loop->cleanups, &cleanup->of_loop);
}

void mcp_loop_drop_cleanup(mcp_loop_cleanup_t *cleanup) {
  mcp_list_remove(&cleanup->of_loop);
}

uint64_t mcp_loop_now(const mcp_loop_t *loop) {
  return uv_now(loop->uv) + loop->skipped;
}

int mcp_loop_fd(const mcp_loop_t *loop) {
  return uv_backend_fd(loop->uv);
}

int mcp_loop_timeout(mcp_loop_t *loop) {
  /* libuv returns 0 here, because its own uv_run ends at once then; a host that
   * waits would spin. */
  if (!uv_loop_alive(loop->uv)) return -1;
  uv_update_time(loop->uv);
  return uv_backend_timeout(loop->uv);
}

void *mcp_loop_uv(mcp_loop_t *loop) {
  return loop->uv;
}

char *mcp_loop_read_buffer(mcp_loop_t *loop) {
  return loop->read_buffer;
}

mcp_list_t *mcp_loop_starved(mcp_loop_t *loop) {
  return &loop->starved;
}

mcp_buf_t *mcp_loop_scratch(mcp_loop_t *loop) {
  return &loop->scratch;
}

void *mcp_loop_pass_end(const mcp_loop_t *loop) {
  return loop->pass_end;
}

void mcp_loop_set_pass_end(mcp_loop_t *loop, void *pass_end) {
  loop->pass_end = pass_end;
}

mcp_peers_t *mcp_loop_peers(const mcp_loop_t *loop) {
  return loop->peers;
}

void mcp_loop_set_peers(mcp_loop_t *loop, mcp_peers_t *peers,
                        void (*free_peers)(mcp_peers_t *peers)) {
  loop->peers = peers;
  loop->free_peers = free_peers;
}

static void on_timer(uv_timer_t *uv) {
  mcp_timer_t *timer = (mcp_timer_t *)uv;
  mcp_loop_t *loop = timer->loop;
  loop->in_timer = true;
  timer->fn(timer->arg); /* may have stopped the timer: do not touch it after */
  loop->in_timer = false;
  /* Before libuv 1.45 a turn runs expired timers first and waits afterwards.
   * But something has happened: the step is over. */
  if (loop->stepping) uv_stop(loop->uv);
}

static void open_timer(mcp_timer_t *timer) {
  uv_timer_init(timer->loop->uv, &timer->uv);
  timer->uv.data = timer; /* see timer_of */
  if (timer->quiet) uv_unref((uv_handle_t *)&timer->uv);
}

/* A timer of ours that is running, or NULL: a host may have handles, too. */
static mcp_timer_t *timer_of(uv_handle_t *handle) {
  if (handle->type != UV_TIMER || handle->data != handle ||
      !uv_is_active(handle))
    return NULL;
  return (mcp_timer_t *)handle;
}

static void skip_timer(uv_handle_t *handle, void *arg) {
  mcp_timer_t *timer = timer_of(handle);
  uint64_t due, ms = *(const uint64_t *)arg;
  if (!timer) return;
  due = uv_timer_get_due_in(&timer->uv);
  uv_timer_start(&timer->uv, on_timer, due > ms ? due - ms : 0,
                 uv_timer_get_repeat(&timer->uv));
}

void mcp_loop_skip(mcp_loop_t *loop, uint64_t ms) {
  start_set(loop);
  uv_update_time(loop->uv);
  uv_walk(loop->uv, skip_timer, &ms);
  loop->skipped += ms;
}

static void find_due(uv_handle_t *handle, void *arg) {
  uint64_t *next = arg;
  mcp_timer_t *timer = timer_of(handle);
  uint64_t due = timer ? uv_timer_get_due_in(&timer->uv) : UINT64_MAX;
  if (due < *next) *next = due;
}

uint64_t mcp_loop_next_due(mcp_loop_t *loop) {
  uint64_t next = UINT64_MAX;
  start_set(loop);
  uv_update_time(loop->uv);
  uv_walk(loop->uv, find_due, &next);
  return next;
}

bool mcp_loop_is_ready(mcp_loop_t *loop) {
  struct pollfd fd = {.fd = uv_backend_fd(loop->uv), .events = POLLIN};
  start_set(loop);
  uv_update_time(loop->uv);
  return uv_backend_timeout(loop->uv) == 0 && uv_loop_alive(loop->uv)
             ? true
             : poll(&fd, 1, 0) > 0;
}

mcp_timer_t *mcp_timer_new(mcp_loop_t *loop, bool quiet, void (*fn)(void *),
                           void *arg) {
  mcp_timer_t *timer = mcp_mem_alloc(sizeof *timer);
  if (!timer) return NULL;
  timer->loop = loop;
  timer->fn = fn;
  timer->arg = arg;
  timer->quiet = quiet;
  mcp_list_init(&timer->of_set);
  open_timer(timer);
  return timer;
}

static bool is_basic(const mcp_loop_t *loop, const uv_handle_t *handle) {
  return handle == (const uv_handle_t *)loop->waker ||
         handle == (const uv_handle_t *)&loop->deadline ||
         handle == (const uv_handle_t *)&loop->starter ||
         handle == (const uv_handle_t *)loop->pass_end;
}

/* The argument of the two walks of mcp_loop_move. */
typedef struct {
  mcp_loop_t *loop;
  int open; /* handles that are no timer about to be freed */
  mcp_list_t timers;
} move_t;

static void count_handle(uv_handle_t *handle, void *arg) {
  move_t *move = arg;
  if (is_basic(move->loop, handle)) return;
  if (handle->type != UV_TIMER || !uv_is_closing(handle)) move->open++;
}

static void move_timer(uv_handle_t *handle, void *arg) {
  move_t *move = arg;
  mcp_timer_t *timer = (mcp_timer_t *)handle;
  if (is_basic(move->loop, handle) || uv_is_closing(handle)) return;
  timer->due = UINT64_MAX;
  if (uv_is_active(handle)) {
    timer->due = uv_timer_get_due_in(&timer->uv);
    timer->every = uv_timer_get_repeat(&timer->uv);
  }
  mcp_list_append(&move->timers, &timer->of_set);
  uv_close(handle, NULL);
}

int mcp_loop_move(mcp_loop_t *loop, void *uv, int timers) {
  move_t move = {.loop = loop};
  uv_async_t *waker = &loop->wakers[1];
  int code;
  if (loop->turning) return MCP_ENESTED;
  uv_walk(loop->uv, count_handle, &move);
  /* A cleanup means an object that does its work on other threads. */
  if (move.open != timers || loop->lookups || mcp_loop_is_hosts(loop) ||
      !mcp_list_empty(&loop->cleanups))
    return MCP_EBUSY;
  /* Nothing after this can fail. */
  if ((code = uv_async_init(uv, waker, on_wake)) < 0) return code;
  waker->data = loop;
  uv_unref((uv_handle_t *)waker);
  mcp_list_init(&move.timers);
  uv_walk(loop->uv, move_timer, &move);
  uv_close((uv_handle_t *)loop->waker, NULL);
  close_basics(loop, NULL);
  (void)turn(loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop->own);
  loop->uv = uv;
  loop->waker = waker;
  uv_update_time(loop->uv);
  while (!mcp_list_empty(&move.timers)) {
    mcp_timer_t *timer = MCP_LIST_MEMBER(move.timers.next, mcp_timer_t, of_set);
    mcp_list_remove(&timer->of_set);
    open_timer(timer);
    if (timer->due != UINT64_MAX)
      uv_timer_start(&timer->uv, on_timer, timer->due, timer->every);
  }
  open_basics(loop);
  return 0;
}

static void set(mcp_timer_t *timer, uint64_t after_ms, uint64_t every_ms) {
  mcp_loop_t *loop = timer->loop;
  mcp_list_remove(&timer->of_set);
  if (loop->in_timer) {
    /* Before libuv 1.45 all expired timers run in one pass, including those
     * that expire during it: timers that set each other would keep the loop
     * from its sockets. A timer set during the pass starts after it, and the
     * clock that the pass uses is not updated. */
    uv_timer_stop(&timer->uv);
    timer->due = now_ms() + after_ms;
    timer->every = every_ms;
    if (mcp_list_empty(&loop->set))
      uv_prepare_start(&loop->starter, on_prepare);
    mcp_list_append(&loop->set, &timer->of_set);
    return;
  }
  /* The loop's clock does not advance while a handler runs. */
  uv_update_time(timer->uv.loop);
  uv_timer_start(&timer->uv, on_timer, after_ms, every_ms);
}

void mcp_timer_set(mcp_timer_t *timer, uint64_t after_ms) {
  set(timer, after_ms, 0);
}

mcp_timer_t *mcp_timer_start(mcp_loop_t *loop, uint64_t after_ms,
                             uint64_t every_ms, bool quiet, void (*fn)(void *),
                             void *arg) {
  mcp_timer_t *timer = mcp_timer_new(loop, quiet, fn, arg);
  if (timer) set(timer, after_ms, every_ms);
  return timer;
}

void mcp_timer_stop(mcp_timer_t *timer) {
  if (!timer) return;
  mcp_list_remove(&timer->of_set);
  uv_timer_stop(&timer->uv);
  uv_close((uv_handle_t *)&timer->uv, free_handle);
}

static void on_signal(uv_signal_t *uv, int number) {
  mcp_signal_t *sig = (mcp_signal_t *)uv;
  sig->fn(sig->arg, number);
}

mcp_signal_t *mcp_signal_start(mcp_loop_t *loop, int number,
                               void (*fn)(void *, int), void *arg) {
  mcp_signal_t *sig = mcp_mem_alloc(sizeof *sig);
  if (!sig) return NULL;
  if (uv_signal_init(loop->uv, &sig->uv) < 0) {
    mcp_mem_free(sig);
    return NULL;
  }
  sig->fn = fn;
  sig->arg = arg;
  if (uv_signal_start(&sig->uv, on_signal, number) < 0) {
    uv_close((uv_handle_t *)&sig->uv, free_handle);
    return NULL;
  }
  uv_unref((uv_handle_t *)&sig->uv);
  return sig;
}

void mcp_signal_stop(mcp_signal_t *sig) {
  if (!sig) return;
  uv_signal_stop(&sig->uv);
  uv_close((uv_handle_t *)&sig->uv, free_handle);
}
