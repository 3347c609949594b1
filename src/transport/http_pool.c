/* SPDX-License-Identifier: MIT
 * http_pool.c: see http_pool.h and http_borrower.h. */
#include "transport/http_pool.h"

#include "base/err.h"
#include "base/mem.h"
#include "transport/http_borrower.h"

/* Where a connection leads, and how. Connections that differ in any of these
 * are never shared: one that was opened without a check of the address must not
 * serve a request that asks for a public address. */
struct mcp_http_origin {
  mcp_http_pool_t *pool;
  mcp_list_t of_pool;
  mcp_list_t idle, busy; /* connections; the last one is lent first */
  mcp_list_t waiting;    /* borrowers */
  unsigned count;        /* connections */
  unsigned holds;        /* > 0: kept although unused */
  mcp_tls_t *tls;
  unsigned flags;
  int port;
  int proxy_port;
  /* After the struct; NULL where absent. */
  const char *host, *path, *name, *proxy, *authorization;
};

struct mcp_http_pool {
  mcp_loop_t *loop;
  mcp_http_pool_options_t options;
  mcp_list_t origins, borrowers, dirty;
  mcp_list_t later;   /* dirty with the next turn */
  mcp_timer_t *clock; /* no later than the earliest deadline */
  mcp_timer_t *turn;  /* notifies of changes made outside the loop */
  uint64_t clock_at;
  size_t refs; /* the owner, the borrowers, the connections */
  bool in_loop, closed;
};

static void serve(mcp_http_origin_t *origin);

static void ref(mcp_http_pool_t *pool) {
  pool->refs++;
}

static void unref(mcp_http_pool_t *pool) {
  if (--pool->refs > 0) return;
  mcp_timer_stop(pool->clock);
  mcp_timer_stop(pool->turn);
  mcp_mem_free(pool);
}

static uint64_t now(const mcp_http_pool_t *pool) {
  return mcp_loop_now(pool->loop);
}

uint64_t mcp_http_pool_later(uint64_t at, uint64_t ms) {
  return at > UINT64_MAX - ms ? UINT64_MAX : at + ms;
}

void mcp_http_pool_set_clock(mcp_http_pool_t *pool, uint64_t at) {
  uint64_t t = now(pool);
  if (at >= pool->clock_at) return;
  pool->clock_at = at;
  mcp_timer_set(pool->clock, at > t ? at - t : 0);
}

/* ---- notifying ---------------------------------------------------------- */

void mcp_http_pool_mark(mcp_http_borrower_t *borrower) {
  mcp_http_pool_t *pool = borrower->pool;
  mcp_list_remove(&borrower->of_dirty);
  mcp_list_append(&pool->dirty, &borrower->of_dirty);
  if (!pool->in_loop) mcp_timer_set(pool->turn, 0);
}

void mcp_http_pool_mark_later(mcp_http_borrower_t *borrower) {
  mcp_http_pool_t *pool = borrower->pool;
  mcp_list_remove(&borrower->of_dirty);
  mcp_list_append(&pool->later, &borrower->of_dirty);
  mcp_timer_set(pool->turn, 0);
}

/* Until `leave`, which notifies, borrowers are only marked. */
static void enter(mcp_http_pool_t *pool) {
  ref(pool);
  pool->in_loop = true;
}

static void leave(mcp_http_pool_t *pool) {
  pool->in_loop = false;
  while (!mcp_list_empty(&pool->dirty)) {
    mcp_http_borrower_t *borrower =
        MCP_LIST_MEMBER(pool->dirty.next, mcp_http_borrower_t, of_dirty);
    mcp_list_remove(&borrower->of_dirty);
    borrower->ops->notify(borrower);
  }
  unref(pool);
}

static void on_turn(void *arg) {
  mcp_http_pool_t *pool = arg;
  enter(pool);
  while (!mcp_list_empty(&pool->later)) {
    mcp_list_t *first = pool->later.next;
    mcp_list_remove(first);
    mcp_list_append(&pool->dirty, first);
  }
  leave(pool);
}

/* ---- connections -------------------------------------------------------- */

void mcp_http_pool_release(mcp_http_origin_t *origin) {
  if (origin->count > 0 || origin->holds > 0 ||
      !mcp_list_empty(&origin->waiting))
    return;
  mcp_list_remove(&origin->of_pool);
  if (origin->tls) mcp_tls_release(origin->tls);
  mcp_mem_free(origin);
}

