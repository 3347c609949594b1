/* SPDX-License-Identifier: MIT
 * lendpoint_options.c: see lendpoint_options.h. */
#include "lua/lendpoint_options.h"

#include <lauxlib.h>

#include "lua/laccess.h"
#include "lua/lsocket.h"
#include "lua/seconds.h"
#include "net/listener.h"

/* A time of 0 is no limit. */
static void seconds_field(lua_State *L, int table, const char *name,
                          uint64_t *ms) {
  if (lua_getfield(L, table, name) != LUA_TNIL) {
    lua_Number seconds = luaL_checknumber(L, -1);
    *ms = seconds <= 0 ? MCP_SECONDS_FOREVER : mcp_seconds_to_ms(seconds);
  }
  lua_pop(L, 1);
}

void mcp_lendpoint_options_ws(lua_State *L, int table, mcp_link_ws_t *ws) {
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
 * kept in the table itself: both live as long as the table does. The caller, in
 * Lua, has checked the types. [-0, +0, m] */
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

/* Reads what the table at 1 says of the links of a listener; by default their
 * messages are limited as a body is. [-0, +0, e] */
static void read_links(lua_State *L, mcp_http_options_t *options,
                       mcp_link_ws_t *ws) {
  bool has_duplex = lua_getfield(L, 1, "duplex") == LUA_TFUNCTION;
  ws->message_limit = options->gate.body_limit;
  ws->stall_time = options->stall_time;
  mcp_lendpoint_options_ws(L, 1, ws);
  lua_getfield(L, 1, "websocket");
  options->gate.websocket = lua_toboolean(L, -1);
  lua_getfield(L, 1, "any_protocol");
  options->gate.any_protocol = lua_toboolean(L, -1);
  lua_pop(L, 3);
  if (lua_getfield(L, 1, "message_path") != LUA_TNIL)
    options->gate.message_path = luaL_checkstring(L, -1);
  lua_pop(L, 1);
  luaL_argcheck(L, !options->gate.websocket || has_duplex, 1,
                "websocket: expected a function in duplex");
  luaL_argcheck(L, !options->gate.message_path || has_duplex, 1,
                "message_path: expected a function in duplex");
}

/* The server's context on top. [-0, +0, e] */
static mcp_tls_t *check_tls(lua_State *L) {
  mcp_tls_t **context = luaL_testudata(L, -1, MCP_TLS_TYPE);
  if (!context || !*context || !mcp_tls_is_server(*context))
    luaL_error(L, "tls: expected a server's TLS context, got %s",
               context ? "a client's" : luaL_typename(L, -1));
  return *context;
}

void mcp_lendpoint_options_http(lua_State *L, mcp_http_options_t *options,
                                mcp_link_ws_t *ws) {
  int top = lua_gettop(L);
  mcp_http_options_init(options);
  lua_settop(L, top);
  if (lua_getfield(L, 1, "host") != LUA_TNIL)
    options->host = luaL_checkstring(L, -1);
  if (lua_getfield(L, 1, "port") != LUA_TNIL)
    options->port = (int)luaL_checkinteger(L, -1);
  if (lua_getfield(L, 1, "unix") != LUA_TNIL)
    options->unix_path = luaL_checkstring(L, -1);
  if (lua_getfield(L, 1, "mode") != LUA_TNIL)
    options->unix_mode = (unsigned)luaL_checkinteger(L, -1);
  if (lua_getfield(L, 1, "socket") != LUA_TNIL)
    options->socket = mcp_lsocket_check(L, -1);
  if (options->socket && lua_getfield(L, 1, "tally") != LUA_TNIL)
    options->socket->tally = mcp_lsocket_check_tally(L, -1);
  if (lua_getfield(L, 1, "tls") != LUA_TNIL) options->tls = check_tls(L);
  if (lua_getfield(L, 1, "access_log") != LUA_TNIL)
    options->access = mcp_laccess_check(L);
  if (lua_getfield(L, 1, "path") != LUA_TNIL)
    options->gate.path = luaL_checkstring(L, -1);
  if (lua_getfield(L, 1, "body_limit") != LUA_TNIL)
    options->gate.body_limit = (size_t)luaL_checkinteger(L, -1);
  if (lua_getfield(L, 1, "connections") != LUA_TNIL)
    options->connections = (unsigned)luaL_checkinteger(L, -1);
  if (lua_getfield(L, 1, "per_address") != LUA_TNIL) {
    options->per_address = (unsigned)luaL_checkinteger(L, -1);
    if (options->per_address == 0)
      options->per_address = MCP_LISTENER_ANY_NUMBER;
  }
  if (lua_getfield(L, 1, "guard") != LUA_TNIL) {
    options->gate.check_host = lua_toboolean(L, -1);
    options->gate.check_origin = lua_toboolean(L, -1);
    if (options->gate.check_host) options->guard_loopback_only = false;
  }
  lua_settop(L, top);
  options->gate.hosts = string_list(L, 1, "hosts");
  options->gate.origins = string_list(L, 1, "origins");
  options->gate.headers = string_list(L, 1, "headers");
  options->gate.paths = string_list(L, 1, "paths");
  if (lua_getfield(L, 1, "prefix") == LUA_TSTRING) {
    options->gate.prefix = lua_tostring(L, -1);
  } else {
    options->gate.forwarded = lua_toboolean(L, -1);
  }
  lua_settop(L, top);
  seconds_field(L, 1, "head_timeout", &options->head_time);
  seconds_field(L, 1, "body_timeout", &options->body_time);
  seconds_field(L, 1, "idle_timeout", &options->idle_time);
  seconds_field(L, 1, "stall_timeout", &options->stall_time);
  seconds_field(L, 1, "heartbeat", &options->heartbeat_time);
  read_links(L, options, ws);
}

/* A string in the table at the top, or NULL if it may be missing; it lives as
 * long as that does. [-0, +0, e] */
static const char *page_member(lua_State *L, const char *name, bool optional) {
  const char *s;
  int type = lua_getfield(L, -1, name);
  if (type != LUA_TSTRING && !(optional && type == LUA_TNIL))
    luaL_error(L, "pages: %s: expected a string", name);
  s = lua_tostring(L, -1);
  lua_pop(L, 1);
  return s;
}

static bool is_true(lua_State *L, const char *name) {
  bool yes = (lua_getfield(L, -1, name), lua_toboolean(L, -1));
  lua_pop(L, 1);
  return yes;
}

static mcp_http_page_t read_page(lua_State *L, int arg) {
  luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, arg,
                "pages: expected a path as the key");
  if (lua_type(L, -1) == LUA_TTABLE && is_true(L, "route"))
    return (mcp_http_page_t){.path = lua_tostring(L, -2),
                             .is_route = true,
                             .any_host = is_true(L, "any_host")};
  if (lua_type(L, -1) == LUA_TTABLE)
    return (mcp_http_page_t){.path = lua_tostring(L, -2),
                             .body = page_member(L, "body", false),
                             .type = page_member(L, "type", false),
                             .fields = page_member(L, "fields", true)};
  luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, arg,
                "pages: expected a string or a table");
  return (mcp_http_page_t){.path = lua_tostring(L, -2),
                           .body = lua_tostring(L, -1)};
}

const mcp_http_page_t *mcp_lendpoint_options_pages(lua_State *L, int arg,
                                                   int keep) {
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
