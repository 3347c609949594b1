/* SPDX-License-Identifier: MIT
 * system.c: processes and sockets for specs: blocking, with a time limit on
 * everything, and without the project's own loop, so that what is tested is
 * not what tests. Times are seconds. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SOCKET        "spec.socket"
#define PROCESS       "spec.process"
#define TIMEOUT       5.0
#define ARGUMENT_MOST 64
#define READ_SIZE     65536

extern char **environ;

typedef struct {
  int fd;
} socket_t;

typedef struct {
  pid_t pid;
  int in, out, err; /* our ends of its pipes; -1 where there is none */
  int status;       /* of waitpid */
  int reaped;
} process_t;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(lua_State *L, const char *what) {
  lua_pushnil(L);
  lua_pushstring(L, what);
  return 2;
}

static const char *name_of(int error) {
  switch (error) {
  case EPIPE: return "closed";
  case ECONNRESET: return "reset";
  case ECONNREFUSED: return "refused";
  default: return strerror(error);
  }
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* Waits for `events` until `deadline`. 0 when the time is over. */
static short wait_for(int fd, short events, double deadline) {
  struct pollfd p = {.fd = fd, .events = events};
  for (;;) {
    double left = deadline - now();
    int n = poll(&p, 1, left > 0 ? (int)(left * 1000) + 1 : 0);
    if (n > 0) return p.revents;
    if (n == 0 || errno != EINTR) return 0;
  }
}

/* -> bytes | nil, "timeout" | "closed" | "reset" | … */
static int read_from(lua_State *L, int fd, double seconds) {
  char bytes[READ_SIZE];
  ssize_t n;
  if (fd < 0) return fail(L, "not open");
  if (!wait_for(fd, POLLIN, now() + seconds)) return fail(L, "timeout");
  n = read(fd, bytes, sizeof bytes);
  if (n < 0) return fail(L, name_of(errno));
  if (n == 0) return fail(L, "closed");
  lua_pushlstring(L, bytes, (size_t)n);
  return 1;
}

/* Writes as much as it can within the time. -> count written [, why not all] */
static int write_to(lua_State *L, int fd, const char *s, size_t len,
                    double seconds) {
  double deadline = now() + seconds;
  size_t done = 0;
  const char *why = NULL;
  if (fd < 0) return fail(L, "not open");
  while (done < len && !why) {
    ssize_t n = write(fd, s + done, len - done);
    if (n >= 0) {
      done += (size_t)n;
    } else if (errno != EAGAIN) {
      why = name_of(errno);
    } else if (!wait_for(fd, POLLOUT, deadline)) {
      why = "timeout";
    }
  }
  lua_pushinteger(L, (lua_Integer)done);
  if (!why) return 1;
  lua_pushstring(L, why);
  return 2;
}

/* Writes all of it and reads meanwhile. -> what came [, why not all] */
static int exchange(lua_State *L, int in, int out, const char *s, size_t len,
                    double seconds) {
  double deadline = now() + seconds;
  const char *why = NULL;
  size_t done = 0;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  while (done < len && !why) {
    struct pollfd p[2] = {{.fd = in, .events = POLLOUT},
                          {.fd = out, .events = POLLIN}};
    double left = deadline - now();
    int n = poll(p, 2, left > 0 ? (int)(left * 1000) + 1 : 0);
    if (n == 0) why = "timeout";
    if (n <= 0) continue;
    if (p[1].revents) {
      char *to = luaL_prepbuffsize(&b, READ_SIZE);
      ssize_t got = read(out, to, READ_SIZE);
      if (got > 0) luaL_addsize(&b, (size_t)got);
      if (got == 0) why = "closed";
      if (got < 0 && errno != EAGAIN) why = name_of(errno);
    }
    if (p[0].revents) {
      ssize_t sent = write(in, s + done, len - done);
      if (sent > 0) done += (size_t)sent;
      if (sent < 0 && errno != EAGAIN) why = name_of(errno);
    }
  }
  luaL_pushresult(&b);
  if (!why) return 1;
  lua_pushstring(L, why);
  return 2;
}

/* --- sockets ------------------------------------------------------------ */

static socket_t *check_socket(lua_State *L) {
  return luaL_checkudata(L, 1, SOCKET);
}

static struct sockaddr_un file_address(lua_State *L, const char *path) {
  struct sockaddr_un un = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof un.sun_path) luaL_error(L, "path too long");
  strcpy(un.sun_path, path);
  return un;
}

