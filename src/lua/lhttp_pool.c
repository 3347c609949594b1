/* SPDX-License-Identifier: MIT
 * lhttp_pool.c: see lhttp_pool.h; what each function takes and returns is
 * annotated in lua/mcp/core.types.lua. */
#include "lua/lhttp_pool.h"

#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "base/version.h"
#include "lua/lhttp_call.h"
#include "lua/lself.h"
#include "lua/seconds.h"
#include "transport/http_call.h"
#include "wire/http_coding.h"
#include "wire/http_request.h"

#define POOL_TYPE "mcp.http_pool"

#define NEVER UINT64_MAX

typedef struct {
  mcp_runtime_t *rt;
  mcp_http_pool_t *pool; /* NULL until it is opened */
  uint64_t body_time;    /* ms between two pieces of a body; NEVER */
  mcp_buf_t kept;        /* what the fields of the list in its user value are */
  bool kept_coding;
} pool_t;

/* ---- requests ----------------------------------------------------------- */

/* A request, as read from its table. */
typedef struct {
  mcp_http_call_options_t call;
  mcp_slice_t method, target, body;
  bool has_body;
  const char *file; /* whose content is the body, or NULL */
  bool any_coding;  /* its headers include Accept-Encoding */
  const char *proxy_host, *authorization; /* or NULL */
  int proxy_port;
  bool tunnel; /* through it; else the proxy gets the request itself */
} request_t;

/* The string in field `name` of the table at 2, which keeps it; NULL if it is
 * nil. [-0, +0, e] */
static const char *text_field(lua_State *L, const char *name,
                              mcp_slice_t *slice, bool bytes) {
  const char *text;
  size_t length;
  int type = lua_getfield(L, 2, name);
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return NULL;
  }
  if (type != LUA_TSTRING)
    luaL_error(L, "request: %s: expected a string, got %s", name,
               luaL_typename(L, -1));
  text = lua_tolstring(L, -1, &length);
  if (!bytes && strlen(text) != length)
    luaL_error(L, "request: %s: contains a zero byte", name);
  if (slice) *slice = mcp_slice(text, length);
  lua_pop(L, 1);
  return text;
}

static lua_Integer integer_field(lua_State *L, const char *name,
                                 lua_Integer max) {
  lua_Integer n = 0;
  int is_integer = 1;
  if (lua_getfield(L, 2, name) != LUA_TNIL) {
    n = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || n < 1 || n > max)
      luaL_error(L, "request: %s: expected an integer from 1 to %I", name,
                 (LUAI_UACINT)max);
  }
  lua_pop(L, 1);
  return n;
}

static const char *const known[] = {
    "host",       "port",    "unix",  "tls",     "server_name", "method",
    "target",     "headers", "body",  "timeout", "head_limit",  "event_limit",
    "idempotent", "only",    "proxy", "file",    "known",       NULL};

static void check_names(lua_State *L, const char *what,
                        const char *const *names, int table) {
  lua_pushnil(L);
  while (lua_next(L, table)) {
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    const char *const *name = names;
    while (*name && (**name != *key || strcmp(*name, key) != 0)) name++;
    if (!*name) luaL_error(L, "%s: unknown option \"%s\"", what, key);
    lua_pop(L, 1);
  }
}

static mcp_tls_t *tls_field(lua_State *L) {
  mcp_tls_t *tls = NULL;
  if (lua_getfield(L, 2, "tls") != LUA_TNIL) {
    mcp_tls_t **held = luaL_testudata(L, -1, MCP_TLS_TYPE);
    if (!held || !*held || mcp_tls_is_server(*held))
      luaL_error(L, "request: tls: expected a client's TLS context, got %s",
                 held && *held ? "a server's" : luaL_typename(L, -1));
    tls = *held;
  }
  lua_pop(L, 1);
  return tls;
}

/* Reads the table `proxy`: { host =, port =, authorization =, tunnel = }. Its
 * strings stay in it. [-0, +0, e] */
