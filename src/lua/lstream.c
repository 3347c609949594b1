/* SPDX-License-Identifier: MIT
 * lstream.c: see lstream.h. */
#include "lua/lstream.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/lconnect.h"
#include "lua/lself.h"
#include "lua/ltext.h"
#include "lua/lturn.h"
#include "lua/seconds.h"
#include "net/connect.h"
#include "net/tls.h"

#define TYPE_NAME "mcp.stream"

/* Bytes of its buffer that a stream keeps once it has been emptied. */
#define KEPT 65536

/* Lives until the stream is gone and the userdata collected. */
typedef struct {
  mcp_runtime_t *rt;
  mcp_connect_t *op;    /* while it connects */
  mcp_stream_t *stream; /* NULL before, and once it is gone */
  mcp_tls_t *tls;       /* held until the stream is made; or NULL */
  mcp_buf_t bytes;      /* what has come and was not received */
  int code;             /* < 0: connecting or reading has failed */
  bool connected;       /* connecting has ended */
  bool ended;           /* nothing more will come */
  bool paused, closed;
  bool held;           /* the userdata refers to it */
  bool turning;        /* code outside coroutines waits */
  mcp_coroutine_t *co; /* which waits, or NULL */
  char reason[192];    /* details of `code`, or "" */
  char server_name[256];
  int port;
} lstream_t;

typedef struct {
  lstream_t *s;
} handle_t;

static void free_stream(lstream_t *s) {
  mcp_tls_release(s->tls);
  mcp_buf_deinit(&s->bytes);
  mcp_mem_free(s);
}

static bool is_ready(const lstream_t *s) {
  return s->bytes.len > 0 || s->ended || s->closed || s->code < 0;
}

static void notify(lstream_t *s) {
  mcp_coroutine_t *co = s->co;
  s->co = NULL;
  if (co) mcp_coroutine_wake(co, 0);
}

static void fail(lstream_t *s, int code, const char *reason) {
  if (s->code < 0) return;
  s->code = code;
  snprintf(s->reason, sizeof s->reason, "%s", reason);
}

/* ---- events of the stream ----------------------------------------------- */

static void adjust(lstream_t *s) {
  bool pause = s->bytes.len > MCP_LSTREAM_UNREAD;
  if (!s->stream || s->closed || pause == s->paused) return;
  s->paused = pause;
  mcp_stream_pause(s->stream, pause);
}

static void on_data(void *owner, mcp_slice_t bytes) {
  lstream_t *s = owner;
  int code;
  if (s->closed || s->code < 0) return;
  code = mcp_buf_append_slice(&s->bytes, bytes);
  if (code < 0) fail(s, code, mcp_err_text(code));
  adjust(s);
  notify(s);
}

static void on_end(void *owner, int code) {
  lstream_t *s = owner;
  s->ended = true;
  if (code < 0) fail(s, code, mcp_stream_error_text(s->stream, code));
  notify(s);
}

static void on_drain(void *owner) {
  (void)owner;
}

static void on_closed(void *owner) {
  lstream_t *s = owner;
  s->stream = NULL;
  if (!s->held) free_stream(s);
}

static const mcp_stream_events_t events = {on_data, on_end, on_drain,
                                           on_closed};

/* Closes it at once; what has not been written is lost. The coroutine that
 * waits is woken in a later turn: finalizers call this, too. */
static void close_stream(lstream_t *s) {
  mcp_coroutine_t *co = s->co;
  if (s->closed) return;
  s->closed = true;
  s->co = NULL;
  mcp_connect_cancel(s->op);
  s->op = NULL;
  mcp_buf_deinit(&s->bytes);
  if (co) mcp_coroutine_wake_later(co, MCP_ECLOSED);
  if (s->stream) mcp_stream_close(s->stream, false);
}

/* ---- methods ------------------------------------------------------------ */

static lstream_t *check_stream(lua_State *L) {
  handle_t *handle = mcp_lself_check_called(L, TYPE_NAME, "stream");
  return handle->s;
}

