/* SPDX-License-Identifier: MIT
 * lwebsocket.c: see lwebsocket.h. */
#include "lua/lwebsocket.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "base/version.h"
#include "lua/lendpoint.h"
#include "lua/lendpoint_options.h"
#include "lua/ltext.h"
#include "lua/lturn.h"
#include "lua/seconds.h"
#include "transport/ws_client.h"
#include "wire/http_request.h"

#define TYPE_NAME "mcp.websocket_dial"

/* A pending attempt to connect, on the Lua stack of the function that waits,
 * above the endpoint. Its finalizer is for errors and for the end of the state.
 */
typedef struct {
  mcp_runtime_t *rt;
  mcp_coroutine_t *co; /* NULL where the loop is turned instead */
  mcp_ws_client_t *client;
  mcp_buf_t head;            /* our request, while it is written */
  mcp_buf_t fields;          /* of a refusal: each name and value, with a NUL */
  mcp_lendpoint_t *endpoint; /* what the stream becomes */
  mcp_link_ws_t link;
  int code;
  bool done;
  char name[16];    /* of the code */
  char reason[320]; /* with what a refusal says */
} dial_t;

/* Where the endpoint and the attempt lie on the stack. */
#define HOST 3
#define DIAL 4

/* A refusal in one line, as far as there is room for it. */
/* How much of `body` fits after `used` of `size` bytes: whole characters,
 * also where the body was cut on its way to us. */
static size_t shown_length(mcp_slice_t body, size_t size, size_t used) {
  size_t end = mcp_utf8_cut(body, used < size ? size - used : 0);
  size_t whole = mcp_utf8_prefix(mcp_slice(body.data, end));
  return end - whole < 4 ? whole : end;
}

static void describe(dial_t *dial, const mcp_ws_handshake_t *opened) {
  size_t end;
  int n;
  if (opened->status == 0) {
    snprintf(dial->name, sizeof dial->name, "%s", mcp_err_name(opened->code));
    snprintf(dial->reason, sizeof dial->reason, "%s", opened->reason);
    return;
  }
  snprintf(dial->name, sizeof dial->name, "EHTTP%u", opened->status % 1000);
  /* Without memory it has fewer. */
  for (size_t i = 0; i < opened->head->header_count; i++) {
    const mcp_http_header_t *field = &opened->head->headers[i];
    size_t before = dial->fields.len;
    if (mcp_buf_append_slice(&dial->fields, field->name) < 0 ||
        mcp_buf_append_char(&dial->fields, '\0') < 0 ||
        mcp_buf_append_slice(&dial->fields, field->value) < 0 ||
        mcp_buf_append_char(&dial->fields, '\0') < 0)
      dial->fields.len = before;
  }
  n = snprintf(dial->reason, sizeof dial->reason,
               "the server refused the WebSocket with %u%s%s%s", opened->status,
               opened->reason[0] ? " " : "", opened->reason,
               opened->body.len > 0 ? ": " : "");
  end = shown_length(opened->body, sizeof dial->reason - 1, (size_t)n);
  for (size_t i = 0, at = (size_t)n; i < end; i++) {
    char c = opened->body.data[i];
    dial->reason[at++] = (unsigned char)c < ' ' || c == 127 ? ' ' : c;
    dial->reason[at] = '\0';
  }
}

static void on_opened(void *owner, const mcp_ws_handshake_t *opened) {
  dial_t *dial = owner;
  mcp_coroutine_t *co = dial->co;
  dial->client = NULL;
  dial->done = true;
  dial->code = opened->code;
  if (opened->code == 0)
    dial->code = mcp_lendpoint_attach_ws(dial->endpoint, opened->stream,
                                         &dial->link, opened->early);
  if (opened->code < 0) {
    describe(dial, opened);
  } else if (dial->code < 0) {
    describe(dial, &(mcp_ws_handshake_t){.code = dial->code,
                                         .reason = mcp_err_text(dial->code)});
  }
  if (co) mcp_coroutine_wake(co, dial->code);
}

static void cancel_dial(mcp_coroutine_t *co, void *arg) {
  dial_t *dial = arg;
  (void)co;
  mcp_ws_client_cancel(dial->client);
  dial->client = NULL;
}

