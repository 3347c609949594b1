/* SPDX-License-Identifier: MIT
 * lhost.c: see lhost.h. It fills the exchange's table of upper functions: this
 * is where a message that came in becomes a task. */
#include "lua/lhost.h"

#include <lauxlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "lua/lclock.h"
#include "lua/lexchange.h"
#include "net/pipe.h"
#include "transport/http_server.h"
#include "transport/link.h"

#define TYPE_NAME      "mcp.host"
#define WIRE_TYPE_NAME "mcp.wire"
/* How often the end of input looks for the end of the handlers, in ms. */
#define GRACE_TICK 10

typedef struct host host_t;

/* The connection as messages of our own see it, that answer nothing. The
 * connection's table holds it, and it does not hold the host: who drops a host
 * closes it. */
typedef struct {
  host_t *host; /* NULL once the connection is gone */
} wire_t;

/* Lives from opening until the transport is gone and the userdata collected,
 * whichever is later. */
struct host {
  mcp_runtime_t *rt;
  mcp_http_server_t *http; /* one of these two, or neither once closed */
  mcp_link_t *link;
  mcp_timer_t *grace;
  unsigned ticks;     /* of `grace` still to come */
  int options;        /* registry reference: the table its strings live in */
  int receive;        /* registry reference: the Lua function for messages */
  int link_table;     /* registry reference: the connection's table */
  mcp_lclock_t clock; /* of the requests that come by it */
  wire_t *wire;       /* lives as long as that table, or NULL */
  bool held;          /* the userdata refers to it */
  bool open;
};

typedef struct {
  host_t *host; /* NULL before it is opened and once it is closed */
} handle_t;

static void unref(lua_State *L, int *ref) {
  luaL_unref(L, LUA_REGISTRYINDEX, *ref);
  *ref = LUA_NOREF;
}

/* Lets go of what the transport needed. */
static void release(host_t *host) {
  host->open = false;
  host->http = NULL;
  host->link = NULL;
  mcp_timer_stop(host->grace);
  host->grace = NULL;
  if (host->wire) host->wire->host = NULL;
  host->wire = NULL;
  unref(host->rt->L, &host->receive);
  unref(host->rt->L, &host->link_table);
  unref(host->rt->L, &host->options);
  mcp_lclock_unset(host->rt->L, &host->clock);
}

/* The transport is gone: nothing comes any more. */
static void host_gone(host_t *host) {
  release(host);
  mcp_loop_wake(host->rt->loop);
  if (!host->held) mcp_mem_free(host);
}

static void on_arrival(void *up, mcp_exchange_t *x,
                       const mcp_arrival_t *arrival) {
  host_t *host = up;
  mcp_lexchange_start_t start = {.arrival = arrival,
                                 .watch = host->rt->watch,
                                 .receive = host->receive,
                                 .link_table = host->link_table};
  mcp_task_t *task = NULL;
  if (host->rt->task_count < MCP_EXCHANGE_PER_PROCESS || !x->wants_answer)
    task = mcp_task_new(host->rt);
  if (task && !lua_checkstack(task->co, 3)) {
    mcp_task_drop(task);
    task = NULL;
  }
  if (!task && x->wants_answer) {
    mcp_exchange_fail(x, MCP_EXCHANGE_BUSY, "Busy: too much is under way");
    return;
  }
  if (!task) {
    mcp_exchange_drop(x);
    return;
  }
  task->exchange = x;
  x->up = task;
  start.task = task;
  /* Requests only: who listens may do so for ever. */
  if (arrival->kind <= MCP_ARRIVAL_BATCH && x->wants_answer)
    mcp_task_set_clock(task, &host->clock.clock);
  lua_pushcfunction(task->co, mcp_lexchange_frame);
  lua_pushlightuserdata(task->co, &start);
  mcp_task_run(task, 1);
}

static void on_gone(void *up, mcp_exchange_t *x) {
  mcp_task_t *task = x->up;
  bool survives = x->survives, waits = x->waits_drain;
  host_t *host = up;
  if (!task) return;
  if (x->kept) {
    mcp_lexchange_part(host->rt->L, x);
    return;
  }
  mcp_lexchange_lose(task);
  x->up = NULL;
  /* A collector's finalizer must not run Lua: the task hears of it later. */
  if (!host->held) {
    task->cancelled = true;
  } else if (!survives) {
    mcp_task_cancel(task);
  } else if (waits) {
    /* It goes on, but not by waiting for a peer that will never read. */
    mcp_task_wake(task, MCP_EGONE);
  }
}

static void on_drain(void *up, mcp_exchange_t *x) {
  (void)up;
  if (x->up) mcp_task_wake(x->up, 0);
}

