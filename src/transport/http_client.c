/* SPDX-License-Identifier: MIT
 * http_client.c: see http_client.h.
 *
 * A connection is connecting, busy with one call, or idle; a call waits for a
 * connection of its origin, has one, or is over. Calls wait only while as many
 * connections as may be are busy, so nobody waits beside an idle one. */
#include "transport/http_client.h"

#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/stream.h"

/* Whom a connection leads to, and how. What differs in any of these never
 * shares one: a connection that was opened without looking at the address must
 * not serve a request that asks for a public one. */
typedef struct {
  mcp_http_pool_t *pool;
  mcp_list_t of_pool;
  mcp_list_t idle, busy; /* connections; the last one idle is used first */
  mcp_list_t waiting;    /* calls */
  unsigned count;        /* connections */
  unsigned holds;        /* > 0: it stays though nothing uses it */
  mcp_tls_t *tls;
  unsigned flags;
  int port;
  const char *host, *path, *name; /* behind the struct; NULL where absent */
} origin_t;

typedef struct {
  mcp_http_pool_t *pool;
  origin_t *origin; /* NULL once it is closing */
  mcp_list_t of_origin;
  mcp_connect_t *op; /* while connecting */
  mcp_stream_t *stream;
  mcp_http_t *http;
  mcp_http_call_t *call; /* NULL while idle */
  uint64_t idle_due;     /* while idle */
  uint64_t sent_at;
  bool started; /* the stream will tell of its end */
  bool used;    /* it has served a call before this one */
  bool heard;   /* something came since the request was sent */
  mcp_log_wire_t wire_in, wire_out;
} conn_t;

struct mcp_http_call {
  mcp_http_pool_t *pool;
  origin_t *origin; /* NULL once it is over */
  conn_t *conn;
  mcp_list_t of_pool;
  mcp_list_t of_waiting;
  mcp_list_t of_dirty;
  const mcp_http_call_events_t *events;
  void *owner;
  mcp_buf_t request;
  mcp_http_call_state_t state;
  mcp_http_again_t again;
  int code;
  const char *why; /* static, or `note` */
  mcp_buf_t note;  /* what the stream has said, with a NUL */
  mcp_http_head_t head;
  void *head_block;   /* what `head` points into */
  mcp_share_t *share; /* of what comes of its answer */
  mcp_buf_t body;
  size_t allowed;
  size_t head_limit;
  uint64_t due, alarm; /* of the head; and the owner's; UINT64_MAX: never */
  bool no_body;
  bool sent_again;
  bool changed, rang; /* to be told */
};

struct mcp_http_pool {
  mcp_loop_t *loop;
  mcp_http_pool_options_t options;
  mcp_list_t origins, calls, dirty;
  mcp_timer_t *clock; /* set to the earliest of all deadlines, or before */
  mcp_timer_t *turn;  /* tells what changed outside of the loop */
  uint64_t clock_at;
  size_t refs; /* the owner, the calls, the connections */
  bool in_loop, closed;
};

static void lost(conn_t *conn, int code, const char *why);
static void serve(origin_t *origin);

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

static uint64_t later(uint64_t at, uint64_t ms) {
  return at > UINT64_MAX - ms ? UINT64_MAX : at + ms;
}

/* Sees to it that the deadlines are looked at no later than `at`. */
static void set_clock(mcp_http_pool_t *pool, uint64_t at) {
  uint64_t t = now(pool);
  if (at >= pool->clock_at) return;
  pool->clock_at = at;
  mcp_timer_set(pool->clock, at > t ? at - t : 0);
}

/* ---- telling ------------------------------------------------------------ */

static void mark(mcp_http_call_t *call) {
  mcp_http_pool_t *pool = call->pool;
  mcp_list_remove(&call->of_dirty);
  mcp_list_append(&pool->dirty, &call->of_dirty);
  if (!pool->in_loop) mcp_timer_set(pool->turn, 0);
}

