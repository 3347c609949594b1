/* SPDX-License-Identifier: MIT
 * listener.c: see listener.h. */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>
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
    uv_poll_t poll; /* with a tally: libuv would take all that wait at once */
  } uv;
  mcp_loop_t *loop;
  mcp_listener_fn fn;
  void *owner;
  mcp_timer_t *retry; /* to accept, when there was no memory or descriptor */
  unsigned open, max;
  unsigned per_address;  /* 0: the default, loopback excepted */
  int mark;              /* the first descriptor that is reserved */
  bool reached_mark;     /* from then on it looks before it accepts */
  mcp_list_t of_starved; /* in the loop's list while it waits for one */
  bool waiting;  /* libuv holds a connection that we have not accepted; with a
                    tally: there may be one in the queue */
  bool watching; /* with a tally: the queue is looked at */
  bool yields;   /* the others may go first, until the timer */
  unsigned greedy, greed; /* so many times they may not; the next time */
  mcp_socket_t socket;    /* without its descriptor, unless it has a tally */
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

/* How long another process, which has fewer connections, may go first; in
 * milliseconds. */
#define YIELD_TIME 2
/* How many connections this one accepts at most before it yields again, if the
 * others have left what was in the queue: they are busy. The number doubles
 * each time, from none. */
#define GREED_MOST 16u

static void on_readable(uv_poll_t *poll, int status, int events);

/* Looks at the queue of a socket with a tally, or not. */
static void watch(mcp_listener_t *l, bool on) {
  if (!l->socket.tally || l->watching == on || l->socket.fd < 0) return;
  l->watching = on;
  if (on) {
    (void)uv_poll_start(&l->uv.poll, UV_READABLE, on_readable);
  } else {
    (void)uv_poll_stop(&l->uv.poll);
  }
}

