/* SPDX-License-Identifier: MIT
 * lendpoint.c: see lendpoint.h. It fills the exchange's table of upper
 * functions: this is where a message that came in becomes a coroutine. */
#include "lua/lendpoint.h"

#include <lauxlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/lchild.h"
#include "lua/lclock.h"
#include "lua/lexchange_handle.h"
#include "lua/lhandler.h"
#include "lua/lmessage.h"
#include "lua/lshare.h"
#include "lua/seconds.h"
#include "net/pipe.h"
#include "transport/http_server.h"
#include "transport/link.h"

#define TYPE_NAME      "mcp.host"
#define WIRE_TYPE_NAME "mcp.wire"
/* How often the end of input looks for the end of the handlers, in ms. */
#define GRACE_TICK 10

typedef struct host host_t;
typedef struct conn conn_t;

/* The connection as messages of our own see it, that answer nothing. The
 * connection's table holds it, and it does not hold the host: who drops a host
 * closes it. */
typedef struct {
  conn_t *conn; /* NULL once the connection is gone */
} wire_t;

/* A link and what Lua keeps for it. The host of standard input and output has
 * one, a listener one for each client of WebSocket and the like. */
struct conn {
  host_t *host;
  mcp_list_t of_host;
  mcp_link_t *link; /* NULL before it is opened, and once it is gone */
  mcp_timer_t *grace;
  uint64_t until; /* when its grace is over, by the loop's clock */
  int table;      /* registry reference: the connection's table */
  wire_t *wire;   /* lives as long as that table, or NULL */
  bool ending;    /* it is gone, and Lua is being told */
  bool taken;     /* its stream was the HTTP listener's */
};

/* Lives from opening until the transport is gone and the userdata collected,
 * whichever is later. */
struct host {
  mcp_runtime_t *rt;
  mcp_http_server_t *http; /* NULL where there is none, or once closed */
  mcp_list_t conns;
  mcp_lchild_t *child; /* the other side, if it is one */
  int options;         /* registry reference: the table its strings live in */
  int receive;         /* registry reference: the Lua function for messages */
  int duplex;          /* the same for those of a listener's links */
  mcp_link_ws_t ws;    /* of those that are WebSockets */
  mcp_lclock_t clock;  /* of the requests that come by it */
  bool listens;        /* it is, or was, a listener */
  bool held;           /* the userdata refers to it */
  bool open;
};

typedef struct {
  host_t *host; /* NULL before it is opened and once it is closed */
} handle_t;

static void unref(lua_State *L, int *ref) {
  luaL_unref(L, LUA_REGISTRYINDEX, *ref);
  *ref = LUA_NOREF;
}

static void free_conn(conn_t *conn) {
  mcp_list_remove(&conn->of_host);
  mcp_timer_stop(conn->grace);
  if (conn->wire) conn->wire->conn = NULL;
  unref(conn->host->rt->L, &conn->table);
  mcp_mem_free(conn);
}

/* Lets go of what the transport needed. */
static void release(host_t *host) {
  host->open = false;
  host->http = NULL;
  while (!mcp_list_empty(&host->conns))
    free_conn(MCP_LIST_MEMBER(host->conns.next, conn_t, of_host));
  unref(host->rt->L, &host->receive);
  unref(host->rt->L, &host->duplex);
  unref(host->rt->L, &host->options);
  mcp_lclock_unset(host->rt->L, &host->clock);
}

static bool is_pending(const host_t *host) {
  const mcp_list_t *it = host->conns.next;
  if (host->http) return true;
  for (; it != &host->conns; it = it->next) {
    const conn_t *conn = MCP_LIST_MEMBER(it, const conn_t, of_host);
    if (conn->link || conn->ending) return true;
  }
  return false;
}

static void free_host(host_t *host) {
  mcp_lchild_unref(host->child);
  mcp_mem_free(host);
}

/* If the transport is gone nothing comes any more. */
static void end_if_gone(host_t *host) {
  if (is_pending(host)) return;
  release(host);
  mcp_loop_wake(host->rt->loop);
  if (!host->held) free_host(host);
}

static int upgrade(lua_State *L, void *up, mcp_exchange_t *x);

