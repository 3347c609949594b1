/* SPDX-License-Identifier: MIT
 * lchannel.c: see lchannel.h. */
#include "lua/lchannel.h"

#include <lauxlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/lself.h"
#include "lua/lsocket.h"
#include "lua/lturn.h"

#define TYPE_NAME "mcp.channel"
#define HEAD      4u
/* Below this what was received stays at the front of the buffer. */
#define COMPACT 65536u

/* Lives until the stream is gone and the userdata collected. */
typedef struct {
  mcp_runtime_t *rt;
  mcp_stream_t *stream; /* NULL once it is gone */
  mcp_buf_t bytes;      /* what has come */
  size_t from;          /* of that: what was not received begins here */
  int code;             /* < 0: reading has failed */
  bool ended;           /* nothing more will come */
  bool paused, closed;
  bool held;           /* the userdata refers to it */
  bool turning;        /* code outside coroutines receives */
  mcp_coroutine_t *co; /* which receives, or NULL */
} channel_t;

typedef struct {
  channel_t *channel;
} handle_t;

static void free_channel(channel_t *c) {
  mcp_buf_deinit(&c->bytes);
  mcp_mem_free(c);
}

static size_t held(const channel_t *c) {
  return c->bytes.len - c->from;
}

/* The length of the next frame, which may not have come whole yet. False: not
 * even its head has. */
static bool has_head(const channel_t *c, size_t *length) {
  const unsigned char *head = (const unsigned char *)c->bytes.data + c->from;
  if (held(c) < HEAD) return false;
  *length = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 |
            (size_t)head[3] << 24;
  return true;
}

/* Is there a frame, or will there be none? */
static bool is_ready(channel_t *c) {
  size_t length;
  if (c->closed || c->code < 0) return true;
  if (has_head(c, &length)) {
    if (length > MCP_LCHANNEL_FRAME) c->code = MCP_ETOOBIG;
    if (c->code < 0 || held(c) >= HEAD + length) return true;
  }
  return c->ended;
}

static void adjust(channel_t *c) {
  size_t length = 0;
  bool pause;
  if (!c->stream || c->closed) return;
  (void)has_head(c, &length);
  pause = held(c) > MCP_LCHANNEL_UNREAD && held(c) >= HEAD + length;
  if (pause == c->paused) return;
  c->paused = pause;
  mcp_stream_pause(c->stream, pause);
}

static void notify(channel_t *c) {
  mcp_coroutine_t *co = c->co;
  if (!is_ready(c)) return;
  c->co = NULL;
  if (co) mcp_coroutine_wake(co, 0);
}

static void on_data(void *owner, mcp_slice_t bytes) {
  channel_t *c = owner;
  if (c->closed || c->code < 0) return;
  c->code = mcp_buf_append_slice(&c->bytes, bytes);
  adjust(c);
  notify(c);
}

static void on_end(void *owner, int code) {
  channel_t *c = owner;
  c->ended = true;
  if (code < 0 && c->code == 0) c->code = code;
  notify(c);
}

static void on_drain(void *owner) {
  (void)owner;
}

static void on_closed(void *owner) {
  channel_t *c = owner;
  c->stream = NULL;
  if (!c->held) free_channel(c);
}

static const mcp_stream_events_t events = {on_data, on_end, on_drain,
                                           on_closed};

/* Closes it after what was sent; `later`: for finalizers too, the coroutine
 * that receives is woken in a later turn. */
static void close_channel(channel_t *c) {
  mcp_coroutine_t *co = c->co;
  if (c->closed) return;
  c->closed = true;
  c->co = NULL;
  mcp_buf_deinit(&c->bytes);
  c->from = 0;
  if (co) mcp_coroutine_wake_later(co, MCP_ECLOSED);
  if (c->stream) mcp_stream_close(c->stream, true);
}

static channel_t *check_channel(lua_State *L) {
  handle_t *handle = mcp_lself_check_called(L, TYPE_NAME, "channel");
  return handle->channel;
}

/* Is there no room for a frame of this length? */
static bool is_full(const channel_t *c, size_t length) {
  size_t most = MCP_LCHANNEL_QUEUE;
  if (length <= MCP_LCHANNEL_SMALL)
    most += HEAD + MCP_LCHANNEL_FRAME + MCP_LCHANNEL_RESERVE;
  return c->stream->queued > most;
}

/* channel:send(...) -> true | nil, text, code: the strings as one frame. Does
 * not wait: "EBUSY" while the other side does not read; small frames have room
 * of their own. */
static int channel_send(lua_State *L) {
  channel_t *c = check_channel(L);
  int top = lua_gettop(L), code = MCP_ECLOSED;
  mcp_buf_t bytes = {0};
  size_t length = 0;
  char head[HEAD];
  for (int i = 2; i <= top; i++) {
    size_t part;
    (void)luaL_checklstring(L, i, &part);
    length += part;
    if (part > MCP_LCHANNEL_FRAME || length > MCP_LCHANNEL_FRAME)
      return mcp_coroutine_push_error(L, MCP_ETOOBIG);
  }
  if (!c || c->closed || !c->stream) return mcp_coroutine_push_error(L, code);
  if (is_full(c, length)) return mcp_coroutine_push_error(L, MCP_EBUSY);
  bytes.share = c->stream->share;
  for (unsigned i = 0; i < HEAD; i++) head[i] = (char)(length >> 8 * i & 0xff);
  code = mcp_buf_reserve(&bytes, HEAD + length);
  if (code == 0) code = mcp_buf_append(&bytes, head, HEAD);
  for (int i = 2; i <= top && code == 0; i++) {
    size_t part;
    const char *text = lua_tolstring(L, i, &part);
    code = mcp_buf_append(&bytes, text, part);
  }
  if (code == 0) code = mcp_stream_send(c->stream, &bytes, 0);
  mcp_buf_deinit(&bytes);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  lua_pushboolean(L, true);
  return 1;
}