/* Looks whether what was under way has ended, or its time is over. */
static void on_grace(void *arg) {
  host_t *host = arg;
  if (mcp_link_busy(host->link) > 0 && --host->ticks > 0) return;
  mcp_timer_stop(host->grace);
  host->grace = NULL;
  mcp_link_close(host->link, true);
}

/* What was written had its time to be read. */
static void on_flush_over(void *arg) {
  host_t *host = arg;
  mcp_timer_stop(host->grace);
  host->grace = NULL;
  mcp_link_close(host->link, false);
}

static void on_link_ended(void *up, mcp_link_t *link) {
  host_t *host = up;
  if (mcp_link_busy(link) == 0) {
    mcp_link_close(link, true);
    return;
  }
  host->ticks = MCP_LHOST_STDIO_GRACE / GRACE_TICK;
  host->grace = mcp_timer_start(host->rt->loop, GRACE_TICK, GRACE_TICK, false,
                                on_grace, host);
  if (!host->grace) mcp_link_close(link, true);
}

static void on_link_closed(void *up, mcp_link_t *link, int code) {
  (void)link;
  if (code < 0)
    mcp_log(code == MCP_ENOMEM ? MCP_LOG_ERROR : MCP_LOG_INFO,
            "connection lost: %s", mcp_err_text(code));
  host_gone(up);
}

static const mcp_upper_t upper = {on_arrival, on_gone, on_drain, on_link_ended,
                                  on_link_closed};

/* Puts the wire into the table at the top, twice: under its name, and where no
 * Lua code reaches it. [-0, +0, m] */
static void add_wire(lua_State *L, host_t *host) {
  wire_t *wire = lua_newuserdatauv(L, sizeof *wire, 0);
  wire->host = NULL;
  luaL_setmetatable(L, WIRE_TYPE_NAME);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, -3, wire);
  lua_setfield(L, -2, "wire");
  wire->host = host;
  host->wire = wire;
}

/* wire:send(method, params) -> true | nil, text, code
 * A notification that belongs to no request. Never waits: "EBUSY" once
 * MCP_EXCHANGE_QUEUE is reached. */
