/* SPDX-License-Identifier: MIT
 * lworker.c: see lworker.h. A pool has hands, each a thread or a process that
 * does one call at a time, and a queue. All of it is used on the loop's thread
 * only.
 *
 * A call ends for its caller at once when it is cancelled or out of time; its
 * hand is asked to stop and comes back when it has. A hand that does not,
 * within the pool's `stuck`, is lost: it no longer counts, another one is
 * opened in its place, and it is closed should it ever come back. */
#include "lua/lworker.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/copy.h"
#include "lua/core.h"
#include "lua/lturn.h"
#include "lua/worker_carrier.h"
#include "net/thread.h"

#define POOL_TYPE "mcp.worker_pool"
#define CALL_TYPE "mcp.worker_call"
#define NAME_SIZE 80
#define WHY_SIZE  96
/* A thread that has not stopped is signalled again after so many ms. */
#define AGAIN 20

extern char **environ;

typedef struct call call_t;

typedef struct {
  mcp_runtime_t *rt;
  mcp_ward_t ward;
  unsigned refs; /* the userdata, hands, calls */
  mcp_list_t hands, waiting;
  unsigned hand_count; /* that count */
  unsigned lost_count, waiting_count;
  size_t waiting_bytes;
  mcp_timer_t *timer;
  uint64_t look_at; /* when it is due, 0: it is not going */
  /* What was asked for. */
  unsigned threads, queue;
  uint64_t time, stuck; /* ms; time 0: no limit */
  mcp_worker_limits_t limits;
  mcp_buf_t setup;
  const char **arguments; /* of a process, or NULL; one block */
  bool clean;             /* a process gets next to no environment */
  bool closed;
  char name[NAME_SIZE];
} pool_t;

typedef struct {
  mcp_list_t of_pool;
  pool_t *pool;
  mcp_carrier_t *carrier;
  call_t *call;        /* NULL: idle, or the call has ended for its caller */
  uint64_t due;        /* when its call is out of time, 0: never */
  uint64_t stopped_at; /* since when it is to stop, 0: it is not */
  bool busy;
  bool held;    /* it keeps the loop going */
  bool counted; /* in the pool's hand_count */
  bool lost;
} hand_t;

typedef struct {
  mcp_list_t of_call;
  mcp_buf_t bytes;
} note_t;

/* In a userdata. */
struct call {
  mcp_list_t of_waiting;
  pool_t *pool;     /* NULL: closed */
  hand_t *hand;     /* that does it, or NULL */
  mcp_task_t *task; /* that waits for it, or NULL */
  mcp_buf_t request, answer;
  mcp_list_t notes;
  bool ended;
  int code;           /* why there is no answer, 0: there is one */
  char why[WHY_SIZE]; /* more about the code, or "" */
};

static void unref(pool_t *pool) {
  if (--pool->refs > 0) return;
  mcp_buf_deinit(&pool->setup);
  mcp_mem_free(pool->arguments);
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
    note_t *note = MCP_LIST_MEMBER(call->notes.next, note_t, of_call);
    mcp_list_remove(&note->of_call);
    mcp_buf_deinit(&note->bytes);
    mcp_mem_free(note);
  }
}

/* Whoever waits for `call` looks at it. It may run, and do anything. */
static void wake(call_t *call) {
  mcp_task_t *task = call->task;
  call->task = NULL;
  if (task) {
    mcp_task_wake(task, 0);
  } else if (call->pool->rt->loop) {
    mcp_loop_wake(call->pool->rt->loop);
  }
}

/* The same at the next turn. */
static void wake_later(call_t *call) {
  if (call->task) {
    mcp_task_wake_later(call->task, 0);
    call->task = NULL;
  } else {
    wake(call);
  }
}

/* It has ended with `code`, or with an answer; wake follows. */
static void end_call(call_t *call, int code, const char *why) {
  leave_queue(call);
  if (call->hand) call->hand->call = NULL;
  call->hand = NULL;
  mcp_buf_deinit(&call->request);
  call->ended = true;
  call->code = code;
  snprintf(call->why, sizeof call->why, "%s", why);
}