static void begin_coroutine(host_t *host, mcp_exchange_t *x,
                            const mcp_arrival_t *arrival, int receive,
                            int link_table) {
  mcp_lhandler_start_t start = {.arrival = arrival,
                                .watch = host->rt->watch,
                                .receive = receive,
                                .link_table = link_table,
                                .upgrade = upgrade,
                                .up = host};
  mcp_coroutine_t *co = NULL;
  size_t cost = mcp_lshare_cost(arrival);
  if (mcp_share_charge(x->share, cost) < 0) {
    mcp_lshare_refuse(x);
    return;
  }
  if (host->rt->coroutine_count < MCP_EXCHANGE_PER_PROCESS || !x->wants_answer)
    co = mcp_coroutine_new(host->rt);
  if (co && !lua_checkstack(co->thread, 3)) {
    mcp_coroutine_drop(co);
    co = NULL;
  }
  if (!co) mcp_share_release(x->share, cost);
  if (!co && x->wants_answer) {
    x->status = 503;
    mcp_exchange_fail(x, MCP_EXCHANGE_BUSY, "Busy: too much is under way");
    return;
  }
  if (!co) {
    mcp_exchange_drop(x);
    return;
  }
  co->exchange = x;
  co->share = x->share;
  co->charged = cost;
  x->up = co;
  start.co = co;
  /* Requests only: who listens may do so for ever. */
  if (arrival->kind <= MCP_ARRIVAL_BATCH && x->wants_answer)
    mcp_coroutine_set_clock(co, &host->clock.clock);
  lua_pushcfunction(co->thread, mcp_lhandler_frame);
  lua_pushlightuserdata(co->thread, &start);
  mcp_coroutine_run(co, 1);
}

static void on_arrival(void *up, mcp_exchange_t *x,
                       const mcp_arrival_t *arrival) {
  host_t *host = up;
  const conn_t *of = arrival->link ? *mcp_link_tag(arrival->link) : NULL;
  begin_coroutine(host, x, arrival, host->receive, of ? of->table : LUA_NOREF);
}

static void on_link_arrival(void *up, mcp_exchange_t *x,
                            const mcp_arrival_t *arrival) {
  conn_t *conn = up;
  host_t *host = conn->host;
  begin_coroutine(host, x, arrival,
                  host->listens ? host->duplex : host->receive, conn->table);
}

static void lose(host_t *host, mcp_exchange_t *x) {
  mcp_coroutine_t *co = x->up;
  bool survives = x->survives, waits = x->waits_drain;
  if (!co) return;
  if (x->kept) {
    mcp_lexchange_detach_kept(host->rt->L, x);
    return;
  }
  mcp_lexchange_detach_exchange(co);
  x->up = NULL;
  /* A collector's finalizer must not run Lua: the coroutine hears of it later.
   */
  if (!survives) {
    (host->held ? mcp_coroutine_cancel : mcp_coroutine_cancel_later)(co);
  } else if (waits) {
    /* It goes on, but not by waiting for a peer that will never read. */
    (host->held ? mcp_coroutine_wake : mcp_coroutine_wake_later)(co, MCP_EGONE);
  }
}

static void on_drain(void *up, mcp_exchange_t *x) {
  (void)up;
  if (x->up) mcp_coroutine_wake(x->up, 0);
}

/* A listener's, and a link's. */
static void on_gone(void *up, mcp_exchange_t *x) {
  lose(up, x);
}

static void on_link_gone(void *up, mcp_exchange_t *x) {
  lose(((conn_t *)up)->host, x);
}

static uint64_t now(const conn_t *conn) {
  return mcp_loop_now(conn->host->rt->loop);
}

static void stop_grace(conn_t *conn) {
  mcp_timer_stop(conn->grace);
  conn->grace = NULL;
}

/* What was written had its time to be read. */
static void on_flush_over(void *arg) {
  conn_t *conn = arg;
  stop_grace(conn);
  mcp_link_close(conn->link, false);
}

/* Looks whether what was under way has ended, or its time is over. */
static void on_grace(void *arg) {
  conn_t *conn = arg;
  uint64_t at = now(conn);
  /* Who still reads gets what was asked for, be it slowly. */
  bool over = at >= conn->until &&
              at >= mcp_link_reads_until(conn->link, MCP_LENDPOINT_STDIO_GRACE);
  if (mcp_link_busy(conn->link) > 0 && !over) return;
  stop_grace(conn);
  if (conn->host->listens && !over)
    conn->grace = mcp_timer_start(conn->host->rt->loop,
                                  conn->until > at ? conn->until - at : 0, 0,
                                  false, on_flush_over, conn);
  mcp_link_close(conn->link, true);
}

/* Closes the link once nothing is under way, or after `grace_ms`. */
static void close_when_idle(conn_t *conn, uint64_t grace_ms) {
  conn->until = now(conn) + grace_ms;
  stop_grace(conn);
  conn->grace = mcp_timer_start(conn->host->rt->loop, GRACE_TICK, GRACE_TICK,
                                false, on_grace, conn);
  if (!conn->grace) mcp_link_close(conn->link, true);
}

