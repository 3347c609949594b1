/* SPDX-License-Identifier: MIT
 * lendpoint.c: see lendpoint.h. It fills the table of functions that HTTP
 * exchanges call when a message arrives; lconnection.c does so for links. */
#include "lua/lendpoint.h"

#include <lauxlib.h>

#include "base/mem.h"
#include "lua/lconnection.h"
#include "lua/lendpoint_options.h"
#include "lua/lreceiver.h"
#include "lua/lrepeat.h"
#include "lua/seconds.h"
#include "net/pipe.h"
#include "transport/http_server.h"

#define TYPE_NAME "mcp.endpoint"

typedef mcp_lendpoint_t endpoint_t;

/* Lives from opening until the transport is gone and the userdata collected,
 * whichever is later. */
struct mcp_lendpoint {
  mcp_lconnections_t connections;
  mcp_http_server_t *http; /* NULL if it is no listener, or once closed */
  const mcp_lendpoint_process_ops_t *process_ops; /* NULL: no process */
  void *process;    /* the other side, if that is one */
  int options;      /* registry reference: the table its strings live in */
  int receive;      /* registry reference: a listener's function for requests */
  mcp_link_ws_t ws; /* of those connections that are WebSockets */
  bool listens;     /* it is, or was, a listener */
  bool open;        /* it was opened, and not closed from our side */
};

typedef struct {
  endpoint_t *endpoint; /* NULL before it is opened and once it is closed */
} handle_t;

static mcp_runtime_t *runtime_of(const endpoint_t *endpoint) {
  return endpoint->connections.receiver.rt;
}

static void unref(lua_State *L, int *ref) {
  luaL_unref(L, LUA_REGISTRYINDEX, *ref);
  *ref = LUA_NOREF;
}

/* Lets go of what the transport needed. */
static void release(endpoint_t *endpoint) {
  lua_State *L = runtime_of(endpoint)->L;
  endpoint->open = false;
  endpoint->http = NULL;
  mcp_lconnections_deinit(&endpoint->connections);
  unref(L, &endpoint->receive);
  unref(L, &endpoint->connections.receive);
  unref(L, &endpoint->options);
  mcp_lclock_unset(L, &endpoint->connections.receiver.clock);
}

/* Something of its transport is left. */
static bool is_pending(const endpoint_t *endpoint) {
  return endpoint->http || mcp_lconnections_are_pending(&endpoint->connections);
}

/* The only connection of an endpoint that is no listener, or NULL. */
static mcp_lconnection_t *connection_of(const endpoint_t *endpoint) {
  if (!endpoint || endpoint->listens || !is_pending(endpoint)) return NULL;
  return mcp_lconnection_first(&endpoint->connections);
}

/* Neither side has closed it. */
static bool is_open(const endpoint_t *endpoint) {
  mcp_lconnection_t *connection;
  if (!endpoint || !endpoint->open) return false;
  if (endpoint->listens) return true;
  connection = connection_of(endpoint);
  return connection && mcp_lconnection_link(connection);
}

static void free_endpoint(endpoint_t *endpoint) {
  if (endpoint->process_ops) endpoint->process_ops->unref(endpoint->process);
  mcp_mem_free(endpoint);
}

/* If the transport is gone nothing can arrive any more. */
static void end_if_gone(endpoint_t *endpoint) {
  if (is_pending(endpoint)) return;
  release(endpoint);
  mcp_loop_wake(runtime_of(endpoint)->loop);
  if (!endpoint->connections.receiver.held) free_endpoint(endpoint);
}

static void on_connection_closed(void *up, bool upgraded) {
  endpoint_t *endpoint = up;
  /* The listener may go with its last stream, and the endpoint with that. */
  if (upgraded && endpoint->http) {
    mcp_http_server_release(endpoint->http);
  } else {
    end_if_gone(endpoint);
  }
}