static void free_conn(mcp_http_pooled_t *conn) {
  mcp_http_pool_t *pool = conn->pool;
  mcp_http_free(conn->http);
  mcp_mem_free(conn);
  unref(pool);
}

/* Takes the connection from its origin and closes it: it may be freed then.
 * Waiting borrowers are not served. */
static void drop(mcp_http_pooled_t *conn) {
  conn->borrower = NULL;
  conn->origin->count--;
  conn->origin = NULL;
  mcp_list_remove(&conn->of_origin);
  if (conn->stream) mcp_stream_close(conn->stream, false);
  if (conn->started) return; /* on_closed frees it */
  mcp_dial_cancel(conn->op);
  free_conn(conn);
}

void mcp_http_pool_discard(mcp_http_pooled_t *conn) {
  mcp_http_origin_t *origin = conn->origin;
  drop(conn);
  serve(origin);
  mcp_http_pool_release(origin);
}

void mcp_http_pool_keep(mcp_http_pooled_t *conn) {
  mcp_http_pool_t *pool = conn->pool;
  mcp_http_origin_t *origin = conn->origin;
  conn->borrower = NULL;
  conn->used = true;
  conn->idle_due = mcp_http_pool_later(now(pool), pool->options.idle_time);
  mcp_list_remove(&conn->of_origin);
  mcp_list_append(&origin->idle, &conn->of_origin);
  /* Reads on, so that its end is noticed. */
  mcp_stream_pause(conn->stream, false);
  mcp_http_pool_set_clock(pool, conn->idle_due);
  serve(origin);
}

static void on_data(void *owner, mcp_slice_t bytes) {
  mcp_http_pooled_t *conn = owner;
  mcp_http_pool_t *pool = conn->pool;
  if (!conn->origin) return;
  mcp_log_wire(&conn->wire_in, MCP_LOG_IN, bytes);
  enter(pool);
  if (conn->borrower) {
    conn->heard = true;
    mcp_http_feed(conn->http, bytes);
    conn->borrower->ops->read(conn->borrower);
    /* It is still here: on_closed, which frees it, is never called inside. */
    mcp_http_feed(conn->http, mcp_slice(NULL, 0));
  } else {
    /* Bytes that answer no request. */
    mcp_http_pool_discard(conn);
  }
  leave(pool);
}

static void on_end(void *owner, int code) {
  mcp_http_pooled_t *conn = owner;
  mcp_http_pool_t *pool = conn->pool;
  if (!conn->origin) return;
  enter(pool);
  if (conn->borrower) {
    conn->borrower->ops->end(conn->borrower, code);
  } else {
    mcp_http_pool_discard(conn);
  }
  leave(pool);
}

static void on_drain(void *owner) {
  mcp_http_pooled_t *conn = owner;
  mcp_http_pool_t *pool = conn->pool;
  if (!conn->origin || !conn->borrower) return;
  enter(pool);
  conn->borrower->ops->drain(conn->borrower);
  leave(pool);
}

static void on_closed(void *owner) {
  free_conn(owner);
}

static const mcp_stream_events_t stream_events = {on_data, on_end, on_drain,
                                                  on_closed};

static void fail_borrower(mcp_http_borrower_t *borrower, int code,
                          const char *reason) {
  borrower->ops->fail(borrower, code, reason);
}

static void on_connected(void *owner, int code, const char *reason,
                         mcp_stream_t *stream) {
  mcp_http_pooled_t *conn = owner;
  mcp_http_pool_t *pool = conn->pool;
  mcp_http_origin_t *origin = conn->origin;
  enter(pool);
  conn->op = NULL;
  conn->stream = stream;
  if (code == 0 && origin->tls)
    code = mcp_tls_wrap(origin->tls, pool->loop, stream,
                        origin->name ? origin->name : origin->host,
                        origin->port, &conn->stream);
  if (code == 0) {
    conn->http = mcp_http_new(true);
    code = conn->http ? mcp_http_charge(conn->http, stream->share) : MCP_ENOMEM;
  }
  if (code == 0) {
    conn->started = true;
    code = mcp_stream_start(conn->stream, &stream_events, conn);
  }
  if (code == 0) {
    conn->borrower->ops->send(conn->borrower);
  } else {
    fail_borrower(conn->borrower, code, reason ? reason : "cannot connect");
  }
  leave(pool);
}