static void on_link_ended(void *up, mcp_link_t *link) {
  if (mcp_link_busy(link) == 0) {
    mcp_link_close(link, true);
  } else {
    close_when_idle(up, MCP_LENDPOINT_STDIO_GRACE);
  }
}

/* What the end of a connection looked like. */
typedef struct {
  int table, code;
  const char *why;
} end_t;

/* Calls the function `closed` in the connection's table, if there is one:
 * closed(text, code). */
static int tell_end(lua_State *L) {
  const end_t *end = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, end->table);
  lua_pushliteral(L, "closed");
  if (lua_rawget(L, -2) != LUA_TFUNCTION) return 0;
  lua_pushstring(L, end->why);
  lua_pushstring(L, mcp_err_name(end->code < 0 ? end->code : MCP_ECLOSED));
  lua_call(L, 2, 0);
  return 0;
}

static void on_link_closed(void *up, mcp_link_t *link, int code) {
  conn_t *conn = up;
  host_t *host = conn->host;
  end_t end = {conn->table, code, mcp_link_why(link)};
  bool taken = conn->taken;
  mcp_coroutine_t *co;
  if (code < 0)
    mcp_log(code == MCP_ENOMEM ? MCP_LOG_ERROR : MCP_LOG_INFO,
            "connection lost: %s", end.why);
  conn->link = NULL;
  conn->ending = true;
  stop_grace(conn);
  if (!host->listens) host->open = false;
  if (conn->wire) conn->wire->conn = NULL;
  conn->wire = NULL;
  co = mcp_coroutine_new(host->rt);
  if (co && lua_checkstack(co->thread, 2)) {
    lua_pushcfunction(co->thread, tell_end);
    lua_pushlightuserdata(co->thread, &end);
    mcp_coroutine_run(co, 1);
  } else if (co) {
    mcp_coroutine_drop(co);
  }
  free_conn(conn);
  /* The listener may go with its last stream, and the host with that. */
  if (taken && host->http) {
    mcp_http_server_release(host->http);
  } else {
    end_if_gone(host);
  }
}

static const mcp_upper_t upper = {
    .on_arrival = on_arrival, .on_gone = on_gone, .on_drain = on_drain};

static const mcp_upper_t link_upper = {on_link_arrival, on_link_gone, on_drain,
                                       on_link_ended, on_link_closed};

/* Puts the wire into the table at the top, twice: under its name, and where no
 * Lua code reaches it. [-0, +0, m] */
static void add_wire(lua_State *L, conn_t *conn) {
  wire_t *wire = lua_newuserdatauv(L, sizeof *wire, 0);
  wire->conn = NULL;
  luaL_setmetatable(L, WIRE_TYPE_NAME);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, -3, wire);
  lua_setfield(L, -2, "wire");
  wire->conn = conn;
  conn->wire = wire;
}

/* Makes a connection of the host, without a link as yet, and pushes its table.
 * [-0, +1, m] */
static conn_t *new_conn(lua_State *L, host_t *host) {
  conn_t *conn = mcp_mem_zalloc(sizeof *conn);
  if (!conn) luaL_error(L, "not enough memory");
  conn->host = host;
  conn->table = LUA_NOREF;
  /* From here on it goes with the host. */
  mcp_list_append(&host->conns, &conn->of_host);
  lua_newtable(L);
  add_wire(L, conn);
  lua_pushvalue(L, -1);
  conn->table = luaL_ref(L, LUA_REGISTRYINDEX);
  return conn;
}

/* The host is a listener, and `x` asks for a WebSocket or for HTTP+SSE: grants
 * it. Pushes the table of the connection, or nil, text, code. [-0, +(1|3), m]
 */
static int upgrade(lua_State *L, void *up, mcp_exchange_t *x) {
  host_t *host = up;
  mcp_buf_t early = {0};
  mcp_stream_t *stream;
  mcp_coroutine_t *co = x->up;
  conn_t *conn = new_conn(L, host);
  mcp_link_ws_t ws = host->ws;
  int code;
  if (x->ways->wants_events(x)) {
    code = x->ways->open_events(x, &link_upper, conn, &conn->link);
    if (code == 0) {
      *mcp_link_tag(conn->link) = conn;
      mcp_lexchange_detach_exchange(co);
      return 1;
    }
    free_conn(conn);
    return mcp_coroutine_push_error(L, code);
  }
  ws.ends_at = x->ends_at;
  code = x->ways->upgrade(x, &stream, &early);
  if (code == 0) {
    mcp_lexchange_detach_exchange(co);
    conn->taken = true;
    code = mcp_link_open_ws(host->rt->loop, stream, &ws, &early, &link_upper,
                            conn, &conn->link);
    mcp_buf_deinit(&early);
  }
  if (code == 0) return 1;
  if (!conn->link) free_conn(conn);
  return mcp_coroutine_push_error(L, code);
}

