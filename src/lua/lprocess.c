/* SPDX-License-Identifier: MIT
 * lprocess.c: see lprocess.h. */
#include "lua/lprocess.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "lua/command.h"
#include "lua/lchannel.h"
#include "lua/lcommand.h"
#include "lua/lself.h"
#include "lua/lsignal.h"
#include "lua/lsocket.h"
#include "lua/lturn.h"
#include "lua/seconds.h"

#define TYPE_NAME "mcp.process"
/* What is written at once. */
#define PIECE 65536u
/* A step has no result yet. */
#define NOT_YET (-1)
#define NEVER   UINT64_MAX

/* ---- waiting ------------------------------------------------------------ */

static mcp_command_t *check_child(lua_State *L) {
  mcp_command_t **slot = mcp_lself_check_called(L, TYPE_NAME, "process");
  if (!*slot) luaL_error(L, "the process was not started");
  return *slot;
}

/* Of a process that no one else waits for in this way. */
static mcp_command_slot_t *check_slot(lua_State *L, mcp_command_wait_t kind) {
  static const char *const verbs[MCP_COMMAND_WAITS] = {
      "reads its output", "reads its standard error", "writes to it",
      "waits for its end"};
  mcp_command_slot_t *slot = &check_child(L)->slots[kind];
  if (slot->co || slot->turning)
    luaL_error(L, "another task %s already", verbs[kind]);
  return slot;
}

static int push_text_error(lua_State *L, const char *text, const char *name) {
  lua_pushnil(L);
  lua_pushstring(L, text);
  lua_pushstring(L, name);
  return 3;
}

static int push_closed(lua_State *L) {
  return push_text_error(L, "the process is closed", "ECLOSED");
}

/* `n` bytes at the front have been used; the process may have been closed by a
 * finalizer since. */
static void use(mcp_command_t *command, mcp_command_wait_t kind, size_t n) {
  mcp_output_t *o = &command->outputs[kind];
  if (mcp_output_held(o) < n) return;
  mcp_output_use(o, n);
  mcp_command_adjust(command, kind);
}

/* Pushes what is wanted of an output, or nil at its end. */
static int step_read(lua_State *L, mcp_command_t *command,
                     mcp_command_wait_t kind) {
  mcp_output_t *o = &command->outputs[kind];
  const mcp_command_slot_t *slot = &command->slots[kind];
  mcp_slice_t text = mcp_output_rest(o);
  size_t used;
  if (command->closed) return push_closed(L);
  if (!mcp_command_has_output(command, kind)) return NOT_YET;
  if (text.len == 0) {
    if (o->code < 0) return mcp_coroutine_push_error(L, o->code);
    lua_pushnil(L);
    return 1;
  }
  if (slot->line) {
    (void)mcp_output_find_line(o, slot->wanted, &text, &used);
  } else {
    if (slot->wanted > 0 && slot->wanted < text.len) text.len = slot->wanted;
    used = text.len;
  }
  lua_pushlstring(L, text.data, text.len);
  use(command, kind, used);
  return 1;
}

/* Sends the text at 2 piece by piece: one at a time is queued. */
static int step_write(lua_State *L, mcp_command_t *command) {
  mcp_command_slot_t *slot = &command->slots[MCP_COMMAND_INPUT];
  size_t length;
  const char *text = lua_tolstring(L, 2, &length);
  while (slot->at < length) {
    mcp_buf_t bytes = {.share = command->share};
    size_t n = length - slot->at < PIECE ? length - slot->at : PIECE;
    int code;
    if (command->closed) return push_closed(L);
    if (!command->stream || command->input_ended)
      return push_text_error(L, "the input of the process has ended", "EPIPE");
    if (command->stream->queued > 0) return NOT_YET;
    code = mcp_buf_append(&bytes, text + slot->at, n);
    if (code == 0) code = mcp_stream_send(command->stream, &bytes, 0);
    mcp_buf_deinit(&bytes);
    if (code == -EPIPE || code == MCP_ECLOSED)
      return push_text_error(L, "the process does not read its input any more",
                             "EPIPE");
    if (code < 0) return mcp_coroutine_push_error(L, code);
    slot->at += n;
  }
  lua_pushboolean(L, true);
  return 1;
}

