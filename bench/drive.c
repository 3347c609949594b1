/* SPDX-License-Identifier: MIT
 *
 * drive: what bench/run.lua needs and Lua has not. Starts a child pinned to a
 * core and reads its processor time and memory from /proc (so: Linux only),
 * talks to it over its pipes one line at a time or as fast as it will take
 * them, and opens plain sockets to the loopback address. It knows nothing of
 * MCP, nor of what is being compared. Times are seconds, memory is kilobytes.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

#define CHILD "drive.child"
#define PATIENCE_MS                                                            \
  20000 /* a server that is silent for so long has stalled                     \
         */

extern char **environ;

typedef struct {
  pid_t pid; /* 0 once it has ended */
  int in, out;
  double born;
} child_t;

/* A line with a place for the id. */
typedef struct {
  char *bytes;
  size_t size, at; /* one line with its newline; where the digits begin */
  size_t count;    /* lines in bytes */
} lines_t;

static int fail(lua_State *L, const char *what) {
  return luaL_error(L, "%s: %s", what, strerror(errno));
}

static int l_now(lua_State *L) {
  lua_pushnumber(L, now());
  return 1;
}

static int l_sleep(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  struct timespec t = {.tv_sec = (time_t)seconds};
  t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
  while (nanosleep(&t, &t) && errno == EINTR) {
  }
  return 0;
}

static int l_cores(lua_State *L) {
  lua_pushinteger(L, sysconf(_SC_NPROCESSORS_ONLN));
  return 1;
}

static void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

static int l_pin(lua_State *L) {
  pin((int)luaL_checkinteger(L, 1));
  return 0;
}

/* Seconds of processor time of this process and of the children it waited for:
 * the load's side of the machine. */
static int l_own_cpu(lua_State *L) {
  double sum = 0;
  for (int i = 0; i < 2; i++) {
    struct rusage u;
    getrusage(i ? RUSAGE_CHILDREN : RUSAGE_SELF, &u);
    sum += (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec);
    sum += (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
  }
  lua_pushnumber(L, sum);
  return 1;
}

/* -- children ------------------------------------------------------------- */

static child_t *check_child(lua_State *L) {
  child_t *child = luaL_checkudata(L, 1, CHILD);
  if (!child->pid) luaL_error(L, "the child has ended");
  return child;
}

/* A copy of the environment with the strings of the table at `index` added;
 * left on the stack as a userdata. */
static char **environment(lua_State *L, int index) {
  size_t old = 0, more = index ? lua_rawlen(L, index) : 0;
  while (environ[old]) old++;
  char **all = lua_newuserdatauv(L, (old + more + 1) * sizeof *all, 0);
  for (size_t i = 0; i < more; i++) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    all[i] = (char *)luaL_checkstring(L, -1);
    lua_pop(L, 1);
  }
  memcpy(all + more, environ, (old + 1) * sizeof *all);
  return all;
}

/* Runs between vfork and exec: only calls that touch nothing of the parent. */
static void become(char **argv, char **env, int in, int out, int err,
                   int core) {
  if (core >= 0) pin(core);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_DFL);
  dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  environ = env;
  execvp(argv[0], argv);
  _exit(127);
}

/* spawn(argv, { core =, pipes =, log =, env = {"NAME=value"} }) -> child */
static int l_spawn(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  child_t *child = lua_newuserdatauv(L, sizeof *child, 0);
  *child = (child_t){.in = -1, .out = -1};
  luaL_setmetatable(L, CHILD);

  size_t argc = lua_rawlen(L, 1);
  luaL_checkstack(L, (int)argc + 8, NULL);
  char **argv = lua_newuserdatauv(L, (argc + 1) * sizeof *argv, 0);
  for (size_t i = 0; i < argc; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    argv[i] = (char *)luaL_checkstring(L, -1); /* stays on the stack */
  }
  argv[argc] = NULL;
  int index = 0;
  if (lua_getfield(L, 2, "env") == LUA_TTABLE) index = lua_gettop(L);
  char **env = environment(L, index), **saved = environ;
  lua_getfield(L, 2, "core");
  int core = (int)luaL_optinteger(L, -1, -1);
  lua_getfield(L, 2, "pipes");
  int pipes = lua_toboolean(L, -1);
  lua_getfield(L, 2, "log");
  const char *log = luaL_optstring(L, -1, "/dev/null");

  int to[2] = {-1, -1}, from[2] = {-1, -1};
  int err = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (err < 0) return fail(L, log);
  if (pipes) {
    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC)) return fail(L, "pipe");
  } else {
    to[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    from[1] = dup(err);
  }
  child->born = now();
  pid_t pid = vfork(); /* fork would charge the copy of this process to it */
  if (pid == 0) become(argv, env, to[0], from[1], err, core);
  environ = saved;
  close(to[0]);
  close(from[1]);
  close(err);
  child->in = to[1];
  child->out = from[0];
  if (pid < 0) return fail(L, "fork");
  child->pid = pid;
  lua_pushvalue(L, 3);
  return 1;
}