static void change(mcp_http_call_t *call) {
  call->changed = true;
  mark(call);
}

/* From here on changes are told by `leave`. */
static void enter(mcp_http_pool_t *pool) {
  ref(pool);
  pool->in_loop = true;
}

static void leave(mcp_http_pool_t *pool) {
  pool->in_loop = false;
  while (!mcp_list_empty(&pool->dirty)) {
    mcp_http_call_t *call =
        MCP_LIST_MEMBER(pool->dirty.next, mcp_http_call_t, of_dirty);
    const mcp_http_call_events_t *events = call->events;
    void *owner = call->owner;
    bool changed = call->changed;
    if (changed) {
      call->changed = false;
    } else {
      call->rang = false;
    }
    if (!call->rang) mcp_list_remove(&call->of_dirty);
    (changed ? events->on_change : events->on_alarm)(owner);
  }
  unref(pool);
}

static void on_turn(void *arg) {
  enter(arg);
  leave(arg);
}

/* ---- calls -------------------------------------------------------------- */

/* Takes the call off whatever it waits for. Its connection is the caller's. */
static void detach(mcp_http_call_t *call) {
  call->conn = NULL;
  call->origin = NULL;
  call->due = UINT64_MAX;
  mcp_list_remove(&call->of_waiting);
  mcp_buf_deinit(&call->request);
}

static void fail_call(mcp_http_call_t *call, int code, const char *why) {
  detach(call);
  call->state = MCP_HTTP_CALL_FAILED;
  call->code = code;
  call->why = why;
  change(call);
}

/* Copies the head, for it outlives the connection's next one. */
static int take_head(mcp_http_call_t *call, const mcp_http_head_t *head) {
  size_t size = head->header_count * sizeof *head->headers;
  mcp_http_header_t *fields;
  char *to;
  for (size_t i = 0; i < head->header_count; i++)
    size += head->headers[i].name.len + head->headers[i].value.len;
  fields = mcp_mem_alloc(size ? size : 1);
  if (!fields) return MCP_ENOMEM;
  to = (char *)(fields + head->header_count);
  for (size_t i = 0; i < head->header_count; i++) {
    mcp_slice_t name = head->headers[i].name, value = head->headers[i].value;
    fields[i].name = mcp_slice(to, name.len);
    memcpy(to, name.data, name.len);
    to += name.len;
    fields[i].value = mcp_slice(to, value.len);
    if (value.len > 0) memcpy(to, value.data, value.len);
    to += value.len;
  }
  call->head_block = fields;
  call->head = (mcp_http_head_t){.status = head->status,
                                 .http_1_0 = head->http_1_0,
                                 .chunked = head->chunked,
                                 .content_length = head->content_length,
                                 .headers = fields,
                                 .header_count = head->header_count};
  call->state = MCP_HTTP_CALL_BODY;
  call->due = UINT64_MAX;
  mcp_buf_deinit(&call->request);
  return 0;
}

/* ---- connections -------------------------------------------------------- */

/* Frees an origin that nobody uses. */
static void release(origin_t *origin) {
  if (origin->count > 0 || origin->holds > 0 ||
      !mcp_list_empty(&origin->waiting))
    return;
  mcp_list_remove(&origin->of_pool);
  if (origin->tls) mcp_tls_release(origin->tls);
  mcp_mem_free(origin);
}

static void free_conn(conn_t *conn) {
  mcp_http_pool_t *pool = conn->pool;
  mcp_http_free(conn->http);
  mcp_mem_free(conn);
  unref(pool);
}

/* Takes the connection away from its origin and closes it: `conn` may be gone
 * afterwards. Whoever waits is not served. */
static void drop(conn_t *conn) {
  conn->call = NULL;
  conn->origin->count--;
  conn->origin = NULL;
  mcp_list_remove(&conn->of_origin);
  if (conn->stream) mcp_stream_close(conn->stream, false);
  if (conn->started) return; /* on_closed frees it */
  mcp_connect_cancel(conn->op);
  free_conn(conn);
}

