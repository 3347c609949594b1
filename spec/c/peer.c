/* SPDX-License-Identifier: MIT
 * peer.c: a TCP client for specs and hunts that share the process with the
 * server: nothing it does waits. Must not use the core: it stands for a
 * stranger.
 *
 *   connect(port)   a connection to 127.0.0.1, or nil, message
 *   c:send(text)    bytes taken, or nil, message
 *   c:receive()     what has come: "" for nothing yet, nil at the end
 *   c:close() */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TYPE "spec.peer"

__attribute__((visibility("default"))) int luaopen_codecs_peer(lua_State *L);

static int failure(lua_State *L) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(errno));
  return 2;
}

static int open_peer(lua_State *L) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  int on = 1, *fd = lua_newuserdatauv(L, sizeof *fd, 0);
  *fd = -1;
  luaL_setmetatable(L, TYPE);
  address.sin_port = htons((uint16_t)luaL_checkinteger(L, 1));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (*fd < 0) return failure(L);
  /* The kernel's queue takes it at once: nobody needs to accept. */
  if (connect(*fd, (struct sockaddr *)&address, sizeof address) < 0 ||
      setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
      fcntl(*fd, F_SETFL, O_NONBLOCK) < 0)
    return failure(L);
  return 1;
}

static int send_text(lua_State *L) {
  const int *fd = luaL_checkudata(L, 1, TYPE);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  ssize_t n = send(*fd, text, length, MSG_NOSIGNAL);
  if (n < 0 && errno == EAGAIN) n = 0;
  if (n < 0) return failure(L);
  lua_pushinteger(L, n);
  return 1;
}

static int receive(lua_State *L) {
  const int *fd = luaL_checkudata(L, 1, TYPE);
  char bytes[16384];
  ssize_t n = recv(*fd, bytes, sizeof bytes, 0);
  if (n == 0) return 0;
  if (n < 0 && errno != EAGAIN) return 0;
  lua_pushlstring(L, bytes, n < 0 ? 0 : (size_t)n);
  return 1;
}

static int close_peer(lua_State *L) {
  int *fd = luaL_checkudata(L, 1, TYPE);
  if (*fd >= 0) close(*fd);
  *fd = -1;
  return 0;
}

int luaopen_codecs_peer(lua_State *L) {
  static const luaL_Reg functions[] = {{"connect", open_peer}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"send", send_text},
                                     {"receive", receive},
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