static void on_arrival(void *up, mcp_exchange_t *x,
                       const mcp_arrival_t *arrival) {
  endpoint_t *endpoint = up;
  const mcp_lconnection_t *of = mcp_lconnection_of(arrival->link);
  mcp_lreceiver_start(&endpoint->connections.receiver, x, arrival,
                      endpoint->receive,
                      of ? mcp_lconnection_table(of) : LUA_NOREF);
}

static void on_gone(void *up, mcp_exchange_t *x) {
  mcp_lreceiver_gone(&((endpoint_t *)up)->connections.receiver, x);
}

static void on_drain(void *up, mcp_exchange_t *x) {
  (void)up;
  mcp_lreceiver_drain(x);
}

static void on_forget(void *up, void *memo) {
  mcp_lrepeat_free(runtime_of(up)->L, memo);
}

static const mcp_upper_t upper = {.on_arrival = on_arrival,
                                  .on_gone = on_gone,
                                  .on_drain = on_drain,
                                  .on_forget = on_forget};

/* A request of the listener asks for a WebSocket, or for HTTP+SSE. */
static int upgrade(lua_State *L, void *up, mcp_exchange_t *x) {
  endpoint_t *endpoint = up;
  return mcp_lconnection_upgrade(L, &endpoint->connections, x, &endpoint->ws);
}

/* Pushes the userdata, and makes the endpoint that it holds with all that this
 * needs of Lua: the function at `receive`, and the options at `options` for a
 * listener, or, where that is 0, a connection. Opening it cannot raise then.
 * [-0, +1, m] */
static endpoint_t *push_endpoint(lua_State *L, mcp_runtime_t *rt, int receive,
                                 int options) {
  handle_t *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  rt->loop_stays = true;
  endpoint_t *endpoint;
  mcp_lconnections_t *connections;
  handle->endpoint = NULL;
  luaL_setmetatable(L, TYPE_NAME);
  endpoint = mcp_mem_zalloc(sizeof *endpoint);
  if (!endpoint) luaL_error(L, "not enough memory");
  connections = &endpoint->connections;
  mcp_lconnections_init(connections, rt);
  connections->on_closed = on_connection_closed;
  connections->up = connections->receiver.up = endpoint;
  connections->receiver.upgrade = upgrade;
  connections->receiver.held = true;
  connections->listens = endpoint->listens = options != 0;
  endpoint->receive = endpoint->options = LUA_NOREF;
  handle->endpoint = endpoint;
  lua_pushvalue(L, receive);
  if (options) {
    endpoint->receive = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, options);
    endpoint->options = luaL_ref(L, LUA_REGISTRYINDEX);
  } else {
    connections->receive = luaL_ref(L, LUA_REGISTRYINDEX);
    (void)mcp_lconnection_new(L, connections);
    lua_pop(L, 1);
  }
  return endpoint;
}

/* listen_http(options, receive) -> endpoint | nil, text, code
 * options: host, port, or unix (a socket file) and its mode, or socket
 * (lsocket.c, which is taken); tls; path, hosts, origins, headers, prefix (a
 * string, or true: as X-Forwarded-Prefix says), guard (boolean or nil),
 * body_limit, connections, and in seconds head_timeout, body_timeout,
 * idle_timeout, stall_timeout, heartbeat. With websocket = true a request for a
 * WebSocket arrives as "upgrade", and x:upgrade() grants it; with a
 * message_path so does the stream of HTTP+SSE, whose messages then arrive as
 * "post" and are passed on by x:feed(). Messages of both go to the function
 * `duplex`, under the limits of mcp_lendpoint_options_ws. */
static int listen_http(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_http_options_t options;
  mcp_link_ws_t ws = {0};
  endpoint_t *endpoint;
  int code;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  mcp_lendpoint_options_http(L, &options, &ws);
  /* Strings of the options are in the table, which the endpoint keeps. */
  endpoint = push_endpoint(L, rt, 2, 1);
  endpoint->ws = ws;
  if (lua_getfield(L, 1, "duplex") == LUA_TFUNCTION) {
    endpoint->connections.receive = luaL_ref(L, LUA_REGISTRYINDEX);
  } else {
    lua_pop(L, 1);
  }
  code = mcp_http_server_open(rt->loop, &options, &upper, endpoint,
                              &endpoint->http);
  if (code < 0) {
    release(endpoint);
    return mcp_coroutine_push_error(L, code);
  }
  endpoint->open = true;
  return 1;
}

