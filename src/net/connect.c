/* SPDX-License-Identifier: MIT
 * connect.c: see connect.h. */
#include "net/connect.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/address.h"

/* A socket file whose queue is full refuses at once; the time until the next
 * attempt, in milliseconds. */
#define FULL_QUEUE_TIME 20

struct mcp_connect {
  mcp_loop_t *loop;
  mcp_connect_fn fn; /* NULL once it has been called, or is not wanted */
  void *owner;
  mcp_timer_t *next;     /* when another address is to be tried */
  mcp_timer_t *deadline; /* or NULL */
  uv_getaddrinfo_t lookup;
  struct sockaddr_storage addresses[MCP_CONNECT_ADDRESSES];
  unsigned count, tried;
  uv_handle_t *tries[MCP_CONNECT_ADDRESSES]; /* in progress, or NULL */
  unsigned going; /* of them, and the lookup: each still calls back */
  unsigned flags;
  int error;     /* called with the result */
  bool asking;   /* the lookup is in progress */
  bool answered; /* `error` is what an address has answered */
  char *path;    /* of a socket file, or NULL */
};

/* One address being tried. Its handle is what the stream will be made of. */
typedef struct {
  uv_connect_t uv;
  mcp_connect_t *op;
  unsigned place; /* in op->tries */
} try_t;

static void free_handle(uv_handle_t *handle) {
  mcp_mem_free(handle);
}

/* Frees it when no callback is pending. */
static void release(mcp_connect_t *op) {
  if (op->fn || op->going > 0) return;
  mcp_mem_free(op->path);
  mcp_mem_free(op);
}

/* Stops everything in progress; the callbacks still come. */
static void stop(mcp_connect_t *op) {
  mcp_timer_stop(op->next);
  mcp_timer_stop(op->deadline);
  op->next = op->deadline = NULL;
  /* A lookup that a thread has begun continues, and its result is dropped. */
  if (op->asking) uv_cancel((uv_req_t *)&op->lookup);
  for (unsigned i = 0; i < op->tried; i++) {
    if (op->tries[i]) uv_close(op->tries[i], free_handle);
    op->tries[i] = NULL;
  }
}

static void finish(mcp_connect_t *op, int code, mcp_stream_t *stream) {
  mcp_connect_fn fn = op->fn;
  void *owner = op->owner;
  op->fn = NULL;
  stop(op);
  release(op);
  fn(owner, code, stream);
}

void mcp_connect_cancel(mcp_connect_t *op) {
  if (!op) return;
  op->fn = NULL;
  stop(op);
  release(op);
}

static void on_deadline(void *arg) {
  finish(arg, MCP_ETIMEDOUT, NULL);
}

/* An unreachable address says less than another address's answer. */
static bool is_no_way(int code) {
  return code == UV_ENETUNREACH || code == UV_EHOSTUNREACH ||
         code == UV_EADDRNOTAVAIL || code == UV_EAFNOSUPPORT;
}

static void note_error(mcp_connect_t *op, int code) {
  if (!op->answered || !is_no_way(code)) op->error = code;
  op->answered |= !is_no_way(code);
}

/* An address has failed: the next one at once, or all is over. */
static void go_on(mcp_connect_t *op) {
  if (op->tried < op->count) {
    mcp_timer_set(op->next, 0);
  } else if (op->going == 0) {
    finish(op, op->error, NULL);
  }
}

static void on_connected(uv_connect_t *uv, int status) {
  try_t *try = (try_t *)uv;
  mcp_connect_t *op = try->op;
  uv_handle_t *handle = op->tries[try->place];
  mcp_stream_t *stream;
  op->tries[try->place] = NULL;
  mcp_mem_free(try);
  op->going--;
  if (!op->fn) {
    /* It was closed by stop(). */
    release(op);
    return;
  }
  if (status < 0) {
    uv_close(handle, free_handle);
    if (op->path && status == UV_EAGAIN && op->deadline) {
      op->tried = 0;
      mcp_timer_set(op->next, FULL_QUEUE_TIME);
      return;
    }
    note_error(op, status);
    go_on(op);
    return;
  }
  /* A request is one write: holding it back for more costs 40 ms. */
  if (!op->path) uv_tcp_nodelay((uv_tcp_t *)handle, 1);
  stream = mcp_stream_over(op->loop, handle, handle, NULL);
  finish(op, stream ? 0 : MCP_ENOMEM, stream);
}

static int try_tcp(mcp_connect_t *op, try_t *try, uv_handle_t *handle) {
  uv_tcp_init(mcp_loop_uv(op->loop), (uv_tcp_t *)handle);
  return uv_tcp_connect(&try->uv, (uv_tcp_t *)handle,
                        (const struct sockaddr *)&op->addresses[try->place],
                        on_connected);
}

static int try_path(mcp_connect_t *op, try_t *try, uv_handle_t *handle) {
  uv_pipe_init(mcp_loop_uv(op->loop), (uv_pipe_t *)handle, 0);
  /* The callback reports every error. */
  uv_pipe_connect(&try->uv, (uv_pipe_t *)handle, op->path, on_connected);
  return 0;
}

/* Tries the next address, if there is any at all. */
static void on_next(void *arg) {
  mcp_connect_t *op = arg;
  uv_handle_t *handle;
  try_t *try;
  int code;
  if (op->count == 0) {
    finish(op, op->error, NULL);
    return;
  }
  try = mcp_mem_alloc(sizeof *try);
  handle = mcp_mem_alloc(op->path ? sizeof(uv_pipe_t) : sizeof(uv_tcp_t));
  if (!try || !handle) {
    mcp_mem_free(try);
    mcp_mem_free(handle);
    finish(op, MCP_ENOMEM, NULL);
    return;
  }
  try->op = op;
  try->place = op->tried++;
  code = op->path ? try_path(op, try, handle) : try_tcp(op, try, handle);
  if (code < 0) {
    uv_close(handle, free_handle);
    mcp_mem_free(try);
    note_error(op, code);
    go_on(op);
    return;
  }
  op->tries[try->place] = handle;
  op->going++;
  if (op->tried < op->count) mcp_timer_set(op->next, MCP_CONNECT_HEAD_START);
}

