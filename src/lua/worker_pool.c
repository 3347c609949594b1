/* SPDX-License-Identifier: MIT
 * worker_pool.c: see worker_pool.h. */
#include "lua/worker_pool.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/worker_carrier.h"
#include "net/thread.h"

/* A thread that has not stopped is signalled again after this many ms, then at
 * growing intervals: setting a hook costs Lua time in proportion to its stack,
 * and it must make progress in between. */
#define AGAIN 20

extern char **environ;

typedef mcp_pool_t pool_t;
typedef mcp_call_t call_t;
typedef struct mcp_slot slot_t;

struct mcp_pool {
  mcp_runtime_t *rt;
  mcp_loop_cleanup_t cleanup;
  unsigned refs; /* the owner, slots, calls */
  mcp_list_t slots, waiting;
  unsigned hand_count; /* that count */
  unsigned lost_count, waiting_count;
  size_t waiting_bytes;
  mcp_timer_t *timer;
  uint64_t look_at; /* when it is due; 0: not started */
  mcp_pool_options_t to;
  bool closed;
};

struct mcp_slot {
  mcp_list_t of_pool;
  pool_t *pool;
  mcp_carrier_t *carrier;
  call_t *call;        /* NULL: idle, or the call has ended for its caller */
  uint64_t due;        /* when its call times out; 0: never */
  uint64_t left;       /* ms of its call, while that waits for a reply */
  uint64_t stopped_at; /* when it was asked to stop; 0: it was not */
  bool busy;
  bool asked;   /* it was given a turn before it is judged */
  bool held;    /* it keeps the loop going */
  bool counted; /* in the pool's hand_count */
  bool lost;
};

void mcp_pool_unref(mcp_pool_t *pool) {
  if (--pool->refs > 0) return;
  mcp_buf_deinit(&pool->to.setup);
  mcp_mem_free(pool->to.arguments);
  mcp_mem_free(pool);
}

/* --- calls -----------------------------------------------------------------
 */

static void leave_queue(call_t *call) {
  if (mcp_list_empty(&call->of_waiting)) return;
  mcp_list_remove(&call->of_waiting);
  call->pool->waiting_count--;
  call->pool->waiting_bytes -= call->request.len;
}

static void drop_notes(call_t *call) {
  while (!mcp_list_empty(&call->notes)) {
    mcp_note_t *note = MCP_LIST_MEMBER(call->notes.next, mcp_note_t, of_call);
    mcp_list_remove(&note->of_call);
    mcp_buf_deinit(&note->bytes);
    mcp_mem_free(note);
  }
}

/* Wakes the coroutine that waits for `call`, which may run Lua at once. */
static void wake(call_t *call) {
  mcp_coroutine_t *co = call->co;
  call->co = NULL;
  if (co) {
    mcp_coroutine_wake(co, 0);
  } else if (call->pool->rt->loop) {
    mcp_loop_wake(call->pool->rt->loop);
  }
}

/* The same at the next turn. */
static void wake_later(call_t *call) {
  if (call->co) {
    mcp_coroutine_wake_later(call->co, 0);
    call->co = NULL;
  } else {
    wake(call);
  }
}

/* Ends the call with `code` or an answer; the caller wakes it. */
static void end_call(call_t *call, int code, const char *reason) {
  leave_queue(call);
  if (call->slot) call->slot->call = NULL;
  call->slot = NULL;
  mcp_buf_deinit(&call->request);
  call->ended = true;
  call->code = code;
  snprintf(call->reason, sizeof call->reason, "%s", reason);
}

/* --- slots -----------------------------------------------------------------
 */

/* Makes sure that `look` runs within `ms`. */
static void look_within(pool_t *pool, uint64_t ms) {
  uint64_t at = mcp_thread_clock() + ms;
  if (!pool->timer || (pool->look_at && pool->look_at <= at)) return;
  pool->look_at = at;
  mcp_timer_set(pool->timer, ms);
}

static void uncount(slot_t *slot) {
  if (slot->counted) slot->pool->hand_count--;
  slot->counted = false;
}

