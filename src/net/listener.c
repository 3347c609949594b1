/* SPDX-License-Identifier: MIT
 * listener.c: see listener.h. */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/address.h"
#include "net/peers.h"

struct mcp_listener {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv;
  mcp_loop_t *loop;
  mcp_listener_fn fn;
  void *owner;
  mcp_timer_t *retry; /* to accept, when there was no memory or descriptor */
  unsigned open, max;
  int mark;              /* the first descriptor that is reserved */
  bool reached_mark;     /* from then on it looks before it accepts */
  mcp_list_t of_starved; /* in the loop's list while it waits for one */
  bool waiting; /* libuv holds a connection that we have not accepted */
  bool loopback;
  int port;
  char *path;   /* of a socket file, or NULL */
  dev_t device; /* and which file that is */
  ino_t inode;
};

/* The lowest descriptor number that no connection should get. The system always
 * assigns the lowest free number, so the number of a new descriptor shows how
 * many are in use, by all listeners, clients, children and files together. */
static int first_reserved(void) {
  struct rlimit limit;
  rlim_t reserve;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > INT_MAX)
    return INT_MAX;
  reserve = limit.rlim_cur / 4;
  if (reserve > MCP_LISTENER_RESERVED_DESCRIPTORS)
    reserve = MCP_LISTENER_RESERVED_DESCRIPTORS;
  return (int)(limit.rlim_cur - reserve);
}

/* Is there a descriptor that is not reserved? */
static bool has_descriptor(mcp_listener_t *l) {
  uv_os_fd_t fd;
  int lowest;
  if (!l->reached_mark) return true;
  if (uv_fileno(&l->uv.handle, &fd) < 0) return false;
  lowest = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (lowest < 0) return false;
  close(lowest);
  return lowest < l->mark;
}

/* How long to wait for memory or a descriptor to come back, in milliseconds.
 * Connections of ours that end are not waited for so long. */
#define RETRY_TIME 100
/* How often, and after how many nanoseconds, the lock of a folder is asked for
 * again: it is held for as long as it takes to bind a socket. */
#define LOCK_TRIES 50
#define LOCK_PAUSE 10000000

static void free_handle(uv_handle_t *handle) {
  mcp_mem_free(handle);
}

/* The share of the peer's address. NULL when there is no memory. */
static mcp_share_t *hold_peer(mcp_listener_t *l, uv_stream_t *handle) {
  struct sockaddr_storage address;
  int size = sizeof address;
  if (l->path) return mcp_peers_hold(l->loop, NULL);
  memset(&address, 0, sizeof address);
  /* A peer that has already closed has no address; the read that follows finds
   * the end. */
  (void)uv_tcp_getpeername((uv_tcp_t *)handle, (struct sockaddr *)&address,
                           &size);
  return mcp_peers_hold(l->loop, (struct sockaddr *)&address);
}

static void accept_one(mcp_listener_t *l) {
  uv_stream_t *handle =
      mcp_mem_alloc(l->path ? sizeof(uv_pipe_t) : sizeof(uv_tcp_t));
  mcp_stream_t *stream = NULL;
  mcp_share_t *peer;
  uv_os_fd_t fd;
  if (!handle) {
    /* libuv keeps the connection, and accepts no other before it is taken. */
    mcp_timer_set(l->retry, RETRY_TIME);
    return;
  }
  if (l->path) {
    uv_pipe_init(mcp_loop_uv(l->loop), (uv_pipe_t *)handle, 0);
  } else {
    uv_tcp_init(mcp_loop_uv(l->loop), (uv_tcp_t *)handle);
  }
  if (uv_accept(&l->uv.stream, handle) < 0) {
    uv_close((uv_handle_t *)handle, free_handle);
    return;
  }
  l->waiting = false;
  if (uv_fileno((uv_handle_t *)handle, &fd) == 0 && fd >= l->mark)
    l->reached_mark = true;
  /* An answer is one write: holding it back for more costs 40 ms. */
  if (!l->path) uv_tcp_nodelay((uv_tcp_t *)handle, 1);
  peer = hold_peer(l, handle);
  if (peer && !mcp_share_is_tight(peer)) {
    stream = mcp_stream_over(l->loop, handle, handle, peer);
  } else {
    uv_close((uv_handle_t *)handle, free_handle);
  }
  mcp_share_drop(peer);
  if (!stream) {
    mcp_log(MCP_LOG_INFO, "a connection was refused: over the memory limit");
    return;
  }
  l->open++;
  l->fn(l->owner, stream);
}

/* Accepts the connection that waits, if its listener may have another and the
 * process has a descriptor for it. */
static void try_accept(mcp_listener_t *l) {
  if (!l->waiting || l->open >= l->max) return;
  if (has_descriptor(l)) {
    mcp_list_remove(&l->of_starved);
    accept_one(l);
    return;
  }
  if (mcp_list_empty(&l->of_starved))
    mcp_list_append(mcp_loop_starved(l->loop), &l->of_starved);
  mcp_timer_set(l->retry, RETRY_TIME);
}

static void on_connection(uv_stream_t *server, int status) {
  mcp_listener_t *l = (mcp_listener_t *)server;
  if (status < 0) return;
  l->waiting = true;
  try_accept(l);
}

/* A descriptor is free, soon: the listener that has waited longest for one
 * comes first, whosesoever connection has ended. */