/* Opens a connection for `borrower`. 0 or a code. */
static int open_conn(mcp_http_origin_t *origin, mcp_http_borrower_t *borrower) {
  mcp_http_pool_t *pool = origin->pool;
  mcp_http_pooled_t *conn = mcp_mem_zalloc(sizeof *conn);
  int code;
  if (!conn) return MCP_ENOMEM;
  conn->pool = pool;
  code = mcp_dial_open(
      pool->loop,
      &(mcp_dial_options_t){.host = origin->host,
                            .port = origin->port,
                            .unix_path = origin->path,
                            .flags = origin->flags,
                            .proxy_host = origin->proxy,
                            .proxy_port = origin->proxy_port,
                            .proxy_authorization = origin->authorization,
                            .timeout = pool->options.connect_time},
      on_connected, conn, &conn->op);
  if (code < 0) {
    mcp_mem_free(conn);
    return code;
  }
  ref(pool);
  conn->origin = origin;
  conn->borrower = borrower;
  borrower->conn = conn;
  origin->count++;
  mcp_list_append(&origin->busy, &conn->of_origin);
  return 0;
}

static bool has_room(const mcp_http_origin_t *origin) {
  return !mcp_list_empty(&origin->idle) ||
         origin->count < origin->pool->options.connections;
}

/* The kept connection that was used last. One that the peer has ended, though
 * the loop has not reported it yet, is closed: a request that must not be sent
 * twice would be lost on it. */
static mcp_http_pooled_t *take_idle(mcp_http_origin_t *origin) {
  while (!mcp_list_empty(&origin->idle)) {
    mcp_http_pooled_t *conn =
        MCP_LIST_MEMBER(origin->idle.prev, mcp_http_pooled_t, of_origin);
    if (mcp_stream_is_quiet(conn->stream)) return conn;
    drop(conn);
  }
  return NULL;
}

/* Lends a connection; has_room is true. */
static void assign(mcp_http_origin_t *origin, mcp_http_borrower_t *borrower) {
  mcp_http_pooled_t *conn = take_idle(origin);
  int code;
  if (conn) {
    mcp_list_remove(&conn->of_origin);
    mcp_list_append(&origin->busy, &conn->of_origin);
    conn->borrower = borrower;
    borrower->conn = conn;
    borrower->ops->send(borrower);
    return;
  }
  code = open_conn(origin, borrower);
  if (code < 0) fail_borrower(borrower, code, "cannot connect");
}

/* Lends free connections to waiting borrowers. */
static void serve(mcp_http_origin_t *origin) {
  origin->holds++;
  while (!mcp_list_empty(&origin->waiting) && has_room(origin)) {
    mcp_http_borrower_t *borrower =
        MCP_LIST_MEMBER(origin->waiting.next, mcp_http_borrower_t, of_waiting);
    mcp_list_remove(&borrower->of_waiting);
    assign(origin, borrower);
  }
  origin->holds--;
}

void mcp_http_pool_reopen(mcp_http_pooled_t *conn) {
  mcp_http_borrower_t *borrower = conn->borrower;
  mcp_http_origin_t *origin = conn->origin;
  int code;
  borrower->conn = NULL;
  drop(conn);
  code = open_conn(origin, borrower);
  if (code == 0) return;
  origin->holds++;
  fail_borrower(borrower, code, "cannot connect");
  serve(origin);
  origin->holds--;
  mcp_http_pool_release(origin);
}

/* ---- origins ------------------------------------------------------------ */

static bool same(const char *a, const char *b) {
  return a == b || (a && b && strcmp(a, b) == 0);
}

static mcp_http_origin_t *find_origin(mcp_http_pool_t *pool,
                                      const mcp_http_target_t *target) {
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&pool->origins, it, after) {
    mcp_http_origin_t *o = MCP_LIST_MEMBER(it, mcp_http_origin_t, of_pool);
    if (o->tls == target->tls && o->flags == target->flags &&
        o->port == target->port && same(o->host, target->host) &&
        same(o->path, target->unix_path) &&
        same(o->name, target->server_name) &&
        same(o->proxy, target->proxy_host) &&
        o->proxy_port == target->proxy_port &&
        same(o->authorization, target->proxy_authorization))
      return o;
  }
  return NULL;
}

