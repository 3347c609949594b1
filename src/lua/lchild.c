/* SPDX-License-Identifier: MIT
 * lchild.c: see lchild.h. */
#include "lua/lchild.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/lendpoint.h"
#include "net/process.h"

/* More would be an accident, and the system would refuse it anyway. */
#define ARGUMENTS_MAX 4096

extern char **environ;

typedef struct {
  mcp_runtime_t *rt;
  mcp_process_t *process; /* NULL once it is gone */
  unsigned refs;          /* the process, the endpoint, a coroutine */
  int pid;
  bool exited;
  int status, signal;
  int tell;        /* registry reference: what gets standard error */
  mcp_buf_t text;  /* of it, not yet passed on */
  size_t from;     /* where the rest begins */
  size_t dropped;  /* bytes */
  bool text_ended; /* nothing will be added */
  bool telling;    /* a coroutine does so */
  bool starting;   /* such a coroutine is just being started */
} child_t;

static void unref(void *process) {
  child_t *child = process;
  if (--child->refs > 0) return;
  luaL_unref(child->rt->L, LUA_REGISTRYINDEX, child->tell);
  mcp_buf_deinit(&child->text);
  mcp_mem_free(child);
}

static bool is_gone(const void *process) {
  return !((const child_t *)process)->process;
}

static void set_grace(void *process, uint64_t grace_ms) {
  child_t *child = process;
  if (child->process) mcp_process_set_grace(child->process, grace_ms);
}

static int push_pid(lua_State *L, const void *process) {
  lua_pushinteger(L, ((const child_t *)process)->pid);
  return 1;
}

static int push_exit(lua_State *L, const void *process) {
  const child_t *child = process;
  if (!child->exited) return 0;
  if (child->signal) {
    lua_pushnil(L);
    lua_pushinteger(L, child->signal);
  } else {
    lua_pushinteger(L, child->status);
    lua_pushnil(L);
  }
  return 2;
}

static const mcp_lendpoint_process_ops_t process_ops = {
    unref, is_gone, set_grace, push_pid, push_exit};

/* --- standard error ------------------------------------------------------ */

/* The next line, without its end; its size with that in `*size`. False: it is
 * not complete yet. */
static bool next_line(const child_t *child, mcp_slice_t *line, size_t *size) {
  size_t left = child->text.len - child->from;
  const char *at = child->text.data + child->from, *end;
  if (left == 0) return false;
  end = memchr(at, '\n', left < MCP_LCHILD_LINE ? left : MCP_LCHILD_LINE);
  if (!end && left < MCP_LCHILD_LINE && !child->text_ended) return false;
  *line = mcp_slice(at, end                      ? (size_t)(end - at)
                        : left < MCP_LCHILD_LINE ? left
                                                 : MCP_LCHILD_LINE);
  *size = line->len + (end ? 1 : 0);
  if (end && line->len > 0 && at[line->len - 1] == '\r') line->len--;
  return true;
}

/* Tells line after line; each may wait. The child lies at 1. [-?, +?, e] */
static int tell_lines(lua_State *L, int status, lua_KContext context) {
  child_t *child = (child_t *)context;
  mcp_slice_t line;
  size_t size;
  (void)status;
  for (;;) {
    lua_settop(L, 0);
    /* Taken first: where there is no memory for it, it is lost, and the next
     * one's turn comes. */
    if (next_line(child, &line, &size)) {
      child->from += size;
      lua_rawgeti(L, LUA_REGISTRYINDEX, child->tell);
      lua_pushlstring(L, line.data, line.len);
    } else if (child->dropped > 0) {
      lua_Integer dropped = (lua_Integer)child->dropped;
      child->dropped = 0;
      lua_rawgeti(L, LUA_REGISTRYINDEX, child->tell);
      lua_pushfstring(L, "(%I bytes were dropped here)", dropped);
    } else {
      return 0;
    }
    lua_callk(L, 1, 0, context, tell_lines);
  }
}

static int begin_telling(lua_State *L) {
  return tell_lines(L, LUA_OK, (lua_KContext)lua_touserdata(L, 1));
}

static void tell(child_t *child);

static void on_told(void *arg) {
  child_t *child = arg;
  child->telling = false;
  /* An error in the function ends the coroutine, but not the text. */
  if (!child->starting) tell(child);
  unref(child);
}