/* Takes one connection from the queue into a handle. 0 or a libuv code. */
static int take(mcp_listener_t *l, uv_stream_t *handle) {
  int fd, code;
  if (!l->socket.tally) return uv_accept(&l->uv.stream, handle);
#ifdef __linux__
  fd = accept4(l->socket.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
  fd = accept(l->socket.fd, NULL, NULL);
  if (fd >= 0) (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
#endif
  if (fd < 0) return -errno;
  code = l->socket.local ? uv_pipe_open((uv_pipe_t *)handle, fd)
                         : uv_tcp_open((uv_tcp_t *)handle, fd);
  if (code < 0) close(fd);
  return code;
}

static void free_handle(uv_handle_t *handle) {
  mcp_mem_free(handle);
}

/* Has the address as many connections as it may? */
static bool is_crowded(const mcp_listener_t *l, const mcp_share_t *peer,
                       const struct sockaddr *address) {
  unsigned most = l->per_address;
  if (most == 0) {
    if (mcp_share_connections(peer) < MCP_LISTENER_PER_ADDRESS) return false;
    return !mcp_address_is_loopback(address);
  }
  return mcp_share_connections(peer) >= most;
}

/* The share of the peer's address. NULL when there is no memory, or when the
 * address has too many connections. */
static mcp_share_t *hold_peer(mcp_listener_t *l, uv_stream_t *handle) {
  struct sockaddr_storage address;
  const struct sockaddr *at = (const struct sockaddr *)&address;
  int size = sizeof address;
  mcp_share_t *peer;
  if (l->socket.local) return mcp_peers_hold(l->loop, NULL);
  memset(&address, 0, sizeof address);
  /* A peer that has already closed has no address; the read that follows finds
   * the end. */
  (void)uv_tcp_getpeername((uv_tcp_t *)handle, (struct sockaddr *)&address,
                           &size);
  peer = mcp_peers_hold(l->loop, at);
  if (!peer || !is_crowded(l, peer, at)) return peer;
  mcp_log(MCP_LOG_INFO,
          "a connection was refused: its address has %u already "
          "(limits.connections_per_address)",
          mcp_share_connections(peer));
  mcp_share_drop(peer);
  return NULL;
}

static void accept_one(mcp_listener_t *l) {
  uv_stream_t *handle =
      mcp_mem_alloc(l->socket.local ? sizeof(uv_pipe_t) : sizeof(uv_tcp_t));
  mcp_stream_t *stream = NULL;
  mcp_share_t *peer;
  uv_os_fd_t fd;
  if (!handle) {
    /* libuv keeps the connection, and accepts no other before it is taken. */
    watch(l, false);
    mcp_timer_set(l->retry, RETRY_TIME);
    return;
  }
  if (l->socket.local) {
    uv_pipe_init(mcp_loop_uv(l->loop), (uv_pipe_t *)handle, 0);
  } else {
    uv_tcp_init(mcp_loop_uv(l->loop), (uv_tcp_t *)handle);
  }
  if (take(l, handle) < 0) {
    uv_close((uv_handle_t *)handle, free_handle);
    if (l->socket.tally) {
      l->waiting = l->yields = false;
      l->greed = 0;
    }
    watch(l, true);
    return;
  }
  /* The others have not come. */
  if (l->yields) {
    l->greedy = l->greed;
    l->greed = l->greed ? 2 * l->greed : 1;
    if (l->greed > GREED_MOST) l->greed = GREED_MOST;
  }
  l->waiting = l->yields = false;
  watch(l, true);
  if (uv_fileno((uv_handle_t *)handle, &fd) == 0 && fd >= l->mark)
    l->reached_mark = true;
  /* An answer is one write: holding it back for more costs 40 ms. */
  if (!l->socket.local) uv_tcp_nodelay((uv_tcp_t *)handle, 1);
  peer = hold_peer(l, handle);
  if (peer && !mcp_share_is_tight(peer)) {
    stream = mcp_stream_over(l->loop, handle, handle, peer);
  } else {
    uv_close((uv_handle_t *)handle, free_handle);
  }
  if (peer && !stream)
    mcp_log(MCP_LOG_INFO, "a connection was refused: over the memory limit");
  mcp_share_drop(peer);
  if (!stream) return;
  l->open++;
  if (l->socket.tally) mcp_tally_add(l->socket.tally, 1);
  l->fn(l->owner, stream);
}

/* Accepts the connection that waits, if its listener may have another and the
 * process has a descriptor for it. */
static void try_accept(mcp_listener_t *l) {
  if (l->open >= l->max) watch(l, false);
  if (!l->waiting || l->open >= l->max) return;
  if (has_descriptor(l)) {
    mcp_list_remove(&l->of_starved);
    accept_one(l);
    return;
  }
  if (mcp_list_empty(&l->of_starved))
    mcp_list_append(mcp_loop_starved(l->loop), &l->of_starved);
  watch(l, false);
  mcp_timer_set(l->retry, RETRY_TIME);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  mcp_listener_t *l = (mcp_listener_t *)poll;
  (void)events;
  if (status < 0) return;
  l->waiting = true;
  if (l->greedy > 0) {
    l->greedy--;
  } else if (mcp_tally_is_above(l->socket.tally)) {
    l->yields = true;
    watch(l, false);
    mcp_timer_set(l->retry, YIELD_TIME);
    return;
  }
  try_accept(l);
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
  if (l->socket.tally) {
    mcp_tally_add(l->socket.tally, -1);
    if (!l->waiting) watch(l, true);
  }
  if (!mcp_list_empty(starved))
    try_accept(MCP_LIST_MEMBER(starved->next, mcp_listener_t, of_starved));
  if (!l->yields) try_accept(l);
}

static void on_retry(void *arg) {
  try_accept(arg);
}

static void free_listener(uv_handle_t *handle) {
  mcp_mem_free(handle);
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
  (void)mcp_stream_gather(loop);
  return l;
}

int mcp_listener_over(mcp_loop_t *loop, mcp_socket_t *socket,
                      unsigned connections, mcp_listener_fn fn, void *owner,
                      mcp_listener_t **out) {
  mcp_listener_t *l = new_listener(loop, connections, fn, owner);
  int code;
  if (!l) {
    mcp_socket_close(socket);
    return MCP_ENOMEM;
  }
  l->socket = *socket;
  if (socket->tally) {
    mcp_socket_clear(socket);
    code = uv_poll_init(mcp_loop_uv(loop), &l->uv.poll, l->socket.fd);
    if (code < 0) {
      mcp_socket_close(&l->socket);
      mcp_timer_stop(l->retry);
      mcp_mem_free(l);
      return code;
    }
    mcp_tally_enter(l->socket.tally);
    watch(l, true);
    *out = l;
    return 0;
  }
  l->socket.fd = -1;
  if (socket->local) {
    uv_pipe_init(mcp_loop_uv(loop), &l->uv.pipe, 0);
    code = uv_pipe_open(&l->uv.pipe, socket->fd);
  } else {
    uv_tcp_init(mcp_loop_uv(loop), &l->uv.tcp);
    code = uv_tcp_open(&l->uv.tcp, socket->fd);
  }
  if (code < 0) close(socket->fd);
  mcp_socket_clear(socket);
  if (code == 0)
    code = uv_listen(&l->uv.stream, MCP_SOCKET_BACKLOG, on_connection);
  if (code < 0) {
    mcp_listener_close(l);
    return code;
  }
  *out = l;
  return 0;
}

int mcp_listener_open(mcp_loop_t *loop, const char *host, int port,
                      unsigned connections, mcp_listener_fn fn, void *owner,
                      mcp_listener_t **out) {
  mcp_socket_t socket;
  int code = mcp_socket_listen(loop, host, port, &socket);
  if (code < 0) return code;
  return mcp_listener_over(loop, &socket, connections, fn, owner, out);
}

int mcp_listener_open_unix(mcp_loop_t *loop, const char *path, unsigned mode,
                           unsigned connections, mcp_listener_fn fn,
                           void *owner, mcp_listener_t **out) {
  mcp_socket_t socket;
  int code = mcp_socket_listen_unix(path, mode, &socket);
  if (code < 0) return code;
  return mcp_listener_over(loop, &socket, connections, fn, owner, out);
}

void mcp_listener_limit_address(mcp_listener_t *listener,
                                unsigned per_address) {
  listener->per_address = per_address;
}

int mcp_listener_port(const mcp_listener_t *listener) {
  return listener->socket.port;
}

bool mcp_listener_is_loopback(const mcp_listener_t *listener) {
  return listener->socket.loopback;
}

bool mcp_listener_is_local(const mcp_listener_t *listener) {
  return listener->socket.local;
}

void mcp_listener_close(mcp_listener_t *listener) {
  if (!listener) return;
  mcp_timer_stop(listener->retry);
  mcp_list_remove(&listener->of_starved);
  /* While it still answers, so that no other process takes it for dead. */
  mcp_socket_remove_file(&listener->socket);
  if (listener->socket.tally) {
    mcp_tally_leave(listener->socket.tally);
    watch(listener, false);
    mcp_socket_close(&listener->socket);
  }
  uv_close(&listener->uv.handle, free_listener);
}