static void proxy_field(lua_State *L, request_t *request) {
  static const char *const names[] = {"host", "port", "authorization", "tunnel",
                                      NULL};
  mcp_http_call_options_t *call = &request->call;
  int table = 2, type = lua_getfield(L, 2, "proxy");
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  luaL_argexpected(L, type == LUA_TTABLE && !call->unix_path, 2,
                   "a proxy as a table, and no unix");
  table = lua_gettop(L);
  check_names(L, "request: proxy", names, table);
  lua_getfield(L, table, "host");
  lua_getfield(L, table, "port");
  lua_getfield(L, table, "authorization");
  lua_getfield(L, table, "tunnel");
  request->proxy_host = luaL_checkstring(L, table + 1);
  request->proxy_port = (int)luaL_checkinteger(L, table + 2);
  request->authorization = luaL_optstring(L, table + 3, NULL);
  request->tunnel = lua_toboolean(L, table + 4);
  lua_settop(L, table - 1);
  if (request->tunnel) {
    call->proxy_host = request->proxy_host;
    call->proxy_port = request->proxy_port;
    call->proxy_authorization = request->authorization;
  }
}

static unsigned only_field(lua_State *L) {
  const char *only = text_field(L, "only", NULL, false);
  if (!only) return 0;
  if (strcmp(only, "public") == 0) return MCP_CONNECT_PUBLIC;
  if (strcmp(only, "loopback") == 0) return MCP_CONNECT_LOOPBACK;
  luaL_error(L,
             "request: only: expected \"public\" or \"loopback\", got "
             "\"%s\"",
             only);
  return 0;
}

static mcp_http_again_t again_field(lua_State *L, mcp_slice_t method) {
  mcp_http_again_t again = MCP_HTTP_AGAIN_STALE;
  if (lua_getfield(L, 2, "idempotent") != LUA_TNIL) {
    again = lua_toboolean(L, -1) ? MCP_HTTP_AGAIN_YES : MCP_HTTP_AGAIN_NEVER;
  } else if (mcp_http_request_is_idempotent(method)) {
    again = MCP_HTTP_AGAIN_YES;
  }
  lua_pop(L, 1);
  return again;
}

/* Reads the table at 2; its strings stay in it. [-0, +0, e] */
static void read_request(lua_State *L, request_t *request) {
  mcp_http_call_options_t *call = &request->call;
  luaL_checktype(L, 2, LUA_TTABLE);
  if (lua_getfield(L, 2, "known") == LUA_TNIL)
    check_names(L, "request", known, 2);
  lua_pop(L, 1);
  *request = (request_t){.method = MCP_SLICE("GET"), .target = MCP_SLICE("/")};
  call->host = text_field(L, "host", NULL, false);
  call->port = (int)integer_field(L, "port", 65535);
  call->unix_path = text_field(L, "unix", NULL, false);
  if (!call->unix_path && (!call->host || !call->port))
    luaL_error(L, "request: expected host and port, or unix");
  if (call->unix_path) call->port = 0;
  call->tls = tls_field(L);
  call->server_name = text_field(L, "server_name", NULL, false);
  call->flags = only_field(L);
  proxy_field(L, request);
  call->head_limit = (size_t)integer_field(L, "head_limit", 1 << 20);
  if (lua_getfield(L, 2, "timeout") != LUA_TNIL) {
    uint64_t ms = mcp_seconds_read(L, -1, "request: timeout");
    call->head_time = ms ? ms : NEVER;
  }
  lua_pop(L, 1);
  text_field(L, "method", &request->method, true);
  text_field(L, "target", &request->target, true);
  request->has_body = text_field(L, "body", &request->body, true) != NULL;
  request->file = text_field(L, "file", NULL, false);
  if (request->file && request->has_body)
    luaL_error(L, "request: expected only one of body and file");
  call->again = again_field(L, request->method);
  call->no_body = mcp_slice_equal(request->method, MCP_SLICE("HEAD"));
}

/* Appends the fields of the list at the top. 0, or a code; then `*name` is the
 * name of the field that caused it. */
