/* SPDX-License-Identifier: MIT
 * tcp.c: see tcp.h. */
#include "net/tcp.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/resource.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"

struct mcp_listener {
  uv_tcp_t uv;
  mcp_loop_t *loop;
  mcp_listener_fn fn;
  void *owner;
  mcp_timer_t *retry; /* to accept, when there was no memory */
  unsigned open, most;
  bool waiting; /* libuv holds a connection that we have not accepted */
  bool loopback;
  int port;
};

static unsigned descriptors_allow(unsigned wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return wanted;
  if (limit.rlim_cur <= MCP_TCP_RESERVED_DESCRIPTORS) return 1;
  limit.rlim_cur -= MCP_TCP_RESERVED_DESCRIPTORS;
  return limit.rlim_cur < wanted ? (unsigned)limit.rlim_cur : wanted;
}

/* How long to wait for memory to come back, in milliseconds. */
#define RETRY_TIME 100

static void free_handle(uv_handle_t *handle) {
  mcp_mem_free(handle);
}

static void accept_one(mcp_listener_t *l) {
  uv_tcp_t *tcp = mcp_mem_alloc(sizeof *tcp);
  mcp_stream_t *stream;
  if (!tcp) {
    /* libuv keeps the connection, and asks for no other before it is taken. */
    mcp_timer_set(l->retry, RETRY_TIME);
    return;
  }
  uv_tcp_init(mcp_loop_uv(l->loop), tcp);
  if (uv_accept((uv_stream_t *)&l->uv, (uv_stream_t *)tcp) < 0) {
    uv_close((uv_handle_t *)tcp, free_handle);
    return;
  }
  l->waiting = false;
  /* An answer is one write: holding it back for more costs 40 ms. */
  uv_tcp_nodelay(tcp, 1);
  stream = mcp_stream_over(l->loop, tcp, tcp);
  if (!stream) return;
  l->open++;
  l->fn(l->owner, stream);
}

static void on_connection(uv_stream_t *server, int status) {
  mcp_listener_t *l = (mcp_listener_t *)server;
  if (status < 0) return;
  l->waiting = true;
  if (l->open < l->most) accept_one(l);
}

void mcp_listener_release(mcp_listener_t *l) {
  l->open--;
  if (l->waiting && l->open < l->most) accept_one(l);
}

static void on_retry(void *arg) {
  mcp_listener_t *l = arg;
  if (l->waiting && l->open < l->most) accept_one(l);
}

static bool is_loopback(const struct sockaddr *address) {
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *in =
        (const struct sockaddr_in *)(const void *)address;
    return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
  }
  if (address->sa_family == AF_INET6) {
    const struct sockaddr_in6 *in =
        (const struct sockaddr_in6 *)(const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&in->sin6_addr);
  }
  return false;
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

  l = mcp_mem_zalloc(sizeof *l);
  if (!l) return MCP_ENOMEM;
  l->retry = mcp_timer_new(loop, true, on_retry, l);
  if (!l->retry) {
    mcp_mem_free(l);
    return MCP_ENOMEM;
  }
  l->loop = loop;
  l->fn = fn;
  l->owner = owner;
  l->most = descriptors_allow(connections ? connections : MCP_TCP_CONNECTIONS);
  uv_tcp_init(mcp_loop_uv(loop), &l->uv);
  code = uv_tcp_bind(&l->uv, (const struct sockaddr *)&address, 0);
  if (code == 0)
    code = uv_listen((uv_stream_t *)&l->uv, MCP_TCP_BACKLOG, on_connection);
  if (code == 0)
    code = uv_tcp_getsockname(&l->uv, (struct sockaddr *)&bound, &size);
  if (code < 0) {
    mcp_listener_close(l);
    return code;
  }
  l->loopback = is_loopback((const struct sockaddr *)&bound);
  /* sin_port and sin6_port stand at the same place. */
  l->port = ntohs(((struct sockaddr_in *)(void *)&bound)->sin_port);
  *out = l;
  return 0;
}

int mcp_listener_port(const mcp_listener_t *listener) {
  return listener->port;
}

bool mcp_listener_is_loopback(const mcp_listener_t *listener) {
  return listener->loopback;
}

void mcp_listener_close(mcp_listener_t *listener) {
  if (!listener) return;
  mcp_timer_stop(listener->retry);
  uv_close((uv_handle_t *)&listener->uv, free_handle);
}