static void close_conn(conn_t *conn) {
  origin_t *origin = conn->origin;
  drop(conn);
  serve(origin);
  release(origin);
}

/* The end of a connection that was busy, and of its call. */
static void fail_conn(conn_t *conn, int code, const char *why) {
  mcp_http_call_t *call = conn->call;
  fail_call(call, code, why);
  close_conn(conn);
}

static void keep(conn_t *conn) {
  mcp_http_pool_t *pool = conn->pool;
  origin_t *origin = conn->origin;
  conn->call = NULL;
  conn->used = true;
  conn->idle_due = later(now(pool), pool->options.idle_time);
  mcp_list_remove(&conn->of_origin);
  mcp_list_append(&origin->idle, &conn->of_origin);
  /* Its end must be seen. */
  mcp_stream_pause(conn->stream, false);
  set_clock(pool, conn->idle_due);
  serve(origin);
}

/* The answer is whole. */
static void finish_call(conn_t *conn) {
  mcp_http_call_t *call = conn->call;
  bool more = mcp_http_head(conn->http)->keep_alive &&
              mcp_http_rest(conn->http).len == 0 && conn->stream->queued == 0 &&
              !conn->stream->ended;
  detach(call);
  call->state = MCP_HTTP_CALL_DONE;
  change(call);
  if (more) {
    keep(conn);
  } else {
    close_conn(conn);
  }
}

/* Reads what was fed. The connection may be gone afterwards. */
static void read_answer(conn_t *conn) {
  mcp_http_call_t *call = conn->call;
  for (;;) {
    mcp_http_event_t event;
    int code = mcp_http_next(conn->http, &event);
    if (code < 0) {
      fail_conn(conn, code, mcp_http_why(conn->http));
      return;
    }
    switch (event.kind) {
    case MCP_HTTP_MORE:
      if (call->body.len > call->allowed) mcp_stream_pause(conn->stream, true);
      return;
    case MCP_HTTP_START:
      if (mcp_http_head(conn->http)->status == 101) {
        fail_conn(conn, MCP_EHTTP, "another protocol, which nobody asked for");
        return;
      }
      code = take_head(call, mcp_http_head(conn->http));
      if (code == 0) change(call);
      break;
    case MCP_HTTP_BODY:
      code = mcp_buf_append_slice(&call->body, event.body);
      if (code == 0) change(call);
      break;
    case MCP_HTTP_END: finish_call(conn); return;
    }
    if (code < 0) {
      fail_conn(conn, code, NULL);
      return;
    }
  }
}

static void on_data(void *owner, mcp_slice_t bytes) {
  conn_t *conn = owner;
  mcp_http_pool_t *pool = conn->pool;
  if (!conn->origin) return;
  mcp_log_wire(&conn->wire_in, MCP_LOG_IN, bytes);
  enter(pool);
  if (conn->call) {
    conn->heard = true;
    mcp_http_feed(conn->http, bytes);
    read_answer(conn);
    /* It is still here: on_closed, which frees it, is never called inside. */
    mcp_http_feed(conn->http, mcp_slice(NULL, 0));
  } else {
    /* Nobody has asked. */
    close_conn(conn);
  }
  leave(pool);
}

/* Copies what the stream says about its end, for it dies before the call. */
static bool take_note(conn_t *conn) {
  mcp_buf_t *note = &conn->call->note;
  const char *why = conn->stream->why;
  note->len = 0;
  return why && mcp_buf_append(note, why, strlen(why) + 1) == 0;
}

/* What the end of the connection means for the answer under way. */
static void end_answer(conn_t *conn, int code) {
  bool begun = conn->call->state == MCP_HTTP_CALL_BODY;
  mcp_http_event_t event = {.kind = MCP_HTTP_MORE};
  if (code == 0 && begun && mcp_http_finish(conn->http) == 0 &&
      mcp_http_next(conn->http, &event) == 0 && event.kind == MCP_HTTP_END) {
    finish_call(conn);
    return;
  }
  lost(conn, code < 0 ? code : MCP_EGONE,
       take_note(conn) ? conn->call->note.data
       : begun         ? "in the middle of the body"
                       : "before the head was there");
}

