/* SPDX-License-Identifier: MIT
 * main.c: the luamcp program: one Lua state, the runtime in it, and
 * lua/mcp/cli.lua. The Lua side is compiled into the program (embedded.c), so
 * nothing is read from disk before the user's script. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#else
#include <sys/auxv.h>
#include <sys/mman.h>
#endif

#include "base/arena.h"
#include "base/mem.h"
#include "lua/core.h"
#include "lua/embedded.h"
#include "lua/worker_carrier.h"

static int compare(const void *name, const void *module) {
  return strcmp(name,
                mcp_embedded_names + ((const mcp_embedded_t *)module)->name);
}

/* The first of package.searchers, since most of what is loaded first is ours.
 * What package.preload has comes before it: it is left to the next. */
static int search(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const mcp_embedded_t *m = bsearch(name, mcp_embedded, mcp_embedded_count,
                                    sizeof *mcp_embedded, compare);
  if (!m) return 0;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  if (lua_getfield(L, -1, name) != LUA_TNIL) return 0;
  if (luaL_loadbufferx(L, (const char *)mcp_embedded_code + m->code, m->size,
                       name, "b") != LUA_OK)
    return lua_error(L);
  lua_pushliteral(L, ":embedded:");
  return 2;
}

/* mcp.program.settle(): frees memory once the program has started. The pages of
 * the compiled modules are dropped; one that is used later is read from the
 * program's file again. */
static int settle(lua_State *L) {
  (void)L;
#ifdef __linux__
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from, to, end;
  end = (uintptr_t)mcp_embedded_code;
  from = (end + page - 1) / page * page;
  for (size_t i = 0; i < mcp_embedded_count; i++) end += mcp_embedded[i].size;
  to = end / page * page;
  if (from < to) (void)madvise((void *)from, to - from, MADV_DONTNEED);
#endif
  return 0;
}

/* mcp.program.terminal(fd) -> columns (0: unknown), or nil: no terminal */
static int push_columns(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  struct winsize size;
  if (!isatty(fd)) return 0;
  lua_pushinteger(L, ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0);
  return 1;
}

/* mcp.program.output() -> true, or false and nothing: what reads it is gone, or
 * false and a text. What was printed is passed on first. */
static int pass_output_on(lua_State *L) {
  struct pollfd out = {.fd = STDOUT_FILENO};
  bool lost = fflush(stdout) != 0;
  int number = errno;
  /* What a write before this one failed with is not known any more. */
  if (!lost && ferror(stdout)) {
    lost = true;
    number = EIO;
  }
  lua_pushboolean(L, !lost);
  /* A pipe without a reader. */
  if (!lost || (poll(&out, 1, 0) == 1 && (out.revents & POLLERR))) return 1;
  lua_pushstring(L, strerror(number));
  return 2;
}

/* mcp.program.make_executable(path) -> true | nil, text: for those who may read
 * it, as a linker does. */
static int make_executable(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct stat st;
  if (stat(path, &st) == 0 &&
      chmod(path, (st.st_mode & 0777) | ((st.st_mode & 0444) >> 2)) == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  return luaL_fileresult(L, 0, path);
}

static int push_path(lua_State *L);
static int prepare(lua_State *L);

/* Adds mcp.program, functions that only the program has, to package.loaded.
 * [-0, +0, m] */
static void add_program(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_createtable(L, 0, 6);
  lua_pushcfunction(L, make_executable);
  lua_setfield(L, -2, "make_executable");
#ifdef __APPLE__
  lua_pushliteral(L, "macos");
#else
  lua_pushliteral(L, "linux");
#endif
  lua_setfield(L, -2, "system");
  lua_pushcfunction(L, push_columns);
  lua_setfield(L, -2, "terminal");
  lua_pushcfunction(L, pass_output_on);
  lua_setfield(L, -2, "output");
  lua_pushcfunction(L, settle);
  lua_setfield(L, -2, "settle");
  lua_pushcfunction(L, prepare);
  lua_setfield(L, -2, "prepare");
  lua_pushcfunction(L, push_path);
  lua_setfield(L, -2, "path");
  lua_setfield(L, -2, "mcp.program");
  lua_pop(L, 1);
}

/* Puts `search` first among package.searchers. [-0, +0, m] */
static void add_searcher(lua_State *L) {
  lua_Integer n;
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  n = luaL_len(L, -1);
  for (lua_Integer i = n; i >= 1; i--) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search);
  lua_rawseti(L, -2, 1);
  lua_pop(L, 2);
}