static bool is_allowed(const mcp_connect_t *op, const struct sockaddr *at) {
  if ((op->flags & MCP_CONNECT_PUBLIC) && !mcp_address_is_public(at))
    return false;
  return !(op->flags & MCP_CONNECT_LOOPBACK) || mcp_address_is_loopback(at);
}

/* Takes those of the addresses that the flags allow, one family and the other
 * in turn, beginning with that of the first: the system has put them in order
 * (RFC 6724). */
static void sort(mcp_connect_t *op, const struct addrinfo *found) {
  const struct addrinfo *at[2] = {found, found};
  int family = found->ai_family;
  while (op->count < MCP_CONNECT_ADDRESSES && (at[0] || at[1])) {
    for (int i = 0; i < 2 && op->count < MCP_CONNECT_ADDRESSES; i++) {
      while (at[i] && ((at[i]->ai_family == family) != (i == 0) ||
                       !is_allowed(op, at[i]->ai_addr)))
        at[i] = at[i]->ai_next;
      if (!at[i]) continue;
      memcpy(&op->addresses[op->count++], at[i]->ai_addr, at[i]->ai_addrlen);
      at[i] = at[i]->ai_next;
    }
  }
}

/* The reason why no address is left. */
static int refusal(const mcp_connect_t *op) {
  if (op->flags & MCP_CONNECT_LOOPBACK) return MCP_ENOTLOCAL;
  return op->flags & MCP_CONNECT_PUBLIC ? MCP_ENOTPUBLIC : UV_EAI_NODATA;
}

static void on_found(uv_getaddrinfo_t *lookup, int status,
                     struct addrinfo *found) {
  mcp_connect_t *op = lookup->data;
  mcp_loop_end_lookup(op->loop);
  op->asking = false;
  op->going--;
  if (!op->fn) {
    uv_freeaddrinfo(found);
    release(op);
    return;
  }
  if (status == 0 && found) sort(op, found);
  uv_freeaddrinfo(found);
  op->error = status < 0 ? status : refusal(op);
  on_next(op);
}

/* Uses an address as it is and resolves a name. 0 or a code. */
static int resolve(mcp_connect_t *op, const char *host, int port) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                           .ai_flags = AI_NUMERICSERV};
  struct sockaddr *first = (struct sockaddr *)&op->addresses[0];
  char service[8];
  int code;
  if (uv_ip4_addr(host, port, (struct sockaddr_in *)first) == 0 ||
      uv_ip6_addr(host, port, (struct sockaddr_in6 *)first) == 0) {
    if (is_allowed(op, first)) {
      op->count = 1;
    } else {
      op->error = refusal(op);
    }
    mcp_timer_set(op->next, 0);
    return 0;
  }
  snprintf(service, sizeof service, "%d", port);
  op->lookup.data = op;
  code = uv_getaddrinfo(mcp_loop_uv(op->loop), &op->lookup, on_found, host,
                        service, &hints);
  if (code < 0) return code;
  mcp_loop_begin_lookup(op->loop);
  op->asking = true;
  op->going = 1;
  return 0;
}

static mcp_connect_t *new_op(mcp_loop_t *loop, uint64_t timeout_ms,
                             mcp_connect_fn fn, void *owner) {
  mcp_connect_t *op = mcp_mem_zalloc(sizeof *op);
  if (!op) return NULL;
  op->loop = loop;
  op->fn = fn;
  op->owner = owner;
  op->next = mcp_timer_new(loop, false, on_next, op);
  if (timeout_ms > 0)
    op->deadline = mcp_timer_start(loop, timeout_ms, 0, false, on_deadline, op);
  if (!op->next || (timeout_ms > 0 && !op->deadline)) {
    mcp_connect_cancel(op);
    return NULL;
  }
  return op;
}

int mcp_tcp_connect(mcp_loop_t *loop, const char *host, int port,
                    unsigned flags, uint64_t timeout_ms, mcp_connect_fn fn,
                    void *owner, mcp_connect_t **out) {
  size_t length = strlen(host);
  mcp_connect_t *op;
  int code;
  if (length == 0 || length > MCP_CONNECT_NAME_SIZE || port < 1 || port > 65535)
    return UV_EINVAL;
  op = new_op(loop, timeout_ms, fn, owner);
  if (!op) return MCP_ENOMEM;
  op->flags = flags;
  code = resolve(op, host, port);
  if (code < 0) {
    mcp_connect_cancel(op);
    return code;
  }
  *out = op;
  return 0;
}

int mcp_unix_connect(mcp_loop_t *loop, const char *path, uint64_t timeout_ms,
                     mcp_connect_fn fn, void *owner, mcp_connect_t **out) {
  size_t size = strlen(path) + 1;
  mcp_connect_t *op;
  if (size == 1) return UV_EINVAL;
  /* libuv 1.44 would truncate the path and connect to another socket. */
  if (size > sizeof((struct sockaddr_un *)0)->sun_path) return UV_ENAMETOOLONG;
  op = new_op(loop, timeout_ms, fn, owner);
  if (op) op->path = mcp_mem_alloc(size);
  if (!op || !op->path) {
    mcp_connect_cancel(op);
    return MCP_ENOMEM;
  }
  memcpy(op->path, path, size);
  op->count = 1;
  mcp_timer_set(op->next, 0);
  *out = op;
  return 0;
}