static int write_fields(lua_State *L, request_t *request, mcp_buf_t *out,
                        const char **name, const char **reason) {
  bool agent = false, coding = false;
  int code;
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    mcp_slice_t key, value;
    if (lua_rawgeti(L, -1, i) != LUA_TTABLE ||
        lua_rawgeti(L, -1, 1) != LUA_TSTRING ||
        lua_rawgeti(L, -2, 2) != LUA_TSTRING)
      return luaL_error(L, "request: headers: expected { name, value } at %I",
                        (LUAI_UACINT)i);
    key.data = lua_tolstring(L, -2, &key.len);
    value.data = lua_tolstring(L, -1, &value.len);
    *name = key.data;
    agent = agent || mcp_slice_equal_nocase(key, MCP_SLICE("User-Agent"));
    coding =
        coding || mcp_slice_equal_nocase(key, MCP_SLICE("Accept-Encoding"));
    code = mcp_http_request_field(out, key, value, reason);
    /* The names and values are still in their tables. */
    lua_pop(L, 3);
    if (code < 0) return code;
  }
  *name = NULL;
  request->any_coding = coding;
  if (!coding) {
    code = mcp_http_request_field(out, MCP_SLICE("Accept-Encoding"),
                                  MCP_SLICE(MCP_HTTP_ACCEPT_CODING), reason);
    if (code < 0) return code;
  }
  if (agent) return 0;
  return mcp_http_request_field(out, MCP_SLICE("User-Agent"),
                                MCP_SLICE("luamcp/" MCP_VERSION), reason);
}

/* The same. A list with the member `fixed` does not change, so what it is as
 * text is kept for the next request with it. The pool is at 1. */
static int write_list(lua_State *L, request_t *request, mcp_buf_t *out,
                      const char **name, const char **reason) {
  pool_t *pool = lua_touserdata(L, 1);
  size_t before = out->len;
  bool fixed;
  int code;
  lua_getiuservalue(L, 1, 1);
  fixed = lua_rawequal(L, -1, -2);
  lua_pop(L, 1);
  if (fixed) {
    *name = NULL;
    request->any_coding = pool->kept_coding;
    return mcp_buf_append_slice(out, mcp_buf_slice(&pool->kept));
  }
  code = write_fields(L, request, out, name, reason);
  if (code < 0) return code;
  fixed = lua_getfield(L, -1, "fixed") != LUA_TNIL;
  lua_pop(L, 1);
  if (!fixed) return 0;
  pool->kept.len = 0;
  pool->kept_coding = request->any_coding;
  code = mcp_buf_append(&pool->kept, out->data + before, out->len - before);
  if (code == 0)
    lua_pushvalue(L, -1);
  else
    lua_pushnil(L);
  lua_setiuservalue(L, 1, 1);
  return code;
}

/* Writes the request to `out`; `size` is that of its file. 0, or a code, and
 * the name of the field that caused it. */
static int write_request(lua_State *L, request_t *request, uint64_t size,
                         mcp_buf_t *out, const char **name,
                         const char **reason) {
  const mcp_http_call_options_t *call = &request->call;
  mcp_slice_t host = MCP_SLICE("localhost");
  int code, type, usual = call->tls ? 443 : 80;
  *name = NULL;
  if (call->host) host = mcp_slice(call->host, strlen(call->host));
  code =
      mcp_http_request_begin(out, request->method, request->target, host,
                             call->port == usual ? 0 : call->port,
                             request->proxy_host && !request->tunnel, reason);
  if (code == 0 && request->authorization && !request->tunnel)
    code = mcp_http_request_field(
        out, MCP_SLICE("Proxy-Authorization"),
        mcp_slice(request->authorization, strlen(request->authorization)),
        reason);
  if (code < 0) return code;
  type = lua_getfield(L, 2, "headers");
  if (type != LUA_TTABLE && type != LUA_TNIL)
    return luaL_error(L, "request: headers: expected a table, got %s",
                      luaL_typename(L, -1));
  if (type == LUA_TNIL) lua_newtable(L);
  code = write_list(L, request, out, name, reason);
  lua_pop(L, 1);
  if (code < 0) return code;
  if (request->file) return mcp_http_request_end_before(out, size);
  return mcp_http_request_end(out, request->method, request->body,
                              request->has_body);
}

/* Pushes "host:port", or the path of the socket file, of the table at 2. */
static const char *push_place(lua_State *L) {
  const char *host = text_field(L, "host", NULL, false);
  const char *path = text_field(L, "unix", NULL, false);
  if (path) return lua_pushfstring(L, "%s", path);
  if (!host) return lua_pushliteral(L, "request");
  return lua_pushfstring(L, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host,
                         (int)integer_field(L, "port", 65535));
}