static int collect_dial(lua_State *L) {
  dial_t *dial = lua_touserdata(L, 1);
  mcp_ws_client_cancel(dial->client);
  dial->client = NULL;
  mcp_buf_deinit(&dial->head);
  mcp_buf_deinit(&dial->fields);
  return 0;
}

/* Pushes the fields of a refusal by their lower-case names; several of one name
 * are joined by ", ". [-0, +1, m] */
static void push_fields(lua_State *L, const dial_t *dial) {
  const char *at = dial->fields.data;
  const char *end = at + dial->fields.len;
  lua_newtable(L);
  while (at < end) {
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (; *at; at++)
      luaL_addchar(&b, *at >= 'A' && *at <= 'Z' ? (char)(*at + 32) : *at);
    luaL_pushresult(&b);
    at++;
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushstring(L, at);
    } else {
      lua_pushliteral(L, ", ");
      lua_pushstring(L, at);
      lua_concat(L, 3);
    }
    lua_rawset(L, -3);
    at += strlen(at) + 1;
  }
}

/* endpoint | nil, text, code [, fields] */
static int push_outcome(lua_State *L, const dial_t *dial) {
  if (dial->code < 0) {
    lua_pushnil(L);
    lua_pushstring(L, dial->reason);
    lua_pushstring(L, dial->name);
    if (dial->fields.len == 0) return 3;
    push_fields(L, dial);
    return 4;
  }
  lua_pushvalue(L, HOST);
  return 1;
}

static int dialled(lua_State *L, int status, lua_KContext context) {
  mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  dial_t *dial = lua_touserdata(L, DIAL);
  (void)status;
  if (!dial->done) return mcp_coroutine_push_error(L, co->wake_code);
  return push_outcome(L, dial);
}

/* Reads the table `proxy`: { host =, port =, authorization = }. [-0, +0, e] */
static void read_proxy(lua_State *L, mcp_ws_client_options_t *options) {
  int table;
  if (lua_getfield(L, 1, "proxy") != LUA_TNIL) {
    table = lua_gettop(L);
    luaL_checktype(L, table, LUA_TTABLE);
    lua_getfield(L, table, "host");
    lua_getfield(L, table, "port");
    lua_getfield(L, table, "authorization");
    options->proxy_host = luaL_checkstring(L, -3);
    options->proxy_port = (int)luaL_checkinteger(L, -2);
    options->proxy_authorization = luaL_optstring(L, -1, NULL);
    lua_pop(L, 3);
  }
  lua_pop(L, 1);
}

static void read_options(lua_State *L, mcp_ws_client_options_t *options) {
  const char *only = mcp_ltext_field(L, 1, "only", NULL);
  options->host = mcp_ltext_field(L, 1, "host", NULL);
  options->unix_path = mcp_ltext_field(L, 1, "unix", NULL);
  if (!options->host == !options->unix_path)
    luaL_error(L, "expected host or unix");
  options->server_name = mcp_ltext_field(L, 1, "server_name", options->host);
  if (only && strcmp(only, "public") == 0) {
    options->flags = MCP_CONNECT_PUBLIC;
  } else if (only && strcmp(only, "loopback") == 0) {
    options->flags = MCP_CONNECT_LOOPBACK;
  } else if (only) {
    luaL_error(L, "only: expected \"public\" or \"loopback\"");
  }
  if (lua_getfield(L, 1, "tls") != LUA_TNIL) {
    mcp_tls_t **held = luaL_testudata(L, -1, MCP_TLS_TYPE);
    if (!held || !*held || mcp_tls_is_server(*held))
      luaL_error(L, "tls: expected a client's TLS context, got %s",
                 held && *held ? "a server's" : luaL_typename(L, -1));
    options->tls = *held;
  }
  if (lua_getfield(L, 1, "port") != LUA_TNIL) {
    lua_Integer port = luaL_checkinteger(L, -1);
    if (port < 1 || port > 65535)
      luaL_error(L, "port: expected an integer from 1 to 65535");
    options->port = (int)port;
  } else {
    options->port = options->tls ? 443 : 80;
  }
  read_proxy(L, options);
  options->timeout = MCP_WS_CLIENT_TIME;
  (void)mcp_seconds_field(L, 1, "timeout", &options->timeout);
  lua_getfield(L, 1, "any_protocol");
  options->any_protocol = lua_toboolean(L, -1);
  lua_pop(L, 3);
}