/* Writes the path of the program, links resolved, to `path`; its length, or 0.
 */
static size_t find_program(char *path, size_t room) {
#ifdef __APPLE__
  uint32_t size = (uint32_t)room;
  return _NSGetExecutablePath(path, &size) == 0 ? strlen(path) : 0;
#else
  ssize_t length = readlink("/proc/self/exe", path, room);
  if (length > 0) return (size_t)length < room ? (size_t)length : 0;
#ifdef __linux__
  /* Without /proc, as in an empty container: the path that was executed. */
  const char *given = (const char *)getauxval(AT_EXECFN);
  size_t size = given ? strlen(given) : 0;
  if (size == 0 || size >= room) return 0;
  memcpy(path, given, size);
  return size;
#else
  return 0;
#endif
#endif
}

/* mcp.program.path() -> where the program lies, or nil */
static int push_path(lua_State *L) {
  char path[4096];
  size_t length = find_program(path, sizeof path);
  if (length == 0) return 0;
  lua_pushlstring(L, path, length);
  return 1;
}

#ifdef MCP_LINKED
/* The program that is linked whole has the C modules in it and loads no others:
 * they would bring a second libc. */
int luaopen_mcp_openssl(lua_State *L);
int luaopen_mcp_zlib(lua_State *L);
int luaopen_mcp_libyaml(lua_State *L);
int luaopen_mcp_hiredis(lua_State *L);
int luaopen_cjson(lua_State *L);
int luaopen_cjson_safe(lua_State *L);

static int explain_missing(lua_State *L) {
  lua_pushliteral(L, "this luamcp is linked statically and loads no C modules");
  return 1;
}

/* [-0, +0, m] */
static void add_modules(lua_State *L) {
  static const luaL_Reg linked[] = {
#ifdef MCP_LINKED_TLS
      {"mcp.openssl", luaopen_mcp_openssl},
#endif
      {"mcp.zlib", luaopen_mcp_zlib},
      {"mcp.libyaml", luaopen_mcp_libyaml},
#ifdef MCP_LINKED_HIREDIS
      {"mcp.hiredis", luaopen_mcp_hiredis},
#endif
      {"cjson", luaopen_cjson},
      {"cjson.safe", luaopen_cjson_safe},
      {NULL, NULL}};
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  luaL_setfuncs(L, linked, 0);
  lua_getglobal(L, "package");
  lua_pushliteral(L, "");
  lua_setfield(L, -2, "cpath");
  lua_getfield(L, -1, "searchers");
  /* The two that load C files give way to one that says so. */
  lua_pushcfunction(L, explain_missing);
  lua_rawseti(L, -2, 3);
  lua_pushnil(L);
  lua_rawseti(L, -2, 4);
  lua_pop(L, 3);
}
#else
/* The modules that are no part of the program lie beside it where it was built,
 * and in lib/ where it was installed: package.cpath finds these first, so that
 * they are of the same build. [-0, +0, m] */
static void add_modules(lua_State *L) {
  char path[4096];
  size_t length = find_program(path, sizeof path);
  while (length > 0 && path[length - 1] != '/') length--;
  if (length == 0 || memchr(path, ';', length) || memchr(path, '?', length))
    return;
  lua_getglobal(L, "package");
  lua_pushlstring(L, path, length);
  lua_pushliteral(L, "?.so;");
  lua_pushlstring(L, path, length);
  lua_pushliteral(L, "../lib/lua/5.4/?.so;");
  lua_getfield(L, -5, "cpath");
  lua_concat(L, 5);
  lua_setfield(L, -2, "cpath");
  lua_pop(L, 1);
}
#endif

/* Opens the bundle at the end of the program, if there is one:
 * lua/mcp/bundle.lua has the format, and the same mark. [-0, +0, v] */
