/* SPDX-License-Identifier: MIT
 * peer.c: a TCP client for specs and hunts that share the process with the
 * server: nothing it does waits. Must not use the core: it stands for a
 * stranger.
 *
 *   connect(port)   a connection to 127.0.0.1, or nil, message
 *   c:send(text)    bytes taken, or nil, message
 *   c:receive()     all that has come and was not dropped, and whether the
 *                   other side has closed
 *   c:drop(n)       the first n bytes of it
 *   c:close()
 *
 * What has come is kept outside Lua: a failure to make a string of it loses
 * nothing. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TYPE "spec.peer"
#define ROOM (1u << 20)

typedef struct {
  int fd;
  bool ended;
  size_t length;
  char *bytes; /* ROOM of them */
} peer_t;

__attribute__((visibility("default"))) int luaopen_codecs_peer(lua_State *L);

static int failure(lua_State *L) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(errno));
  return 2;
}

static int open_peer(lua_State *L) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  int on = 1;
  peer_t *peer = lua_newuserdatauv(L, sizeof *peer, 0);
  *peer = (peer_t){.fd = -1};
  luaL_setmetatable(L, TYPE);
  address.sin_port = htons((uint16_t)luaL_checkinteger(L, 1));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  peer->bytes = malloc(ROOM);
  if (!peer->bytes) return failure(L);
  peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (peer->fd < 0) return failure(L);
  /* The kernel's queue takes it at once; no accept is needed. */
  if (connect(peer->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
      setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
      fcntl(peer->fd, F_SETFL, O_NONBLOCK) < 0)
    return failure(L);
  return 1;
}

static int send_text(lua_State *L) {
  const peer_t *peer = luaL_checkudata(L, 1, TYPE);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  ssize_t n = send(peer->fd, text, length, MSG_NOSIGNAL);
  if (n < 0 && errno == EAGAIN) n = 0;
  if (n < 0) return failure(L);
  lua_pushinteger(L, n);
  return 1;
}

static int receive(lua_State *L) {
  peer_t *peer = luaL_checkudata(L, 1, TYPE);
  ssize_t n = 0;
  do {
    peer->length += (size_t)n;
    if (peer->ended || peer->length == ROOM) break;
    n = recv(peer->fd, peer->bytes + peer->length, ROOM - peer->length, 0);
  } while (n > 0);
  if (n == 0 || (n < 0 && errno != EAGAIN)) peer->ended = true;
  lua_pushlstring(L, peer->bytes, peer->length);
  lua_pushboolean(L, peer->ended);
  return 2;
}

static int drop(lua_State *L) {
  peer_t *peer = luaL_checkudata(L, 1, TYPE);
  lua_Integer n = luaL_checkinteger(L, 2);
  luaL_argcheck(L, n >= 0 && (size_t)n <= peer->length, 2,
                "more than there is");
  peer->length -= (size_t)n;
  memmove(peer->bytes, peer->bytes + n, peer->length);
  return 0;
}

static int close_peer(lua_State *L) {
  peer_t *peer = luaL_checkudata(L, 1, TYPE);
  if (peer->fd >= 0) close(peer->fd);
  free(peer->bytes);
  *peer = (peer_t){.fd = -1, .ended = true};
  return 0;
}

int luaopen_codecs_peer(lua_State *L) {
  static const luaL_Reg functions[] = {{"connect", open_peer}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"send", send_text},
                                     {"receive", receive},
                                     {"drop", drop},
                                     {"close", close_peer},
                                     {NULL, NULL}};
  if (luaL_newmetatable(L, TYPE)) {
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, close_peer);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__gc");
    lua_setfield(L, -2, "__close");
  }
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