/* wire:send(method, params [, id]) -> true | nil, text, code
 * A notification that belongs to no request or, with an integer id, a request.
 * Never waits: "EBUSY" once MCP_EXCHANGE_QUEUE is reached. */
static int wire_send(lua_State *L) {
  wire_t *wire = luaL_checkudata(L, 1, WIRE_TYPE_NAME);
  size_t length;
  const char *method = luaL_checklstring(L, 2, &length);
  mcp_link_t *link = wire->conn ? wire->conn->link : NULL;
  lua_Integer id = luaL_optinteger(L, 4, 0);
  mcp_value_fault_t fault = {0};
  mcp_buf_t *out;
  int code;
  lua_settop(L, 4);
  if (!link) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  if (mcp_link_is_full(link)) return mcp_coroutine_push_error(L, MCP_EBUSY);
  out = mcp_link_begin(link);
  if (!out) return mcp_coroutine_push_error(L, MCP_ENOMEM);
  code = mcp_lmessage_write(L, out, mcp_slice(method, length), 3,
                            lua_isnil(L, 4) ? NULL : &id, &fault);
  if (code == 0) {
    code = mcp_link_commit(link);
  } else {
    mcp_link_abandon(link);
    if (fault.what[0] && code != MCP_ENOMEM)
      return luaL_error(L, "%s: params cannot be JSON: %s", method, fault.what);
  }
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* wire:close([status [, why]]): what was written still goes out. Over WebSocket
 * the close frame says `status` (1000 to 4999) and `why`, up to 123 bytes. */
static int wire_close(lua_State *L) {
  wire_t *wire = luaL_checkudata(L, 1, WIRE_TYPE_NAME);
  lua_Integer status = luaL_optinteger(L, 2, 0);
  size_t length;
  const char *why = luaL_optlstring(L, 3, "", &length);
  mcp_link_t *link = wire->conn ? wire->conn->link : NULL;
  luaL_argcheck(L, status == 0 || mcp_link_may_say(status), 2,
                "a status of RFC 6455 7.4 expected");
  luaL_argcheck(L, length <= MCP_LINK_WHY_LENGTH, 3, "it is too long");
  if (!link) return 0;
  mcp_link_set_status(link, (unsigned)status, mcp_slice(why, length));
  mcp_link_close(link, true);
  return 0;
}

/* Pushes a closed handle, and makes the host that it will hold, with all that
 * it needs of Lua: the function at `receive`, and the options at `options`, for
 * a listener, or, where that is 0, a connection. Opening it raises nothing any
 * more. [-0, +1, m] */
static host_t *new_host(lua_State *L, mcp_runtime_t *rt, int receive,
                        int options) {
  handle_t *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  host_t *host;
  handle->host = NULL;
  luaL_setmetatable(L, TYPE_NAME);
  host = mcp_mem_zalloc(sizeof *host);
  if (!host) luaL_error(L, "not enough memory");
  host->rt = rt;
  host->receive = host->duplex = host->options = LUA_NOREF;
  host->listens = options != 0;
  mcp_list_init(&host->conns);
  mcp_lclock_init(&host->clock);
  host->held = true;
  handle->host = host;
  lua_pushvalue(L, receive);
  host->receive = luaL_ref(L, LUA_REGISTRYINDEX);
  if (options) {
    lua_pushvalue(L, options);
    host->options = luaL_ref(L, LUA_REGISTRYINDEX);
  } else {
    (void)new_conn(L, host);
    lua_pop(L, 1);
  }
  return host;
}

static mcp_runtime_t *runtime(lua_State *L) {
  return mcp_coroutine_runtime(L);
}

static conn_t *first_conn(host_t *host) {
  return MCP_LIST_MEMBER(host->conns.next, conn_t, of_host);
}

/* A time of 0 switches the limit off. */
static void seconds_field(lua_State *L, int table, const char *name,
                          uint64_t *ms) {
  if (lua_getfield(L, table, name) != LUA_TNIL) {
    lua_Number seconds = luaL_checknumber(L, -1);
    *ms = seconds <= 0 ? MCP_SECONDS_FOREVER : mcp_seconds_to_ms(seconds);
  }
  lua_pop(L, 1);
}

void mcp_lendpoint_read_ws(lua_State *L, int table, mcp_link_ws_t *ws) {
  if (lua_getfield(L, table, "message_limit") != LUA_TNIL)
    ws->message_limit = (size_t)luaL_checkinteger(L, -1);
  if (lua_getfield(L, table, "fragments") != LUA_TNIL)
    ws->fragments = (unsigned)luaL_checkinteger(L, -1);
  if (lua_getfield(L, table, "control_rate") != LUA_TNIL)
    ws->control_rate = (unsigned)luaL_checkinteger(L, -1);
  if (lua_getfield(L, table, "control_burst") != LUA_TNIL)
    ws->control_burst = (unsigned)luaL_checkinteger(L, -1);
  lua_pop(L, 4);
  seconds_field(L, table, "ping", &ws->ping_time);
  seconds_field(L, table, "silence", &ws->dead_time);
  seconds_field(L, table, "stall_timeout", &ws->stall_time);
  seconds_field(L, table, "close_timeout", &ws->close_time);
}

/* The strings of the list in field `name` as a NULL-terminated array, which is
 * kept in the table itself: both live as long as the table does. Lua has
 * checked the types. [-0, +0, m] */
static const char **string_list(lua_State *L, int table, const char *name) {
  const char **list = NULL;
  if (lua_getfield(L, table, name) == LUA_TTABLE) {
    lua_Unsigned n = lua_rawlen(L, -1);
    list = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *list, 0);
    for (lua_Unsigned i = 0; i < n; i++) {
      lua_rawgeti(L, -2, (lua_Integer)i + 1);
      list[i] = lua_tostring(L, -1);
      lua_pop(L, 1);
    }
    list[n] = NULL;
    lua_rawsetp(L, -2, list);
  }
  lua_pop(L, 1);
  return list;
}