/* Waits for what connect has begun. -> socket | nil, why */
static int finish_connect(lua_State *L, socket_t *s, int result) {
  int error = errno;
  socklen_t length = sizeof error;
  if (result < 0 && error == EINPROGRESS) {
    if (!wait_for(s->fd, POLLOUT, now() + TIMEOUT)) return fail(L, "timeout");
    getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    result = error ? -1 : 0;
  }
  if (result == 0) return 1;
  close_fd(&s->fd);
  return fail(L, name_of(error));
}

/* connect(host, port [, receive_buffer [, source]]) -> socket | nil, why
 * `host` is an address, or the path of a socket file. A small receive buffer
 * must be set before. `source` is an IPv4 address of this machine. */
static int open_socket(lua_State *L) {
  const char *host = luaL_checkstring(L, 1);
  lua_Integer port = *host == '/' ? 0 : luaL_checkinteger(L, 2);
  int size = (int)luaL_optinteger(L, 3, 0), one = 1;
  struct sockaddr_in in = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port)};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                             .sin6_port = htons((uint16_t)port)};
  const char *source = luaL_optstring(L, 4, NULL);
  struct sockaddr_in from = {.sin_family = AF_INET};
  int v6 = inet_pton(AF_INET6, host, &in6.sin6_addr) == 1;
  socket_t *s = lua_newuserdatauv(L, sizeof *s, 0);
  s->fd = -1;
  luaL_setmetatable(L, SOCKET);
  if (*host == '/') {
    struct sockaddr_un un = file_address(L, host);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0) return fail(L, strerror(errno));
    return finish_connect(L, s,
                          connect(s->fd, (struct sockaddr *)&un, sizeof un));
  }
  if (!v6 && inet_pton(AF_INET, host, &in.sin_addr) != 1)
    return luaL_error(L, "no address: %s", host);
  if (source && inet_pton(AF_INET, source, &from.sin_addr) != 1)
    return luaL_error(L, "no address: %s", source);
  s->fd = socket(v6 ? AF_INET6 : AF_INET,
                 SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s->fd < 0) return fail(L, strerror(errno));
  if (size > 0) setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (source && bind(s->fd, (struct sockaddr *)&from, sizeof from) < 0)
    return fail(L, strerror(errno));
  return finish_connect(L, s,
                        v6 ? connect(s->fd, (struct sockaddr *)&in6, sizeof in6)
                           : connect(s->fd, (struct sockaddr *)&in, sizeof in));
}

/* begin(host, port) -> socket: connects without waiting for it */
static int begin_socket(lua_State *L) {
  struct sockaddr_in in = {.sin_family = AF_INET};
  socket_t *s = lua_newuserdatauv(L, sizeof *s, 0);
  in.sin_port = htons((uint16_t)luaL_checkinteger(L, 2));
  s->fd = -1;
  luaL_setmetatable(L, SOCKET);
  if (inet_pton(AF_INET, luaL_checkstring(L, 1), &in.sin_addr) != 1)
    return luaL_error(L, "no address");
  s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (connect(s->fd, (struct sockaddr *)&in, sizeof in) < 0 &&
      errno != EINPROGRESS)
    return fail(L, name_of(errno));
  return 1;
}

/* socket:is_connected(seconds) -> boolean: by then */
static int socket_is_connected(lua_State *L) {
  int fd = check_socket(L)->fd;
  lua_pushboolean(L,
                  wait_for(fd, POLLOUT, now() + luaL_checknumber(L, 2)) != 0);
  return 1;
}

/* listen(address, port, queue) -> socket, port; listen(path, queue) -> socket;
 * a queue of -1 for a path: datagrams, which socket:receive() gives one by one;
 * with @ in front of the path it is the name of an abstract socket.
 * Nothing is accepted before socket:accept(). Closing it leaves a socket file
 * behind, as a process does that is killed. */
static int listen_socket(lua_State *L) {
  const char *host = luaL_checkstring(L, 1);
  struct sockaddr_storage at = {0};
  struct sockaddr_in *in = (struct sockaddr_in *)&at;
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&at;
  int abstract = *host == '@', file = *host == '/' || abstract, one = 1;
  int queue = (int)luaL_checkinteger(L, file ? 2 : 3);
  int kind = file && queue < 0 ? SOCK_DGRAM : SOCK_STREAM;
  socklen_t size = sizeof at;
  socket_t *s = lua_newuserdatauv(L, sizeof *s, 0);
  s->fd = -1;
  luaL_setmetatable(L, SOCKET);
  if (file) {
    struct sockaddr_un un = file_address(L, host);
    size = sizeof un;
    if (abstract) {
      un.sun_path[0] = 0;
      size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(host));
    }
    memcpy(&at, &un, sizeof un);
  } else if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
    in->sin_family = AF_INET;
  } else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
    in6->sin6_family = AF_INET6;
  } else {
    return luaL_error(L, "no address: %s", host);
  }
  /* The port stands at the same place in both. */
  if (!file) in->sin_port = htons((uint16_t)luaL_checkinteger(L, 2));
  s->fd = socket(at.ss_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s->fd >= 0 && !file)
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&at, size) < 0 ||
      (kind == SOCK_STREAM && listen(s->fd, queue) < 0))
    return fail(L, strerror(errno));
  if (file) return 1;
  size = sizeof at;
  getsockname(s->fd, (struct sockaddr *)&at, &size);
  lua_pushinteger(L, ntohs(in->sin_port));
  return 2;
}