/* --- hands -----------------------------------------------------------------
 */

/* Sees to it that `look` comes no later than in `ms`. */
static void look_within(pool_t *pool, uint64_t ms) {
  uint64_t at = mcp_thread_clock() + ms;
  if (!pool->timer || (pool->look_at && pool->look_at <= at)) return;
  pool->look_at = at;
  mcp_timer_set(pool->timer, ms);
}

static void uncount(hand_t *hand) {
  if (hand->counted) hand->pool->hand_count--;
  hand->counted = false;
}

static void free_hand(hand_t *hand) {
  pool_t *pool = hand->pool;
  uncount(hand);
  if (hand->lost) pool->lost_count--;
  mcp_list_remove(&hand->of_pool);
  mcp_mem_free(hand);
  if (pool->closed && mcp_list_empty(&pool->hands)) {
    mcp_loop_drop_ward(&pool->ward);
    mcp_timer_stop(pool->timer);
    pool->timer = NULL;
  }
  unref(pool);
}

static void hold(hand_t *hand, bool held) {
  if (held == hand->held) return;
  hand->held = held;
  mcp_carrier_hold(hand->carrier, held);
}

/* The loop goes on while somebody waits: for a hand, or behind one. */
static void hold_hands(pool_t *pool) {
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&pool->hands, it, after) {
    hand_t *hand = MCP_LIST_MEMBER(it, hand_t, of_pool);
    hold(hand, hand->call || (hand->busy && pool->waiting_count > 0));
  }
}

/* Asks the hand to stop what it does; its caller has gone. */
static void stop(hand_t *hand) {
  bool process = hand->pool->arguments != NULL;
  hand->due = 0;
  hand->stopped_at = mcp_thread_clock();
  hold(hand, false);
  mcp_carrier_stop(hand->carrier);
  /* A process is as good as gone. */
  if (process) uncount(hand);
  if (!process) look_within(hand->pool, 1);
}

static void give(hand_t *hand, call_t *call) {
  pool_t *pool = hand->pool;
  int code;
  leave_queue(call);
  hand->busy = true;
  hand->call = call;
  hand->stopped_at = 0;
  hand->due = pool->time ? mcp_thread_clock() + pool->time : 0;
  call->hand = hand;
  hold(hand, true);
  code = mcp_carrier_post(hand->carrier, &call->request);
  if (code < 0) {
    end_call(call, code, "");
    wake_later(call);
  }
  if (pool->time) look_within(pool, pool->time);
}

static int open_hand(pool_t *pool, hand_t **out);

