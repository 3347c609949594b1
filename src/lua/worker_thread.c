/* SPDX-License-Identifier: MIT
 * worker_thread.c: see worker_thread.h. All of this runs on the thread, but for
 * the start. */
#include "lua/worker_thread.h"

#include "base/err.h"
#include "base/mem.h"
#include "lua/worker_call.h"

typedef struct {
  mcp_worker_t *worker;
  mcp_thread_t *thread; /* set as soon as `run` runs */
} seat_t;

static bool stopped(void *carrier) {
  seat_t *seat = carrier;
  return mcp_thread_stopped(seat->thread);
}

static bool sleep_for(void *carrier, uint64_t ms) {
  seat_t *seat = carrier;
  return mcp_thread_sleep(seat->thread, ms);
}

static int send_note(void *carrier, mcp_buf_t *bytes) {
  seat_t *seat = carrier;
  return mcp_thread_note(seat->thread, bytes);
}

static const mcp_worker_ops_t ops = {false,     stopped, sleep_for,
                                     send_note, NULL,    NULL};

static void interrupt(void *arg) {
  seat_t *seat = arg;
  if (seat->thread) mcp_worker_interrupt(seat->worker);
}

static void run(mcp_thread_t *thread, void *arg) {
  seat_t *seat = arg;
  mcp_buf_t call = {0}, answer = {0};
  seat->thread = thread;
  while (mcp_thread_receive(thread, &call)) {
    mcp_worker_call(seat->worker, mcp_buf_slice(&call), &answer);
    mcp_buf_deinit(&call);
    mcp_thread_answer(thread, &answer);
  }
}

static void release(void *arg) {
  seat_t *seat = arg;
  mcp_worker_free(seat->worker);
  mcp_mem_free(seat);
}

int mcp_worker_thread_start(mcp_loop_t *loop, mcp_slice_t setup,
                            const mcp_worker_limits_t *limits,
                            const mcp_thread_options_t *options,
                            mcp_thread_t **thread) {
  mcp_thread_options_t all = *options;
  seat_t *seat = mcp_mem_zalloc(sizeof *seat);
  int code = MCP_ENOMEM;
  if (!seat) return MCP_ENOMEM;
  seat->worker = mcp_worker_new(setup, limits, &ops, seat);
  all.run = run;
  all.interrupt = interrupt;
  all.release = release;
  all.arg = seat;
  if (seat->worker) code = mcp_thread_start(loop, &all, thread);
  if (code < 0) {
    mcp_worker_free(seat->worker);
    mcp_mem_free(seat);
  }
  return code;
}