/* socket:accept([seconds]) -> socket | nil, why */
static int socket_accept(lua_State *L) {
  int fd = check_socket(L)->fd;
  double seconds = luaL_optnumber(L, 2, TIMEOUT);
  socket_t *s = lua_newuserdatauv(L, sizeof *s, 0);
  s->fd = -1;
  luaL_setmetatable(L, SOCKET);
  if (!wait_for(fd, POLLIN, now() + seconds)) return fail(L, "timeout");
  s->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return s->fd < 0 ? fail(L, strerror(errno)) : 1;
}

static int socket_send(lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  return write_to(L, check_socket(L)->fd, bytes, len,
                  luaL_optnumber(L, 3, TIMEOUT));
}

static int socket_receive(lua_State *L) {
  return read_from(L, check_socket(L)->fd, luaL_optnumber(L, 2, TIMEOUT));
}

static int socket_exchange(lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  int fd = check_socket(L)->fd;
  return exchange(L, fd, fd, bytes, len, luaL_optnumber(L, 3, TIMEOUT));
}

static int socket_shutdown(lua_State *L) {
  shutdown(check_socket(L)->fd, SHUT_WR);
  return 0;
}

static int socket_close(lua_State *L) {
  close_fd(&check_socket(L)->fd);
  return 0;
}

/* socket:reset(): closes with RST, as a peer does whose machine vanished */
static int socket_reset(lua_State *L) {
  socket_t *s = check_socket(L);
  struct linger hard = {.l_onoff = 1, .l_linger = 0};
  setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close_fd(&s->fd);
  return 0;
}

/* --- processes ---------------------------------------------------------- */

static process_t *check_process(lua_State *L) {
  return luaL_checkudata(L, 1, PROCESS);
}

/* The child's end of standard stream `n`: a pipe (ours goes to `*mine`), or
 * the file that field `name` of the table at 1 names. */
static int child_end(lua_State *L, const char *name, int n, int *mine) {
  int fds[2], fd, flags = n == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
  if (lua_getfield(L, 1, name) == LUA_TSTRING) {
    const char *path = lua_tostring(L, -1);
    fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0) return luaL_error(L, "%s: %s", path, strerror(errno));
    lua_pop(L, 1);
    return fd;
  }
  lua_pop(L, 1);
  if (pipe2(fds, O_CLOEXEC) < 0) return luaL_error(L, "no pipe");
  *mine = fds[n == 0 ? 1 : 0];
  fcntl(*mine, F_SETFL, O_NONBLOCK);
  return fds[n == 0 ? 0 : 1];
}

