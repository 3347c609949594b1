/* SPDX-License-Identifier: MIT
 * lconnection.c: see lconnection.h. */
#include "lua/lconnection.h"

#include <lauxlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/lexchange_handle.h"
#include "lua/lmessage.h"
#include "lua/lrepeat.h"
#include "lua/lself.h"
#include "lua/seconds.h"

#define SENDER_TYPE "mcp.sender"
/* How often a closing link checks whether its handlers have ended, in ms. */
#define GRACE_TICK 10

/* What sends messages that answer nothing. The connection's table holds it, and
 * it does not hold the endpoint, which closes the connection when it is
 * collected. */
typedef struct {
  mcp_lconnection_t *connection; /* NULL once that is gone */
} sender_t;

struct mcp_lconnection {
  mcp_lconnections_t *all;
  mcp_list_t of_all;
  mcp_link_t *link; /* NULL before it is opened, and once it is gone */
  mcp_timer_t *grace;
  uint64_t until;   /* when its grace is over, by the loop's clock */
  int table;        /* registry reference: the connection's table */
  sender_t *sender; /* lives as long as that table, or NULL */
  bool ending;      /* the link is gone, and Lua is being called with its end */
  bool upgraded;    /* its stream was the HTTP listener's */
};

typedef mcp_lconnection_t conn_t;

static void free_conn(conn_t *conn) {
  mcp_list_remove(&conn->of_all);
  mcp_timer_stop(conn->grace);
  if (conn->sender) conn->sender->connection = NULL;
  luaL_unref(conn->all->receiver.rt->L, LUA_REGISTRYINDEX, conn->table);
  mcp_mem_free(conn);
}

void mcp_lconnections_init(mcp_lconnections_t *all, mcp_runtime_t *rt) {
  *all = (mcp_lconnections_t){.receive = LUA_NOREF};
  all->receiver.rt = rt;
  mcp_lclock_init(&all->receiver.clock);
  mcp_list_init(&all->list);
}

void mcp_lconnections_deinit(mcp_lconnections_t *all) {
  while (!mcp_list_empty(&all->list))
    free_conn(MCP_LIST_MEMBER(all->list.next, conn_t, of_all));
}

bool mcp_lconnections_are_pending(const mcp_lconnections_t *all) {
  for (const mcp_list_t *it = all->list.next; it != &all->list; it = it->next) {
    const conn_t *conn = MCP_LIST_MEMBER(it, const conn_t, of_all);
    if (conn->link || conn->ending) return true;
  }
  return false;
}

mcp_lconnection_t *mcp_lconnection_first(const mcp_lconnections_t *all) {
  if (mcp_list_empty(&all->list)) return NULL;
  return MCP_LIST_MEMBER(all->list.next, conn_t, of_all);
}

const mcp_lconnection_t *mcp_lconnection_of(mcp_link_t *link) {
  return link ? *mcp_link_tag(link) : NULL;
}

mcp_link_t *mcp_lconnection_link(const mcp_lconnection_t *connection) {
  return connection->link;
}

int mcp_lconnection_table(const mcp_lconnection_t *connection) {
  return connection->table;
}

static void on_link_arrival(void *up, mcp_exchange_t *x,
                            const mcp_arrival_t *arrival) {
  conn_t *conn = up;
  mcp_lreceiver_start(&conn->all->receiver, x, arrival, conn->all->receive,
                      conn->table);
}

static void on_link_gone(void *up, mcp_exchange_t *x) {
  mcp_lreceiver_gone(&((conn_t *)up)->all->receiver, x);
}

static void on_link_drain(void *up, mcp_exchange_t *x) {
  (void)up;
  mcp_lreceiver_drain(x);
}

static mcp_loop_t *loop_of(const conn_t *conn) {
  return conn->all->receiver.rt->loop;
}

static uint64_t now(const conn_t *conn) {
  return mcp_loop_now(loop_of(conn));
}

static void stop_grace(conn_t *conn) {
  mcp_timer_stop(conn->grace);
  conn->grace = NULL;
}

