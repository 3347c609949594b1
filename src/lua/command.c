/* SPDX-License-Identifier: MIT
 * command.c: see command.h. */
#include "lua/command.h"

#include "base/err.h"
#include "base/mem.h"

void mcp_command_stop_timer(mcp_command_t *command) {
  mcp_timer_stop(command->timer);
  command->timer = NULL;
}

void mcp_command_unref(mcp_command_t *command) {
  if (--command->refs > 0) return;
  for (int i = 0; i < MCP_COMMAND_OUTPUTS; i++)
    mcp_output_drop(&command->outputs[i]);
  mcp_share_drop(command->share);
  mcp_mem_free(command);
}

void mcp_command_shut(mcp_command_t *command, uint64_t grace_ms) {
  if (command->closed) return;
  command->closed = true;
  mcp_list_remove(&command->owned.of_coroutine);
  mcp_command_stop_timer(command);
  for (int i = 0; i < MCP_COMMAND_OUTPUTS; i++)
    mcp_output_drop(&command->outputs[i]);
  for (int i = 0; i < MCP_COMMAND_WAITS; i++) {
    mcp_coroutine_t *co = command->slots[i].co;
    command->slots[i].co = NULL;
    if (co) mcp_coroutine_wake_later(co, MCP_ECLOSED);
  }
  if (command->process) mcp_process_end(command->process, grace_ms);
}

static void on_owner_ended(mcp_coroutine_owned_t *owned) {
  mcp_command_shut(MCP_LIST_MEMBER(owned, mcp_command_t, owned),
                   MCP_COMMAND_GRACE);
}

/* ---- what has come ------------------------------------------------------ */

static void set_pause(mcp_command_t *command, mcp_command_wait_t kind,
                      bool pause) {
  mcp_output_t *o = &command->outputs[kind];
  if (o->paused == pause || command->closed || !command->process) return;
  o->paused = pause;
  if (kind == MCP_COMMAND_OUTPUT) {
    mcp_stream_pause(command->stream, pause);
  } else {
    mcp_process_pause_error(command->process, pause);
  }
}

void mcp_command_adjust(mcp_command_t *command, mcp_command_wait_t kind) {
  mcp_output_t *o = &command->outputs[kind];
  size_t room = MCP_COMMAND_UNREAD;
  /* A line is known to be longer by two bytes more. */
  if (command->slots[kind].wanted + 2 > room)
    room = command->slots[kind].wanted + 2;
  set_pause(command, kind,
            command->over || o->code < 0 ||
                (!command->collecting && mcp_output_held(o) >= room));
}

bool mcp_command_has_output(mcp_command_t *command, mcp_command_wait_t kind) {
  mcp_output_t *o = &command->outputs[kind];
  const mcp_command_slot_t *slot = &command->slots[kind];
  mcp_slice_t line;
  size_t used;
  if (command->closed || mcp_output_is_over(o)) return true;
  if (slot->line) return mcp_output_find_line(o, slot->wanted, &line, &used);
  return mcp_output_held(o) > 0 && mcp_output_held(o) >= slot->wanted;
}

bool mcp_command_is_ended(const mcp_command_t *command) {
  return command->exited || command->lost || !command->process;
}

bool mcp_command_has_end(const mcp_command_t *command) {
  const mcp_output_t *o = command->outputs;
  if (command->closed || command->rang) return true;
  if (!command->collecting) return mcp_command_is_ended(command);
  return command->over || o[MCP_COMMAND_OUTPUT].code < 0 ||
         o[MCP_COMMAND_ERROR].code < 0 ||
         (mcp_command_is_ended(command) && o[MCP_COMMAND_OUTPUT].ended &&
          o[MCP_COMMAND_ERROR].ended);
}

bool mcp_command_is_ready(mcp_command_t *command, mcp_command_wait_t kind) {
  switch (kind) {
  case MCP_COMMAND_OUTPUT:
  case MCP_COMMAND_ERROR: return mcp_command_has_output(command, kind);
  case MCP_COMMAND_INPUT:
    return command->closed || !command->stream || command->stream->queued == 0;
  default: return mcp_command_has_end(command);
  }
}

void mcp_command_notify(mcp_command_t *command, mcp_command_wait_t kind) {
  mcp_coroutine_t *co = command->slots[kind].co;
  if (!co || !mcp_command_is_ready(command, kind)) return;
  command->slots[kind].co = NULL;
  mcp_coroutine_wake(co, 0);
}

/* ---- from the process --------------------------------------------------- */

/* The coroutines that a callback wakes may close the process. */
static void notify_both(mcp_command_t *command, mcp_command_wait_t first,
                        mcp_command_wait_t second) {
  command->refs++;
  mcp_command_notify(command, first);
  mcp_command_notify(command, second);
  mcp_command_unref(command);
}