/* What the options at 1 say of the links of a listener. Those that say nothing
 * have the size of a body. [-0, +0, e] */
static void read_links(lua_State *L, host_t *host,
                       mcp_http_options_t *options) {
  host->ws.message_limit = options->gate.body_limit;
  host->ws.stall_time = options->stall_time;
  mcp_lendpoint_read_ws(L, 1, &host->ws);
  if (lua_getfield(L, 1, "duplex") == LUA_TFUNCTION) {
    host->duplex = luaL_ref(L, LUA_REGISTRYINDEX);
  } else {
    lua_pop(L, 1);
  }
  lua_getfield(L, 1, "websocket");
  options->gate.websocket = lua_toboolean(L, -1);
  lua_getfield(L, 1, "any_protocol");
  options->gate.any_protocol = lua_toboolean(L, -1);
  lua_pop(L, 2);
  /* It lives as long as the table does. */
  if (lua_getfield(L, 1, "message_path") != LUA_TNIL)
    options->gate.message_path = luaL_checkstring(L, -1);
  lua_pop(L, 1);
  luaL_argcheck(L, !options->gate.websocket || host->duplex != LUA_NOREF, 1,
                "websocket needs a function, duplex");
  luaL_argcheck(L, !options->gate.message_path || host->duplex != LUA_NOREF, 1,
                "message_path needs a function, duplex");
}

/* The server's context on top. [-0, +0, e] */
static mcp_tls_t *check_tls(lua_State *L) {
  mcp_tls_t **context = luaL_testudata(L, -1, MCP_TLS_TYPE);
  if (!context || !*context || !mcp_tls_is_server(*context))
    luaL_error(L, "tls: a server's TLS context expected, got %s",
               context ? "a client's" : luaL_typename(L, -1));
  return *context;
}

/* listen_http(options, receive) -> host | nil, text, code
 * options: host, port, or unix (a socket file) and its mode; tls; path, hosts,
 * origins, headers, prefix (a string, or true: as X-Forwarded-Prefix says),
 * guard (boolean or nil), body_limit, connections, and in seconds
 * head_timeout, body_timeout, idle_timeout, stall_timeout, heartbeat. With
 * websocket = true those who ask for one arrive as "upgrade" and get it by
 * x:upgrade(); so do, with a message_path, those of HTTP+SSE, whose messages
 * then arrive as "post" and go on by x:feed(). Their messages go to the
 * function `duplex`, under the limits of read_ws. */