static void on_end(void *owner, int code) {
  conn_t *conn = owner;
  mcp_http_pool_t *pool = conn->pool;
  if (!conn->origin) return;
  enter(pool);
  if (conn->call) {
    end_answer(conn, code);
  } else {
    close_conn(conn);
  }
  leave(pool);
}

static void on_drain(void *owner) {
  (void)owner;
}

static void on_closed(void *owner) {
  free_conn(owner);
}

static const mcp_stream_events_t stream_events = {on_data, on_end, on_drain,
                                                  on_closed};

/* A connection with its stream sends the request of its call. */
static void send_request(conn_t *conn) {
  mcp_http_call_t *call = conn->call;
  mcp_buf_t *out = &call->request;
  int code = 0;
  if (conn->used && call->again != MCP_HTTP_AGAIN_NEVER) {
    /* It may be needed once more. */
    out = mcp_loop_scratch(conn->pool->loop);
    out->len = 0;
    code = mcp_buf_append_slice(out, mcp_buf_slice(&call->request));
  }
  mcp_http_limit_head(conn->http, call->head_limit);
  if (call->no_body) mcp_http_expect_no_body(conn->http);
  conn->heard = false;
  conn->sent_at = now(conn->pool);
  if (code == 0) {
    mcp_log_wire(&conn->wire_out, MCP_LOG_OUT, mcp_buf_slice(out));
    code = mcp_stream_send(conn->stream, out, 0);
  }
  mcp_buf_reset(out, out == &call->request ? 0 : MCP_LOOP_SCRATCH_SIZE);
  if (code < 0) lost(conn, code, "while the request was sent");
}

static void on_connected(void *owner, int code, mcp_stream_t *stream) {
  conn_t *conn = owner;
  mcp_http_pool_t *pool = conn->pool;
  origin_t *origin = conn->origin;
  enter(pool);
  conn->op = NULL;
  conn->stream = stream;
  if (code == 0 && origin->tls)
    code =
        mcp_tls_wrap(origin->tls, pool->loop, stream,
                     origin->name ? origin->name : origin->host, &conn->stream);
  if (code == 0) {
    conn->http = mcp_http_new(true);
    code = conn->http ? mcp_http_charge(conn->http, stream->share) : MCP_ENOMEM;
  }
  if (code == 0) {
    conn->started = true;
    code = mcp_stream_start(conn->stream, &stream_events, conn);
  }
  if (code == 0) {
    send_request(conn);
  } else {
    fail_conn(conn, code, "cannot connect");
  }
  leave(pool);
}

/* Opens a connection for `call`. 0 or a code. */
static int open_conn(origin_t *origin, mcp_http_call_t *call) {
  mcp_http_pool_t *pool = origin->pool;
  uint64_t time = pool->options.connect_time;
  conn_t *conn = mcp_mem_zalloc(sizeof *conn);
  int code;
  if (!conn) return MCP_ENOMEM;
  conn->pool = pool;
  code = origin->path ? mcp_unix_connect(pool->loop, origin->path, time,
                                         on_connected, conn, &conn->op)
                      : mcp_tcp_connect(pool->loop, origin->host, origin->port,
                                        origin->flags, time, on_connected, conn,
                                        &conn->op);
  if (code < 0) {
    mcp_mem_free(conn);
    return code;
  }
  ref(pool);
  conn->origin = origin;
  conn->call = call;
  call->conn = conn;
  origin->count++;
  mcp_list_append(&origin->busy, &conn->of_origin);
  return 0;
}

static bool has_room(const origin_t *origin) {
  return !mcp_list_empty(&origin->idle) ||
         origin->count < origin->pool->options.connections;
}