/* Pushes { code =, signal = }. */
static int push_exit(lua_State *L, const mcp_command_t *command) {
  if (!command->exited)
    return push_text_error(L, "its guard was killed, so its status is unknown",
                           "EGONE");
  lua_createtable(L, 0, 2);
  if (command->signal) {
    mcp_lsignal_push(L, command->signal);
    lua_setfield(L, -2, "signal");
  } else {
    lua_pushinteger(L, command->status);
    lua_setfield(L, -2, "code");
  }
  return 1;
}

static int step_end(lua_State *L, mcp_command_t *command) {
  const mcp_output_t *o = command->outputs;
  bool rang = command->rang;
  if (command->closed) return push_closed(L);
  if (!mcp_command_has_end(command)) return NOT_YET;
  command->rang = false;
  if (command->collecting) {
    int code = o[MCP_COMMAND_OUTPUT].code < 0 ? o[MCP_COMMAND_OUTPUT].code
                                              : o[MCP_COMMAND_ERROR].code;
    if (command->over) return mcp_coroutine_push_error(L, MCP_ETOOBIG);
    if (code < 0) return mcp_coroutine_push_error(L, code);
    if (!o[MCP_COMMAND_OUTPUT].ended || !o[MCP_COMMAND_ERROR].ended)
      return mcp_coroutine_push_error(L, MCP_ETIMEDOUT);
  }
  if (rang && !mcp_command_is_ended(command))
    return mcp_coroutine_push_error(L, MCP_ETIMEDOUT);
  return push_exit(L, command);
}

static int step(lua_State *L, mcp_command_t *command, mcp_command_wait_t kind) {
  if (kind == MCP_COMMAND_INPUT) return step_write(L, command);
  return kind == MCP_COMMAND_END ? step_end(L, command)
                                 : step_read(L, command, kind);
}

static void on_time(void *arg) {
  mcp_command_t *command = arg;
  mcp_command_stop_timer(command);
  command->rang = true;
  mcp_command_notify(command, MCP_COMMAND_END);
}

static void leave(mcp_command_slot_t *slot) {
  slot->co = NULL;
  slot->turning = false;
  slot->wanted = 0;
  if (slot == &slot->command->slots[MCP_COMMAND_END])
    mcp_command_stop_timer(slot->command);
}

static void cancel_wait(mcp_coroutine_t *co, void *arg) {
  (void)co;
  leave(arg);
}

static int go(lua_State *L, mcp_command_wait_t kind);

static int go_on(lua_State *L, mcp_command_wait_t kind, lua_KContext context) {
  const mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  if (co->wake_code == 0) return go(L, kind);
  leave(&check_child(L)->slots[kind]);
  if (co->wake_code == MCP_ECLOSED) return push_closed(L);
  return mcp_coroutine_push_error(L, co->wake_code);
}

static int output_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return go_on(L, MCP_COMMAND_OUTPUT, context);
}

static int error_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return go_on(L, MCP_COMMAND_ERROR, context);
}

static int input_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return go_on(L, MCP_COMMAND_INPUT, context);
}

static int end_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  return go_on(L, MCP_COMMAND_END, context);
}

static void turn(lua_State *L, mcp_command_t *command, mcp_command_slot_t *slot,
                 mcp_command_wait_t kind) {
  slot->turning = true;
  while (!mcp_command_is_ready(command, kind))
    if (!mcp_lturn_once(L, command->rt, -1) &&
        !mcp_command_is_ready(command, kind))
      break;
  slot->turning = false;
}

/* Goes on with what the slot says until it has a result. The process lies at
 * 1. */
