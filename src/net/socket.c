/* SPDX-License-Identifier: MIT
 * socket.c: see socket.h. */
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/address.h"

/* How often, and after how many nanoseconds, the lock of a folder is asked for
 * again: it is held for as long as it takes to bind a socket. */
#define LOCK_TRIES 50
#define LOCK_PAUSE 10000000

void mcp_socket_clear(mcp_socket_t *s) {
  *s = (mcp_socket_t){.fd = -1};
}

/* What the system says of a bound socket. 0 or a code. */
static int learn(mcp_socket_t *s) {
  struct sockaddr_storage bound;
  socklen_t size = sizeof bound, length = sizeof(int);
  int type = 0, listens = 0;
  memset(&bound, 0, sizeof bound);
  if (getsockopt(s->fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0) return -errno;
  if (type != SOCK_STREAM) return UV_EPROTOTYPE;
  length = sizeof listens;
  if (getsockopt(s->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) < 0 ||
      getsockname(s->fd, (struct sockaddr *)&bound, &size) < 0)
    return -errno;
  s->listens = listens != 0;
  s->local = bound.ss_family == AF_UNIX;
  s->loopback =
      s->local || mcp_address_is_loopback((const struct sockaddr *)&bound);
  /* sin_port and sin6_port stand at the same place. */
  if (!s->local)
    s->port = ntohs(((struct sockaddr_in *)(void *)&bound)->sin_port);
  return 0;
}

/* As uv_tcp_bind does: an address in TIME_WAIT is free, and an IPv6 address
 * takes IPv4 as well. */
static int bind_address(int fd, const struct sockaddr *address,
                        socklen_t size) {
  int on = 1, off = 0;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
    return -errno;
  if (address->sa_family == AF_INET6 &&
      setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0)
    return -errno;
  if (bind(fd, address, size) < 0 || listen(fd, MCP_SOCKET_BACKLOG) < 0)
    return -errno;
  return 0;
}

int mcp_socket_listen(mcp_loop_t *loop, const char *host, int port,
                      mcp_socket_t *out) {
  uv_getaddrinfo_t lookup;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
  char service[8];
  int code;
  mcp_socket_clear(out);
  snprintf(service, sizeof service, "%d", port);
  /* Without a callback the lookup is done at once: start-up may wait. */
  code =
      uv_getaddrinfo(mcp_loop_uv(loop), &lookup, NULL, host, service, &hints);
  if (code < 0) return code;
  out->fd = socket(lookup.addrinfo->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  code = out->fd < 0 ? -errno
                     : bind_address(out->fd, lookup.addrinfo->ai_addr,
                                    lookup.addrinfo->ai_addrlen);
  uv_freeaddrinfo(lookup.addrinfo);
  if (code == 0) code = learn(out);
  if (code < 0) mcp_socket_close(out);
  return code;
}

/* --- socket files --------------------------------------------------------- */

/* Locks the folder of `path`, as every process that starts there does, so that
 * of two processes that find a dead socket only one replaces it. Returns the
 * descriptor that holds the lock, or -1: listening then works without
 * protection against that race. */
static int lock_folder(const char *path) {
  char folder[sizeof((struct sockaddr_un *)0)->sun_path];
  const char *slash = strrchr(path, '/');
  size_t length = slash ? (size_t)(slash - path) + 1 : 0;
  int fd;
  memcpy(folder, path, length);
  folder[length] = 0;
  fd = open(length ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  for (int i = 0; i < LOCK_TRIES; i++) {
    struct timespec pause = {.tv_nsec = LOCK_PAUSE};
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) break;
    nanosleep(&pause, NULL);
  }
  return fd;
}

/* Is this socket dead: does a connection to it fail? */
static bool is_dead(const struct sockaddr_un *address) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  bool dead;
  if (fd < 0) return false;
  dead = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 &&
         errno == ECONNREFUSED;
  close(fd);
  return dead;
}

/* Takes a dead socket file out of the way. 0 or a libuv code. */
static int make_way(const struct sockaddr_un *address) {
  struct stat there;
  if (lstat(address->sun_path, &there) < 0) return errno == ENOENT ? 0 : -errno;
  if (!S_ISSOCK(there.st_mode) || !is_dead(address)) return UV_EADDRINUSE;
  return unlink(address->sun_path) < 0 ? -errno : 0;
}

/* A socket bound to the file, but not listening: no client can connect before
 * its permissions are set. The descriptor or a libuv code. */
static int bind_file(const struct sockaddr_un *address, unsigned mode,
                     struct stat *made) {
  const char *path = address->sun_path;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), code;
  if (fd < 0) return -errno;
  if (bind(fd, (const struct sockaddr *)address, sizeof *address) < 0) {
    code = -errno;
    close(fd);
    return code;
  }
  if (chmod(path, (mode_t)mode & 0777) < 0 || lstat(path, made) < 0) {
    code = -errno;
    unlink(path);
    close(fd);
    return code;
  }
  return fd;
}

/* libuv's own bind would leave the permissions to chance, and remove the file
 * at the end whosesoever it is by then. */