static int push_failure(lua_State *L, const lstream_t *s) {
  lua_pushnil(L);
  lua_pushstring(L, s->reason[0] ? s->reason : mcp_err_text(s->code));
  lua_pushstring(L, mcp_err_name(s->code));
  return 3;
}

/* stream:send(bytes) -> true | nil, text, code. Does not wait: "EBUSY" while
 * the other side does not read. */
static int stream_send(lua_State *L) {
  lstream_t *s = check_stream(L);
  mcp_buf_t bytes = {0};
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  int code;
  if (!s || s->closed || !s->stream)
    return mcp_coroutine_push_error(L, MCP_ECLOSED);
  if (s->code < 0) return push_failure(L, s);
  if (s->stream->queued > MCP_LSTREAM_QUEUE)
    return mcp_coroutine_push_error(L, MCP_EBUSY);
  bytes.share = s->stream->share;
  code = mcp_buf_append(&bytes, text, length);
  if (code == 0) code = mcp_stream_send(s->stream, &bytes, 0);
  mcp_buf_deinit(&bytes);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

static void cancel_wait(mcp_coroutine_t *co, void *arg) {
  (void)co;
  ((lstream_t *)arg)->co = NULL;
}

/* Pushes all that has come, or what there is in its place. */
static int push_bytes(lua_State *L, lstream_t *s) {
  if (s->closed) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  if (s->bytes.len > 0) {
    lua_pushlstring(L, s->bytes.data, s->bytes.len);
    mcp_buf_reset(&s->bytes, KEPT);
    adjust(s);
    return 1;
  }
  if (s->code < 0) return push_failure(L, s);
  lua_pushnil(L);
  return 1;
}

static int received(lua_State *L, int status, lua_KContext context) {
  const mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  (void)status;
  if (co->wake_code < 0) return mcp_coroutine_push_error(L, co->wake_code);
  return push_bytes(L, check_stream(L));
}

/* stream:receive() -> string | nil | nil, text, code: what has come; nil alone
 * at the end. One caller waits at a time. */
static int stream_receive(lua_State *L) {
  lstream_t *s = check_stream(L);
  mcp_coroutine_t *co;
  lua_settop(L, 1);
  if (!s) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  if (s->co || s->turning)
    return luaL_error(L, "another task receives from it already");
  if (is_ready(s)) return push_bytes(L, s);
  if (!mcp_lturn_begin(L, s->rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  if (co) {
    s->co = co;
    return mcp_coroutine_wait(L, co, cancel_wait, s, received);
  }
  s->turning = true;
  while (!is_ready(s))
    if (!mcp_lturn_once(L, s->rt, -1) && !is_ready(s)) break;
  s->turning = false;
  return push_bytes(L, s);
}

/* stream:close(), __close: what has not been written is lost. */
static int stream_close(lua_State *L) {
  lstream_t *s = check_stream(L);
  if (s) close_stream(s);
  return 0;
}

static int stream_collect(lua_State *L) {
  handle_t *handle = luaL_checkudata(L, 1, TYPE_NAME);
  lstream_t *s = handle->s;
  handle->s = NULL;
  if (!s) return 0;
  close_stream(s);
  s->held = false;
  if (!s->stream) free_stream(s);
  return 0;
}

/* ---- connecting --------------------------------------------------------- */

static void on_connected(void *owner, int code, mcp_stream_t *stream) {
  lstream_t *s = owner;
  s->op = NULL;
  s->connected = true;
  if (code == 0 && s->tls) {
    mcp_stream_t *under = stream;
    code = mcp_tls_wrap(s->tls, s->rt->loop, under, s->server_name, s->port,
                        &stream);
    if (code < 0) mcp_stream_close(under, false);
  }
  if (code < 0) {
    fail(s, code, mcp_err_text(code));
  } else {
    s->stream = stream;
    s->bytes.share = stream->share;
    code = mcp_stream_start(stream, &events, s);
    if (code < 0) fail(s, code, mcp_err_text(code));
  }
  notify(s);
}

static int push_connected(lua_State *L, const lstream_t *s) {
  if (s->code < 0) return push_failure(L, s);
  lua_settop(L, 2);
  return 1;
}

static int dialled(lua_State *L, int status, lua_KContext context) {
  const mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  handle_t *handle = lua_touserdata(L, 2);
  (void)status;
  if (co->wake_code < 0) {
    close_stream(handle->s);
    return mcp_coroutine_push_error(L, co->wake_code);
  }
  return push_connected(L, handle->s);
}

static mcp_tls_t *tls_field(lua_State *L) {
  mcp_tls_t *tls = NULL;
  if (lua_getfield(L, 1, "tls") != LUA_TNIL) {
    mcp_tls_t **context = luaL_testudata(L, -1, MCP_TLS_TYPE);
    if (!context || !*context || mcp_tls_is_server(*context))
      luaL_error(L, "tls: expected a client's context");
    tls = *context;
  }
  lua_pop(L, 1);
  return tls;
}

/* Pushes a userdata with a stream that is not connected. [-0, +1, m] */
static lstream_t *push_stream(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg methods[] = {{"send", stream_send},
                                     {"receive", stream_receive},
                                     {"close", stream_close},
                                     {NULL, NULL}};
  static const luaL_Reg events_of_lua[] = {
      {"__gc", stream_collect}, {"__close", stream_close}, {NULL, NULL}};
  handle_t *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  handle->s = NULL;
  /* Most programs never need the type. */
  if (luaL_newmetatable(L, TYPE_NAME)) {
    luaL_setfuncs(L, events_of_lua, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, -2);
  handle->s = mcp_mem_zalloc(sizeof *handle->s);
  if (!handle->s) {
    luaL_error(L, "not enough memory");
    return NULL;
  }
  handle->s->rt = rt;
  rt->loop_stays = true;
  handle->s->held = true;
  return handle->s;
}

static int open_connection(lua_State *L, lstream_t *s, const char *host,
                           const char *path) {
  uint64_t ms = MCP_LCONNECT_TIME;
  lua_Integer port = 0;
  if (host) {
    lua_getfield(L, 1, "port");
    port = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
  }
  s->port = port < 0 || port > 65535 ? 0 : (int)port;
  (void)mcp_seconds_field(L, 1, "timeout", &ms);
  if (path)
    return mcp_unix_connect(s->rt->loop, path, ms, on_connected, s, &s->op);
  return mcp_tcp_connect(s->rt->loop, host, s->port, 0, ms, on_connected, s,
                         &s->op);
}

/* connect_stream({ host =, port = | unix =, tls =, server_name =, timeout = })
 * -> stream | nil, text, code
 * Waits until it is connected. With `tls` (a client's context) its handshake
 * follows: where it fails, stream:receive says so. */
static int connect_stream(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_coroutine_t *co;
  const char *host, *path, *name;
  lstream_t *s;
  int code;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  host = mcp_ltext_field(L, 1, "host", NULL);
  path = mcp_ltext_field(L, 1, "unix", NULL);
  name = mcp_ltext_field(L, 1, "server_name", NULL);
  if (!host == !path) return luaL_error(L, "expected host or unix");
  if (!mcp_lturn_begin(L, rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  s = push_stream(L, rt);
  s->tls = tls_field(L);
  if (s->tls) s->tls = mcp_tls_retain(s->tls);
  if (!name) name = host ? host : "";
  if (strlen(name) >= sizeof s->server_name)
    return luaL_error(L, "server_name: too long");
  memcpy(s->server_name, name, strlen(name) + 1);
  code = open_connection(L, s, host, path);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (co) {
    s->co = co;
    return mcp_coroutine_wait(L, co, cancel_wait, s, dialled);
  }
  s->turning = true;
  while (!s->connected) mcp_lturn_once(L, rt, -1);
  s->turning = false;
  return push_connected(L, s);
}

void mcp_lstream_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"connect_stream", connect_stream},
                                       {NULL, NULL}};
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
