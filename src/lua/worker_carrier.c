/* SPDX-License-Identifier: MIT
 * worker_carrier.c: see worker_carrier.h. */
#include "lua/worker_carrier.h"

#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/worker_thread.h"
#include "net/process.h"
#include "net/stream.h"

/* 4 bytes of size, a letter. */
#define HEAD (sizeof(uint32_t) + 1)
/* What a frame may hold beside the values that have a limit: names, counts. */
#define FRAME_SLACK 65536u

struct mcp_carrier {
  mcp_carrier_options_t to;
  mcp_thread_t *thread;   /* or */
  mcp_process_t *process; /* NULL once it is gone */
  mcp_stream_t *stream;   /* NULL once it is closed */
  mcp_buf_t input;        /* of the process, not yet a whole frame */
  size_t frame_max;
  size_t notes;     /* bytes of them that have not been used */
  uint32_t replies; /* sent in this call */
  bool held, paused, let_go;
  bool exited;
  int status, signal;
};

static void free_carrier(mcp_carrier_t *carrier) {
  mcp_buf_deinit(&carrier->input);
  mcp_mem_free(carrier);
}

static void end(mcp_carrier_t *carrier, const char *reason) {
  mcp_carrier_options_t to = carrier->to;
  bool let_go = carrier->let_go;
  free_carrier(carrier);
  if (!let_go) to.on_ended(to.owner, reason);
}

/* --- a thread --------------------------------------------------------------
 */

static void thread_note(void *owner, mcp_buf_t *bytes) {
  mcp_carrier_t *carrier = owner;
  carrier->to.on_note(carrier->to.owner, bytes);
}

static void thread_answer(void *owner, mcp_buf_t *bytes) {
  mcp_carrier_t *carrier = owner;
  carrier->to.on_answer(carrier->to.owner, bytes);
}

static void thread_ended(void *owner) {
  end(owner, "");
}

/* --- a process -------------------------------------------------------------
 */

/* The process is read while a call runs whose notes are taken. */
static void set_pause(mcp_carrier_t *carrier) {
  bool pause = !carrier->held || carrier->notes > MCP_CARRIER_NOTES;
  if (!carrier->stream || pause == carrier->paused) return;
  carrier->paused = pause;
  mcp_stream_pause(carrier->stream, pause);
}

static void kill_process(mcp_carrier_t *carrier) {
  if (carrier->stream) mcp_stream_close(carrier->stream, false);
}

/* Hands up one whole frame. False: it is not complete. */
static bool take_frame(mcp_carrier_t *carrier) {
  mcp_buf_t *input = &carrier->input, bytes = {0};
  uint32_t size;
  char kind;
  if (input->len < HEAD) return false;
  memcpy(&size, input->data, sizeof size);
  kind = input->data[sizeof size];
  if (size > carrier->frame_max || !strchr("ANW", kind) || !kind) {
    kill_process(carrier);
    return false;
  }
  if (input->len - HEAD < size) return false;
  /* An answer for which there is no memory is an empty one. */
  (void)mcp_buf_append(&bytes, input->data + HEAD, size);
  mcp_buf_consume(input, HEAD + size);
  if (kind == 'A') {
    carrier->to.on_answer(carrier->to.owner, &bytes);
  } else if (kind == 'W') {
    /* A reply may have been sent meanwhile. */
    bool waits = bytes.len == sizeof carrier->replies &&
                 memcmp(bytes.data, &carrier->replies, bytes.len) == 0;
    mcp_buf_deinit(&bytes);
    if (waits) carrier->to.on_wait(carrier->to.owner);
  } else {
    carrier->notes += bytes.len;
    set_pause(carrier);
    carrier->to.on_note(carrier->to.owner, &bytes);
  }
  return true;
}

static void on_data(void *owner, mcp_slice_t bytes) {
  mcp_carrier_t *carrier = owner;
  if (carrier->let_go) return;
  if (mcp_buf_append_slice(&carrier->input, bytes) < 0) {
    kill_process(carrier);
    return;
  }
  /* A callback may close the carrier, but it is not freed before the stream is
   * closed, which takes a turn. */
  while (carrier->stream && !carrier->stream->closing && take_frame(carrier))
    continue;
}

static void on_end(void *owner, int code) {
  (void)code;
  kill_process(owner);
}

static void on_drain(void *owner) {
  (void)owner;
}

static void on_closed(void *owner) {
  mcp_carrier_t *carrier = owner;
  carrier->stream = NULL;
}

static const mcp_stream_events_t events = {on_data, on_end, on_drain,
                                           on_closed};

static void on_exit_of(void *owner, int status, int number) {
  mcp_carrier_t *carrier = owner;
  carrier->exited = true;
  carrier->status = status;
  carrier->signal = number;
  /* An idle process is not read. */
  if (!carrier->held) kill_process(carrier);
}

static void on_gone(void *owner) {
  mcp_carrier_t *carrier = owner;
  char reason[64] = "its process was lost";
  if (carrier->exited && carrier->signal) {
    snprintf(reason, sizeof reason, "its process was ended by signal %d",
             carrier->signal);
  } else if (carrier->exited) {
    snprintf(reason, sizeof reason, "its process ended with status %d",
             carrier->status);
  }
  carrier->process = NULL;
  end(carrier, reason);
}