/* Ends the child; the same for stop, close and collection. */
static int l_stop(lua_State *L) {
  child_t *child = luaL_checkudata(L, 1, CHILD);
  if (child->in >= 0) close(child->in);
  if (child->out >= 0) close(child->out);
  child->in = child->out = -1;
  if (child->pid) {
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    child->pid = 0;
  }
  return 0;
}

static int l_alive(lua_State *L) {
  child_t *child = luaL_checkudata(L, 1, CHILD);
  if (child->pid && waitpid(child->pid, NULL, WNOHANG) == child->pid)
    child->pid = 0;
  lua_pushboolean(L, child->pid != 0);
  return 1;
}

static int l_born(lua_State *L) {
  child_t *child = luaL_checkudata(L, 1, CHILD);
  lua_pushnumber(L, child->born);
  return 1;
}

/* Nanoseconds on a core are the first number of schedstat, one a thread. */
static double cpu_of(pid_t pid) {
  char name[64];
  double sum = 0;
  snprintf(name, sizeof name, "/proc/%d/task", (int)pid);
  DIR *tasks = opendir(name);
  if (!tasks) return 0;
  for (struct dirent *task; (task = readdir(tasks));) {
    unsigned long long ns;
    int tid = atoi(task->d_name);
    if (!tid) continue; /* "." and ".." */
    snprintf(name, sizeof name, "/proc/%d/task/%d/schedstat", (int)pid, tid);
    FILE *file = fopen(name, "r");
    if (!file) continue;
    if (fscanf(file, "%llu", &ns) == 1) sum += (double)ns / 1e9;
    fclose(file);
  }
  closedir(tasks);
  return sum;
}

static int l_cpu(lua_State *L) {
  lua_pushnumber(L, cpu_of(check_child(L)->pid));
  return 1;
}

/* cpu_of(pid): the same of any process. */
static int l_cpu_of(lua_State *L) {
  lua_pushnumber(L, cpu_of((pid_t)luaL_checkinteger(L, 1)));
  return 1;
}

static int l_pid(lua_State *L) {
  lua_pushinteger(L, check_child(L)->pid);
  return 1;
}

static int l_rss(lua_State *L) {
  char line[256];
  long kb = 0;
  snprintf(line, sizeof line, "/proc/%d/status", (int)check_child(L)->pid);
  FILE *file = fopen(line, "r");
  if (!file) return fail(L, line);
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "VmRSS: %ld", &kb) == 1) break;
  fclose(file);
  lua_pushinteger(L, kb);
  return 1;
}

/* -- lines over the child's pipes ----------------------------------------- */

static int wait_for(lua_State *L, int fd, short events) {
  struct pollfd p = {.fd = fd, .events = events};
  int n = poll(&p, 1, PATIENCE_MS);
  if (n < 0) return fail(L, "poll");
  if (n == 0) return luaL_error(L, "the server is silent");
  return 0;
}

static void put(lua_State *L, child_t *child, const char *bytes, size_t n) {
  while (n) {
    ssize_t k = write(child->in, bytes, n);
    if (k <= 0) fail(L, "write to the server");
    bytes += k;
    n -= (size_t)k;
  }
}

/* One read: how many lines it ended, and whether it speaks of an error. */
static size_t take(lua_State *L, child_t *child, char *room, size_t size,
                   size_t *errors) {
  ssize_t n = read(child->out, room, size);
  if (n <= 0) luaL_error(L, "the server closed its output");
  size_t count = 0;
  char *end = room + n;
  for (char *p = room; (p = memchr(p, '\n', (size_t)(end - p))); p++) count++;
  if (memmem(room, (size_t)n, "\"error\"", 7) ||
      memmem(room, (size_t)n, "\"isError\":true", 14))
    *errors += 1;
  return count;
}