static int go(lua_State *L, mcp_command_wait_t kind) {
  static const lua_KFunction continuations[MCP_COMMAND_WAITS] = {
      output_k, error_k, input_k, end_k};
  mcp_command_t *command = check_child(L);
  mcp_command_slot_t *slot = &command->slots[kind];
  for (;;) {
    mcp_coroutine_t *co;
    int n = step(L, command, kind);
    if (n != NOT_YET) {
      leave(slot);
      return n;
    }
    if (!mcp_lturn_begin(L, command->rt, &co)) {
      leave(slot);
      return mcp_coroutine_push_error(L, MCP_ECANCELED);
    }
    if (kind == MCP_COMMAND_END && command->ms != NEVER && !command->timer) {
      command->timer = mcp_timer_start(command->rt->loop, command->ms, 0, false,
                                       on_time, command);
      if (!command->timer) return mcp_coroutine_push_error(L, MCP_ENOMEM);
    }
    if (kind < MCP_COMMAND_OUTPUTS) mcp_command_adjust(command, kind);
    if (co) {
      slot->co = co;
      return mcp_coroutine_wait(L, co, cancel_wait, slot, continuations[kind]);
    }
    turn(L, command, slot, kind);
  }
}

/* ---- methods ------------------------------------------------------------ */

static int read_from(lua_State *L, mcp_command_wait_t kind) {
  mcp_command_slot_t *slot = check_slot(L, kind);
  lua_Integer n = luaL_optinteger(L, 2, 0);
  luaL_argcheck(L,
                lua_isnoneornil(L, 2) ||
                    (n > 0 && n <= (lua_Integer)MCP_LPROCESS_READ_MOST),
                2, "expected a number of bytes, 1 to 1 GiB");
  slot->wanted = (size_t)n;
  slot->line = false;
  lua_settop(L, 1);
  return go(L, kind);
}

/* process:read([n]) -> string | nil | nil, text, code */
static int process_read(lua_State *L) {
  return read_from(L, MCP_COMMAND_OUTPUT);
}

/* process:read_error([n]): the same of its standard error */
static int process_read_error(lua_State *L) {
  return read_from(L, MCP_COMMAND_ERROR);
}

/* process:line([longest]) -> string | nil | nil, text, code */
static int process_line(lua_State *L) {
  mcp_command_slot_t *slot = check_slot(L, MCP_COMMAND_OUTPUT);
  lua_Integer n = luaL_optinteger(L, 2, MCP_LPROCESS_LINE);
  luaL_argcheck(L, n > 0 && n <= (lua_Integer)MCP_LPROCESS_READ_MOST, 2,
                "expected a number of bytes, 1 to 1 GiB");
  slot->wanted = (size_t)n;
  slot->line = true;
  lua_settop(L, 1);
  return go(L, MCP_COMMAND_OUTPUT);
}

/* process:write(text) -> true | nil, text, code */
static int process_write(lua_State *L) {
  mcp_command_slot_t *slot = check_slot(L, MCP_COMMAND_INPUT);
  luaL_checkstring(L, 2);
  lua_settop(L, 2);
  slot->at = 0;
  return go(L, MCP_COMMAND_INPUT);
}

/* process:close_stdin(): it reads the end of its input after what was written
 */
static int process_close_stdin(lua_State *L) {
  mcp_command_t *command = check_child(L);
  command->input_ended = true;
  if (command->process && !command->closed)
    mcp_process_end_input(command->process);
  return 0;
}

/* The arguments 2 (a time) and what else there is for a wait for the end. */
static int wait_end(lua_State *L, int time) {
  mcp_command_t *command = check_child(L);
  command->ms =
      lua_isnoneornil(L, time) ? NEVER : mcp_seconds_read(L, time, "seconds");
  command->rang = false;
  lua_settop(L, 1);
  return go(L, MCP_COMMAND_END);
}

/* process:wait([seconds]) -> { code =, signal = } | nil, text, code */
static int process_wait(lua_State *L) {
  check_slot(L, MCP_COMMAND_END)->command->collecting = false;
  return wait_end(L, 2);
}