/* Async-signal-safe from here to exec. */
static void become(char **argv, char **env, const int *fds, int nofile,
                   int group) {
  if (group) setpgid(0, 0);
  for (int n = 0; n < 3; n++) {
    /* dup2 onto itself would keep O_CLOEXEC. */
    if (fds[n] == n) fcntl(n, F_SETFD, 0);
    if (fds[n] != n && dup2(fds[n], n) < 0) _exit(127);
  }
  if (nofile > 0) {
    struct rlimit limit = {(rlim_t)nofile, (rlim_t)nofile};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  signal(SIGPIPE, SIG_DFL);
  if (env) environ = env;
  execvp(argv[0], argv);
  _exit(127);
}

/* spawn { argument…, env = { "NAME=value", … }, stdin =, stdout =, stderr =,
 * descriptors =, group = } -> process. The environment is ours and `env`; the
 * streams are pipes unless a path is given; `group`: it leads one of its own.
 */
static int spawn(lua_State *L) {
  char *argv[ARGUMENT_MOST + 1], **env = NULL;
  int fds[3], nofile, group;
  size_t count, ours = 0;
  process_t *p;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  count = (size_t)lua_rawlen(L, 1);
  luaL_argcheck(L, count > 0 && count <= ARGUMENT_MOST, 1, "arguments");
  luaL_checkstack(L, ARGUMENT_MOST + 16, NULL);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    argv[i] = (char *)(uintptr_t)luaL_checkstring(L, -1);
  }
  argv[count] = NULL;
  if (lua_getfield(L, 1, "env") == LUA_TTABLE) {
    int list = lua_gettop(L);
    size_t extra = (size_t)lua_rawlen(L, list);
    while (environ[ours]) ours++;
    env = lua_newuserdatauv(L, (ours + extra + 1) * sizeof *env, 0);
    for (size_t i = 0; i < extra; i++) {
      lua_rawgeti(L, list, (lua_Integer)i + 1);
      env[i] = (char *)(uintptr_t)luaL_checkstring(L, -1);
      lua_pop(L, 1);
    }
    /* The first of a name counts. */
    memcpy(env + extra, environ, (ours + 1) * sizeof *env);
  }
  lua_getfield(L, 1, "descriptors");
  nofile = (int)luaL_optinteger(L, -1, 0);
  lua_getfield(L, 1, "group");
  group = lua_toboolean(L, -1);
  p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = (process_t){.pid = -1, .in = -1, .out = -1, .err = -1};
  luaL_setmetatable(L, PROCESS);
  fds[0] = child_end(L, "stdin", 0, &p->in);
  fds[1] = child_end(L, "stdout", 1, &p->out);
  fds[2] = child_end(L, "stderr", 2, &p->err);
  p->pid = fork();
  if (p->pid == 0) become(argv, env, fds, nofile, group);
  for (int n = 0; n < 3; n++) close(fds[n]);
  if (p->pid < 0) return luaL_error(L, "fork: %s", strerror(errno));
  return 1;
}

/* allow_descriptors(n): raises our own limit to at least `n`, or as far as that
 * is allowed -> the limit. What is spawned later inherits it. */
static int allow_descriptors(lua_State *L) {
  rlim_t wanted = (rlim_t)luaL_checkinteger(L, 1);
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
    return luaL_error(L, "getrlimit: %s", strerror(errno));
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  lua_pushinteger(L, (lua_Integer)limit.rlim_cur);
  return 1;
}

/* heap() -> bytes that this process has from malloc and has not given back,
 * Lua's own among them. Unlike core.bytes_held() it counts in every build, but
 * where a sanitizer has a malloc of its own: there it is 0. */
static int heap(lua_State *L) {
  struct mallinfo2 info = mallinfo2();
  lua_pushinteger(L, (lua_Integer)(info.uordblks + info.hblkhd));
  return 1;
}

static int process_pid(lua_State *L) {
  lua_pushinteger(L, check_process(L)->pid);
  return 1;
}

static int process_write(lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  return write_to(L, check_process(L)->in, bytes, len,
                  luaL_optnumber(L, 3, TIMEOUT));
}

static int process_read(lua_State *L) {
  return read_from(L, check_process(L)->out, luaL_optnumber(L, 2, TIMEOUT));
}

static int process_read_error(lua_State *L) {
  return read_from(L, check_process(L)->err, luaL_optnumber(L, 2, TIMEOUT));
}

static int process_exchange(lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  process_t *p = check_process(L);
  return exchange(L, p->in, p->out, bytes, len, luaL_optnumber(L, 3, TIMEOUT));
}

static int process_close_stdin(lua_State *L) {
  close_fd(&check_process(L)->in);
  return 0;
}

static int process_close_stdout(lua_State *L) {
  close_fd(&check_process(L)->out);
  return 0;
}

static int reap(process_t *p, int options) {
  if (!p->reaped && waitpid(p->pid, &p->status, options) == p->pid)
    p->reaped = 1;
  return p->reaped;
}

/* process:wait([seconds]) -> "exit" | "signal", number | nil, "timeout" */
static int process_wait(lua_State *L) {
  process_t *p = check_process(L);
  double deadline = now() + luaL_optnumber(L, 2, TIMEOUT);
  while (!reap(p, WNOHANG)) {
    struct timespec ms = {.tv_nsec = 1000000};
    if (now() > deadline) return fail(L, "timeout");
    nanosleep(&ms, NULL);
  }
  lua_pushstring(L, WIFEXITED(p->status) ? "exit" : "signal");
  lua_pushinteger(L, WIFEXITED(p->status) ? WEXITSTATUS(p->status)
                                          : WTERMSIG(p->status));
  return 2;
}