int mcp_socket_listen_unix(const char *path, unsigned mode, mcp_socket_t *out) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t size = strlen(path) + 1;
  struct stat made;
  int lock, code;
  mcp_socket_clear(out);
  if (size == 1) return UV_EINVAL;
  if (size > sizeof address.sun_path) return UV_ENAMETOOLONG;
  memcpy(address.sun_path, path, size);
  lock = lock_folder(path);
  code = make_way(&address);
  if (code == 0) {
    out->fd = bind_file(&address, mode, &made);
    if (out->fd < 0) code = out->fd;
  }
  if (code == 0) {
    out->listens = out->local = out->loopback = true;
    out->path = mcp_mem_alloc(size);
    if (out->path) memcpy(out->path, path, size);
    out->device = made.st_dev;
    out->inode = made.st_ino;
    code = !out->path                                ? MCP_ENOMEM
           : listen(out->fd, MCP_SOCKET_BACKLOG) < 0 ? -errno
                                                     : 0;
    if (!out->path) unlink(path);
  }
  /* Not before it answers: the next process must see that it is in use. */
  if (lock >= 0) close(lock);
  if (code < 0) mcp_socket_close(out);
  return code;
}

void mcp_socket_remove_file(mcp_socket_t *s) {
  struct stat there;
  if (!s->path) return;
  if (lstat(s->path, &there) == 0 && there.st_dev == s->device &&
      there.st_ino == s->inode)
    unlink(s->path);
  mcp_mem_free(s->path);
  s->path = NULL;
}

void mcp_socket_close(mcp_socket_t *s) {
  /* While it still answers, so that no other process takes it for dead. */
  mcp_socket_remove_file(s);
  if (s->fd >= 0) close(s->fd);
  mcp_socket_clear(s);
}

/* --- what this process was started with ----------------------------------- */

/* A variable with a whole number, or -1. */
static long number_of(const char *name) {
  const char *text = getenv(name);
  char *end;
  long n;
  if (!text || *text < '0' || *text > '9') return -1;
  errno = 0;
  n = strtol(text, &end, 10);
  return *end || errno ? -1 : n;
}

int mcp_socket_count_inherited(bool any_process) {
  long n;
  if (!getenv("LISTEN_FDS")) return 0;
  if (number_of("LISTEN_PID") != (long)getpid() &&
      (!any_process || getenv("LISTEN_PID")))
    return 0;
  n = number_of("LISTEN_FDS");
  return n < 0 || n > MCP_SOCKET_MOST_INHERITED ? -1 : (int)n;
}

void mcp_socket_forget_inherited(void) {
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  unsetenv("LUAMCP_WORKER");
}

int mcp_socket_inherit(int fd, mcp_socket_t *out) {
  int flags = fcntl(fd, F_GETFD);
  mcp_socket_clear(out);
  if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0) return -errno;
  out->fd = fd;
  flags = learn(out);
  if (flags < 0) out->fd = -1;
  return flags;
}

int mcp_socket_address(const mcp_socket_t *s, char *out, size_t size) {
  struct sockaddr_storage bound;
  struct sockaddr_un *file = (struct sockaddr_un *)(void *)&bound;
  socklen_t length = sizeof bound;
  memset(&bound, 0, sizeof bound);
  if (getsockname(s->fd, (struct sockaddr *)&bound, &length) < 0) return -errno;
  if (bound.ss_family == AF_INET)
    return uv_ip4_name((struct sockaddr_in *)(void *)&bound, out, size);
  if (bound.ss_family == AF_INET6)
    return uv_ip6_name((struct sockaddr_in6 *)(void *)&bound, out, size);
  /* The structure ends with zeroes: it is larger than a path. */
  if (!file->sun_path[0] && file->sun_path[1]) file->sun_path[0] = '@';
  snprintf(out, size, "%s", file->sun_path);
  return 0;
}

/* --- connections -----------------------------------------------------------
 */

int mcp_socket_pair(mcp_socket_t *near, mcp_socket_t *far) {
  uv_os_sock_t fds[2];
  int code = uv_socketpair(SOCK_STREAM, 0, fds, 0, 0);
  mcp_socket_clear(near);
  mcp_socket_clear(far);
  if (code < 0) return code;
  near->local = near->loopback = far->local = far->loopback = true;
  near->fd = fds[0];
  far->fd = fds[1];
  return 0;
}

static void free_handle(uv_handle_t *handle) {
  mcp_mem_free(handle);
}

int mcp_socket_stream(mcp_loop_t *loop, mcp_socket_t *s, mcp_stream_t **out) {
  uv_pipe_t *handle = mcp_mem_alloc(sizeof *handle);
  int code;
  if (!handle) {
    mcp_socket_close(s);
    return MCP_ENOMEM;
  }
  uv_pipe_init(mcp_loop_uv(loop), handle, 0);
  code = uv_pipe_open(handle, s->fd);
  if (code < 0) {
    mcp_socket_close(s);
    uv_close((uv_handle_t *)handle, free_handle);
    return code;
  }
  mcp_socket_clear(s);
  *out = mcp_stream_over(loop, handle, handle, NULL);
  return *out ? 0 : MCP_ENOMEM;
}