/* process:collect(limit [, seconds]): the same after the end of its output,
 * which is kept up to so many bytes and taken with take() */
static int process_collect(lua_State *L) {
  mcp_command_t *command = check_slot(L, MCP_COMMAND_END)->command;
  lua_Integer limit = luaL_checkinteger(L, 2);
  luaL_argcheck(L, limit >= 0, 2, "expected a number of bytes");
  command->limit = (size_t)limit;
  command->collecting = true;
  mcp_command_adjust(command, MCP_COMMAND_OUTPUT);
  mcp_command_adjust(command, MCP_COMMAND_ERROR);
  return wait_end(L, 3);
}

/* process:take() -> string, string: what is held of both outputs */
static int process_take(lua_State *L) {
  mcp_command_t *command = check_child(L);
  for (int i = 0; i < MCP_COMMAND_OUTPUTS; i++) {
    mcp_output_t *o = &command->outputs[i];
    mcp_slice_t rest = mcp_output_rest(o);
    lua_pushlstring(L, rest.len > 0 ? rest.data : "", rest.len);
    mcp_output_drop(o);
  }
  return 2;
}

/* process:kill([signal]) -> true | nil, text, "ESRCH": to the whole group */
static int process_kill(lua_State *L) {
  mcp_command_t *command = check_child(L);
  int number = mcp_lsignal_check(L, 2);
  if (!command->process || !mcp_process_signal(command->process, number))
    return push_text_error(L, "the process has ended", "ESRCH");
  lua_pushboolean(L, true);
  return 1;
}

/* process:close(): ends its group: TERM, after a second KILL. Waits for
 * nothing. */
static int process_close(lua_State *L) {
  mcp_command_t **slot = mcp_lself_check_called(L, TYPE_NAME, "process");
  if (*slot) mcp_command_shut(*slot, MCP_COMMAND_GRACE);
  return 0;
}

static int process_collected(lua_State *L) {
  mcp_command_t **slot = luaL_checkudata(L, 1, TYPE_NAME);
  mcp_command_t *command = *slot;
  *slot = NULL;
  if (!command) return 0;
  mcp_command_shut(command, MCP_COMMAND_GRACE);
  mcp_command_unref(command);
  return 0;
}

static int process_text(lua_State *L) {
  lua_pushfstring(L, "mcp.process (%d)", check_child(L)->pid);
  return 1;
}

/* process.pid, or a method. */
static int process_index(lua_State *L) {
  static const char pid[] = "pid";
  const char *key = lua_tostring(L, 2);
  if (lua_type(L, 2) == LUA_TSTRING && strcmp(key, pid) == 0) {
    lua_pushinteger(L, check_child(L)->pid);
    return 1;
  }
  lua_settop(L, 2);
  lua_gettable(L, lua_upvalueindex(1));
  return 1;
}

/* Makes the type, which most programs never need. [-0, +1, m] */
static void open_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"read", process_read},
                                     {"read_error", process_read_error},
                                     {"line", process_line},
                                     {"write", process_write},
                                     {"close_stdin", process_close_stdin},
                                     {"wait", process_wait},
                                     {"collect", process_collect},
                                     {"take", process_take},
                                     {"kill", process_kill},
                                     {"close", process_close},
                                     {NULL, NULL}};
  static const luaL_Reg events_of_lua[] = {{"__close", process_close},
                                           {"__gc", process_collected},
                                           {"__tostring", process_text},
                                           {NULL, NULL}};
  if (luaL_newmetatable(L, TYPE_NAME)) {
    luaL_setfuncs(L, events_of_lua, 0);
    luaL_newlib(L, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "methods");
    lua_pushcclosure(L, process_index, 1);
    lua_setfield(L, -2, "__index");
  }
}

/* process_methods() -> table: for what lua/mcp/process.lua adds to it */
static int process_methods(lua_State *L) {
  open_type(L);
  lua_getfield(L, -1, "methods");
  return 1;
}