static const char *put(char **to, const char *text) {
  const char *at = *to;
  if (!text) return NULL;
  memcpy(*to, text, strlen(text) + 1);
  *to += strlen(text) + 1;
  return at;
}

static size_t size_of(const char *text) {
  return text ? strlen(text) + 1 : 0;
}

static mcp_http_origin_t *new_origin(mcp_http_pool_t *pool,
                                     const mcp_http_target_t *target) {
  mcp_http_origin_t *o = mcp_mem_zalloc(
      sizeof *o + size_of(target->host) + size_of(target->unix_path) +
      size_of(target->server_name) + size_of(target->proxy_host) +
      size_of(target->proxy_authorization));
  char *to = (char *)(o + 1);
  if (!o) return NULL;
  o->pool = pool;
  mcp_list_init(&o->idle);
  mcp_list_init(&o->busy);
  mcp_list_init(&o->waiting);
  o->flags = target->flags;
  o->port = target->port;
  o->host = put(&to, target->host);
  o->path = put(&to, target->unix_path);
  o->name = put(&to, target->server_name);
  o->proxy = put(&to, target->proxy_host);
  o->proxy_port = target->proxy_port;
  o->authorization = put(&to, target->proxy_authorization);
  o->tls = target->tls;
  if (o->tls) mcp_tls_retain(o->tls);
  mcp_list_append(&pool->origins, &o->of_pool);
  return o;
}

int mcp_http_pool_borrow(mcp_http_pool_t *pool, const mcp_http_target_t *target,
                         mcp_http_borrower_t *borrower) {
  mcp_http_origin_t *origin;
  if (pool->closed) return MCP_ECLOSED;
  origin = find_origin(pool, target);
  if (!origin) origin = new_origin(pool, target);
  if (!origin) return MCP_ENOMEM;
  ref(pool);
  borrower->pool = pool;
  borrower->origin = origin;
  mcp_list_init(&borrower->of_waiting);
  mcp_list_init(&borrower->of_dirty);
  mcp_list_append(&pool->borrowers, &borrower->of_pool);
  mcp_http_pool_set_clock(pool, borrower->due);
  if (has_room(origin)) {
    /* A kept connection that cannot be written to may be its last one. */
    origin->holds++;
    assign(origin, borrower);
    origin->holds--;
    mcp_http_pool_release(origin);
  } else {
    mcp_list_append(&origin->waiting, &borrower->of_waiting);
  }
  return 0;
}

void mcp_http_pool_leave(mcp_http_borrower_t *borrower) {
  mcp_list_remove(&borrower->of_dirty);
  mcp_list_remove(&borrower->of_pool);
  unref(borrower->pool);
}

mcp_loop_t *mcp_http_pool_loop(const mcp_http_pool_t *pool) {
  return pool->loop;
}

uint64_t mcp_http_pool_now(const mcp_http_pool_t *pool) {
  return now(pool);
}

/* ---- deadlines ---------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static void check_borrowers(mcp_http_pool_t *pool, uint64_t *next) {
  mcp_list_t *it, *after;
  uint64_t t = now(pool);
  MCP_LIST_EACH(&pool->borrowers, it, after) {
    mcp_http_borrower_t *borrower =
        MCP_LIST_MEMBER(it, mcp_http_borrower_t, of_pool);
    if (borrower->due <= t) {
      const char *reason = "no response head arrived";
      if (!borrower->conn) {
        reason = "no connection became free";
      } else if (!borrower->conn->stream) {
        reason = "no connection was established";
      }
      fail_borrower(borrower, MCP_ETIMEDOUT, reason);
    }
    if (borrower->alarm <= t) {
      borrower->alarm = UINT64_MAX;
      borrower->rang = true;
      mcp_http_pool_mark(borrower);
    }
    *next = earlier(*next, earlier(borrower->due, borrower->alarm));
  }
}

static void check_idle(mcp_http_pool_t *pool, uint64_t *next) {
  mcp_list_t *it, *after, *at, *next_at;
  uint64_t t = now(pool);
  MCP_LIST_EACH(&pool->origins, it, after) {
    mcp_http_origin_t *origin = MCP_LIST_MEMBER(it, mcp_http_origin_t, of_pool);
    origin->holds++;
    MCP_LIST_EACH(&origin->idle, at, next_at) {
      mcp_http_pooled_t *conn =
          MCP_LIST_MEMBER(at, mcp_http_pooled_t, of_origin);
      if (conn->idle_due <= t) {
        mcp_http_pool_discard(conn);
      } else {
        *next = earlier(*next, conn->idle_due);
      }
    }
    origin->holds--;
    mcp_http_pool_release(origin);
  }
}

static void on_clock(void *arg) {
  mcp_http_pool_t *pool = arg;
  uint64_t next = UINT64_MAX;
  enter(pool);
  pool->clock_at = UINT64_MAX;
  check_borrowers(pool, &next);
  check_idle(pool, &next);
  if (next < UINT64_MAX) mcp_http_pool_set_clock(pool, next);
  leave(pool);
}

/* ---- the pool ----------------------------------------------------------- */