/* The time to read what was written is over. */
static void on_flush_over(void *arg) {
  conn_t *conn = arg;
  stop_grace(conn);
  mcp_link_close(conn->link, false);
}

/* Checks whether the requests in progress have ended, or their time is over. */
static void on_grace(void *arg) {
  conn_t *conn = arg;
  uint64_t at = now(conn);
  /* A peer that still reads, however slowly, gets the whole answer. */
  bool over =
      at >= conn->until &&
      at >= mcp_link_reads_until(conn->link, MCP_LCONNECTION_STDIO_GRACE);
  if (mcp_link_busy(conn->link) > 0 && !over) return;
  stop_grace(conn);
  if (conn->all->listens && !over)
    conn->grace =
        mcp_timer_start(loop_of(conn), conn->until > at ? conn->until - at : 0,
                        0, false, on_flush_over, conn);
  mcp_link_close(conn->link, true);
}

/* Closes the link once no request is in progress, or after `grace_ms`. */
static void close_when_idle(conn_t *conn, uint64_t grace_ms) {
  conn->until = now(conn) + grace_ms;
  stop_grace(conn);
  conn->grace = mcp_timer_start(loop_of(conn), GRACE_TICK, GRACE_TICK, false,
                                on_grace, conn);
  if (!conn->grace) mcp_link_close(conn->link, true);
}

static void on_link_ended(void *up, mcp_link_t *link) {
  if (mcp_link_busy(link) == 0) {
    mcp_link_close(link, true);
  } else {
    close_when_idle(up, MCP_LCONNECTION_STDIO_GRACE);
  }
}

/* How a connection has ended. */
typedef struct {
  int table, code;
  const char *reason, *noise;
} end_t;

/* Calls the function `closed` in the connection's table, if there is one:
 * closed(text, code, noise). */
static int report_end(lua_State *L) {
  const end_t *end = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, end->table);
  lua_pushliteral(L, "closed");
  if (lua_rawget(L, -2) != LUA_TFUNCTION) return 0;
  lua_pushstring(L, end->reason);
  lua_pushstring(L, mcp_err_name(end->code < 0 ? end->code : MCP_ECLOSED));
  lua_pushstring(L, end->noise);
  lua_call(L, 3, 0);
  return 0;
}

static void on_link_closed(void *up, mcp_link_t *link, int code) {
  conn_t *conn = up;
  mcp_lconnections_t *all = conn->all;
  end_t end = {conn->table, code, mcp_link_reason(link), mcp_link_noise(link)};
  bool upgraded = conn->upgraded;
  mcp_coroutine_t *co;
  if (code < 0)
    mcp_log(code == MCP_ENOMEM ? MCP_LOG_ERROR : MCP_LOG_INFO,
            "connection lost: %s", end.reason);
  conn->link = NULL;
  conn->ending = true;
  stop_grace(conn);
  if (conn->sender) conn->sender->connection = NULL;
  conn->sender = NULL;
  co = mcp_coroutine_new(all->receiver.rt);
  if (co && lua_checkstack(co->thread, 2)) {
    lua_pushcfunction(co->thread, report_end);
    lua_pushlightuserdata(co->thread, &end);
    mcp_coroutine_run(co, 1);
  } else if (co) {
    mcp_coroutine_drop(co);
  }
  free_conn(conn);
  all->on_closed(all->up, upgraded);
}

static void on_link_forget(void *up, void *memo) {
  mcp_lrepeat_free(((conn_t *)up)->all->receiver.rt->L, memo);
}

static const mcp_upper_t link_upper = {.on_arrival = on_link_arrival,
                                       .on_gone = on_link_gone,
                                       .on_drain = on_link_drain,
                                       .on_link_ended = on_link_ended,
                                       .on_link_closed = on_link_closed,
                                       .on_forget = on_link_forget};

/* Puts the sender into the table at the top, under its name and under a key
 * that Lua code cannot change. [-0, +0, m] */
