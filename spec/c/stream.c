/* SPDX-License-Identifier: MIT
 * stream.c: streams for specs, without what stands above them: a loop that the
 * spec turns, streams that note what happens to them, TLS around them. */
#include "net/stream.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <lua.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/tls.h"

#define LOOP   "spec.loop"
#define STREAM "spec.stream"

#define MOST_ANSWERS 12

/* An engine that notes its session, for what a well-behaved peer never does. */
typedef struct {
  mcp_tls_t base;
  mcp_tls_ops_t ops;
  mcp_tls_t *real;
  SSL *session;
  int users;
} noted_t;

typedef struct peer {
  noted_t *noted;
  struct peer *next;
  mcp_stream_t *stream; /* NULL once closed, or taken by another */
  mcp_buf_t received;
  size_t pieces, largest, drains;
  int code;
  bool ended, closed;
  char why[256];
  /* What is sent, by turns soon and now, when bytes come; and how it closes. */
  mcp_buf_t answers[MOST_ANSWERS];
  int answer_count;
  char then; /* 'f': closes and flushes, 'c': closes, 0: goes on; 'h': holds the
                loop for 30 ms before that */
  struct peer *watched;
  bool saw_answer; /* the watched one had been sent something already */
} peer_t;

typedef struct {
  mcp_loop_t *loop;
  mcp_listener_t *listener;
  peer_t *peers;
  mcp_stream_t *accepted[128];
  int count;
} loop_t;

typedef struct {
  peer_t *peer;
  loop_t *loop;
} handle_t;

static void on_data(void *owner, mcp_slice_t bytes) {
  peer_t *p = owner;
  p->pieces++;
  if (bytes.len > p->largest) p->largest = bytes.len;
  (void)mcp_buf_append_slice(&p->received, bytes);
  if (p->watched && !mcp_stream_is_quiet(p->watched->stream))
    p->saw_answer = true;
  if (p->then == 'h') (void)usleep(30000);
  for (int i = 0; i < p->answer_count; i++) {
    mcp_buf_t copy = {0};
    if (mcp_buf_append_slice(&copy, mcp_buf_slice(&p->answers[i])) < 0) abort();
    if (i % 2 == 0) {
      (void)mcp_stream_send_soon(p->stream, &copy, 0);
    } else {
      (void)mcp_stream_send(p->stream, &copy, 0);
    }
    mcp_buf_deinit(&copy);
  }
  if (p->then == 'f' || p->then == 'c')
    mcp_stream_close(p->stream, p->then == 'f');
}

static void on_end(void *owner, int code) {
  peer_t *p = owner;
  if (p->ended) abort();
  p->ended = true;
  p->code = code;
  snprintf(p->why, sizeof p->why, "%s", mcp_stream_error_text(p->stream, code));
}

static void on_drain(void *owner) {
  peer_t *p = owner;
  if (p->stream->queued != 0) abort();
  p->drains++;
}

static void on_closed(void *owner) {
  peer_t *p = owner;
  p->closed = true;
  p->stream = NULL;
}

static const mcp_stream_events_t events = {on_data, on_end, on_drain,
                                           on_closed};

static void noted_retain(mcp_tls_t *tls) {
  ((noted_t *)tls)->users++;
}

static void noted_release(mcp_tls_t *tls) {
  noted_t *n = (noted_t *)tls;
  if (--n->users > 0) return;
  mcp_tls_release(n->real);
  free(n);
}

static int noted_open(mcp_tls_t *tls, const char *server_name, int port,
                      mcp_tls_wire_t *wire, mcp_tls_session_t **session) {
  noted_t *n = (noted_t *)tls;
  int code = n->real->ops->open(n->real, server_name, port, wire, session);
  if (code == 0) n->session = (SSL *)*session;
  return code;
}

static noted_t *new_noted(mcp_tls_t *real) {
  noted_t *n = calloc(1, sizeof *n);
  if (!n) abort();
  n->ops = *real->ops;
  n->ops.retain = noted_retain;
  n->ops.release = noted_release;
  n->ops.open = noted_open;
  n->base = (mcp_tls_t){&n->ops, real->server};
  n->real = mcp_tls_retain(real);
  return n;
}

static loop_t *check_loop(lua_State *L) {
  loop_t *l = luaL_checkudata(L, 1, LOOP);
  luaL_argcheck(L, l->loop, 1, "closed");
  return l;
}

static peer_t *check_peer(lua_State *L) {
  handle_t *h = luaL_checkudata(L, 1, STREAM);
  return h->peer;
}

static mcp_stream_t *check_open(lua_State *L) {
  peer_t *p = check_peer(L);
  luaL_argcheck(L, p->stream, 1, "the stream is closed");
  return p->stream;
}

/* The loop is at `index`: it lives as long as its streams. */
static void push_stream(lua_State *L, int index, mcp_stream_t *stream) {
  loop_t *l = luaL_checkudata(L, index, LOOP);
  handle_t *h = lua_newuserdatauv(L, sizeof *h, 1);
  h->loop = l;
  h->peer = calloc(1, sizeof *h->peer);
  if (!h->peer) abort();
  h->peer->stream = stream;
  h->peer->next = l->peers;
  l->peers = h->peer;
  luaL_setmetatable(L, STREAM);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
}