mcp_http_pool_t *mcp_http_pool_new(mcp_loop_t *loop,
                                   const mcp_http_pool_options_t *options) {
  mcp_http_pool_t *pool = mcp_mem_zalloc(sizeof *pool);
  if (!pool) return NULL;
  pool->loop = loop;
  pool->options = *options;
  if (!options->connections)
    pool->options.connections = MCP_HTTP_CLIENT_CONNECTIONS;
  if (!options->idle_time) pool->options.idle_time = MCP_HTTP_CLIENT_IDLE_TIME;
  if (!options->connect_time)
    pool->options.connect_time = MCP_HTTP_CLIENT_CONNECT_TIME;
  mcp_list_init(&pool->origins);
  mcp_list_init(&pool->borrowers);
  mcp_list_init(&pool->dirty);
  mcp_list_init(&pool->later);
  pool->clock_at = UINT64_MAX;
  pool->refs = 1;
  pool->clock = mcp_timer_new(loop, true, on_clock, pool);
  pool->turn = mcp_timer_new(loop, false, on_turn, pool);
  if (pool->clock && pool->turn) return pool;
  unref(pool);
  return NULL;
}

static void fail_all(mcp_http_pool_t *pool, bool waiting) {
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&pool->borrowers, it, after) {
    mcp_http_borrower_t *borrower =
        MCP_LIST_MEMBER(it, mcp_http_borrower_t, of_pool);
    if (borrower->origin && (!waiting || !borrower->conn))
      fail_borrower(borrower, MCP_ECLOSED, NULL);
  }
}

void mcp_http_pool_close(mcp_http_pool_t *pool) {
  mcp_list_t *it, *after, *at, *next_at;
  if (pool->closed) return;
  pool->closed = true;
  /* Waiting borrowers first, or they would get the connections of the others.
   */
  fail_all(pool, true);
  fail_all(pool, false);
  MCP_LIST_EACH(&pool->origins, it, after) {
    mcp_http_origin_t *origin = MCP_LIST_MEMBER(it, mcp_http_origin_t, of_pool);
    origin->holds++;
    MCP_LIST_EACH(&origin->idle, at, next_at)
    mcp_http_pool_discard(MCP_LIST_MEMBER(at, mcp_http_pooled_t, of_origin));
    origin->holds--;
    mcp_http_pool_release(origin);
  }
}

void mcp_http_pool_free(mcp_http_pool_t *pool) {
  if (!pool) return;
  mcp_http_pool_close(pool);
  unref(pool);
}

static size_t length(const mcp_list_t *list) {
  size_t n = 0;
  for (const mcp_list_t *at = list->next; at != list; at = at->next) n++;
  return n;
}

mcp_http_pool_facts_t mcp_http_pool_facts(const mcp_http_pool_t *pool) {
  mcp_http_pool_facts_t facts = {0};
  for (const mcp_list_t *at = pool->origins.next; at != &pool->origins;
       at = at->next) {
    const mcp_http_origin_t *origin =
        MCP_LIST_MEMBER(at, const mcp_http_origin_t, of_pool);
    facts.open += origin->count;
    facts.idle += length(&origin->idle);
    facts.waiting += length(&origin->waiting);
  }
  return facts;
}