static int listen_http(lua_State *L) {
  mcp_runtime_t *rt = runtime(L);
  mcp_http_options_t options;
  host_t *host;
  int code;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  mcp_http_options_init(&options);
  lua_settop(L, 2);
  if (lua_getfield(L, 1, "host") != LUA_TNIL)
    options.host = luaL_checkstring(L, -1);
  if (lua_getfield(L, 1, "port") != LUA_TNIL)
    options.port = (int)luaL_checkinteger(L, -1);
  if (lua_getfield(L, 1, "unix") != LUA_TNIL)
    options.unix_path = luaL_checkstring(L, -1);
  if (lua_getfield(L, 1, "mode") != LUA_TNIL)
    options.unix_mode = (unsigned)luaL_checkinteger(L, -1);
  if (lua_getfield(L, 1, "tls") != LUA_TNIL) options.tls = check_tls(L);
  if (lua_getfield(L, 1, "path") != LUA_TNIL)
    options.gate.path = luaL_checkstring(L, -1);
  if (lua_getfield(L, 1, "body_limit") != LUA_TNIL)
    options.gate.body_limit = (size_t)luaL_checkinteger(L, -1);
  if (lua_getfield(L, 1, "connections") != LUA_TNIL)
    options.connections = (unsigned)luaL_checkinteger(L, -1);
  if (lua_getfield(L, 1, "guard") != LUA_TNIL) {
    options.gate.check_host = lua_toboolean(L, -1);
    options.gate.check_origin = lua_toboolean(L, -1);
    if (options.gate.check_host) options.guard_loopback_only = false;
  }
  lua_settop(L, 2);
  options.gate.hosts = string_list(L, 1, "hosts");
  options.gate.origins = string_list(L, 1, "origins");
  options.gate.headers = string_list(L, 1, "headers");
  if (lua_getfield(L, 1, "prefix") == LUA_TSTRING) {
    options.gate.prefix = lua_tostring(L, -1);
  } else {
    options.gate.forwarded = lua_toboolean(L, -1);
  }
  lua_settop(L, 2);
  seconds_field(L, 1, "head_timeout", &options.head_time);
  seconds_field(L, 1, "body_timeout", &options.body_time);
  seconds_field(L, 1, "idle_timeout", &options.idle_time);
  seconds_field(L, 1, "stall_timeout", &options.stall_time);
  seconds_field(L, 1, "heartbeat", &options.heartbeat_time);
  /* The gate's strings live in the table, so it lives as long as the host. */
  host = new_host(L, rt, 2, 1);
  read_links(L, host, &options);
  code = mcp_http_server_open(rt->loop, &options, &upper, host, &host->http);
  if (code < 0) {
    release(host);
    return mcp_coroutine_push_error(L, code);
  }
  host->open = true;
  return 1;
}

/* Opens a link over `stream`, which is taken. */
static int open_link(host_t *host, mcp_stream_t *stream, const char *name) {
  conn_t *conn = first_conn(host);
  int code = mcp_link_open(stream, name, 0, &link_upper, conn, &conn->link);
  /* A link that could not start still reports its end by on_link_closed. */
  if (!conn->link) release(host);
  host->open = code == 0;
  return code;
}

/* serve_stdio(receive) -> host | nil, text, code */
static int serve_stdio(lua_State *L) {
  mcp_runtime_t *rt = runtime(L);
  mcp_stream_t *stream;
  host_t *host;
  int code;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  host = new_host(L, rt, 1, 0);
  code = mcp_pipe_stdio(rt->loop, &stream);
  if (code == 0) {
    code = open_link(host, stream, "stdio");
  } else {
    release(host);
  }
  if (code < 0) return mcp_coroutine_push_error(L, code);
  return 1;
}

void *mcp_lendpoint_push(lua_State *L, mcp_runtime_t *rt, int receive) {
  return new_host(L, rt, lua_absindex(L, receive), 0);
}

int mcp_lendpoint_over(void *host, void *stream, const char *name) {
  return open_link(host, stream, name);
}

int mcp_lendpoint_over_ws(void *up, void *stream, const mcp_link_ws_t *options,
                          mcp_buf_t *early) {
  host_t *host = up;
  conn_t *conn = first_conn(host);
  int code = mcp_link_open_ws(host->rt->loop, stream, options, early,
                              &link_upper, conn, &conn->link);
  if (!conn->link) release(host);
  host->open = code == 0;
  return code;
}

void mcp_lendpoint_set_child(void *host, mcp_lchild_t *child) {
  ((host_t *)host)->child = child;
}

static void on_http_closed(void *arg) {
  host_t *host = arg;
  host->http = NULL;
  end_if_gone(host);
}

/* Closes one link; `hurry` as below. A listener's clients have sent requests
 * that are still to be answered, as over HTTP. */
static void close_conn(conn_t *conn, uint64_t grace_ms, bool hurry) {
  host_t *host = conn->host;
  if (host->listens && grace_ms > 0 && mcp_link_busy(conn->link) > 0) {
    mcp_link_drain(conn->link);
    close_when_idle(conn, grace_ms);
    return;
  }
  stop_grace(conn);
  if (grace_ms > 0)
    conn->grace = mcp_timer_start(host->rt->loop, grace_ms, 0, false,
                                  on_flush_over, conn);
  mcp_link_close(conn->link, !hurry && !(host->listens && grace_ms == 0));
}