/* The connection that was used last of those that are kept. One that the peer
 * has ended, though the loop has not told so yet, is closed: a request that
 * must not be sent twice would be lost on it. */
static conn_t *take_idle(origin_t *origin) {
  while (!mcp_list_empty(&origin->idle)) {
    conn_t *conn = MCP_LIST_MEMBER(origin->idle.prev, conn_t, of_origin);
    if (mcp_stream_is_quiet(conn->stream)) return conn;
    drop(conn);
  }
  return NULL;
}

/* Gives `call` a connection; there is room. */
static void assign(origin_t *origin, mcp_http_call_t *call) {
  conn_t *conn = take_idle(origin);
  int code;
  if (conn) {
    mcp_list_remove(&conn->of_origin);
    mcp_list_append(&origin->busy, &conn->of_origin);
    conn->call = call;
    call->conn = conn;
    send_request(conn);
    return;
  }
  code = open_conn(origin, call);
  if (code < 0) fail_call(call, code, "cannot connect");
}

/* Those that wait get what has become free. */
static void serve(origin_t *origin) {
  origin->holds++;
  while (!mcp_list_empty(&origin->waiting) && has_room(origin)) {
    mcp_http_call_t *call =
        MCP_LIST_MEMBER(origin->waiting.next, mcp_http_call_t, of_waiting);
    mcp_list_remove(&call->of_waiting);
    assign(origin, call);
  }
  origin->holds--;
}

/* A busy connection has come to its end. If it was a kept one, and not a byte
 * came, the request goes out once more, on a connection of its own. */
static void lost(conn_t *conn, int code, const char *why) {
  mcp_http_call_t *call = conn->call;
  origin_t *origin = conn->origin;
  bool soon = now(conn->pool) - conn->sent_at <= MCP_HTTP_CLIENT_STALE_TIME;
  bool again = call->again == MCP_HTTP_AGAIN_YES ||
               (call->again == MCP_HTTP_AGAIN_STALE && soon);
  if (!conn->used || conn->heard || call->sent_again || !again) {
    fail_conn(conn, code, why);
    return;
  }
  call->sent_again = true;
  call->conn = NULL;
  drop(conn);
  code = open_conn(origin, call);
  if (code == 0) return;
  fail_call(call, code, "cannot connect");
  serve(origin);
  release(origin);
}

/* ---- origins ------------------------------------------------------------ */

static bool same(const char *a, const char *b) {
  return a == b || (a && b && strcmp(a, b) == 0);
}