static int push_code(lua_State *L, int code) {
  if (code == 0) {
    lua_pushboolean(L, true);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, mcp_err_name(code));
  return 2;
}

static int new_loop(lua_State *L) {
  loop_t *l = lua_newuserdatauv(L, sizeof *l, 0);
  memset(l, 0, sizeof *l);
  luaL_setmetatable(L, LOOP);
  if (mcp_loop_new(&l->loop) < 0) return luaL_error(L, "no loop");
  return 1;
}

static int close_loop(lua_State *L) {
  loop_t *l = luaL_checkudata(L, 1, LOOP);
  if (!l->loop) return 0;
  mcp_listener_close(l->listener);
  while (l->count > 0) mcp_stream_close(l->accepted[--l->count], false);
  for (peer_t *p = l->peers; p; p = p->next)
    if (p->stream) mcp_stream_close(p->stream, false);
  mcp_loop_free(l->loop);
  l->loop = NULL;
  while (l->peers) {
    peer_t *p = l->peers;
    l->peers = p->next;
    mcp_buf_deinit(&p->received);
    for (int i = 0; i < p->answer_count; i++) mcp_buf_deinit(&p->answers[i]);
    free(p);
  }
  return 0;
}

/* loop:step([seconds]) */
static int step(lua_State *L) {
  loop_t *l = check_loop(L);
  mcp_loop_step(l->loop, (int64_t)(luaL_optnumber(L, 2, 0) * 1000));
  return 0;
}

/* loop:pair() -> stream, stream */
static int pair(lua_State *L) {
  loop_t *l = check_loop(L);
  mcp_stream_t *one, *other;
  if (mcp_stream_pair(l->loop, &one, &other) < 0)
    return luaL_error(L, "no pair");
  push_stream(L, 1, one);
  push_stream(L, 1, other);
  return 2;
}

static void on_accept(void *owner, mcp_stream_t *stream) {
  loop_t *l = owner;
  if (l->count == 128) abort();
  l->accepted[l->count++] = stream;
}

/* loop:listen() -> port */
static int start_listening(lua_State *L) {
  loop_t *l = check_loop(L);
  int code = 0;
  if (!l->listener)
    code = mcp_listener_open(l->loop, "127.0.0.1", 0, 0, on_accept, l,
                             &l->listener);
  if (code < 0) return luaL_error(L, "%s", mcp_err_text(code));
  lua_pushinteger(L, mcp_listener_port(l->listener));
  return 1;
}

/* loop:accept() -> stream | nil */
static int take_accepted(lua_State *L) {
  loop_t *l = check_loop(L);
  if (l->count == 0) return 0;
  push_stream(L, 1, l->accepted[--l->count]);
  return 1;
}

static void free_handle(uv_handle_t *handle) {
  mcp_mem_free(handle);
}

/* loop:connect(port) -> stream | nil */
static int start_connection(lua_State *L) {
  loop_t *l = check_loop(L);
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port =
                               htons((uint16_t)luaL_checkinteger(L, 2))};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  uv_tcp_t *tcp;
  inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
    close(fd);
    return 0;
  }
  tcp = mcp_mem_alloc(sizeof *tcp);
  if (!tcp) abort();
  uv_tcp_init(mcp_loop_uv(l->loop), tcp);
  if (uv_tcp_open(tcp, fd) < 0) {
    uv_close((uv_handle_t *)tcp, free_handle);
    return 0;
  }
  uv_tcp_nodelay(tcp, 1);
  push_stream(L, 1, mcp_stream_over(l->loop, tcp, tcp, NULL));
  return 1;
}

/* stream:wrap(context [, server_name [, noted [, port]]]) -> stream | nil, code
 * The old one is taken if it succeeds. A noted one can do rekey(). */
static int wrap(lua_State *L) {
  handle_t *h = luaL_checkudata(L, 1, STREAM);
  mcp_stream_t *under = check_open(L), *stream;
  mcp_tls_t **tls = luaL_checkudata(L, 2, MCP_TLS_TYPE);
  noted_t *noted = lua_toboolean(L, 4) ? new_noted(*tls) : NULL;
  int code = mcp_tls_wrap(noted ? &noted->base : *tls, h->loop->loop, under,
                          luaL_optstring(L, 3, NULL),
                          (int)luaL_optinteger(L, 5, 0), &stream);
  if (code < 0) return push_code(L, code);
  h->peer->stream = NULL;
  lua_getiuservalue(L, 1, 1);
  push_stream(L, lua_absindex(L, -1), stream);
  h = lua_touserdata(L, -1);
  h->peer->noted = noted;
  return 1;
}

/* stream:rekey(): has the other side change its keys (RFC 8446 4.6.3); goes out
 * with what is sent next */
static int rekey(lua_State *L) {
  peer_t *p = check_peer(L);
  (void)check_open(L);
  lua_pushboolean(
      L, SSL_key_update(p->noted->session, SSL_KEY_UPDATE_REQUESTED) == 1);
  return 1;
}