static void add_sender(lua_State *L, conn_t *conn) {
  sender_t *sender = lua_newuserdatauv(L, sizeof *sender, 0);
  sender->connection = NULL;
  luaL_setmetatable(L, SENDER_TYPE);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, -3, sender);
  lua_setfield(L, -2, "sender");
  sender->connection = conn;
  conn->sender = sender;
}

mcp_lconnection_t *mcp_lconnection_new(lua_State *L, mcp_lconnections_t *all) {
  conn_t *conn = mcp_mem_zalloc(sizeof *conn);
  if (!conn) luaL_error(L, "not enough memory");
  conn->all = all;
  conn->table = LUA_NOREF;
  /* From here on mcp_lconnections_deinit frees it. */
  mcp_list_append(&all->list, &conn->of_all);
  lua_newtable(L);
  add_sender(L, conn);
  lua_pushvalue(L, -1);
  conn->table = luaL_ref(L, LUA_REGISTRYINDEX);
  return conn;
}

int mcp_lconnection_push_sender(lua_State *L, const mcp_lconnection_t *c) {
  if (!c->sender) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->table);
  lua_rawgetp(L, -1, c->sender);
  return 1;
}

int mcp_lconnection_attach(mcp_lconnection_t *connection, mcp_stream_t *stream,
                           const char *name) {
  return mcp_link_open(stream, name, 0, &link_upper, connection,
                       &connection->link);
}

int mcp_lconnection_attach_ws(mcp_lconnection_t *connection,
                              mcp_stream_t *stream,
                              const mcp_link_ws_t *options, mcp_buf_t *early) {
  return mcp_link_open_ws(loop_of(connection), stream, options, early,
                          &link_upper, connection, &connection->link);
}

int mcp_lconnection_upgrade(lua_State *L, mcp_lconnections_t *all,
                            mcp_exchange_t *x, const mcp_link_ws_t *limits) {
  mcp_buf_t early = {0};
  mcp_stream_t *stream;
  mcp_coroutine_t *co = x->up;
  mcp_link_ws_t ws = *limits;
  mcp_link_access_t *access;
  mcp_slice_t id;
  conn_t *conn;
  bool events;
  int code;
  id.data = luaL_optlstring(L, 2, "", &id.len);
  luaL_argcheck(L, id.len <= MCP_LINK_ID_LONGEST, 2,
                "expected at most 64 bytes");
  conn = mcp_lconnection_new(L, all);
  events = x->ops->http->wants_events(x);
  access = x->ops->http->access(x, events ? "SSE" : "WEBSOCKET");
  if (events) {
    code = x->ops->http->open_events(x, id, &link_upper, conn, &conn->link);
    if (code == 0) {
      *mcp_link_tag(conn->link) = conn;
      mcp_link_take_access(conn->link, access);
      mcp_lexchange_detach_exchange(co);
      return 1;
    }
    mcp_link_access_free(access);
    free_conn(conn);
    return mcp_coroutine_push_error(L, code);
  }
  ws.ends_at = x->ends_at;
  code = x->ops->http->upgrade(x, &stream, &early);
  if (code == 0) {
    mcp_lexchange_detach_exchange(co);
    conn->upgraded = true;
    code = mcp_link_open_ws(loop_of(conn), stream, &ws, &early, &link_upper,
                            conn, &conn->link);
    mcp_buf_deinit(&early);
  }
  if (conn->link) {
    mcp_link_take_access(conn->link, access);
  } else {
    mcp_link_access_free(access);
  }
  if (code == 0) return 1;
  if (!conn->link) free_conn(conn);
  return mcp_coroutine_push_error(L, code);
}

/* sender:send(method, params [, id]) -> true | nil, text, code
 * A notification that belongs to no request or, with an integer id, a request.
 * Never waits: "EBUSY" once MCP_EXCHANGE_QUEUE is reached. "EENCODE": params
 * cannot be JSON. */