/* Starts a coroutine with what has come, if none is at it. */
static bool start_telling(child_t *child) {
  mcp_coroutine_t *co = mcp_coroutine_new(child->rt);
  if (!co) return false;
  if (!lua_checkstack(co->thread, 2)) {
    mcp_coroutine_drop(co);
    return false;
  }
  child->telling = true;
  child->refs++;
  co->ended = on_told;
  co->ended_arg = child;
  lua_pushcfunction(co->thread, begin_telling);
  lua_pushlightuserdata(co->thread, child);
  mcp_coroutine_run(co, 1);
  return true;
}

static void tell(child_t *child) {
  mcp_slice_t line;
  size_t size, from, dropped;
  child->refs++;
  child->starting = true;
  do {
    from = child->from;
    dropped = child->dropped;
    if (child->telling || !(dropped > 0 || next_line(child, &line, &size)))
      break;
    /* One that could not even take a line has no memory: later, then. */
  } while (start_telling(child) &&
           (child->from != from || child->dropped != dropped));
  child->starting = false;
  unref(child);
}

/* Keeps what fits. After that everything is dropped until the rest has been
 * passed on. */
static void keep_text(child_t *child, mcp_slice_t bytes) {
  mcp_buf_t *text = &child->text;
  mcp_buf_consume(text, child->from);
  child->from = 0;
  if (child->dropped == 0 && text->len + bytes.len <= MCP_LCHILD_BACKLOG &&
      mcp_buf_append_slice(text, bytes) == 0)
    return;
  /* What is left of a line must not go on with another. */
  if (child->dropped == 0 && text->len > 0 && text->data[text->len - 1] != '\n')
    (void)mcp_buf_append_char(text, '\n');
  child->dropped += bytes.len;
}

static void on_error(void *owner, mcp_slice_t bytes) {
  child_t *child = owner;
  if (bytes.len == 0) {
    child->text_ended = true;
  } else {
    keep_text(child, bytes);
  }
  tell(child);
}

/* --- its life ------------------------------------------------------------ */

static void on_exit_of(void *owner, int status, int number) {
  child_t *child = owner;
  child->exited = true;
  child->status = status;
  child->signal = number;
}

static void on_gone(void *owner) {
  child_t *child = owner;
  child->process = NULL;
  mcp_loop_wake(child->rt->loop);
  unref(child);
}

/* Text without a zero byte, of the value at the top, which something else
 * holds. [-0, +0, v] */
static const char *check_text(lua_State *L, const char *what) {
  size_t length;
  const char *text;
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "%s: expected a string, got %s", what, luaL_typename(L, -1));
  text = lua_tolstring(L, -1, &length);
  if (strlen(text) != length) luaL_error(L, "%s: contains a zero byte", what);
  return text;
}

/* The program and its arguments, ended by NULL. [-0, +1, e] */
static const char **push_arguments(lua_State *L) {
  lua_Unsigned count = 0;
  const char **list;
  if (lua_getfield(L, 1, "args") != LUA_TNIL) {
    luaL_argcheck(L, lua_istable(L, -1), 1, "args: expected a list");
    count = lua_rawlen(L, -1);
    luaL_argcheck(L, count < ARGUMENTS_MAX, 1, "args: expected at most 4095");
  }
  list = lua_newuserdatauv(L, (size_t)(count + 2) * sizeof *list, 0);
  lua_getfield(L, 1, "command");
  list[0] = check_text(L, "command");
  luaL_argcheck(L, *list[0], 1, "command: expected the name of a program");
  lua_pop(L, 1);
  for (lua_Unsigned i = 1; i <= count; i++) {
    lua_rawgeti(L, -2, (lua_Integer)i);
    list[i] = check_text(L, "args");
    lua_pop(L, 1);
  }
  list[count + 1] = NULL;
  lua_remove(L, -2);
  return list;
}

/* Adds a variable of ours to the table at the top, unless it is there. A
 * function that a shell has put into its value is code, not a value.
 * [-0, +0, m] */
static void inherit(lua_State *L, const char *name, size_t length,
                    const char *value) {
  lua_pushlstring(L, name, length);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TNIL && strncmp(value, "()", 2) != 0) {
    lua_pushvalue(L, -2);
    lua_pushfstring(L, "%s=%s", lua_tostring(L, -1), value);
    lua_rawset(L, -5);
  }
  lua_pop(L, 2);
}

/* What every child may know of us. [-0, +0, m] */
static void inherit_allowed(lua_State *L) {
  static const char *const names[] = {"HOME", "LOGNAME", "PATH", "SHELL",
                                      "TERM", "USER",    "LANG", "TMPDIR"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *value = getenv(names[i]);
    if (value) inherit(L, names[i], strlen(names[i]), value);
  }
  for (char **at = environ; at && *at; at++) {
    const char *end = strchr(*at, '=');
    if (end && strncmp(*at, "LC_", 3) == 0)
      inherit(L, *at, (size_t)(end - *at), end + 1);
  }
}