static int start(lua_State *L) {
  mcp_stream_t *s = check_open(L);
  return push_code(L, mcp_stream_start(s, &events, check_peer(L)));
}

/* stream:send(bytes) -> true | nil, code */
static int send_bytes(lua_State *L) {
  mcp_stream_t *s = check_open(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  mcp_buf_t buf = {0};
  int code = mcp_buf_append(&buf, bytes, len);
  if (code == 0) code = mcp_stream_send(s, &buf, 0);
  mcp_buf_deinit(&buf);
  return push_code(L, code);
}

/* stream:answer(then, text, ...): what it sends whenever bytes come, the first
 * soon, the second now, and so on; an empty text is left out. `then` is
 * "flush", "close", "hold" (the loop, before) or "". */
static int set_answers(lua_State *L) {
  peer_t *p = check_peer(L);
  p->then = luaL_checkstring(L, 2)[0];
  luaL_argcheck(L, lua_gettop(L) <= 2 + MOST_ANSWERS, 3, "too many");
  for (int i = 3; i <= lua_gettop(L); i++) {
    size_t len;
    const char *text = luaL_checklstring(L, i, &len);
    mcp_buf_t *answer = &p->answers[p->answer_count++];
    if (mcp_buf_append(answer, text, len) < 0) abort();
  }
  return 0;
}

/* stream:watch(other): facts().saw_answer says later whether bytes lay unread
 * at `other` when this one was read */
static int watch(lua_State *L) {
  handle_t *other = luaL_checkudata(L, 2, STREAM);
  check_peer(L)->watched = other->peer;
  return 0;
}

static int pause_stream(lua_State *L) {
  mcp_stream_pause(check_open(L), lua_toboolean(L, 2));
  return 0;
}

/* stream:close([flush]) */
static int close_stream(lua_State *L) {
  peer_t *p = check_peer(L);
  if (!p->stream) return 0;
  /* As one that was never started is to be closed. */
  if (!p->stream->events) {
    p->stream->events = &events;
    p->stream->owner = p;
  }
  mcp_stream_close(p->stream, lua_toboolean(L, 2));
  return 0;
}

/* stream:take() -> the bytes that came since */
static int take(lua_State *L) {
  peer_t *p = check_peer(L);
  lua_pushlstring(L, p->received.len ? p->received.data : "", p->received.len);
  mcp_buf_deinit(&p->received);
  return 1;
}

static int facts(lua_State *L) {
  peer_t *p = check_peer(L);
  lua_newtable(L);
  lua_pushboolean(L, p->ended);
  lua_setfield(L, -2, "ended");
  lua_pushboolean(L, p->saw_answer);
  lua_setfield(L, -2, "saw_answer");
  lua_pushboolean(L, p->closed);
  lua_setfield(L, -2, "closed");
  lua_pushstring(L, p->code ? mcp_err_name(p->code) : "");
  lua_setfield(L, -2, "code");
  lua_pushstring(L, p->why);
  lua_setfield(L, -2, "why");
  lua_pushinteger(L, (lua_Integer)p->received.len);
  lua_setfield(L, -2, "received");
  lua_pushinteger(L, (lua_Integer)p->pieces);
  lua_setfield(L, -2, "pieces");
  lua_pushinteger(L, (lua_Integer)p->largest);
  lua_setfield(L, -2, "largest");
  lua_pushinteger(L, (lua_Integer)p->drains);
  lua_setfield(L, -2, "drains");
  lua_pushinteger(L, p->stream ? (lua_Integer)p->stream->queued : 0);
  lua_setfield(L, -2, "queued");
  return 1;
}

/* held() -> bytes, requests; fail(nth, onward): of base/mem.h, in this module
 */
static int held(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mcp_mem_held());
  lua_pushinteger(L, (lua_Integer)mcp_mem_requests());
  return 2;
}

static int fail_from(lua_State *L) {
  lua_pushboolean(L, mcp_mem_fail((unsigned long)luaL_checkinteger(L, 1),
                                  lua_toboolean(L, 2)));
  return 1;
}

static void add_type(lua_State *L, const char *name, const luaL_Reg *methods) {
  if (luaL_newmetatable(L, name)) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
  }
}

__attribute__((visibility("default"))) int luaopen_codecs_stream(lua_State *L);

int luaopen_codecs_stream(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"loop", new_loop}, {"held", held}, {"fail", fail_from}, {NULL, NULL}};
  static const luaL_Reg loop_methods[] = {{"step", step},
                                          {"pair", pair},
                                          {"listen", start_listening},
                                          {"accept", take_accepted},
                                          {"connect", start_connection},
                                          {"close", close_loop},
                                          {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"wrap", wrap},          {"start", start}, {"send", send_bytes},
      {"pause", pause_stream}, {"take", take},   {"close", close_stream},
      {"facts", facts},        {"rekey", rekey}, {"answer", set_answers},
      {"watch", watch},        {NULL, NULL}};
  add_type(L, STREAM, methods);
  lua_pop(L, 1);
  add_type(L, LOOP, loop_methods);
  lua_pushcfunction(L, close_loop);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__gc");
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