/* An endpoint whose link could not even be made has nothing that would report
 * its end. */
static int attached(endpoint_t *endpoint, int code) {
  mcp_lconnection_t *connection = mcp_lconnection_first(&endpoint->connections);
  if (!connection || !mcp_lconnection_link(connection)) release(endpoint);
  endpoint->open = code == 0;
  return code;
}

int mcp_lendpoint_attach(mcp_lendpoint_t *endpoint, mcp_stream_t *stream,
                         const char *name) {
  mcp_lconnection_t *connection = mcp_lconnection_first(&endpoint->connections);
  return attached(endpoint, mcp_lconnection_attach(connection, stream, name));
}

int mcp_lendpoint_attach_ws(mcp_lendpoint_t *endpoint, mcp_stream_t *stream,
                            const mcp_link_ws_t *options, mcp_buf_t *early) {
  mcp_lconnection_t *connection = mcp_lconnection_first(&endpoint->connections);
  return attached(
      endpoint, mcp_lconnection_attach_ws(connection, stream, options, early));
}

void mcp_lendpoint_set_process(mcp_lendpoint_t *endpoint,
                               const mcp_lendpoint_process_ops_t *ops,
                               void *process) {
  endpoint->process_ops = ops;
  endpoint->process = process;
}

mcp_lendpoint_t *mcp_lendpoint_push(lua_State *L, mcp_runtime_t *rt,
                                    int receive) {
  return push_endpoint(L, rt, lua_absindex(L, receive), 0);
}

/* serve_stdio(receive) -> endpoint | nil, text, code */
static int serve_stdio(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_stream_t *stream;
  endpoint_t *endpoint;
  int code;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  endpoint = push_endpoint(L, rt, 1, 0);
  code = mcp_pipe_stdio(rt->loop, &stream);
  if (code == 0) {
    code = mcp_lendpoint_attach(endpoint, stream, "stdio");
  } else {
    release(endpoint);
  }
  if (code < 0) return mcp_coroutine_push_error(L, code);
  return 1;
}

static void on_http_closed(void *arg) {
  endpoint_t *endpoint = arg;
  endpoint->http = NULL;
  end_if_gone(endpoint);
}

/* Closes what is open. Requests in progress have `grace_ms` to finish; what was
 * written may take as long to be read. `hurry`: it is closing already, and that
 * takes too long. */
static void close_endpoint(endpoint_t *endpoint, uint64_t grace_ms,
                           bool hurry) {
  const mcp_lendpoint_process_ops_t *ops = endpoint->process_ops;
  endpoint->open = false;
  if (endpoint->http)
    mcp_http_server_close(endpoint->http, grace_ms, on_http_closed, endpoint);
  /* A process ends in steps of its own, which outlive the link. */
  if (ops && (grace_ms > 0 || hurry))
    ops->set_grace(endpoint->process, hurry ? 0 : grace_ms);
  mcp_lconnections_close(&endpoint->connections, ops ? 0 : grace_ms, hurry);
}

static endpoint_t *check_endpoint(lua_State *L) {
  handle_t *handle = luaL_checkudata(L, 1, TYPE_NAME);
  return handle->endpoint;
}

/* endpoint:close([grace_seconds]), endpoint:__close(), collection: one
 * function. It may be called again; a shorter grace hurries the first call. The
 * grace of a process has a default, so an explicit 0 ends that at once. */