static void free_slot(slot_t *slot) {
  pool_t *pool = slot->pool;
  uncount(slot);
  if (slot->lost) pool->lost_count--;
  mcp_list_remove(&slot->of_pool);
  mcp_mem_free(slot);
  if (pool->closed && mcp_list_empty(&pool->slots)) {
    mcp_loop_drop_cleanup(&pool->cleanup);
    mcp_timer_stop(pool->timer);
    pool->timer = NULL;
  }
  mcp_pool_unref(pool);
}

static void hold(slot_t *slot, bool held) {
  if (held == slot->held) return;
  slot->held = held;
  mcp_carrier_hold(slot->carrier, held);
}

/* Keeps the loop alive while a call runs or is queued. */
static void hold_hands(pool_t *pool) {
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&pool->slots, it, after) {
    slot_t *slot = MCP_LIST_MEMBER(it, slot_t, of_pool);
    hold(slot, slot->call || (slot->busy && pool->waiting_count > 0));
  }
}

/* Asks the slot to stop its work, whose caller has gone. */
static void stop(slot_t *slot) {
  bool process = slot->pool->to.arguments != NULL;
  slot->due = slot->left = 0;
  slot->asked = false;
  slot->stopped_at = mcp_thread_clock();
  hold(slot, false);
  mcp_carrier_stop(slot->carrier);
  /* A process is killed, so it counts as ended. */
  if (process) uncount(slot);
  if (!process) look_within(slot->pool, 1);
}

static void give(slot_t *slot, call_t *call) {
  pool_t *pool = slot->pool;
  int code;
  leave_queue(call);
  slot->busy = true;
  slot->call = call;
  slot->asked = false;
  slot->stopped_at = slot->left = 0;
  slot->due = pool->to.time ? mcp_thread_clock() + pool->to.time : 0;
  call->slot = slot;
  hold(slot, true);
  code = mcp_carrier_post(slot->carrier, &call->request);
  if (code < 0) {
    end_call(call, code, "");
    wake_later(call);
  }
  if (pool->to.time) look_within(pool, pool->to.time);
}

static int open_slot(pool_t *pool, slot_t **out);

/* Gives waiting calls to idle slots. */
static void give_all(pool_t *pool) {
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&pool->slots, it, after) {
    slot_t *slot = MCP_LIST_MEMBER(it, slot_t, of_pool);
    if (pool->waiting_count == 0) return;
    if (slot->busy || !slot->counted) continue;
    give(slot, MCP_LIST_MEMBER(pool->waiting.next, call_t, of_waiting));
  }
  while (pool->waiting_count > 0 && pool->hand_count < pool->to.threads) {
    call_t *call = MCP_LIST_MEMBER(pool->waiting.next, call_t, of_waiting);
    slot_t *slot;
    int code = open_slot(pool, &slot);
    if (code == 0) {
      give(slot, call);
    } else if (pool->hand_count > 0) {
      return; /* one of those will come to it */
    } else {
      end_call(call, code,
               code == MCP_EBUSY ? "its threads are held by C functions that "
                                   "do not return"
                                 : "");
      wake_later(call);
    }
  }
}

/* The same, and starts the next queued call. Runs no Lua. */
static void dispatch(pool_t *pool) {
  if (pool->waiting_count > 0) give_all(pool);
  if (pool->waiting_count > 0) hold_hands(pool);
}

static void on_note(void *owner, mcp_buf_t *bytes) {
  slot_t *slot = owner;
  call_t *call = slot->call;
  mcp_note_t *note = call ? mcp_mem_alloc(sizeof *note) : NULL;
  if (!note) {
    mcp_carrier_credit(slot->carrier, bytes->len);
    mcp_buf_deinit(bytes);
    return;
  }
  mcp_list_init(&note->of_call);
  note->bytes = mcp_buf_take(bytes);
  mcp_list_append(&call->notes, &note->of_call);
  wake(call);
}

static void on_wait(void *owner) {
  slot_t *slot = owner;
  uint64_t now = mcp_thread_clock();
  if (!slot->call || slot->due <= now) return;
  slot->left = slot->due - now;
  slot->due = 0;
}