static int wire_send(lua_State *L) {
  wire_t *wire = luaL_checkudata(L, 1, WIRE_TYPE_NAME);
  size_t length;
  const char *method = luaL_checklstring(L, 2, &length);
  mcp_link_t *link = wire->host ? wire->host->link : NULL;
  mcp_value_fault_t fault = {0};
  mcp_buf_t *out;
  int code;
  lua_settop(L, 3);
  if (!link) return mcp_task_push_error(L, MCP_ECLOSED);
  if (mcp_link_is_full(link)) return mcp_task_push_error(L, MCP_EBUSY);
  out = mcp_link_begin(link);
  code =
      mcp_lexchange_write(L, out, mcp_slice(method, length), 3, NULL, &fault);
  if (code == 0) {
    code = mcp_link_commit(link);
  } else {
    mcp_link_abandon(link);
    if (fault.what[0] && code != MCP_ENOMEM)
      return luaL_error(L, "%s: params cannot be JSON: %s", method, fault.what);
  }
  if (code < 0) return mcp_task_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* Pushes a closed handle, and makes the host that it will hold, with all that
 * it needs of Lua: the function at `receive`, and the options at `options` or,
 * where that is 0, a table for the link. Opening it raises nothing any more.
 * [-0, +1, m] */
static host_t *new_host(lua_State *L, mcp_runtime_t *rt, int receive,
                        int options) {
  handle_t *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  host_t *host;
  handle->host = NULL;
  luaL_setmetatable(L, TYPE_NAME);
  host = mcp_mem_zalloc(sizeof *host);
  if (!host) luaL_error(L, "not enough memory");
  host->rt = rt;
  host->receive = host->link_table = host->options = LUA_NOREF;
  mcp_lclock_init(&host->clock);
  host->held = true;
  handle->host = host;
  lua_pushvalue(L, receive);
  host->receive = luaL_ref(L, LUA_REGISTRYINDEX);
  if (options) {
    lua_pushvalue(L, options);
    host->options = luaL_ref(L, LUA_REGISTRYINDEX);
  } else {
    lua_newtable(L);
    add_wire(L, host);
    host->link_table = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  return host;
}

static mcp_runtime_t *runtime(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* A time of 0 switches the limit off. */
static void seconds_field(lua_State *L, int table, const char *name,
                          uint64_t *ms) {
  if (lua_getfield(L, table, name) != LUA_TNIL) {
    lua_Number seconds = luaL_checknumber(L, -1);
    *ms = seconds <= 0 ? UINT64_MAX / 4 : (uint64_t)(seconds * 1000);
  }
  lua_pop(L, 1);
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

/* listen_http(options, receive) -> host | nil, text, code
 * options: host, port, path, hosts, origins, guard (boolean or nil),
 * body_limit, connections, and in seconds head_timeout, body_timeout,
 * idle_timeout, stall_timeout, heartbeat. */
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
  if (lua_getfield(L, 1, "path") != LUA_TNIL)
    options.gate.path = luaL_checkstring(L, -1);
  if (lua_getfield(L, 1, "body_limit") != LUA_TNIL)
    options.gate.body_limit = (size_t)luaL_checkinteger(L, -1);
  if (lua_getfield(L, 1, "connections") != LUA_TNIL)
    options.connections = (unsigned)luaL_checkinteger(L, -1);
  if (lua_getfield(L, 1, "guard") != LUA_TNIL) {
    options.gate.check_host = lua_toboolean(L, -1);
    options.gate.check_origin = lua_toboolean(L, -1);
  }
  lua_settop(L, 2);
  options.gate.hosts = string_list(L, 1, "hosts");
  options.gate.origins = string_list(L, 1, "origins");
  seconds_field(L, 1, "head_timeout", &options.head_time);
  seconds_field(L, 1, "body_timeout", &options.body_time);
  seconds_field(L, 1, "idle_timeout", &options.idle_time);
  seconds_field(L, 1, "stall_timeout", &options.stall_time);
  seconds_field(L, 1, "heartbeat", &options.heartbeat_time);
  /* The gate's strings live in the table, so it lives as long as the host. */
  host = new_host(L, rt, 2, 1);
  code = mcp_http_server_open(rt->loop, &options, &upper, host, &host->http);
  if (code < 0) {
    release(host);
    return mcp_task_push_error(L, code);
  }
  host->open = true;
  return 1;
}

/* Opens a link over `stream`, which is taken. */
static int open_link(host_t *host, mcp_stream_t *stream, const char *name) {
  int code = mcp_link_open(stream, name, 0, &upper, host, &host->link);
  /* A link that could not start still reports its end by on_link_closed. */
  if (!host->link) release(host);
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
  if (code < 0) return mcp_task_push_error(L, code);
  return 1;
}

void *mcp_lhost_push(lua_State *L, mcp_runtime_t *rt, int receive) {
  return new_host(L, rt, lua_absindex(L, receive), 0);
}

int mcp_lhost_over(void *host, void *stream, const char *name) {
  return open_link(host, stream, name);
}

static bool is_pending(const host_t *host) {
  return host->http != NULL || host->link != NULL;
}

static void on_http_closed(void *arg) {
  host_gone(arg);
}

/* Closes what is open. Requests under way have `grace_ms` to finish; what a
 * link has written may take so long to be read. `hurry`: it is closing already,
 * and that takes too long. */
static void close_host(host_t *host, uint64_t grace_ms, bool hurry) {
  host->open = false;
  if (host->http)
    mcp_http_server_close(host->http, grace_ms, on_http_closed, host);
  if (!host->link) return;
  mcp_timer_stop(host->grace);
  host->grace = grace_ms > 0 ? mcp_timer_start(host->rt->loop, grace_ms, 0,
                                               false, on_flush_over, host)
                             : NULL;
  mcp_link_close(host->link, !hurry);
}

static host_t *check_host(lua_State *L) {
  handle_t *handle = luaL_checkudata(L, 1, TYPE_NAME);
  return handle->host;
}

/* host:close([grace_seconds]), host:__close(), collection: one function. Safe
 * to call again; a shorter grace hurries the first. */
static int host_close(lua_State *L) {
  host_t *host = check_host(L);
  lua_Number grace = lua_isnumber(L, 2) ? lua_tonumber(L, 2) : 0;
  if (host)
    close_host(host, grace > 0 ? (uint64_t)(grace * 1000) : 0,
               !host->open && !(grace > 0));
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
    mcp_mem_free(host);
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
  lua_pushboolean(L, !host || !is_pending(host));
  return 1;
}

/* host:clock { time, most, beat, expired, on_beat }: how long requests that
 * come by it may take; see mcp_lclock_set. */
static int host_clock(lua_State *L) {
  host_t *host = check_host(L);
  if (host && host->open) mcp_lclock_set(L, &host->clock, 2);
  return 0;
}

/* host:port() -> integer | nil */
static int host_port(lua_State *L) {
  host_t *host = check_host(L);
  if (!host || !host->http) return 0;
  lua_pushinteger(L, mcp_http_server_port(host->http));
  return 1;
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
  lua_Integer n = host && host->link ? 1 : 0;
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

void mcp_lhost_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {
      {"listen_http", listen_http}, {"serve_stdio", serve_stdio}, {NULL, NULL}};
  static const luaL_Reg wire_methods[] = {{"send", wire_send}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"close", host_close},
                                     {"is_open", host_is_open},
                                     {"is_gone", host_is_gone},
                                     {"port", host_port},
                                     {"is_loopback", host_is_loopback},
                                     {"connections", host_connections},
                                     {"clock", host_clock},
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