static void take_output(mcp_command_t *command, mcp_command_wait_t kind,
                        mcp_slice_t bytes) {
  mcp_output_t *o = &command->outputs[kind];
  if (command->closed || command->over || mcp_output_is_over(o)) return;
  if (command->collecting) {
    size_t all = mcp_output_held(&command->outputs[MCP_COMMAND_OUTPUT]) +
                 mcp_output_held(&command->outputs[MCP_COMMAND_ERROR]);
    size_t room = command->limit > all ? command->limit - all : 0;
    command->over = bytes.len > room;
    if (command->over) bytes.len = room;
  }
  mcp_output_add(o, bytes);
  mcp_command_adjust(command, kind);
  notify_both(command, kind, MCP_COMMAND_END);
}

static void end_output(mcp_command_t *command, mcp_command_wait_t kind,
                       int code) {
  mcp_output_t *o = &command->outputs[kind];
  o->ended = true;
  if (o->code == 0) o->code = code;
  notify_both(command, kind, MCP_COMMAND_END);
}

static void on_data(void *owner, mcp_slice_t bytes) {
  take_output(owner, MCP_COMMAND_OUTPUT, bytes);
}

static void on_end(void *owner, int code) {
  /* That the process has failed is the business of wait(). */
  end_output(owner, MCP_COMMAND_OUTPUT, code == MCP_EGONE ? 0 : code);
}

static void on_drain(void *owner) {
  mcp_command_notify(owner, MCP_COMMAND_INPUT);
}

static void on_closed(void *owner) {
  ((mcp_command_t *)owner)->stream = NULL;
}

static const mcp_stream_events_t events = {on_data, on_end, on_drain,
                                           on_closed};

static void on_error(void *owner, mcp_slice_t bytes) {
  if (bytes.len == 0) {
    end_output(owner, MCP_COMMAND_ERROR, 0);
  } else {
    take_output(owner, MCP_COMMAND_ERROR, bytes);
  }
}

static void on_exit_of(void *owner, int status, int number) {
  mcp_command_t *command = owner;
  command->exited = true;
  command->status = status;
  command->signal = number;
  mcp_command_notify(command, MCP_COMMAND_END);
}

static void on_lost(void *owner) {
  mcp_command_t *command = owner;
  command->lost = true;
  mcp_command_notify(command, MCP_COMMAND_END);
}

static void on_gone(void *owner) {
  mcp_command_t *command = owner;
  command->process = NULL;
  command->stream = NULL;
  command->outputs[MCP_COMMAND_OUTPUT].ended =
      command->outputs[MCP_COMMAND_ERROR].ended = true;
  for (int i = 0; i < MCP_COMMAND_WAITS; i++)
    mcp_command_notify(command, (mcp_command_wait_t)i);
  if (command->rt->loop) mcp_loop_wake(command->rt->loop);
  mcp_command_unref(command);
}

/* ---- starting ----------------------------------------------------------- */

mcp_command_t *mcp_command_new(mcp_runtime_t *rt) {
  mcp_command_t *command = mcp_mem_zalloc(sizeof *command);
  if (!command) return NULL;
  command->share = mcp_share_new(NULL, MCP_SHARE_WHOLE);
  if (!command->share) {
    mcp_mem_free(command);
    return NULL;
  }
  command->rt = rt;
  command->refs = 1;
  command->owned.end = on_owner_ended;
  mcp_list_init(&command->owned.of_coroutine);
  for (int i = 0; i < MCP_COMMAND_WAITS; i++)
    command->slots[i].command = command;
  for (int i = 0; i < MCP_COMMAND_OUTPUTS; i++)
    command->outputs[i].bytes.share = command->share;
  return command;
}

int mcp_command_start(mcp_command_t *command, mcp_process_options_t *options,
                      mcp_process_step_t *step) {
  int code;
  options->apart = true;
  options->on_error = on_error;
  options->on_exit = on_exit_of;
  options->on_lost = on_lost;
  options->on_gone = on_gone;
  options->owner = command;
  code = mcp_process_open(command->rt->loop, options, &command->process,
                          &command->stream, step);
  if (code < 0) return code;
  command->refs++;
  command->pid = mcp_process_pid(command->process);
  command->outputs[MCP_COMMAND_ERROR].ended =
      options->error != MCP_PROCESS_CAPTURE;
  mcp_coroutine_own(command->rt, &command->owned);
  code = mcp_stream_start(command->stream, &events, command);
  if (code < 0) mcp_command_shut(command, 0);
  return code;
}