static origin_t *find_origin(mcp_http_pool_t *pool,
                             const mcp_http_call_options_t *options) {
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&pool->origins, it, after) {
    origin_t *o = MCP_LIST_MEMBER(it, origin_t, of_pool);
    if (o->tls == options->tls && o->flags == options->flags &&
        o->port == options->port && same(o->host, options->host) &&
        same(o->path, options->unix_path) &&
        same(o->name, options->server_name))
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

static origin_t *new_origin(mcp_http_pool_t *pool,
                            const mcp_http_call_options_t *options) {
  origin_t *o = mcp_mem_zalloc(sizeof *o + size_of(options->host) +
                               size_of(options->unix_path) +
                               size_of(options->server_name));
  char *to = (char *)(o + 1);
  if (!o) return NULL;
  o->pool = pool;
  mcp_list_init(&o->idle);
  mcp_list_init(&o->busy);
  mcp_list_init(&o->waiting);
  o->flags = options->flags;
  o->port = options->port;
  o->host = put(&to, options->host);
  o->path = put(&to, options->unix_path);
  o->name = put(&to, options->server_name);
  o->tls = options->tls;
  if (o->tls) mcp_tls_retain(o->tls);
  mcp_list_append(&pool->origins, &o->of_pool);
  return o;
}

/* ---- time --------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* Ends a call whose connection, if it has one, goes with it. */
static void end_call(mcp_http_call_t *call, int code, const char *why) {
  if (call->conn) {
    fail_conn(call->conn, code, why);
  } else {
    origin_t *origin = call->origin;
    fail_call(call, code, why);
    if (origin) release(origin);
  }
}

static void look_at_calls(mcp_http_pool_t *pool, uint64_t *next) {
  mcp_list_t *it, *after;
  uint64_t t = now(pool);
  MCP_LIST_EACH(&pool->calls, it, after) {
    mcp_http_call_t *call = MCP_LIST_MEMBER(it, mcp_http_call_t, of_pool);
    if (call->due <= t) {
      const char *why = "no head came";
      if (!call->conn) {
        why = "no connection became free";
      } else if (!call->conn->stream) {
        why = "no connection came about";
      }
      end_call(call, MCP_ETIMEDOUT, why);
    }
    if (call->alarm <= t) {
      call->alarm = UINT64_MAX;
      call->rang = true;
      mark(call);
    }
    *next = earlier(*next, earlier(call->due, call->alarm));
  }
}

static void look_at_idle(mcp_http_pool_t *pool, uint64_t *next) {
  mcp_list_t *it, *after, *at, *behind;
  uint64_t t = now(pool);
  MCP_LIST_EACH(&pool->origins, it, after) {
    origin_t *origin = MCP_LIST_MEMBER(it, origin_t, of_pool);
    origin->holds++;
    MCP_LIST_EACH(&origin->idle, at, behind) {
      conn_t *conn = MCP_LIST_MEMBER(at, conn_t, of_origin);
      if (conn->idle_due <= t) {
        close_conn(conn);
      } else {
        *next = earlier(*next, conn->idle_due);
      }
    }
    origin->holds--;
    release(origin);
  }
}

static void on_clock(void *arg) {
  mcp_http_pool_t *pool = arg;
  uint64_t next = UINT64_MAX;
  enter(pool);
  pool->clock_at = UINT64_MAX;
  look_at_calls(pool, &next);
  look_at_idle(pool, &next);
  if (next < UINT64_MAX) set_clock(pool, next);
  leave(pool);
}

/* ---- the face ----------------------------------------------------------- */

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
  mcp_list_init(&pool->calls);
  mcp_list_init(&pool->dirty);
  pool->clock_at = UINT64_MAX;
  pool->refs = 1;
  pool->clock = mcp_timer_new(loop, true, on_clock, pool);
  pool->turn = mcp_timer_new(loop, false, on_turn, pool);
  if (pool->clock && pool->turn) return pool;
  unref(pool);
  return NULL;
}

void mcp_http_pool_close(mcp_http_pool_t *pool) {
  mcp_list_t *it, *after, *at, *behind;
  if (pool->closed) return;
  pool->closed = true;
  /* Those that wait first: nothing that becomes free is for them any more. */
  for (int waiting = 1; waiting >= 0; waiting--) {
    MCP_LIST_EACH(&pool->calls, it, after) {
      mcp_http_call_t *call = MCP_LIST_MEMBER(it, mcp_http_call_t, of_pool);
      if (call->origin && (waiting == 0 || !call->conn))
        end_call(call, MCP_ECLOSED, NULL);
    }
  }
  MCP_LIST_EACH(&pool->origins, it, after) {
    origin_t *origin = MCP_LIST_MEMBER(it, origin_t, of_pool);
    origin->holds++;
    MCP_LIST_EACH(&origin->idle, at, behind)
    close_conn(MCP_LIST_MEMBER(at, conn_t, of_origin));
    origin->holds--;
    release(origin);
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
    const origin_t *origin = MCP_LIST_MEMBER(at, const origin_t, of_pool);
    facts.open += origin->count;
    facts.idle += length(&origin->idle);
    facts.waiting += length(&origin->waiting);
  }
  return facts;
}