static void on_answer(void *owner, mcp_buf_t *bytes) {
  slot_t *slot = owner;
  pool_t *pool = slot->pool;
  call_t *call = slot->call;
  if (!slot->busy) { /* unasked: the process no longer runs our code */
    mcp_buf_deinit(bytes);
    mcp_carrier_close(slot->carrier);
    return;
  }
  slot->busy = false;
  slot->due = slot->left = slot->stopped_at = 0;
  if (call) {
    call->answer = mcp_buf_take(bytes);
    end_call(call, 0, "");
  } else {
    mcp_buf_deinit(bytes);
  }
  hold(slot, false);
  if (slot->lost || pool->closed || pool->to.fresh) {
    mcp_carrier_close(slot->carrier);
    uncount(slot);
  }
  if (!pool->closed) dispatch(pool);
  if (call) wake(call);
}

static void on_ended(void *owner, const char *reason) {
  slot_t *slot = owner;
  pool_t *pool = slot->pool;
  call_t *call = slot->call;
  if (call) end_call(call, MCP_EGONE, reason);
  pool->refs++;
  free_slot(slot);
  if (!pool->closed) dispatch(pool);
  if (call) wake(call);
  mcp_pool_unref(pool);
}

static int open_slot(pool_t *pool, slot_t **out) {
  static const char *const bare[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
  mcp_carrier_options_t options = {.setup = mcp_buf_slice(&pool->to.setup),
                                   .limits = pool->to.limits,
                                   .arguments = pool->to.arguments,
                                   .on_note = on_note,
                                   .on_answer = on_answer,
                                   .on_wait = on_wait,
                                   .on_ended = on_ended};
  slot_t *slot;
  int code;
  if (pool->lost_count >= MCP_WORKER_LOST) return MCP_EBUSY;
  slot = mcp_mem_zalloc(sizeof *slot);
  if (!slot) return MCP_ENOMEM;
  options.environment = pool->to.clean ? bare : (const char *const *)environ;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  /* Their library is preloaded. */
  options.environment = (const char *const *)environ;
#endif
  options.owner = slot;
  code = mcp_carrier_open(pool->rt->loop, &options, &slot->carrier);
  if (code < 0) {
    mcp_mem_free(slot);
    return code;
  }
  slot->pool = pool;
  slot->counted = true;
  pool->refs++;
  pool->hand_count++;
  mcp_list_append(&pool->slots, &slot->of_pool);
  *out = slot;
  return 0;
}

static void lose(slot_t *slot) {
  pool_t *pool = slot->pool;
  mcp_log(MCP_LOG_WARNING,
          "worker \"%s\": a C function has not returned %.1f s after its call "
          "was stopped; its thread keeps running (%u of at most %d)",
          pool->to.name, (double)pool->to.stuck / 1000, pool->lost_count + 1,
          MCP_WORKER_LOST);
  slot->lost = true;
  pool->lost_count++;
  uncount(slot);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* Timers come first in a turn of the loop, which may have been held for long:
 * what the slot has sent meanwhile is looked at before it is judged. */
static bool ask_first(slot_t *slot) {
  bool first = !slot->asked;
  slot->asked = true;
  return first;
}

/* Does what is due for one slot; returns when it must be looked at again. */
static uint64_t look_at(slot_t *slot, uint64_t now, call_t **expired) {
  pool_t *pool = slot->pool;
  if (slot->call && slot->due && now >= slot->due) {
    char reason[MCP_POOL_REASON];
    if (ask_first(slot)) return now;
    *expired = slot->call;
    snprintf(reason, sizeof reason,
             "the call took longer than its budget of %g s",
             (double)pool->to.time / 1000);
    end_call(slot->call, MCP_ETIMEDOUT, reason);
    stop(slot);
  }
  if (slot->stopped_at && !slot->lost && !pool->to.arguments) {
    /* It may have been asked to stop just above, later than `now`. */
    if (now < slot->stopped_at + pool->to.stuck) {
      mcp_carrier_stop(slot->carrier);
      return earlier(now + AGAIN +
                         (now > slot->stopped_at ? now - slot->stopped_at : 0),
                     slot->stopped_at + pool->to.stuck);
    }
    if (ask_first(slot)) return now;
    lose(slot);
  }
  return slot->call && slot->due ? slot->due : UINT64_MAX;
}

/* Enforces the time limits. */
static void look(void *arg) {
  pool_t *pool = arg;
  uint64_t now = mcp_thread_clock(), next = UINT64_MAX;
  mcp_list_t *it, *after;
  pool->refs++;
  pool->look_at = 0;
  MCP_LIST_EACH(&pool->slots, it, after) {
    slot_t *slot = MCP_LIST_MEMBER(it, slot_t, of_pool);
    call_t *expired = NULL;
    next = earlier(next, look_at(slot, now, &expired));
    if (!expired) continue;
    /* The caller may run now and change the list: the rest is done in the next
     * turn. */
    next = now;
    wake(expired);
    break;
  }
  if (next != UINT64_MAX) look_within(pool, next > now ? next - now : 0);
  if (!pool->closed) dispatch(pool);
  mcp_pool_unref(pool);
}

void mcp_call_drop(mcp_call_t *call) {
  slot_t *slot = call->slot;
  if (!call->ended) end_call(call, MCP_ECANCELED, "");
  drop_notes(call);
  if (!slot) return;
  stop(slot);
  if (!call->pool->closed) dispatch(call->pool);
}

static int find_place(pool_t *pool, call_t *call) {
  size_t bytes = call->request.len;
  mcp_list_append(&pool->waiting, &call->of_waiting);
  pool->waiting_count++;
  pool->waiting_bytes += bytes;
  dispatch(pool);
  if (call->ended) return call->code;
  if (mcp_list_empty(&call->of_waiting)) return 0;
  if (pool->waiting_count > pool->to.queue ||
      pool->waiting_bytes > MCP_WORKER_QUEUE_BYTES)
    return MCP_EBUSY;
  return 0;
}

void mcp_pool_close(mcp_pool_t *pool) {
  mcp_list_t *it, *after;
  if (pool->closed) return;
  pool->closed = true;
  pool->rt->pool_count--;
  pool->refs++;
  while (pool->waiting_count > 0) {
    call_t *call = MCP_LIST_MEMBER(pool->waiting.next, call_t, of_waiting);
    end_call(call, MCP_ECLOSED, "");
    wake_later(call);
  }
  MCP_LIST_EACH(&pool->slots, it, after) {
    slot_t *slot = MCP_LIST_MEMBER(it, slot_t, of_pool);
    call_t *call = slot->call;
    if (call) {
      end_call(call, MCP_ECLOSED, "");
      wake_later(call);
    }
    slot->due = 0;
    slot->asked = false;
    slot->stopped_at = mcp_thread_clock();
    hold(slot, false);
    mcp_carrier_close(slot->carrier);
  }
  if (mcp_list_empty(&pool->slots)) {
    mcp_loop_drop_cleanup(&pool->cleanup);
    mcp_timer_stop(pool->timer);
    pool->timer = NULL;
  } else if (!pool->to.arguments) {
    look_within(pool, 1);
  }
  if (pool->rt->loop) mcp_loop_wake(pool->rt->loop);
  mcp_pool_unref(pool);
}

/* The loop ends: threads get a short time, and those that have not ended then
 * are left running. */
static void end_now(mcp_loop_cleanup_t *cleanup) {
  pool_t *pool = MCP_LIST_MEMBER(cleanup, pool_t, cleanup);
  uint64_t deadline = mcp_thread_clock() + MCP_WORKER_LAST_WAIT;
  unsigned left = 0;
  pool->refs++;
  mcp_pool_close(pool);
  while (!mcp_list_empty(&pool->slots)) {
    slot_t *slot = MCP_LIST_MEMBER(pool->slots.next, slot_t, of_pool);
    if (!mcp_carrier_end_by(slot->carrier, deadline)) left++;
    free_slot(slot);
  }
  if (left > 0)
    mcp_log(MCP_LOG_WARNING,
            "worker \"%s\": %u threads have not ended and are left to the end "
            "of the process",
            pool->to.name, left);
  mcp_pool_unref(pool);
}

mcp_pool_t *mcp_pool_new(mcp_runtime_t *rt) {
  pool_t *pool = mcp_mem_zalloc(sizeof *pool);
  if (!pool) return NULL;
  pool->rt = rt;
  pool->refs = 1;
  pool->closed = true;
  mcp_list_init(&pool->slots);
  mcp_list_init(&pool->waiting);
  mcp_list_init(&pool->cleanup.of_loop);
  pool->cleanup.end = end_now;
  return pool;
}

mcp_pool_options_t *mcp_pool_options(mcp_pool_t *pool) {
  return &pool->to;
}

int mcp_pool_open(mcp_pool_t *pool) {
  pool->timer = mcp_timer_new(pool->rt->loop, true, look, pool);
  if (!pool->timer) return MCP_ENOMEM;
  mcp_loop_add_cleanup(pool->rt->loop, &pool->cleanup);
  pool->closed = false;
  pool->rt->pool_count++;
  return 0;
}

mcp_runtime_t *mcp_pool_runtime(const mcp_pool_t *pool) {
  return pool->rt;
}

bool mcp_pool_is_closed(const mcp_pool_t *pool) {
  return pool->closed;
}

size_t mcp_pool_room(const mcp_pool_t *pool) {
  const mcp_list_t *it;
  bool may_open = pool->hand_count < pool->to.threads;
  if (may_open && pool->lost_count < MCP_WORKER_LOST) return SIZE_MAX;
  for (it = pool->slots.next; it != &pool->slots; it = it->next) {
    const slot_t *slot = MCP_LIST_MEMBER(it, slot_t, of_pool);
    if (!slot->busy && slot->counted) return SIZE_MAX;
  }
  if (pool->hand_count == 0) return SIZE_MAX; /* refused for another reason */
  if (pool->waiting_count >= pool->to.queue ||
      pool->waiting_bytes >= MCP_WORKER_QUEUE_BYTES)
    return 0;
  return MCP_WORKER_QUEUE_BYTES - pool->waiting_bytes;
}

mcp_pool_counts_t mcp_pool_count(const mcp_pool_t *pool) {
  mcp_pool_counts_t counts = {.waiting = pool->waiting_count,
                              .lost = pool->lost_count};
  for (mcp_list_t *it = pool->slots.next; it != &pool->slots; it = it->next) {
    counts.slots++;
    if (MCP_LIST_MEMBER(it, slot_t, of_pool)->busy) counts.busy++;
  }
  return counts;
}

void mcp_call_init(mcp_call_t *call, mcp_pool_t *pool) {
  *call = (mcp_call_t){.pool = pool};
  mcp_list_init(&call->of_waiting);
  mcp_list_init(&call->notes);
  pool->refs++;
}

int mcp_call_submit(mcp_call_t *call) {
  int code = find_place(call->pool, call);
  if (code < 0 && !call->ended) end_call(call, code, MCP_POOL_FULL);
  return code;
}

mcp_note_t *mcp_call_next_note(const mcp_call_t *call) {
  if (mcp_list_empty(&call->notes)) return NULL;
  return MCP_LIST_MEMBER(call->notes.next, mcp_note_t, of_call);
}

void mcp_call_use(mcp_call_t *call, mcp_note_t *note) {
  if (call->slot) mcp_carrier_credit(call->slot->carrier, note->bytes.len);
  mcp_list_remove(&note->of_call);
  mcp_buf_deinit(&note->bytes);
  mcp_mem_free(note);
}

int mcp_call_reply(mcp_call_t *call, mcp_slice_t bytes) {
  slot_t *slot = call->slot;
  if (!slot) return MCP_ECLOSED;
  if (slot->left) {
    slot->due = mcp_thread_clock() + slot->left;
    look_within(slot->pool, slot->left);
    slot->left = 0;
  }
  return mcp_carrier_reply(slot->carrier, bytes);
}

void mcp_call_deinit(mcp_call_t *call) {
  pool_t *pool = call->pool;
  if (!pool) return;
  call->co = NULL;
  mcp_call_drop(call);
  mcp_buf_deinit(&call->answer);
  call->pool = NULL;
  mcp_pool_unref(pool);
}