/* ---- starting ----------------------------------------------------------- */

static mcp_process_error_t error_of(lua_State *L) {
  static const char *const names[] = {"capture", "merge", "inherit", "discard",
                                      NULL};
  static const mcp_process_error_t kinds[] = {
      MCP_PROCESS_CAPTURE, MCP_PROCESS_MERGE, MCP_PROCESS_INHERIT,
      MCP_PROCESS_NULL};
  int chosen;
  lua_getfield(L, 1, "stderr");
  chosen = luaL_checkoption(L, -1, "capture", names);
  lua_pop(L, 1);
  return kinds[chosen];
}

static bool flag_of(lua_State *L, const char *name) {
  bool set;
  lua_getfield(L, 1, name);
  set = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return set;
}

/* The descriptors of the sockets in the list `sockets`, at most `most`. Returns
 * how many. [-0, +0, v] */
static unsigned read_sockets(lua_State *L, int *fds, unsigned most) {
  lua_Unsigned count = 0;
  if (lua_getfield(L, 1, "sockets") != LUA_TNIL) {
    luaL_checktype(L, -1, LUA_TTABLE);
    count = lua_rawlen(L, -1);
    luaL_argcheck(L, count <= most, 1, "sockets: too many");
    for (lua_Unsigned i = 0; i < count; i++) {
      lua_rawgeti(L, -1, (lua_Integer)i + 1);
      fds[i] = mcp_lsocket_check(L, -1)->fd;
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
  return (unsigned)count;
}

/* process { command =, args =, env =, cwd =, clean_env =, stderr =,
 * no_output =, our_output =, sockets =, channel = } -> process [, channel]
 * | nil, text, code
 * sockets: a list (lsocket.c); it has them at 3, 4 and so on, and after them
 * with `channel` one end of a connection, whose other end is the channel. */
static int start_process(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_process_options_t options = {0};
  mcp_process_step_t failed;
  mcp_socket_t near, *far = NULL;
  mcp_command_t **slot;
  int fds[MCP_PROCESS_PASSED], code;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  open_type(L);
  slot = lua_newuserdatauv(L, sizeof *slot, 0);
  *slot = NULL;
  lua_insert(L, 2);
  lua_setmetatable(L, 2);
  *slot = mcp_command_new(rt);
  if (!*slot) return mcp_coroutine_push_error(L, MCP_ENOMEM);
  options.arguments = mcp_lcommand_push_arguments(L);
  options.environment = mcp_lcommand_push_environment(
      L, flag_of(L, "clean_env") ? MCP_LCOMMAND_NOTHING : MCP_LCOMMAND_ALL);
  options.folder = mcp_lcommand_push_folder(L);
  options.error = error_of(L);
  options.no_output = flag_of(L, "no_output");
  options.our_output = flag_of(L, "our_output");
  options.passed = fds;
  options.passed_count = read_sockets(L, fds, MCP_PROCESS_PASSED - 1);
  if (flag_of(L, "channel")) {
    /* In userdata: an error closes them. */
    far = mcp_lsocket_push(L);
    code = mcp_socket_pair(&near, far);
    if (code < 0) return mcp_coroutine_push_error(L, code);
    code = mcp_lchannel_push(L, rt, &near);
    if (code < 0) return mcp_coroutine_push_error(L, code);
    lua_insert(L, 3);
    fds[options.passed_count++] = far->fd;
  }
  code = mcp_command_start(*slot, &options, &failed);
  if (far) mcp_socket_close(far);
  if (code < 0)
    return mcp_lcommand_push_failure(L, code, failed, options.folder);
  lua_settop(L, far ? 3 : 2);
  return far ? 2 : 1;
}

void mcp_lprocess_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"process", start_process},
                                       {"process_methods", process_methods},
                                       {NULL, NULL}};
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
  /* What a process may be given. */
  mcp_lsocket_open(L, rt);
  mcp_lchannel_open(L, rt);
}