/* The fields { name, value } of the list on top. */
static int write_fields(lua_State *L, mcp_buf_t *out, const char **reason) {
  bool agent = false;
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    mcp_slice_t key, value, ours = MCP_SLICE("Sec-WebSocket-");
    int code;
    if (lua_rawgeti(L, -1, i) != LUA_TTABLE ||
        lua_rawgeti(L, -1, 1) != LUA_TSTRING ||
        lua_rawgeti(L, -2, 2) != LUA_TSTRING)
      return luaL_error(L, "headers: expected { name, value } at %I",
                        (LUAI_UACINT)i);
    key.data = lua_tolstring(L, -2, &key.len);
    value.data = lua_tolstring(L, -1, &value.len);
    agent = agent || mcp_slice_equal_nocase(key, MCP_SLICE("User-Agent"));
    *reason = "set by the handshake itself";
    code = key.len >= ours.len &&
                   mcp_slice_same_nocase(key.data, ours.data, ours.len)
               ? MCP_EHTTP
               : mcp_http_request_field(out, key, value, reason);
    if (code == MCP_EHTTP)
      return luaL_error(L, "headers: %s: %s", key.data, *reason);
    lua_pop(L, 3);
    if (code < 0) return code;
  }
  if (agent) return 0;
  return mcp_http_request_field(out, MCP_SLICE("User-Agent"),
                                MCP_SLICE("luamcp/" MCP_VERSION), reason);
}

static int write_head(lua_State *L, mcp_buf_t *out,
                      const mcp_ws_client_options_t *options) {
  const char *target = mcp_ltext_field(L, 1, "target", "/"), *reason = "";
  const char *host = options->host ? options->host : "localhost";
  int port = options->port == (options->tls ? 443 : 80) ? 0 : options->port;
  int type, code;
  code = mcp_http_request_begin(
      out, MCP_SLICE("GET"), mcp_slice(target, strlen(target)),
      mcp_slice(host, strlen(host)), port, false, &reason);
  if (code == MCP_EHTTP) return luaL_error(L, "%s", reason);
  if (code < 0) return code;
  type = lua_getfield(L, 1, "headers");
  if (type != LUA_TTABLE && type != LUA_TNIL)
    return luaL_error(L, "headers: expected a table, got %s",
                      luaL_typename(L, -1));
  if (type == LUA_TNIL) lua_newtable(L);
  code = write_fields(L, out, &reason);
  lua_settop(L, DIAL);
  return code;
}

/* connect_websocket({ host =, port = | unix =, target =, tls =, server_name =,
 *   headers = { { name, value }, … }, timeout =, only =, any_protocol =,
 *   and the limits of mcp_lendpoint_options_ws }, receive)
 *   -> endpoint | nil, text, code [, fields]
 * Waits until it is open. A refusal's code is "EHTTP" and the status; its
 * header fields come with it. */
static int connect_websocket(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_coroutine_t *co;
  mcp_ws_client_options_t options = {0};
  dial_t *dial;
  mcp_lendpoint_t *endpoint;
  int code;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  read_options(L, &options);
  if (!mcp_lturn_begin(L, rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  endpoint = mcp_lendpoint_push(L, rt, 2);
  dial = lua_newuserdatauv(L, sizeof *dial, 0);
  *dial = (dial_t){.rt = rt, .co = co, .endpoint = endpoint};
  luaL_setmetatable(L, TYPE_NAME);
  dial->link.client = true;
  mcp_lendpoint_options_ws(L, 1, &dial->link);
  code = write_head(L, &dial->head, &options);
  if (code == 0)
    code = mcp_ws_client_open(rt->loop, &options, &dial->head, on_opened, dial,
                              &dial->client);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (co) return mcp_coroutine_wait(L, co, cancel_dial, dial, dialled);
  while (!dial->done) mcp_lturn_once(L, rt, -1);
  return push_outcome(L, dial);
}

void mcp_lwebsocket_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"connect_websocket", connect_websocket},
                                       {NULL, NULL}};
  luaL_newmetatable(L, TYPE_NAME);
  lua_pushcfunction(L, collect_dial);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
