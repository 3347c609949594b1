/* SPDX-License-Identifier: MIT
 * guard.c: src/net/guard.c for the specs: a guard without the streams and the
 * loop that stand above it.
 *
 *   start(grace ms, program, argument…) -> guard
 *   guard:pid()
 *   guard:news([seconds]) -> kind, one, two | nil, "closed" or "timeout"
 *   guard:word(ms)   how long each step of the end may take
 *   guard:leave()    closes the line: we are gone
 *   guard:wait([seconds]) -> true once it has ended, and it is buried */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net/guard.c"

#define TYPE           "spec.guard"
#define ARGUMENTS_MOST 16
#define LIMIT          5.0

typedef struct {
  pid_t pid; /* 0 once buried */
  int line;  /* -1 once closed */
} held_t;

static held_t *check_held(lua_State *L) {
  return luaL_checkudata(L, 1, TYPE);
}

static int start_guard(lua_State *L) {
  const char *arguments[ARGUMENTS_MOST + 1] = {NULL};
  mcp_guard_options_t options = {.arguments = arguments,
                                 .environment = (const char *const *)environ,
                                 .fds = {0, 1, 2}};
  int line[2], code, n = lua_gettop(L) - 1;
  held_t *held;
  options.grace = (uint32_t)luaL_checkinteger(L, 1);
  luaL_argcheck(L, n > 0 && n <= ARGUMENTS_MOST, 2, "arguments");
  for (int i = 0; i < n; i++) arguments[i] = luaL_checkstring(L, i + 2);
  held = lua_newuserdatauv(L, sizeof *held, 0);
  *held = (held_t){.line = -1};
  luaL_setmetatable(L, TYPE);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) < 0)
    return luaL_error(L, "socketpair: %s", strerror(errno));
  code = mcp_guard_start(&options, line[1], &held->pid);
  close(line[1]);
  held->line = line[0];
  if (code < 0) return luaL_error(L, "fork: %s", strerror(-code));
  return 1;
}

static int guard_pid(lua_State *L) {
  lua_pushinteger(L, check_held(L)->pid);
  return 1;
}

static int guard_news(lua_State *L) {
  static const char *const kinds[] = {"?", "started", "failed", "exited"};
  held_t *held = check_held(L);
  struct pollfd fd = {.fd = held->line, .events = POLLIN};
  mcp_guard_news_t news;
  int n = poll(&fd, 1, (int)(luaL_optnumber(L, 2, LIMIT) * 1000));
  if (n > 0 && recv(held->line, &news, sizeof news, MSG_WAITALL) ==
                   (ssize_t)sizeof news) {
    lua_pushstring(L, kinds[news.kind >= 1 && news.kind <= 3 ? news.kind : 0]);
    lua_pushinteger(L, news.value);
    lua_pushinteger(L, news.detail);
    return 3;
  }
  lua_pushnil(L);
  lua_pushstring(L, n > 0 ? "closed" : "timeout");
  return 2;
}

static int guard_word(lua_State *L) {
  uint32_t word = (uint32_t)luaL_checkinteger(L, 2);
  ssize_t n = send(check_held(L)->line, &word, sizeof word, MSG_NOSIGNAL);
  lua_pushboolean(L, n == (ssize_t)sizeof word);
  return 1;
}

static int guard_leave(lua_State *L) {
  held_t *held = check_held(L);
  if (held->line >= 0) close(held->line);
  held->line = -1;
  return 0;
}

static int guard_wait(lua_State *L) {
  held_t *held = check_held(L);
  struct timespec pause = {.tv_nsec = 1000000};
  int turns = (int)(luaL_optnumber(L, 2, LIMIT) * 1000);
  for (int i = 0; held->pid > 0 && i < turns; i++) {
    if (waitpid(held->pid, NULL, WNOHANG) == held->pid) held->pid = 0;
    if (held->pid > 0) nanosleep(&pause, NULL);
  }
  lua_pushboolean(L, held->pid == 0);
  return 1;
}

/* What a spec that failed has left: the guard ends its child when we are gone.
 */
static int guard_close(lua_State *L) {
  uint32_t word = 0;
  held_t *held = check_held(L);
  if (held->line >= 0)
    (void)!send(held->line, &word, sizeof word, MSG_NOSIGNAL);
  return guard_leave(L);
}

__attribute__((visibility("default"))) int luaopen_codecs_guard(lua_State *L);

int luaopen_codecs_guard(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"pid", guard_pid},       {"news", guard_news}, {"word", guard_word},
      {"leave", guard_leave},   {"wait", guard_wait}, {"__gc", guard_close},
      {"__close", guard_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"start", start_guard}, {NULL, NULL}};
  luaL_newmetatable(L, TYPE);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