int mcp_http_call_start(mcp_http_pool_t *pool,
                        const mcp_http_call_options_t *options,
                        mcp_buf_t *request,
                        const mcp_http_call_events_t *events, void *owner,
                        mcp_http_call_t **out) {
  mcp_http_call_t *call;
  origin_t *origin;
  if (pool->closed) return MCP_ECLOSED;
  origin = find_origin(pool, options);
  call = mcp_mem_zalloc(sizeof *call);
  if (call) call->share = mcp_share_new(NULL, MCP_SHARE_CONNECTION);
  if (call && call->share && !origin) origin = new_origin(pool, options);
  if (!call || !call->share || !origin) {
    if (call) mcp_share_drop(call->share);
    mcp_mem_free(call);
    return MCP_ENOMEM;
  }
  call->body.share = call->share;
  ref(pool);
  call->pool = pool;
  call->origin = origin;
  call->events = events;
  call->owner = owner;
  call->request = mcp_buf_take(request);
  call->again = options->again;
  call->no_body = options->no_body;
  call->head_limit = options->head_limit;
  call->allowed = MCP_HTTP_CLIENT_UNREAD;
  call->due =
      options->head_time == UINT64_MAX
          ? UINT64_MAX
          : later(now(pool), options->head_time ? options->head_time
                                                : MCP_HTTP_CLIENT_HEAD_TIME);
  call->alarm = UINT64_MAX;
  mcp_list_init(&call->of_waiting);
  mcp_list_init(&call->of_dirty);
  mcp_list_append(&pool->calls, &call->of_pool);
  set_clock(pool, call->due);
  *out = call;
  if (has_room(origin)) {
    /* A kept connection that cannot be written to may be its last one. */
    origin->holds++;
    assign(origin, call);
    origin->holds--;
    release(origin);
  } else {
    mcp_list_append(&origin->waiting, &call->of_waiting);
  }
  return 0;
}

void mcp_http_call_free(mcp_http_call_t *call) {
  conn_t *conn;
  origin_t *origin;
  if (!call) return;
  conn = call->conn;
  origin = call->origin;
  detach(call);
  if (conn) {
    close_conn(conn);
  } else if (origin) {
    release(origin);
  }
  mcp_list_remove(&call->of_dirty);
  mcp_list_remove(&call->of_pool);
  mcp_buf_deinit(&call->body);
  mcp_buf_deinit(&call->note);
  mcp_mem_free(call->head_block);
  mcp_share_drop(call->share);
  unref(call->pool);
  mcp_mem_free(call);
}

void mcp_http_call_stop(mcp_http_call_t *call) {
  if (call->origin) end_call(call, MCP_ECLOSED, NULL);
}

mcp_http_call_state_t mcp_http_call_state(const mcp_http_call_t *call) {
  return call->state;
}

int mcp_http_call_failure(const mcp_http_call_t *call, const char **why) {
  *why = call->why;
  return call->code;
}

const mcp_http_head_t *mcp_http_call_head(const mcp_http_call_t *call) {
  return &call->head;
}

mcp_slice_t mcp_http_call_body(const mcp_http_call_t *call) {
  return mcp_buf_slice(&call->body);
}

mcp_share_t *mcp_http_call_share(const mcp_http_call_t *call) {
  return call->share;
}

static void go_on_reading(mcp_http_call_t *call) {
  if (call->conn && call->conn->stream && call->body.len <= call->allowed)
    mcp_stream_pause(call->conn->stream, false);
}

mcp_buf_t mcp_http_call_take(mcp_http_call_t *call) {
  mcp_buf_t body = mcp_buf_take(&call->body);
  go_on_reading(call);
  return body;
}

void mcp_http_call_allow(mcp_http_call_t *call, size_t bytes) {
  call->allowed = bytes;
  go_on_reading(call);
}

void mcp_http_call_alarm(mcp_http_call_t *call, uint64_t after_ms) {
  call->alarm = later(now(call->pool), after_ms);
  if (call->alarm < UINT64_MAX) set_clock(call->pool, call->alarm);
}