/* Closes what is open. Requests under way have `grace_ms` to finish; what a
 * link has written may take so long to be read. `hurry`: it is closing already,
 * and that takes too long. */
static void close_host(host_t *host, uint64_t grace_ms, bool hurry) {
  mcp_list_t *it, *after;
  host->open = false;
  if (host->http)
    mcp_http_server_close(host->http, grace_ms, on_http_closed, host);
  /* A child has its own way to end, which outlives the link. */
  if (host->child && (grace_ms > 0 || hurry))
    mcp_lchild_set_grace(host->child, hurry ? 0 : grace_ms);
  if (host->child) grace_ms = 0;
  MCP_LIST_EACH(&host->conns, it, after) {
    conn_t *conn = MCP_LIST_MEMBER(it, conn_t, of_host);
    if (conn->link) close_conn(conn, grace_ms, hurry);
  }
}

static host_t *check_host(lua_State *L) {
  handle_t *handle = luaL_checkudata(L, 1, TYPE_NAME);
  return handle->host;
}

/* host:close([grace_seconds]), host:__close(), collection: one function. Safe
 * to call again; a shorter grace hurries the first. A child's grace has a
 * default, so that 0 is the way to hurry at once. */
static int host_close(lua_State *L) {
  host_t *host = check_host(L);
  lua_Number grace = lua_isnumber(L, 2) ? lua_tonumber(L, 2) : 0;
  if (host)
    close_host(host, mcp_seconds_to_ms(grace),
               !(grace > 0) &&
                   (!host->open || (host->child && lua_isnumber(L, 2))));
  return 0;
}

static int host_collect(lua_State *L) {
  handle_t *handle = luaL_checkudata(L, 1, TYPE_NAME);
  host_t *host = handle->host;
  handle->host = NULL;
  if (!host) return 0;
  host->held = false;
  if (is_pending(host)) {
    close_host(host, 0, false);
  } else {
    release(host);
    free_host(host);
  }
  return 0;
}

/* host:is_open() -> boolean: true until it is closed, by whomever. */
static int host_is_open(lua_State *L) {
  host_t *host = check_host(L);
  lua_pushboolean(L, host && host->open);
  return 1;
}

/* host:is_gone() -> boolean: nothing of it is left, all that was under way has
 * ended. */
static int host_is_gone(lua_State *L) {
  host_t *host = check_host(L);
  lua_pushboolean(L,
                  !host || (!is_pending(host) &&
                            (!host->child || mcp_lchild_is_gone(host->child))));
  return 1;
}

/* host:clock { time, most, beat, expired, on_beat }: how long requests that
 * come by it may take; see mcp_lclock_set. */
static int host_clock(lua_State *L) {
  host_t *host = check_host(L);
  if (host && host->open) mcp_lclock_set(L, &host->clock, 2);
  return 0;
}

/* A member of the table at the top; it lives as long as that does. [-0, +0, e]
 */
static const char *page_member(lua_State *L, const char *name) {
  const char *s;
  if (lua_getfield(L, -1, name) != LUA_TSTRING)
    luaL_error(L, "pages: %s: a text expected", name);
  s = lua_tostring(L, -1);
  lua_pop(L, 1);
  return s;
}

static mcp_http_page_t read_page(lua_State *L, int arg) {
  luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, arg, "a path expected");
  if (lua_type(L, -1) == LUA_TTABLE)
    return (mcp_http_page_t){.path = lua_tostring(L, -2),
                             .body = page_member(L, "body"),
                             .type = page_member(L, "type"),
                             .fields = page_member(L, "fields")};
  luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, arg, "a text expected");
  return (mcp_http_page_t){.path = lua_tostring(L, -2),
                           .body = lua_tostring(L, -1)};
}

/* The pages of the table at the top, argument `arg`, as the gate wants them,
 * kept under a key of the table at `keep`. [-0, +0, m] */
static const mcp_http_page_t *read_pages(lua_State *L, int arg, int keep) {
  mcp_http_page_t *pages;
  size_t n = 0;
  int from = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1)) n++;
  pages = lua_newuserdatauv(L, (n + 1) * sizeof *pages, 0);
  n = 0;
  for (lua_pushnil(L); lua_next(L, from); lua_pop(L, 1))
    pages[n++] = read_page(L, arg);
  pages[n] = (mcp_http_page_t){0};
  lua_rawsetp(L, keep, pages);
  return pages;
}