static int endpoint_close(lua_State *L) {
  endpoint_t *endpoint = check_endpoint(L);
  uint64_t grace_ms =
      lua_isnumber(L, 2) ? mcp_seconds_to_ms(lua_tonumber(L, 2)) : 0;
  bool hurry;
  if (!endpoint) return 0;
  hurry = !is_open(endpoint) || (endpoint->process_ops && lua_isnumber(L, 2));
  close_endpoint(endpoint, grace_ms, grace_ms == 0 && hurry);
  return 0;
}

static int endpoint_collect(lua_State *L) {
  handle_t *handle = luaL_checkudata(L, 1, TYPE_NAME);
  endpoint_t *endpoint = handle->endpoint;
  handle->endpoint = NULL;
  if (!endpoint) return 0;
  endpoint->connections.receiver.held = false;
  if (is_pending(endpoint)) {
    close_endpoint(endpoint, 0, false);
  } else {
    release(endpoint);
    free_endpoint(endpoint);
  }
  return 0;
}

/* endpoint:is_open() -> boolean: true until either side closes it. */
static int endpoint_is_open(lua_State *L) {
  endpoint_t *endpoint = check_endpoint(L);
  lua_pushboolean(L, is_open(endpoint));
  return 1;
}

/* endpoint:is_gone() -> boolean: nothing of it is left, and all requests have
 * ended. */
static int endpoint_is_gone(lua_State *L) {
  endpoint_t *endpoint = check_endpoint(L);
  lua_pushboolean(L, !endpoint ||
                         (!is_pending(endpoint) &&
                          (!endpoint->process_ops ||
                           endpoint->process_ops->is_gone(endpoint->process))));
  return 1;
}

/* endpoint:clock { time, max, interval, expired, on_heartbeat }: how long its
 * requests may take; see mcp_lclock_set. */
static int endpoint_clock(lua_State *L) {
  endpoint_t *endpoint = check_endpoint(L);
  if (is_open(endpoint))
    mcp_lclock_set(L, &endpoint->connections.receiver.clock, 2);
  return 0;
}

/* endpoint:protect(challenge, pages): from now on the listener answers requests
 * for the pages itself, and refuses all others that have no Authorization field
 * with that challenge, unless it is nil. pages: by path a string of JSON, or a
 * table of type, body and perhaps fields (as lines, each with its CRLF): those
 * without are for pages of all origins. */
static int endpoint_protect(lua_State *L) {
  endpoint_t *endpoint = check_endpoint(L);
  mcp_http_guard_t guard = {.challenge = luaL_optstring(L, 2, NULL)};
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  if (!endpoint || !endpoint->http) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, endpoint->options);
  lua_pushvalue(L, 3);
  guard.pages = mcp_lendpoint_options_pages(L, 3, 4);
  /* The table at 4 keeps the strings alive. */
  lua_rawsetp(L, 4, endpoint);
  lua_pushvalue(L, 2);
  lua_rawsetp(L, 4, &endpoint->options);
  mcp_http_server_protect(endpoint->http, &guard);
  /* Those before are not needed any more: a reload replaces them. */
  if (lua_rawgetp(L, 4, &endpoint->http) == LUA_TLIGHTUSERDATA) {
    lua_pushnil(L);
    lua_rawsetp(L, 4, lua_touserdata(L, -2));
  }
  lua_pushlightuserdata(L, (void *)guard.pages);
  lua_rawsetp(L, 4, &endpoint->http);
  return 0;
}

/* endpoint:sender() -> sender | nil: what sends messages on the connection that
 * do not answer a request. */
static int endpoint_sender(lua_State *L) {
  mcp_lconnection_t *connection = connection_of(check_endpoint(L));
  return connection ? mcp_lconnection_push_sender(L, connection) : 0;
}

/* endpoint:on_closed(fn): fn(text, code) is called once the connection is gone,
 * whichever side closed it. It must not wait. */
static int endpoint_on_closed(lua_State *L) {
  mcp_lconnection_t *connection = connection_of(check_endpoint(L));
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  if (!connection) return luaL_error(L, "the endpoint has no connection");
  lua_rawgeti(L, LUA_REGISTRYINDEX, mcp_lconnection_table(connection));
  lua_insert(L, 2);
  lua_setfield(L, 2, "closed");
  return 0;
}