/* Sets the variable `name`, whose value is at the top, in the table at `all`.
 * [-1, +0, m] */
static void set_variable(lua_State *L, int all, const char *name) {
  lua_pushfstring(L, "%s=%s", name, lua_tostring(L, -1));
  lua_remove(L, -2);
  lua_setfield(L, all, name);
}

/* A table from names to "NAME=value". [-0, +1, e] */
static void push_variables(lua_State *L) {
  int all, given;
  lua_newtable(L);
  all = lua_gettop(L);
  inherit_allowed(L);
  if (lua_getfield(L, 1, "env") == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  luaL_argcheck(L, lua_istable(L, -1), 1, "env: expected a table");
  given = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, given)) {
    const char *name;
    lua_pushvalue(L, -2);
    name = check_text(L, "env: a name");
    luaL_argcheck(L, *name && !strchr(name, '='), 1,
                  "env: expected a name without =");
    lua_pop(L, 1);
    if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) {
      lua_pop(L, 1);
      lua_pushnil(L);
      lua_setfield(L, all, name);
    } else {
      (void)check_text(L, name);
      set_variable(L, all, name);
    }
  }
  lua_pop(L, 1);
}

/* The environment, ended by NULL, and below it what holds it. [-0, +2, e] */
static const char **push_environment(lua_State *L) {
  const char **list;
  size_t count = 0;
  int all;
  push_variables(L);
  all = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, all); lua_pop(L, 1)) count++;
  list = lua_newuserdatauv(L, (count + 1) * sizeof *list, 0);
  count = 0;
  for (lua_pushnil(L); lua_next(L, all); lua_pop(L, 1))
    list[count++] = lua_tostring(L, -1);
  list[count] = NULL;
  return list;
}

/* stderr: "inherit", "null", or a function, a reference to which is kept.
 * [-0, +0, e] */
static mcp_process_error_t take_error(lua_State *L, child_t *child) {
  static const char *const names[] = {"inherit", "null", NULL};
  static const mcp_process_error_t kinds[] = {MCP_PROCESS_INHERIT,
                                              MCP_PROCESS_NULL};
  int chosen;
  if (lua_getfield(L, 1, "stderr") == LUA_TFUNCTION) {
    child->tell = luaL_ref(L, LUA_REGISTRYINDEX);
    return MCP_PROCESS_CAPTURE;
  }
  if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "stderr: expected \"inherit\", \"null\" or a function");
  chosen = luaL_checkoption(L, -1, "inherit", names);
  lua_pop(L, 1);
  return kinds[chosen];
}

/* Which of the two is not there, the text has to say. */
static int push_failure(lua_State *L, int code, mcp_process_step_t step,
                        const char *folder) {
  if (step != MCP_PROCESS_FOLDER) return mcp_coroutine_push_error(L, code);
  lua_pushnil(L);
  lua_pushfstring(L, "cwd \"%s\": %s", folder, mcp_err_text(code));
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}

/* connect_child({ command =, args =, env =, cwd =, stderr = }, receive)
 * -> endpoint | nil, text, code
 * Starts a program and speaks with it over its standard input and output. */
static int connect_child(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_process_options_t options = {
      .on_error = on_error, .on_exit = on_exit_of, .on_gone = on_gone};
  mcp_process_step_t step;
  child_t *child;
  mcp_stream_t *stream;
  mcp_lendpoint_t *endpoint;
  int code;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  endpoint = mcp_lendpoint_push(L, rt, 2);
  options.arguments = push_arguments(L);
  options.environment = push_environment(L);
  if (lua_getfield(L, 1, "cwd") != LUA_TNIL)
    options.folder = check_text(L, "cwd");
  child = mcp_mem_zalloc(sizeof *child);
  if (!child) return mcp_coroutine_push_error(L, MCP_ENOMEM);
  child->rt = rt;
  child->tell = LUA_NOREF;
  child->refs = 1;
  /* From here on the endpoint frees it, whatever is raised. */
  mcp_lendpoint_set_process(endpoint, &process_ops, child);
  options.error = take_error(L, child);
  options.owner = child;
  code = mcp_process_open(rt->loop, &options, &child->process, &stream, &step);
  if (code < 0) return push_failure(L, code, step, options.folder);
  child->refs++;
  child->pid = mcp_process_pid(child->process);
  code = mcp_lendpoint_attach(endpoint, stream, "stdio");
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_settop(L, 3);
  return 1;
}

void mcp_lchild_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"connect_child", connect_child},
                                       {NULL, NULL}};
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
