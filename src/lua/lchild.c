/* SPDX-License-Identifier: MIT
 * lchild.c: see lchild.h. */
#include "lua/lchild.h"

#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/lcommand.h"
#include "lua/lendpoint.h"
#include "net/process.h"

typedef struct {
  mcp_runtime_t *rt;
  mcp_process_t *process; /* NULL once it is gone */
  unsigned refs;          /* the process, the endpoint, a coroutine */
  int pid;
  bool exited;
  bool unread; /* it ended without having read all its input */
  int status, signal;
  int tell;        /* registry reference: the function for standard error */
  mcp_buf_t text;  /* of it, not yet passed on */
  size_t from;     /* start of the rest */
  size_t dropped;  /* bytes */
  bool text_ended; /* standard error has ended */
  bool telling;    /* a coroutine passes it on */
  bool starting;   /* that coroutine is being started */
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
  if (!child->unread) return 2;
  lua_pushboolean(L, true);
  return 3;
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

/* Calls the function for each line; it may wait. The child lies at 1. [-?, +?,
 * e] */
static int tell_lines(lua_State *L, int status, lua_KContext context) {
  child_t *child = (child_t *)context;
  mcp_slice_t line;
  size_t size;
  (void)status;
  for (;;) {
    lua_settop(L, 0);
    /* Removed first: if there is no memory for the line it is lost, and the
     * next line follows. */
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
  /* An error in the function ends the coroutine; the remaining text stays for
   * the next. */
  if (!child->starting) tell(child);
  unref(child);
}

/* Starts a coroutine for the text that has arrived, unless one is running. */
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
    /* If it could not even take a line, memory is short: tried again later. */
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
  /* The rest of a cut line must not be joined with the next one. */
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
  child->unread = child->process && mcp_process_has_unread(child->process);
  child->status = status;
  child->signal = number;
}

static void on_gone(void *owner) {
  child_t *child = owner;
  child->process = NULL;
  mcp_loop_wake(child->rt->loop);
  unref(child);
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
  options.arguments = mcp_lcommand_push_arguments(L);
  options.environment = mcp_lcommand_push_environment(L, MCP_LCOMMAND_ALLOWED);
  options.folder = mcp_lcommand_push_folder(L);
  child = mcp_mem_zalloc(sizeof *child);
  if (!child) return mcp_coroutine_push_error(L, MCP_ENOMEM);
  child->rt = rt;
  child->tell = LUA_NOREF;
  child->refs = 1;
  /* From here on the endpoint frees it, even if an error is raised. */
  mcp_lendpoint_set_process(endpoint, &process_ops, child);
  options.error = take_error(L, child);
  options.owner = child;
  code = mcp_process_open(rt->loop, &options, &child->process, &stream, &step);
  if (code < 0) return mcp_lcommand_push_failure(L, code, step, options.folder);
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