static int send_frame(mcp_carrier_t *carrier, char kind, mcp_slice_t head,
                      mcp_slice_t body) {
  mcp_buf_t frame = {0};
  uint32_t size = (uint32_t)(head.len + body.len);
  int code = mcp_buf_reserve(&frame, HEAD + size);
  if (code < 0) return code;
  (void)mcp_buf_append(&frame, (const char *)&size, sizeof size);
  (void)mcp_buf_append_char(&frame, kind);
  (void)mcp_buf_append_slice(&frame, head);
  (void)mcp_buf_append_slice(&frame, body);
  code = mcp_stream_send(carrier->stream, &frame, 0);
  mcp_buf_deinit(&frame);
  return code;
}

static int open_process(mcp_loop_t *loop, mcp_carrier_t *carrier) {
  const mcp_carrier_options_t *to = &carrier->to;
  mcp_process_options_t options = {.arguments = to->arguments,
                                   .environment = to->environment,
                                   .error = MCP_PROCESS_INHERIT,
                                   .on_exit = on_exit_of,
                                   .on_gone = on_gone,
                                   .owner = carrier};
  mcp_worker_limits_t limits = to->limits;
  mcp_process_step_t step;
  int code = mcp_process_open(loop, &options, &carrier->process,
                              &carrier->stream, &step);
  if (code < 0) return code;
  limits.open_core = limits.prepare = NULL;
  code = mcp_stream_start(carrier->stream, &events, carrier);
  carrier->held = true;
  if (code == 0)
    code =
        send_frame(carrier, 'S',
                   mcp_slice((const char *)&limits, sizeof limits), to->setup);
  mcp_carrier_hold(carrier, false);
  if (code == 0) return 0;
  carrier->let_go = true;
  kill_process(carrier);
  return code;
}

/* --- both ------------------------------------------------------------------
 */

int mcp_carrier_open(mcp_loop_t *loop, const mcp_carrier_options_t *options,
                     mcp_carrier_t **out) {
  mcp_thread_options_t thread = {.on_note = thread_note,
                                 .on_answer = thread_answer,
                                 .on_ended = thread_ended};
  mcp_carrier_t *carrier = mcp_mem_zalloc(sizeof *carrier);
  int code;
  if (!carrier) return MCP_ENOMEM;
  carrier->to = *options;
  carrier->frame_max = options->limits.output + FRAME_SLACK;
  if (options->arguments) {
    code = open_process(loop, carrier);
    /* One that was started frees itself. */
    if (code < 0 && !carrier->process) free_carrier(carrier);
  } else {
    thread.owner = carrier;
    code = mcp_worker_thread_start(loop, options->setup, &options->limits,
                                   &thread, &carrier->thread);
    if (code < 0) free_carrier(carrier);
  }
  if (code == 0) *out = carrier;
  return code;
}

void mcp_carrier_hold(mcp_carrier_t *carrier, bool hold) {
  carrier->held = hold;
  if (carrier->thread) {
    mcp_thread_hold(carrier->thread, hold);
  } else if (carrier->process) {
    mcp_process_hold(carrier->process, hold);
    set_pause(carrier);
  }
}

int mcp_carrier_post(mcp_carrier_t *carrier, mcp_buf_t *bytes) {
  int code = 0;
  if (carrier->thread) {
    mcp_thread_post(carrier->thread, bytes);
  } else {
    carrier->replies = 0;
    code = carrier->stream ? send_frame(carrier, 'C', mcp_buf_slice(bytes),
                                        mcp_slice(NULL, 0))
                           : MCP_EGONE;
    mcp_buf_deinit(bytes);
    if (code < 0) kill_process(carrier);
  }
  return code;
}

int mcp_carrier_reply(mcp_carrier_t *carrier, mcp_slice_t bytes) {
  int code = MCP_EGONE;
  if (carrier->stream)
    code = send_frame(carrier, 'R', bytes, mcp_slice(NULL, 0));
  if (code == 0) {
    carrier->replies++;
  } else if (!carrier->thread) {
    kill_process(carrier);
  }
  return code;
}

void mcp_carrier_credit(mcp_carrier_t *carrier, size_t size) {
  if (carrier->thread) {
    mcp_thread_credit(carrier->thread, size);
  } else {
    carrier->notes -= size < carrier->notes ? size : carrier->notes;
    set_pause(carrier);
  }
}

void mcp_carrier_stop(mcp_carrier_t *carrier) {
  if (carrier->thread) {
    mcp_thread_stop(carrier->thread);
  } else {
    kill_process(carrier);
  }
}

void mcp_carrier_close(mcp_carrier_t *carrier) {
  if (carrier->thread) {
    mcp_thread_close(carrier->thread);
  } else {
    kill_process(carrier);
  }
}

bool mcp_carrier_end_by(mcp_carrier_t *carrier, uint64_t deadline_ms) {
  bool ended = true;
  if (carrier->thread) {
    ended = mcp_thread_end_by(carrier->thread, deadline_ms);
    free_carrier(carrier);
  } else {
    carrier->let_go = true;
    kill_process(carrier);
  }
  return ended;
}