/* host:protect(challenge, pages): from now on requests without an Authorization
 * field are refused with that challenge, unless it is nil, but for those of the
 * pages: by their paths texts of JSON, or tables of type, body and fields (as
 * lines, each with its CRLF). Of a listener. */
static int host_protect(lua_State *L) {
  host_t *host = check_host(L);
  mcp_http_guard_t guard = {.challenge = luaL_optstring(L, 2, NULL)};
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  if (!host || !host->http) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, host->options);
  lua_pushvalue(L, 3);
  guard.pages = read_pages(L, 3, 4);
  /* The strings live as long as what holds them. */
  lua_rawsetp(L, 4, host);
  lua_pushvalue(L, 2);
  lua_rawsetp(L, 4, &host->options);
  mcp_http_server_protect(host->http, &guard);
  return 0;
}

/* host:wire() -> wire | nil: the way to send on a connection what answers
 * nothing, before anything came by it. */
static int host_wire(lua_State *L) {
  host_t *host = check_host(L);
  conn_t *conn = NULL;
  if (host && !host->listens && is_pending(host)) conn = first_conn(host);
  if (!conn || !conn->wire) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, conn->table);
  lua_rawgetp(L, -1, conn->wire);
  return 1;
}

/* host:on_closed(fn): fn(text, code) is called once the connection is gone,
 * whoever closed it. It must not wait. */
static int host_on_closed(lua_State *L) {
  host_t *host = check_host(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  if (!host || host->listens || !is_pending(host))
    return luaL_error(L, "there is no connection");
  lua_rawgeti(L, LUA_REGISTRYINDEX, first_conn(host)->table);
  lua_insert(L, 2);
  lua_setfield(L, 2, "closed");
  return 0;
}

/* host:as_client([message_limit]): we are the one who asks. What cannot be read
 * is not answered, and a message over the limit ends the connection. */
static int host_as_client(lua_State *L) {
  host_t *host = check_host(L);
  lua_Integer most = luaL_optinteger(L, 2, 0);
  luaL_argcheck(L, most >= 0, 2, "bytes expected, 0 or more");
  if (host && !host->listens && is_pending(host) && first_conn(host)->link)
    mcp_link_be_client(first_conn(host)->link, (size_t)most);
  return 0;
}

/* host:port() -> integer | nil */
static int host_port(lua_State *L) {
  host_t *host = check_host(L);
  if (!host || !host->http) return 0;
  lua_pushinteger(L, mcp_http_server_port(host->http));
  return 1;
}

/* host:pid() -> integer | nil: of a child */
static int host_pid(lua_State *L) {
  host_t *host = check_host(L);
  return host && host->child ? mcp_lchild_push_pid(L, host->child) : 0;
}

/* host:exit() -> status | nil, signal | nil: how a child has ended */
static int host_exit(lua_State *L) {
  host_t *host = check_host(L);
  return host && host->child ? mcp_lchild_push_exit(L, host->child) : 0;
}

/* host:is_loopback() -> boolean */
static int host_is_loopback(lua_State *L) {
  host_t *host = check_host(L);
  lua_pushboolean(L, host && host->http &&
                         mcp_http_server_is_loopback(host->http));
  return 1;
}

/* host:connections() -> integer */
static int host_connections(lua_State *L) {
  host_t *host = check_host(L);
  lua_Integer n = host && !host->listens && is_pending(host) ? 1 : 0;
  if (host && host->http)
    n = (lua_Integer)mcp_http_server_connections(host->http);
  lua_pushinteger(L, n);
  return 1;
}

static int host_to_string(lua_State *L) {
  host_t *host = check_host(L);
  lua_pushfstring(L, TYPE_NAME " (%s)", host && host->open ? "open" : "closed");
  return 1;
}

void mcp_lendpoint_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {
      {"listen_http", listen_http}, {"serve_stdio", serve_stdio}, {NULL, NULL}};
  static const luaL_Reg wire_methods[] = {
      {"send", wire_send}, {"close", wire_close}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"close", host_close},
                                     {"is_open", host_is_open},
                                     {"is_gone", host_is_gone},
                                     {"port", host_port},
                                     {"protect", host_protect},
                                     {"is_loopback", host_is_loopback},
                                     {"pid", host_pid},
                                     {"exit", host_exit},
                                     {"connections", host_connections},
                                     {"clock", host_clock},
                                     {"wire", host_wire},
                                     {"on_closed", host_on_closed},
                                     {"as_client", host_as_client},
                                     {NULL, NULL}};
  luaL_newmetatable(L, WIRE_TYPE_NAME);
  luaL_newlib(L, wire_methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newmetatable(L, TYPE_NAME);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, host_collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, host_close);
  lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, host_to_string);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