static int sender_send(lua_State *L) {
  sender_t *sender = mcp_lself_check_own(L, SENDER_TYPE);
  size_t length;
  const char *method = luaL_checklstring(L, 2, &length);
  mcp_link_t *link = sender->connection ? sender->connection->link : NULL;
  mcp_value_fault_t fault = {0};
  mcp_buf_t *out;
  int code;
  (void)luaL_optinteger(L, 4, 0);
  lua_settop(L, 4);
  if (!link) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  if (mcp_link_is_full(link)) return mcp_coroutine_push_error(L, MCP_EBUSY);
  out = mcp_link_begin(link);
  if (!out) return mcp_coroutine_push_error(L, MCP_ENOMEM);
  code = mcp_lmessage_write(L, out, mcp_slice(method, length), 3, 4, &fault);
  if (code == 0) {
    code = mcp_link_commit(link);
  } else {
    mcp_link_abandon(link);
    return mcp_lmessage_push_failure(L, method, code, &fault);
  }
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* sender:feed(text [, seconds]) -> true | nil, text, code
 * HTTP+SSE: a message of the client that has come another way, after which the
 * stream may last for so long. Codes are those of mcp_link_feed. */
static int sender_feed(lua_State *L) {
  sender_t *sender = mcp_lself_check_own(L, SENDER_TYPE);
  mcp_slice_t text;
  lua_Number seconds = luaL_optnumber(L, 3, 1e9);
  mcp_link_t *link = sender->connection ? sender->connection->link : NULL;
  uint64_t ends_at = 0;
  int code = MCP_ECLOSED;
  text.data = luaL_checklstring(L, 2, &text.len);
  if (link && seconds < 1e9)
    ends_at = now(sender->connection) +
              (seconds > 0 ? mcp_seconds_to_ms(seconds) : 1);
  if (link) code = mcp_link_feed(link, text, ends_at);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* sender:close([status [, reason]]): what was written still goes out. Over
 * WebSocket the close frame says `status` (1000 to 4999) and `reason`, up to
 * 123 bytes. */
static int sender_close(lua_State *L) {
  sender_t *sender = mcp_lself_check_own(L, SENDER_TYPE);
  lua_Integer status = luaL_optinteger(L, 2, 0);
  size_t length;
  const char *reason = luaL_optlstring(L, 3, "", &length);
  mcp_link_t *link = sender->connection ? sender->connection->link : NULL;
  luaL_argcheck(L, status == 0 || mcp_link_is_close_status(status), 2,
                "expected a status of RFC 6455 7.4");
  luaL_argcheck(L, length <= MCP_LINK_REASON_LENGTH, 3,
                "expected at most 123 bytes");
  if (!link) return 0;
  mcp_link_set_status(link, (unsigned)status, mcp_slice(reason, length));
  mcp_link_close(link, true);
  return 0;
}

/* Closes one link. Requests that a listener's clients have sent are still
 * answered, as over HTTP; on others no answer is cut. */
static void close_conn(conn_t *conn, uint64_t grace_ms, bool hurry) {
  bool listens = conn->all->listens;
  if (grace_ms > 0 && (listens ? mcp_link_busy(conn->link) > 0
                               : mcp_link_sends_file(conn->link))) {
    mcp_link_drain(conn->link);
    close_when_idle(conn, grace_ms);
    return;
  }
  stop_grace(conn);
  if (grace_ms > 0)
    conn->grace =
        mcp_timer_start(loop_of(conn), grace_ms, 0, false, on_flush_over, conn);
  mcp_link_close(conn->link, !hurry && !(listens && grace_ms == 0));
}

void mcp_lconnections_close(mcp_lconnections_t *all, uint64_t grace_ms,
                            bool hurry) {
  mcp_list_t *it, *after;
  MCP_LIST_EACH(&all->list, it, after) {
    conn_t *conn = MCP_LIST_MEMBER(it, conn_t, of_all);
    if (conn->link) close_conn(conn, grace_ms, hurry);
  }
}

void mcp_lconnection_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"send", sender_send},
                                     {"feed", sender_feed},
                                     {"close", sender_close},
                                     {NULL, NULL}};
  luaL_newmetatable(L, SENDER_TYPE);
  mcp_lself_set_methods(L, methods);
  lua_pop(L, 1);
}