/* ask(text [, answers]) -> what came, when as many lines have come as are
 * expected (1); text is written as it is. */
static int l_ask(lua_State *L) {
  child_t *child = check_child(L);
  size_t size, got = 0;
  const char *text = luaL_checklstring(L, 2, &size);
  size_t wanted = (size_t)luaL_optinteger(L, 3, 1);
  char room[1 << 14];
  luaL_Buffer all;
  put(L, child, text, size);
  luaL_buffinit(L, &all);
  while (got < wanted) {
    wait_for(L, child->out, POLLIN);
    ssize_t n = read(child->out, room, sizeof room);
    if (n <= 0) return luaL_error(L, "the server closed its output");
    for (ssize_t i = 0; i < n; i++) got += room[i] == '\n';
    luaL_addlstring(&all, room, (size_t)n);
  }
  luaL_pushresult(&all);
  return 1;
}

/* `count` copies of the template at `index`; the memory is Lua's. */
static lines_t lines_of(lua_State *L, int index, size_t count) {
  size_t size;
  const char *text = luaL_checklstring(L, index, &size);
  const char *mark = strstr(text, ID_MARK);
  luaL_argcheck(L, mark, index, "no __ID__ in it");
  lines_t lines = {.at = (size_t)(mark - text), .count = count};
  lines.size = size - ID_SIZE + ID_DIGITS + 1;
  lines.bytes = lua_newuserdatauv(L, lines.size * count, 0);
  for (size_t i = 0; i < count; i++) {
    char *line = lines.bytes + i * lines.size;
    memcpy(line, text, lines.at);
    memset(line + lines.at, '0', ID_DIGITS);
    memcpy(line + lines.at + ID_DIGITS, mark + ID_SIZE,
           size - lines.at - ID_SIZE);
    line[lines.size - 1] = '\n';
  }
  return lines;
}

static void number(lines_t *lines, size_t i, size_t id) {
  write_id(lines->bytes + i * lines->size + lines->at, id);
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static int report(lua_State *L, size_t requests, double seconds, double cpu,
                  size_t errors) {
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, (lua_Integer)requests);
  lua_setfield(L, -2, "requests");
  lua_pushnumber(L, seconds);
  lua_setfield(L, -2, "seconds");
  lua_pushnumber(L, cpu);
  lua_setfield(L, -2, "cpu");
  lua_pushinteger(L, (lua_Integer)errors);
  lua_setfield(L, -2, "broken");
  return 1;
}

/* ping(template, seconds) -> figures: one line out, its answer in, and so on */
static int l_ping(lua_State *L) {
  child_t *child = check_child(L);
  double length = luaL_checknumber(L, 3);
  lines_t line = lines_of(L, 2, 1);
  enum { ROOM = 1 << 18, KEPT = 1 << 18 };
  char *room = lua_newuserdatauv(L, ROOM, 0);
  double *waits = lua_newuserdatauv(L, KEPT * sizeof *waits, 0);
  size_t requests = 0, errors = 0;
  double cpu = cpu_of(child->pid), begun = now(), at = begun;
  while (at - begun < length) {
    number(&line, 0, requests);
    put(L, child, line.bytes, line.size);
    for (size_t got = 0; !got;) {
      got = take(L, child, room, ROOM, &errors);
    }
    double then = now();
    waits[requests++ % KEPT] = then - at;
    at = then;
  }
  cpu = cpu_of(child->pid) - cpu;
  report(L, requests, at - begun, cpu, errors);
  size_t kept = requests < KEPT ? requests : KEPT;
  qsort(waits, kept, sizeof *waits, compare);
  lua_pushnumber(L, waits[kept / 2] * 1e6);
  lua_setfield(L, -2, "p50");
  lua_pushnumber(L, waits[kept * 99 / 100] * 1e6);
  lua_setfield(L, -2, "p99");
  return 1;
}

/* flood(template, seconds) -> figures: lines as fast as they are taken,
 * answers read beside; then the rest of the answers is waited for */