static void open_bundle(lua_State *L) {
  static const char mark[] = "luamcp bundle 1\n";
  char path[4096] = "/proc/self/exe", end[sizeof mark - 1];
  bool found;
  /* The former is this very file, even if it has been replaced. */
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    path[find_program(path, sizeof path - 1)] = '\0';
    fd = open(path, O_RDONLY | O_CLOEXEC);
  }
  if (fd < 0) return;
  found = lseek(fd, -(off_t)sizeof end, SEEK_END) > 0 &&
          read(fd, end, sizeof end) == (ssize_t)sizeof end &&
          memcmp(end, mark, sizeof end) == 0;
  close(fd);
  if (!found) return;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mcp.bundle");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "open");
  lua_pushstring(L, path);
  lua_call(L, 1, 0);
  lua_pop(L, 1);
}

/* mcp.program.prepare(): what each state of this program has, those of workers
 * as well. */
static int prepare(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_mcp_core);
  lua_setfield(L, -2, "mcp.core");
  lua_pop(L, 1);
  add_modules(L);
  add_program(L);
  /* For developing: MCP_LUA_FROM_PATH takes the Lua side from package.path. */
  if (!getenv("MCP_LUA_FROM_PATH")) add_searcher(L);
  open_bundle(L);
  return 0;
}

static int traceback(lua_State *L) {
  const char *text = lua_tostring(L, 1);
  if (!text && luaL_callmeta(L, 1, "__tostring")) text = lua_tostring(L, -1);
  if (!text)
    text = lua_pushfstring(L, "(an error of type %s)", luaL_typename(L, 1));
  luaL_traceback(L, L, text, 1);
  return 1;
}

/* About what a server has loaded when it serves. */
#define FIRST_KB 600

/* Everything that may raise happens in here. */
static int protected_main(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  luaL_openlibs(L);
  /* A young generation fits the life of a message's values. */
  lua_gc(L, LUA_GCGEN, 0, 0);
  /* What is loaded first stays: the collector need not look at it before there
   * are so many kilobytes. */
  lua_gc(L, LUA_GCSTEP, -FIRST_KB);
  (void)prepare(L);
  lua_pushcfunction(L, traceback);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mcp.cli");
  lua_call(L, 1, 1);
  lua_createtable(L, argc, 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i);
  }
  if (lua_pcall(L, 1, 1, -3) != LUA_OK) return lua_error(L);
  return 1;
}

#ifdef MCP_MEM_FAULTS
/* The hunts' start-up: MCP_FAIL_ALLOC=n lets the nth request for memory fail,
 * n+ all that follow it too. MCP_FAIL_ALLOC=count tells how many there were. */
static void plan_failure(void) {
  const char *plan = getenv("MCP_FAIL_ALLOC");
  char *end;
  unsigned long nth = plan ? strtoul(plan, &end, 10) : 0;
  if (nth > 0) mcp_mem_fail(nth, *end == '+');
}

static void report_count(void) {
  const char *plan = getenv("MCP_FAIL_ALLOC");
  if (plan && strcmp(plan, "count") == 0)
    fprintf(stderr, "%lu allocations\n", mcp_mem_requests());
}
#else
#define plan_failure() ((void)0)
#define report_count() ((void)0)
#endif

/* A program may be started with a standard descriptor closed. The next one that
 * is opened would get its number, and be written to as standard error. */
static void open_standard_descriptors(void) {
  int fd;
  do fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
}

int main(int argc, char **argv) {
  mcp_arena_t *arena;
  lua_State *L;
  int status, code = EXIT_FAILURE;
  plan_failure();
  open_standard_descriptors();
  /* Started by ourselves, to be a worker (lua/mcp/worker.lua). */
  if (argc == 2 && strcmp(argv[1], "--worker-process") == 0)
    return mcp_worker_child(luaopen_mcp_core, prepare);
  arena = mcp_arena_new();
  L = arena ? lua_newstate(mcp_arena_lua, arena) : NULL;
  if (!L) {
    mcp_arena_free(arena);
    fputs("luamcp: not enough memory to start\n", stderr);
    return EXIT_FAILURE;
  }
  lua_pushcfunction(L, protected_main);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  status = lua_pcall(L, 2, 1, 0);
  if (status == LUA_OK) {
    code = (int)lua_tointeger(L, -1);
  } else {
    const char *text = lua_tostring(L, -1);
    fprintf(stderr, "luamcp: %s\n", text ? text : "not enough memory");
  }
  lua_close(L);
  report_count();
  mcp_arena_free(arena);
  return code;
}