/* endpoint:as_client([message_limit]): this side is the client. Messages that
 * cannot be read are not answered, and one over the limit ends the connection.
 */
static int endpoint_as_client(lua_State *L) {
  mcp_lconnection_t *connection = connection_of(check_endpoint(L));
  lua_Integer limit = luaL_optinteger(L, 2, 0);
  luaL_argcheck(L, limit >= 0, 2, "expected bytes, 0 or more");
  if (connection && mcp_lconnection_link(connection))
    mcp_link_be_client(mcp_lconnection_link(connection), (size_t)limit);
  return 0;
}

/* endpoint:port() -> integer | nil */
static int endpoint_port(lua_State *L) {
  endpoint_t *endpoint = check_endpoint(L);
  if (!endpoint || !endpoint->http) return 0;
  lua_pushinteger(L, mcp_http_server_port(endpoint->http));
  return 1;
}

/* endpoint:pid() -> integer | nil: of a child process */
static int endpoint_pid(lua_State *L) {
  endpoint_t *endpoint = check_endpoint(L);
  if (!endpoint || !endpoint->process_ops) return 0;
  return endpoint->process_ops->push_pid(L, endpoint->process);
}

/* endpoint:exit() -> status | nil, signal | nil, unread: how a child process
 * has ended, and whether it left input unread */
static int endpoint_exit(lua_State *L) {
  endpoint_t *endpoint = check_endpoint(L);
  if (!endpoint || !endpoint->process_ops) return 0;
  return endpoint->process_ops->push_exit(L, endpoint->process);
}

/* endpoint:noise() -> string | nil: the first lines on the connection that are
 * no messages */
static int endpoint_noise(lua_State *L) {
  mcp_lconnection_t *connection = connection_of(check_endpoint(L));
  mcp_link_t *link = connection ? mcp_lconnection_link(connection) : NULL;
  lua_pushstring(L, link ? mcp_link_noise(link) : NULL);
  return 1;
}

/* endpoint:is_loopback() -> boolean */
static int endpoint_is_loopback(lua_State *L) {
  endpoint_t *endpoint = check_endpoint(L);
  lua_pushboolean(L, endpoint && endpoint->http &&
                         mcp_http_server_is_loopback(endpoint->http));
  return 1;
}

/* endpoint:connections() -> integer */
static int endpoint_connections(lua_State *L) {
  endpoint_t *endpoint = check_endpoint(L);
  lua_Integer n = connection_of(endpoint) ? 1 : 0;
  if (endpoint && endpoint->http)
    n = (lua_Integer)mcp_http_server_connections(endpoint->http);
  lua_pushinteger(L, n);
  return 1;
}

static int endpoint_to_string(lua_State *L) {
  endpoint_t *endpoint = check_endpoint(L);
  lua_pushfstring(L, TYPE_NAME " (%s)", is_open(endpoint) ? "open" : "closed");
  return 1;
}

void mcp_lendpoint_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {
      {"listen_http", listen_http}, {"serve_stdio", serve_stdio}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"close", endpoint_close},
                                     {"is_open", endpoint_is_open},
                                     {"is_gone", endpoint_is_gone},
                                     {"port", endpoint_port},
                                     {"protect", endpoint_protect},
                                     {"is_loopback", endpoint_is_loopback},
                                     {"pid", endpoint_pid},
                                     {"exit", endpoint_exit},
                                     {"noise", endpoint_noise},
                                     {"connections", endpoint_connections},
                                     {"clock", endpoint_clock},
                                     {"sender", endpoint_sender},
                                     {"on_closed", endpoint_on_closed},
                                     {"as_client", endpoint_as_client},
                                     {NULL, NULL}};
  mcp_lconnection_open(L);
  luaL_newmetatable(L, TYPE_NAME);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, endpoint_collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, endpoint_close);
  lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, endpoint_to_string);
  lua_setfield(L, -2, "__tostring");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