/* Gives waiting calls to hands that have nothing to do. */
static void give_all(pool_t *pool) {
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&pool->hands, it, after) {
    hand_t *hand = MCP_LIST_MEMBER(it, hand_t, of_pool);
    if (pool->waiting_count == 0) return;
    if (hand->busy || !hand->counted) continue;
    give(hand, MCP_LIST_MEMBER(pool->waiting.next, call_t, of_waiting));
  }
  while (pool->waiting_count > 0 && pool->hand_count < pool->threads) {
    call_t *call = MCP_LIST_MEMBER(pool->waiting.next, call_t, of_waiting);
    hand_t *hand;
    int code = open_hand(pool, &hand);
    if (code == 0) {
      give(hand, call);
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

/* The same, and sees to who waits then. Runs no Lua. */
static void dispatch(pool_t *pool) {
  if (pool->waiting_count > 0) give_all(pool);
  if (pool->waiting_count > 0) hold_hands(pool);
}

static void on_note(void *owner, mcp_buf_t *bytes) {
  hand_t *hand = owner;
  call_t *call = hand->call;
  note_t *note = call ? mcp_mem_alloc(sizeof *note) : NULL;
  if (!note) {
    mcp_carrier_credit(hand->carrier, bytes->len);
    mcp_buf_deinit(bytes);
    return;
  }
  mcp_list_init(&note->of_call);
  note->bytes = mcp_buf_take(bytes);
  mcp_list_append(&call->notes, &note->of_call);
  wake(call);
}

static void on_answer(void *owner, mcp_buf_t *bytes) {
  hand_t *hand = owner;
  pool_t *pool = hand->pool;
  call_t *call = hand->call;
  if (!hand->busy) { /* only a process that is not ours any more does this */
    mcp_buf_deinit(bytes);
    mcp_carrier_close(hand->carrier);
    return;
  }
  hand->busy = false;
  hand->due = hand->stopped_at = 0;
  if (call) {
    call->answer = mcp_buf_take(bytes);
    end_call(call, 0, "");
  } else {
    mcp_buf_deinit(bytes);
  }
  hold(hand, false);
  if (hand->lost || pool->closed) {
    mcp_carrier_close(hand->carrier);
  } else {
    dispatch(pool);
  }
  if (call) wake(call);
}

static void on_ended(void *owner, const char *why) {
  hand_t *hand = owner;
  pool_t *pool = hand->pool;
  call_t *call = hand->call;
  if (call) end_call(call, MCP_EGONE, why);
  pool->refs++;
  free_hand(hand);
  if (!pool->closed) dispatch(pool);
  if (call) wake(call);
  unref(pool);
}

static int open_hand(pool_t *pool, hand_t **out) {
  static const char *const bare[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
  mcp_carrier_options_t options = {.setup = mcp_buf_slice(&pool->setup),
                                   .limits = pool->limits,
                                   .arguments = pool->arguments,
                                   .on_note = on_note,
                                   .on_answer = on_answer,
                                   .on_ended = on_ended};
  hand_t *hand;
  int code;
  if (pool->lost_count >= MCP_WORKER_LOST) return MCP_EBUSY;
  hand = mcp_mem_zalloc(sizeof *hand);
  if (!hand) return MCP_ENOMEM;
  options.environment = pool->clean ? bare : (const char *const *)environ;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  /* Their library is preloaded. */
  options.environment = (const char *const *)environ;
#endif
  options.owner = hand;
  code = mcp_carrier_open(pool->rt->loop, &options, &hand->carrier);
  if (code < 0) {
    mcp_mem_free(hand);
    return code;
  }
  hand->pool = pool;
  hand->counted = true;
  pool->refs++;
  pool->hand_count++;
  mcp_list_append(&pool->hands, &hand->of_pool);
  *out = hand;
  return 0;
}

static void lose(hand_t *hand) {
  pool_t *pool = hand->pool;
  mcp_log(MCP_LOG_WARNING,
          "worker \"%s\": a C function has not returned %.1f s after its call "
          "was stopped; its thread is left behind (%u of at most %d)",
          pool->name, (double)pool->stuck / 1000, pool->lost_count + 1,
          MCP_WORKER_LOST);
  hand->lost = true;
  pool->lost_count++;
  uncount(hand);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* What is due of one hand; when it is to be looked at again. */
static uint64_t look_at(hand_t *hand, uint64_t now, call_t **expired) {
  pool_t *pool = hand->pool;
  if (hand->call && hand->due && now >= hand->due) {
    char why[WHY_SIZE];
    *expired = hand->call;
    snprintf(why, sizeof why, "the call took longer than its budget of %g s",
             (double)pool->time / 1000);
    end_call(hand->call, MCP_ETIMEDOUT, why);
    stop(hand);
  }
  if (hand->stopped_at && !hand->lost && !pool->arguments) {
    /* It may have been stopped just above, after `now`. */
    if (now < hand->stopped_at + pool->stuck) {
      mcp_carrier_stop(hand->carrier);
      return now + AGAIN;
    }
    lose(hand);
  }
  return hand->call && hand->due ? hand->due : UINT64_MAX;
}

/* Looks after limits of time. */
static void look(void *arg) {
  pool_t *pool = arg;
  uint64_t now = mcp_thread_clock(), next = UINT64_MAX;
  mcp_list_t *it, *after;
  pool->refs++;
  pool->look_at = 0;
  MCP_LIST_EACH(&pool->hands, it, after) {
    hand_t *hand = MCP_LIST_MEMBER(it, hand_t, of_pool);
    call_t *expired = NULL;
    next = earlier(next, look_at(hand, now, &expired));
    if (!expired) continue;
    /* Who waits may run now, and change the list: the rest comes next. */
    next = now;
    wake(expired);
    break;
  }
  if (next != UINT64_MAX) look_within(pool, next > now ? next - now : 0);
  if (!pool->closed) dispatch(pool);
  unref(pool);
}

/* --- from Lua: a call ------------------------------------------------------
 */

/* The caller has no use for it any more. */
static void drop_call(call_t *call) {
  hand_t *hand = call->hand;
  if (!call->ended) end_call(call, MCP_ECANCELED, "");
  drop_notes(call);
  if (!hand) return;
  stop(hand);
  if (!call->pool->closed) dispatch(call->pool);
}

static void cancel_wait(mcp_task_t *task, void *arg) {
  call_t *call = arg;
  (void)task;
  call->task = NULL;
  drop_call(call);
}

static int call_close(lua_State *L) {
  call_t *call = luaL_checkudata(L, 1, CALL_TYPE);
  pool_t *pool = call->pool;
  mcp_task_t *task = call->task;
  if (!pool) return 0;
  /* At the end of the state only. */
  if (task && task->cancel_arg == call) task->cancel = NULL;
  call->task = NULL;
  drop_call(call);
  mcp_buf_deinit(&call->answer);
  call->pool = NULL;
  unref(pool);
  return 0;
}

static int push_failed(lua_State *L, int code, const char *why) {
  lua_pushliteral(L, "failed");
  lua_pushstring(L, *why ? why : mcp_err_text(code));
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}

/* Pushes the next note, or the end. The call lies at 1. [-0, +n, m] */
static int push_outcome(lua_State *L, call_t *call) {
  int count;
  if (!mcp_list_empty(&call->notes)) {
    note_t *note = MCP_LIST_MEMBER(call->notes.next, note_t, of_call);
    lua_pushliteral(L, "note");
    count = mcp_copy_push(L, mcp_buf_slice(&note->bytes));
    if (call->hand) mcp_carrier_credit(call->hand->carrier, note->bytes.len);
    mcp_list_remove(&note->of_call);
    mcp_buf_deinit(&note->bytes);
    mcp_mem_free(note);
    return count < 0 ? push_failed(L, MCP_EGONE, "a note cannot be read")
                     : count + 1;
  }
  if (call->code < 0) return push_failed(L, call->code, call->why);
  if (call->answer.len == 0) return push_failed(L, MCP_ENOMEM, "");
  count = mcp_copy_push(L, mcp_buf_slice(&call->answer));
  mcp_buf_deinit(&call->answer);
  return count < 1 ? push_failed(L, MCP_EGONE, "an answer cannot be read")
                   : count;
}

static int waited(lua_State *L, int status, lua_KContext context) {
  mcp_task_t *task = (mcp_task_t *)context;
  (void)status;
  if (task->wake_code < 0) return push_failed(L, task->wake_code, "");
  return push_outcome(L, lua_touserdata(L, 1));
}

static bool is_ready(const call_t *call) {
  return call->ended || !mcp_list_empty(&call->notes);
}

/* call:wait() -> "note", kind, … | an answer of worker_state.h | "failed",
 * text, code */
static int call_wait(lua_State *L) {
  call_t *call = luaL_checkudata(L, 1, CALL_TYPE);
  mcp_runtime_t *rt;
  mcp_task_t *task;
  if (!call->pool) return luaL_error(L, "the call is closed");
  lua_settop(L, 1);
  rt = call->pool->rt;
  if (is_ready(call)) return push_outcome(L, call);
  if (!mcp_lturn_begin(L, rt, &task)) {
    drop_call(call);
    return push_failed(L, MCP_ECANCELED, "");
  }
  if (task) {
    call->task = task;
    return mcp_task_wait(L, task, cancel_wait, call, waited);
  }
  while (!is_ready(call)) {
    if (!mcp_lturn_once(L, rt, -1) && !is_ready(call))
      return luaL_error(L, "waiting for something that can never happen: "
                           "nothing is open");
  }
  return push_outcome(L, call);
}

/* --- from Lua: a pool ------------------------------------------------------
 */

static pool_t *check_pool(lua_State *L) {
  return *(pool_t **)luaL_checkudata(L, 1, POOL_TYPE);
}

/* Appends the arguments from 2 on. 0, or the number of values it has pushed:
 * nil, text, code. */
static int write_request(lua_State *L, call_t *call, int last) {
  mcp_copy_fault_t fault;
  for (int i = 2; i <= last; i++) {
    int code =
        mcp_copy_write(L, i, &call->request, MCP_WORKER_ARGUMENTS, &fault);
    if (code == 0) continue;
    lua_pushnil(L);
    lua_pushfstring(L, "argument %d cannot be sent to a worker: %s", i - 2,
                    fault.what);
    lua_pushstring(L, mcp_err_name(code));
    return 3;
  }
  return 0;
}

/* Finds a hand for the call, or a place in the queue. 0 or a code. */
static int submit(pool_t *pool, call_t *call) {
  size_t bytes = call->request.len;
  mcp_list_append(&pool->waiting, &call->of_waiting);
  pool->waiting_count++;
  pool->waiting_bytes += bytes;
  dispatch(pool);
  if (call->ended) return call->code;
  if (mcp_list_empty(&call->of_waiting)) return 0;
  if (pool->waiting_count > pool->queue ||
      pool->waiting_bytes > MCP_WORKER_QUEUE_BYTES)
    return MCP_EBUSY;
  return 0;
}

/* pool:start(name | nil, …) -> call | nil, text, code: "EENCODE" and "EDEPTH"
 * are the caller's mistakes */
static int pool_start(lua_State *L) {
  pool_t *pool = check_pool(L);
  int last = lua_gettop(L), pushed, code;
  mcp_task_t *task;
  call_t *call;
  if (!pool || pool->closed) return mcp_task_push_error(L, MCP_ECLOSED);
  /* The wait follows: where it may not be, nothing is begun. */
  if (!mcp_lturn_begin(L, pool->rt, &task))
    return mcp_task_push_error(L, MCP_ECANCELED);
  call = lua_newuserdatauv(L, sizeof *call, 1);
  *call = (call_t){.pool = NULL};
  mcp_list_init(&call->of_waiting);
  mcp_list_init(&call->notes);
  luaL_setmetatable(L, CALL_TYPE);
  call->pool = pool;
  pool->refs++;
  /* The pool lives as long as its calls. */
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  pushed = write_request(L, call, last);
  if (pushed > 0) return pushed;
  code = submit(pool, call);
  if (code < 0) {
    if (!call->ended)
      end_call(call, code, "as many calls as may wait are waiting already");
    lua_pushnil(L);
    lua_pushstring(L, *call->why ? call->why : mcp_err_text(code));
    lua_pushstring(L, mcp_err_name(code));
    return 3;
  }
  return 1;
}

/* Ends the calls, and the hands as soon as they can. */
static void close_pool(pool_t *pool) {
  mcp_list_t *it, *after;
  if (pool->closed) return;
  pool->closed = true;
  pool->refs++;
  while (pool->waiting_count > 0) {
    call_t *call = MCP_LIST_MEMBER(pool->waiting.next, call_t, of_waiting);
    end_call(call, MCP_ECLOSED, "");
    wake_later(call);
  }
  MCP_LIST_EACH(&pool->hands, it, after) {
    hand_t *hand = MCP_LIST_MEMBER(it, hand_t, of_pool);
    call_t *call = hand->call;
    if (call) {
      end_call(call, MCP_ECLOSED, "");
      wake_later(call);
    }
    hand->due = 0;
    hand->stopped_at = mcp_thread_clock();
    hold(hand, false);
    mcp_carrier_close(hand->carrier);
  }
  if (mcp_list_empty(&pool->hands)) {
    mcp_loop_drop_ward(&pool->ward);
    mcp_timer_stop(pool->timer);
    pool->timer = NULL;
  } else if (!pool->arguments) {
    look_within(pool, 1);
  }
  if (pool->rt->loop) mcp_loop_wake(pool->rt->loop);
  unref(pool);
}

static int pool_close(lua_State *L) {
  pool_t **slot = luaL_checkudata(L, 1, POOL_TYPE);
  if (*slot) close_pool(*slot);
  return 0;
}

static int pool_collect(lua_State *L) {
  pool_t **slot = luaL_checkudata(L, 1, POOL_TYPE);
  pool_t *pool = *slot;
  *slot = NULL;
  if (!pool) return 0;
  close_pool(pool);
  unref(pool);
  return 0;
}

/* The loop ends: threads get a moment, and what has not ended then stays. */
static void end_now(mcp_ward_t *ward) {
  pool_t *pool = MCP_LIST_MEMBER(ward, pool_t, ward);
  uint64_t deadline = mcp_thread_clock() + MCP_WORKER_LAST_WAIT;
  unsigned left = 0;
  pool->refs++;
  close_pool(pool);
  while (!mcp_list_empty(&pool->hands)) {
    hand_t *hand = MCP_LIST_MEMBER(pool->hands.next, hand_t, of_pool);
    if (!mcp_carrier_end_by(hand->carrier, deadline)) left++;
    free_hand(hand);
  }
  if (left > 0)
    mcp_log(MCP_LOG_WARNING,
            "worker \"%s\": %u threads have not ended and are left to the end "
            "of the process",
            pool->name, left);
  unref(pool);
}

/* pool:counts() -> table: hands, busy, waiting, lost; for tests and metrics */
static int pool_counts(lua_State *L) {
  pool_t *pool = check_pool(L);
  mcp_list_t *it, *after;
  lua_Integer all = 0, busy = 0;
  if (!pool) return luaL_error(L, "the worker is closed");
  MCP_LIST_EACH(&pool->hands, it, after) {
    all++;
    if (MCP_LIST_MEMBER(it, hand_t, of_pool)->busy) busy++;
  }
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, all);
  lua_setfield(L, -2, "hands");
  lua_pushinteger(L, busy);
  lua_setfield(L, -2, "busy");
  lua_pushinteger(L, (lua_Integer)pool->waiting_count);
  lua_setfield(L, -2, "waiting");
  lua_pushinteger(L, (lua_Integer)pool->lost_count);
  lua_setfield(L, -2, "lost");
  return 1;
}

/* --- opening a pool --------------------------------------------------------
 */

static lua_Integer integer_of(lua_State *L, const char *name) {
  lua_Integer value;
  lua_getfield(L, 1, name);
  value = luaL_checkinteger(L, -1);
  lua_pop(L, 1);
  return value;
}

/* Seconds, as ms. */
static uint64_t ms_of(lua_State *L, const char *name) {
  lua_Number value;
  lua_getfield(L, 1, name);
  value = luaL_checknumber(L, -1);
  lua_pop(L, 1);
  return (uint64_t)ceil(value * 1000);
}

/* Copies the list `arguments` into one block: pointers, then the texts. */
static void take_arguments(lua_State *L, pool_t *pool) {
  size_t count, size;
  char *to;
  if (lua_getfield(L, 1, "arguments") == LUA_TNIL) return;
  count = (size_t)luaL_len(L, -1);
  size = (count + 1) * sizeof(char *);
  for (size_t i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    size += strlen(luaL_checkstring(L, -1)) + 1;
    lua_pop(L, 1);
  }
  pool->arguments = mcp_mem_alloc(size);
  if (!pool->arguments) luaL_error(L, "not enough memory");
  to = (char *)(pool->arguments + count + 1);
  for (size_t i = 0; i < count; i++) {
    const char *text;
    lua_rawgeti(L, -1, (lua_Integer)i + 1);
    text = lua_tostring(L, -1);
    pool->arguments[i] = to;
    to = stpcpy(to, text) + 1;
    lua_pop(L, 1);
  }
  pool->arguments[count] = NULL;
  lua_pop(L, 1);
}

/* What the program adds to a new state, if this is the program (main.c). */
static lua_CFunction program_prepare(lua_State *L) {
  lua_CFunction prepare = NULL;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "mcp.program") == LUA_TTABLE) {
    lua_getfield(L, -1, "prepare");
    prepare = lua_tocfunction(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return prepare;
}

/* worker_pool { name, threads, queue, time, stuck, memory, output, setup,
 * arguments, clean } -> pool. Seconds and bytes; checked by worker.lua. */
static int worker_pool(lua_State *L) {
  mcp_runtime_t *rt = mcp_task_runtime(L);
  mcp_copy_fault_t fault;
  pool_t *pool, **slot;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  luaL_setmetatable(L, POOL_TYPE);
  pool = mcp_mem_zalloc(sizeof *pool);
  if (!pool) return luaL_error(L, "not enough memory");
  pool->rt = rt;
  pool->refs = 1;
  pool->closed = true; /* until it is complete */
  mcp_list_init(&pool->hands);
  mcp_list_init(&pool->waiting);
  mcp_list_init(&pool->ward.of_loop);
  pool->ward.end = end_now;
  *slot = pool;
  pool->threads = (unsigned)integer_of(L, "threads");
  pool->queue = (unsigned)integer_of(L, "queue");
  pool->time = ms_of(L, "time");
  pool->stuck = ms_of(L, "stuck");
  pool->limits.memory = (size_t)integer_of(L, "memory");
  pool->limits.output = (size_t)integer_of(L, "output");
  pool->limits.prepare = program_prepare(L);
  lua_getfield(L, 1, "name");
  snprintf(pool->name, sizeof pool->name, "%s", luaL_checkstring(L, -1));
  lua_getfield(L, 1, "clean");
  pool->clean = lua_toboolean(L, -1);
  take_arguments(L, pool);
  lua_getfield(L, 1, "setup");
  if (mcp_copy_write(L, -1, &pool->setup, MCP_WORKER_ARGUMENTS, &fault) < 0)
    return luaL_error(L, "setup: %s", fault.what);
  pool->timer = mcp_timer_new(rt->loop, true, look, pool);
  if (!pool->timer) return luaL_error(L, "not enough memory");
  mcp_loop_add_ward(rt->loop, &pool->ward);
  pool->closed = false;
  lua_settop(L, 2);
  return 1;
}

/* worker_child() -> exit status: for a process that was started to be a worker
 * and whose program is not luamcp */
static int worker_child(lua_State *L) {
  lua_pushinteger(L, mcp_worker_child(program_prepare(L)));
  return 1;
}

void mcp_lworker_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"worker_pool", worker_pool},
                                       {"worker_child", worker_child},
                                       {NULL, NULL}};
  static const luaL_Reg pool_methods[] = {{"start", pool_start},
                                          {"close", pool_close},
                                          {"counts", pool_counts},
                                          {NULL, NULL}};
  static const luaL_Reg call_methods[] = {
      {"wait", call_wait}, {"close", call_close}, {NULL, NULL}};
  luaL_newmetatable(L, POOL_TYPE);
  luaL_newlib(L, pool_methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, pool_close);
  lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, pool_collect);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newmetatable(L, CALL_TYPE);
  luaL_newlib(L, call_methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, call_close);
  lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, call_close);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
  mcp_worker_adopt(L, rt);
}