static int l_flood(lua_State *L) {
  child_t *child = check_child(L);
  double length = luaL_checknumber(L, 3);
  size_t one = strlen(luaL_checkstring(L, 2));
  lines_t block = lines_of(L, 2, one < (1 << 18) ? (1 << 18) / one : 1);
  enum { ROOM = 1 << 20 };
  char *room = lua_newuserdatauv(L, ROOM, 0);
  size_t total = block.size * block.count, offset = total;
  size_t sent = 0, got = 0, errors = 0;
  fcntl(child->in, F_SETFL, O_NONBLOCK);
  double cpu = cpu_of(child->pid), begun = now();
  int sending = 1;
  while (sending || got < sent) {
    if (sending && offset == total) {
      if (now() - begun >= length) {
        sending = 0;
        continue;
      }
      for (size_t i = 0; i < block.count; i++) number(&block, i, sent + i);
      sent += block.count;
      offset = 0;
    }
    struct pollfd p[2] = {{.fd = child->out, .events = POLLIN},
                          {.fd = child->in, .events = POLLOUT}};
    if (poll(p, sending ? 2 : 1, PATIENCE_MS) <= 0)
      return luaL_error(L, "the server is silent");
    if (sending && p[1].revents) {
      ssize_t n = write(child->in, block.bytes + offset, total - offset);
      if (n < 0 && errno != EAGAIN) return fail(L, "write to the server");
      if (n > 0) offset += (size_t)n;
    }
    if (p[0].revents) got += take(L, child, room, ROOM, &errors);
  }
  double seconds = now() - begun;
  cpu = cpu_of(child->pid) - cpu;
  fcntl(child->in, F_SETFL, 0);
  return report(L, sent, seconds, cpu, errors);
}

/* -- sockets -------------------------------------------------------------- */

static int l_free_port(lua_State *L) {
  struct sockaddr_in a = {.sin_family = AF_INET,
                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof a;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) ||
      getsockname(fd, (struct sockaddr *)&a, &size))
    return fail(L, "socket");
  close(fd);
  lua_pushinteger(L, ntohs(a.sin_port));
  return 1;
}

/* connect(port) -> fd, or nil if no server listens (yet) */
static int l_connect(lua_State *L) {
  struct sockaddr_in a = {.sin_family = AF_INET,
                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  a.sin_port = htons((uint16_t)luaL_checkinteger(L, 1));
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(L, "socket");
  if (connect(fd, (struct sockaddr *)&a, sizeof a)) {
    close(fd);
    lua_pushnil(L);
  } else {
    lua_pushinteger(L, fd);
  }
  return 1;
}

static int l_send(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  size_t n;
  const char *bytes = luaL_checklstring(L, 2, &n);
  while (n) {
    ssize_t k = send(fd, bytes, n, MSG_NOSIGNAL);
    if (k <= 0) return fail(L, "send");
    bytes += k;
    n -= (size_t)k;
  }
  return 0;
}

/* receive(fd) -> what one read gives, nil at the end */
static int l_receive(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  char room[1 << 16];
  wait_for(L, fd, POLLIN);
  ssize_t n = recv(fd, room, sizeof room, 0);
  if (n > 0)
    lua_pushlstring(L, room, (size_t)n);
  else
    lua_pushnil(L);
  return 1;
}

/* pending(fd) -> what one read gives without waiting, nil at the end */
static int l_pending(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  char room[1 << 16];
  ssize_t n = recv(fd, room, sizeof room, MSG_DONTWAIT);
  if (n > 0)
    lua_pushlstring(L, room, (size_t)n);
  else if (n < 0 && errno == EAGAIN)
    lua_pushliteral(L, "");
  else
    lua_pushnil(L);
  return 1;
}

static int l_close(lua_State *L) {
  close((int)luaL_checkinteger(L, 1));
  return 0;
}

static const luaL_Reg methods[] = {
    {"stop", l_stop}, {"alive", l_alive}, {"born", l_born}, {"cpu", l_cpu},
    {"rss", l_rss},   {"ask", l_ask},     {"ping", l_ping}, {"flood", l_flood},
    {"pid", l_pid},   {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"now", l_now},         {"sleep", l_sleep},
    {"cores", l_cores},     {"pin", l_pin},
    {"own_cpu", l_own_cpu}, {"spawn", l_spawn},
    {"connect", l_connect}, {"free_port", l_free_port},
    {"send", l_send},       {"receive", l_receive},
    {"pending", l_pending}, {"close", l_close},
    {"cpu_of", l_cpu_of},   {NULL, NULL},
};

__attribute__((visibility("default"))) int luaopen_drive(lua_State *L);

int luaopen_drive(lua_State *L) {
  struct rlimit files;
  signal(SIGPIPE, SIG_IGN);
  /* A thousand streams are held open, here and in the server alike. */
  if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < 8192) {
    files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  luaL_newmetatable(L, CHILD);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, l_stop);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, l_stop);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