/* pool:request(options) -> response, status, content type | nil, text, code */
static int pool_request(lua_State *L) {
  pool_t *pool = mcp_lself_check_own(L, POOL_TYPE);
  const char *reason = NULL, *name = NULL;
  request_t request;
  mcp_lhttp_call_start_t start = {.pool = pool->pool,
                                  .options = &request.call,
                                  .body_time = pool->body_time,
                                  .push_place = push_place};
  mcp_lhttp_call_t *response;
  mcp_buf_t *out;
  uint64_t size = 0;
  int code;
  lua_settop(L, 2);
  read_request(L, &request);
  response = mcp_lhttp_call_push(
      L, pool->rt, (size_t)integer_field(L, "event_limit", 1 << 30));
  out = mcp_lhttp_call_buffer(response);
  if (request.file) {
    code = mcp_lhttp_call_open_file(response, request.file, &size);
    if (code < 0)
      return mcp_lhttp_call_push_failure(L, request.file, code, NULL);
  }
  code = write_request(L, &request, size, out, &name, &reason);
  if (code < 0) {
    mcp_buf_deinit(out);
    if (!name) return mcp_lhttp_call_push_failure(L, "request", code, reason);
    lua_pushfstring(L, "request: headers: \"%s\"", name);
    return mcp_lhttp_call_push_failure(L, lua_tostring(L, -1), code, reason);
  }
  start.any_coding = request.any_coding;
  if (request.proxy_host && !request.tunnel) {
    /* Requests to all servers share the connections to the proxy. */
    request.call.host = request.proxy_host;
    request.call.port = request.proxy_port;
    request.call.flags = 0;
  }
  return mcp_lhttp_call_start(L, response, &start);
}

/* ---- pools -------------------------------------------------------------- */

static int pool_close(lua_State *L) {
  pool_t *pool = mcp_lself_check_own(L, POOL_TYPE);
  if (pool->pool) mcp_http_pool_close(pool->pool);
  return 0;
}

static int pool_collect(lua_State *L) {
  pool_t *pool = mcp_lself_check_own(L, POOL_TYPE);
  mcp_http_pool_free(pool->pool);
  pool->pool = NULL;
  mcp_buf_deinit(&pool->kept);
  return 0;
}

/* pool:connections() -> open, idle, waiting */
static int pool_connections(lua_State *L) {
  pool_t *pool = mcp_lself_check_own(L, POOL_TYPE);
  mcp_http_pool_facts_t facts = mcp_http_pool_facts(pool->pool);
  lua_pushinteger(L, (lua_Integer)facts.open);
  lua_pushinteger(L, (lua_Integer)facts.idle);
  lua_pushinteger(L, (lua_Integer)facts.waiting);
  return 3;
}

/* 0 if the option is absent; a time of 0 is no limit. */
static uint64_t time_option(lua_State *L, const char *name) {
  uint64_t ms = 0;
  if (mcp_seconds_field(L, 1, name, &ms) && ms == 0) ms = NEVER;
  return ms;
}

/* http_pool([options]) -> pool */
static int new_pool(lua_State *L) {
  static const char *const names[] = {"connections", "idle_timeout",
                                      "connect_timeout", "body_timeout", NULL};
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_http_pool_options_t options = {0};
  pool_t *pool;
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
    lua_replace(L, 1);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  check_names(L, "http_pool", names, 1);
  if (lua_getfield(L, 1, "connections") != LUA_TNIL) {
    int is_integer;
    lua_Integer n = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || n < 1 || n > 65535)
      return luaL_error(L, "http_pool: connections: expected an integer from 1 "
                           "to 65535");
    options.connections = (unsigned)n;
  }
  lua_settop(L, 1);
  options.idle_time = time_option(L, "idle_timeout");
  options.connect_time = time_option(L, "connect_timeout");
  pool = lua_newuserdatauv(L, sizeof *pool, 1);
  *pool = (pool_t){.rt = rt, .body_time = time_option(L, "body_timeout")};
  if (!pool->body_time) pool->body_time = MCP_HTTP_CLIENT_BODY_TIME;
  luaL_setmetatable(L, POOL_TYPE);
  pool->pool = mcp_http_pool_new(rt->loop, &options);
  if (!pool->pool) return luaL_error(L, "not enough memory");
  rt->loop_stays = true;
  return 1;
}

void mcp_lhttp_pool_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"http_pool", new_pool}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"request", pool_request},
                                     {"close", pool_close},
                                     {"connections", pool_connections},
                                     {NULL, NULL}};
  luaL_newmetatable(L, POOL_TYPE);
  mcp_lself_set_methods(L, methods);
  lua_pushcfunction(L, pool_collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, pool_close);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  mcp_lhttp_call_open(L);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