void mcp_listener_release(mcp_listener_t *l) {
  mcp_list_t *starved = mcp_loop_starved(l->loop);
  l->open--;
  if (!mcp_list_empty(starved))
    try_accept(MCP_LIST_MEMBER(starved->next, mcp_listener_t, of_starved));
  try_accept(l);
}

static void on_retry(void *arg) {
  try_accept(arg);
}

static void free_listener(uv_handle_t *handle) {
  mcp_listener_t *l = (mcp_listener_t *)handle;
  mcp_mem_free(l->path);
  mcp_mem_free(l);
}

/* A listener without a handle. NULL: no memory. */
static mcp_listener_t *new_listener(mcp_loop_t *loop, unsigned connections,
                                    mcp_listener_fn fn, void *owner) {
  mcp_listener_t *l = mcp_mem_zalloc(sizeof *l);
  if (!l) return NULL;
  l->retry = mcp_timer_new(loop, true, on_retry, l);
  if (!l->retry) {
    mcp_mem_free(l);
    return NULL;
  }
  l->loop = loop;
  l->fn = fn;
  l->owner = owner;
  l->max = connections ? connections : MCP_LISTENER_CONNECTIONS;
  l->mark = first_reserved();
  mcp_list_init(&l->of_starved);
  return l;
}

int mcp_listener_open(mcp_loop_t *loop, const char *host, int port,
                      unsigned connections, mcp_listener_fn fn, void *owner,
                      mcp_listener_t **out) {
  uv_getaddrinfo_t lookup;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
  struct sockaddr_storage address, bound;
  int size = sizeof bound, code;
  mcp_listener_t *l;
  char service[8];
  snprintf(service, sizeof service, "%d", port);
  /* Without a callback the lookup is done at once: start-up may wait. */
  code =
      uv_getaddrinfo(mcp_loop_uv(loop), &lookup, NULL, host, service, &hints);
  if (code < 0) return code;
  memset(&address, 0, sizeof address);
  memcpy(&address, lookup.addrinfo->ai_addr, lookup.addrinfo->ai_addrlen);
  uv_freeaddrinfo(lookup.addrinfo);

  l = new_listener(loop, connections, fn, owner);
  if (!l) return MCP_ENOMEM;
  uv_tcp_init(mcp_loop_uv(loop), &l->uv.tcp);
  code = uv_tcp_bind(&l->uv.tcp, (const struct sockaddr *)&address, 0);
  if (code == 0)
    code = uv_listen(&l->uv.stream, MCP_LISTENER_BACKLOG, on_connection);
  if (code == 0)
    code = uv_tcp_getsockname(&l->uv.tcp, (struct sockaddr *)&bound, &size);
  if (code < 0) {
    mcp_listener_close(l);
    return code;
  }
  l->loopback = mcp_address_is_loopback((const struct sockaddr *)&bound);
  /* sin_port and sin6_port stand at the same place. */
  l->port = ntohs(((struct sockaddr_in *)(void *)&bound)->sin_port);
  *out = l;
  return 0;
}

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
int mcp_listener_open_unix(mcp_loop_t *loop, const char *path, unsigned mode,
                           unsigned connections, mcp_listener_fn fn,
                           void *owner, mcp_listener_t **out) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t size = strlen(path) + 1;
  struct stat made;
  mcp_listener_t *l;
  int fd, lock, code;
  if (size == 1) return UV_EINVAL;
  if (size > sizeof address.sun_path) return UV_ENAMETOOLONG;
  memcpy(address.sun_path, path, size);
  l = new_listener(loop, connections, fn, owner);
  if (!l) return MCP_ENOMEM;
  uv_pipe_init(mcp_loop_uv(loop), &l->uv.pipe, 0);
  l->loopback = true;
  lock = lock_folder(path);
  code = make_way(&address);
  fd = code < 0 ? code : bind_file(&address, mode, &made);
  if (fd >= 0) {
    l->path = mcp_mem_alloc(size);
    if (l->path) memcpy(l->path, path, size);
    l->device = made.st_dev;
    l->inode = made.st_ino;
    code = l->path ? uv_pipe_open(&l->uv.pipe, fd) : MCP_ENOMEM;
    if (code < 0) close(fd);
    if (code == 0)
      code = uv_listen(&l->uv.stream, MCP_LISTENER_BACKLOG, on_connection);
    if (!l->path) unlink(path);
  } else {
    code = fd;
  }
  /* Not before it answers: the next process must see that it is in use. */
  if (lock >= 0) close(lock);
  if (code < 0) {
    mcp_listener_close(l);
    return code;
  }
  *out = l;
  return 0;
}

int mcp_listener_port(const mcp_listener_t *listener) {
  return listener->port;
}

bool mcp_listener_is_loopback(const mcp_listener_t *listener) {
  return listener->loopback;
}

/* Removes the file if it is still ours: another process may have replaced it.
 */
static void remove_file(const mcp_listener_t *l) {
  struct stat there;
  if (lstat(l->path, &there) == 0 && there.st_dev == l->device &&
      there.st_ino == l->inode)
    unlink(l->path);
}

void mcp_listener_close(mcp_listener_t *listener) {
  if (!listener) return;
  mcp_timer_stop(listener->retry);
  mcp_list_remove(&listener->of_starved);
  /* While it still answers, so that no other process takes it for dead. */
  if (listener->path) remove_file(listener);
  uv_close(&listener->uv.handle, free_listener);
}