/* process:kill(["TERM" | "KILL" | "INT" | "STOP" | "CONT" | "HUP"]) */
static int process_kill(lua_State *L) {
  static const char *const names[] = {"TERM", "KILL", "INT", "STOP",
                                      "CONT", "HUP",  NULL};
  static const int numbers[] = {SIGTERM, SIGKILL, SIGINT,
                                SIGSTOP, SIGCONT, SIGHUP};
  process_t *p = check_process(L);
  int number = numbers[luaL_checkoption(L, 2, "TERM", names)];
  /* A reaped number may belong to another process by now. */
  if (!reap(p, WNOHANG)) kill(p->pid, number);
  return 0;
}

/* close, __close and __gc: nothing that was started stays. */
static int process_close(lua_State *L) {
  process_t *p = check_process(L);
  close_fd(&p->in);
  close_fd(&p->out);
  close_fd(&p->err);
  if (p->pid > 0 && !reap(p, WNOHANG)) {
    kill(p->pid, SIGKILL);
    reap(p, 0);
  }
  return 0;
}

/* --- facts -------------------------------------------------------------- */

/* rss(pid) -> resident bytes */
static int rss(lua_State *L) {
  char path[64];
  unsigned long size = 0, resident = 0;
  FILE *file;
  snprintf(path, sizeof path, "/proc/%d/statm", (int)luaL_checkinteger(L, 1));
  file = fopen(path, "r");
  if (!file) return fail(L, "no such process");
  if (fscanf(file, "%lu %lu", &size, &resident) != 2) resident = 0;
  fclose(file);
  lua_pushinteger(L, (lua_Integer)resident * sysconf(_SC_PAGESIZE));
  return 1;
}

/* fd_count(pid | "self") -> open descriptors */
static int fd_count(lua_State *L) {
  char path[64];
  lua_Integer count = 0;
  struct dirent *entry;
  DIR *dir;
  snprintf(path, sizeof path, "/proc/%s/fd", luaL_checkstring(L, 1));
  dir = opendir(path);
  if (!dir) return fail(L, "no such process");
  while ((entry = readdir(dir)))
    if (entry->d_name[0] != '.') count++;
  closedir(dir);
  lua_pushinteger(L, count);
  return 1;
}

/* block(seconds): a C function that does not come back before, whatever signals
 * arrive */
static int block(lua_State *L) {
  double deadline = now() + luaL_checknumber(L, 1);
  for (double left; (left = deadline - now()) > 0;) {
    struct timespec t = {(time_t)left,
                         (long)((left - (double)(time_t)left) * 1e9)};
    nanosleep(&t, NULL);
  }
  return 0;
}

static int get_now(lua_State *L) {
  lua_pushnumber(L, now());
  return 1;
}

/* poll(fd, seconds) -> boolean: is it readable by then? */
static int poll_fd(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  lua_pushboolean(L, wait_for(fd, POLLIN, now() + luaL_checknumber(L, 2)) != 0);
  return 1;
}

static void new_class(lua_State *L, const char *name, const luaL_Reg *methods,
                      lua_CFunction close_it) {
  luaL_newmetatable(L, name);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, close_it);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close_it);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
}

__attribute__((visibility("default"))) int luaopen_codecs_system(lua_State *L);

int luaopen_codecs_system(lua_State *L) {
  static const luaL_Reg sockets[] = {{"send", socket_send},
                                     {"receive", socket_receive},
                                     {"exchange", socket_exchange},
                                     {"accept", socket_accept},
                                     {"is_connected", socket_is_connected},
                                     {"shutdown_write", socket_shutdown},
                                     {"close", socket_close},
                                     {"reset", socket_reset},
                                     {NULL, NULL}};
  static const luaL_Reg processes[] = {{"pid", process_pid},
                                       {"write", process_write},
                                       {"read", process_read},
                                       {"read_error", process_read_error},
                                       {"exchange", process_exchange},
                                       {"close_stdin", process_close_stdin},
                                       {"close_stdout", process_close_stdout},
                                       {"wait", process_wait},
                                       {"kill", process_kill},
                                       {"close", process_close},
                                       {NULL, NULL}};
  static const luaL_Reg functions[] = {{"spawn", spawn},
                                       {"allow_descriptors", allow_descriptors},
                                       {"heap", heap},
                                       {"connect", open_socket},
                                       {"listen", listen_socket},
                                       {"begin", begin_socket},
                                       {"rss", rss},
                                       {"fd_count", fd_count},
                                       {"now", get_now},
                                       {"poll", poll_fd},
                                       {"block", block},
                                       {NULL, NULL}};
  /* A peer that hung up must be a result here, not the end of busted. */
  signal(SIGPIPE, SIG_IGN);
  new_class(L, SOCKET, sockets, socket_close);
  new_class(L, PROCESS, processes, process_close);
  luaL_newlib(L, functions);
  return 1;
}