/* Pushes the next frame, or what there is in its place. The channel is ready.
 */
static int push_frame(lua_State *L, channel_t *c) {
  size_t length = 0;
  if (c->closed) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  if (has_head(c, &length) && length <= MCP_LCHANNEL_FRAME &&
      held(c) >= HEAD + length) {
    lua_pushlstring(L, c->bytes.data + c->from + HEAD, length);
    c->from += HEAD + length;
    if (c->from == c->bytes.len) {
      mcp_buf_reset(&c->bytes, COMPACT);
      c->from = 0;
    } else if (c->from > COMPACT) {
      mcp_buf_consume(&c->bytes, c->from);
      c->from = 0;
    }
    adjust(c);
    return 1;
  }
  if (c->code < 0) return mcp_coroutine_push_error(L, c->code);
  lua_pushnil(L);
  return 1;
}

static void cancel_receive(mcp_coroutine_t *co, void *arg) {
  (void)co;
  ((channel_t *)arg)->co = NULL;
}

static int received(lua_State *L, int status, lua_KContext context) {
  const mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  (void)status;
  if (co->wake_code < 0) return mcp_coroutine_push_error(L, co->wake_code);
  return push_frame(L, check_channel(L));
}

/* channel:receive() -> string | nil | nil, text, code: the next frame; nil
 * alone at the end. One caller waits at a time. */
static int channel_receive(lua_State *L) {
  channel_t *c = check_channel(L);
  mcp_coroutine_t *co;
  lua_settop(L, 1);
  if (!c) return mcp_coroutine_push_error(L, MCP_ECLOSED);
  if (c->co || c->turning)
    return luaL_error(L, "another task receives from it already");
  if (is_ready(c)) return push_frame(L, c);
  if (!mcp_lturn_begin(L, c->rt, &co))
    return mcp_coroutine_push_error(L, MCP_ECANCELED);
  if (co) {
    c->co = co;
    return mcp_coroutine_wait(L, co, cancel_receive, c, received);
  }
  c->turning = true;
  while (!is_ready(c))
    if (!mcp_lturn_once(L, c->rt, -1) && !is_ready(c)) break;
  c->turning = false;
  return push_frame(L, c);
}

/* channel:is_open() -> boolean: neither side has closed it */
static int channel_is_open(lua_State *L) {
  const channel_t *c = check_channel(L);
  lua_pushboolean(L, c && !c->closed && !c->ended && c->code == 0);
  return 1;
}

/* channel:close(), __close: after what was sent has been written. */
static int channel_close(lua_State *L) {
  channel_t *c = check_channel(L);
  if (c) close_channel(c);
  return 0;
}

static int channel_collect(lua_State *L) {
  handle_t *handle = luaL_checkudata(L, 1, TYPE_NAME);
  channel_t *c = handle->channel;
  handle->channel = NULL;
  if (!c) return 0;
  close_channel(c);
  c->held = false;
  if (!c->stream) free_channel(c);
  return 0;
}

int mcp_lchannel_push(lua_State *L, mcp_runtime_t *rt, mcp_socket_t *socket) {
  static const luaL_Reg methods[] = {{"send", channel_send},
                                     {"receive", channel_receive},
                                     {"is_open", channel_is_open},
                                     {"close", channel_close},
                                     {NULL, NULL}};
  static const luaL_Reg events_of_lua[] = {
      {"__gc", channel_collect}, {"__close", channel_close}, {NULL, NULL}};
  handle_t *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  channel_t *c;
  int code;
  handle->channel = NULL;
  if (luaL_newmetatable(L, TYPE_NAME)) {
    luaL_setfuncs(L, events_of_lua, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, -2);
  c = mcp_mem_zalloc(sizeof *c);
  if (c) {
    c->rt = rt;
    rt->loop_stays = true;
    code = mcp_socket_stream(rt->loop, socket, &c->stream);
  } else {
    mcp_socket_close(socket);
    code = MCP_ENOMEM;
  }
  if (code < 0) {
    mcp_mem_free(c);
    lua_pop(L, 1);
    return code;
  }
  handle->channel = c;
  c->held = true;
  c->bytes.share = c->stream->share;
  code = mcp_stream_start(c->stream, &events, c);
  if (code < 0) c->code = code;
  return 0;
}

/* channel(socket) -> channel | nil, text, code: takes a connection */
static int open_channel(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  int code = mcp_lchannel_push(L, rt, mcp_lsocket_check(L, 1));
  if (code < 0) return mcp_coroutine_push_error(L, code);
  return 1;
}

/* channel_pair() -> channel, channel | nil, text, code: two ends in this
 * process */
static int open_pair(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_socket_t near, *far = mcp_lsocket_push(L);
  int code = mcp_socket_pair(&near, far);
  if (code == 0) code = mcp_lchannel_push(L, rt, &near);
  if (code == 0) code = mcp_lchannel_push(L, rt, far);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  return 2;
}

void mcp_lchannel_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {
      {"channel", open_channel}, {"channel_pair", open_pair}, {NULL, NULL}};
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
