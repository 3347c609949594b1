/* SPDX-License-Identifier: MIT
 * raw.c: the listening side of TCP for specs that share the process with the
 * client: nothing it does waits. Must not use the core: it stands for a
 * untrusted peer that may send anything.
 *
 *   listen([port])  a listener on 127.0.0.1, or nil, message
 *   l:port()
 *   l:accept()      a connection, or nil if no client waits
 *   l:close()
 *   connect(port)   a connection to 127.0.0.1, whose other end accepts later
 *   c:receive()     what has come since the last call, and whether the other
 *                   side has closed
 *   c:send(text)    bytes taken, or nil, message
 *   c:close()       in order;  c:reset()  not so */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENER   "spec.raw.listener"
#define CONNECTION "spec.raw.connection"

__attribute__((visibility("default"))) int luaopen_codecs_raw(lua_State *L);

typedef struct {
  int fd;
} end_t;

static int failure(lua_State *L) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(errno));
  return 2;
}

static end_t *new_end(lua_State *L, const char *type) {
  end_t *end = lua_newuserdatauv(L, sizeof *end, 0);
  end->fd = -1;
  luaL_setmetatable(L, type);
  return end;
}

static int close_end(lua_State *L) {
  end_t *end = lua_touserdata(L, 1);
  if (end->fd >= 0) close(end->fd);
  end->fd = -1;
  return 0;
}

static int connect_port(lua_State *L) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  end_t *end = new_end(L, CONNECTION);
  address.sin_port = htons((uint16_t)luaL_checkinteger(L, 1));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  end->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  /* On loopback the kernel answers for the listener: it does not wait. */
  if (end->fd < 0 ||
      connect(end->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
      fcntl(end->fd, F_SETFL, O_NONBLOCK) < 0)
    return failure(L);
  return 1;
}

static int listen_port(lua_State *L) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  int on = 1;
  end_t *end = new_end(L, LISTENER);
  address.sin_port = htons((uint16_t)luaL_optinteger(L, 1, 0));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  end->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (end->fd < 0) return failure(L);
  if (setsockopt(end->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      bind(end->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
      listen(end->fd, 64) < 0)
    return failure(L);
  return 1;
}

static int port(lua_State *L) {
  const end_t *end = luaL_checkudata(L, 1, LISTENER);
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  if (getsockname(end->fd, (struct sockaddr *)&address, &length) < 0)
    return failure(L);
  lua_pushinteger(L, ntohs(address.sin_port));
  return 1;
}

static int accept_one(lua_State *L) {
  const end_t *listener = luaL_checkudata(L, 1, LISTENER);
  end_t *end = new_end(L, CONNECTION);
  int on = 1;
  end->fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (end->fd < 0) return failure(L);
  setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return 1;
}

static int receive(lua_State *L) {
  const end_t *end = luaL_checkudata(L, 1, CONNECTION);
  bool ended = false;
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (;;) {
    char *room = luaL_prepbuffsize(&buffer, 65536);
    ssize_t n = recv(end->fd, room, 65536, 0);
    ended = n == 0 || (n < 0 && errno != EAGAIN);
    if (n <= 0) break;
    luaL_addsize(&buffer, (size_t)n);
  }
  luaL_pushresult(&buffer);
  lua_pushboolean(L, ended);
  return 2;
}

static int send_text(lua_State *L) {
  const end_t *end = luaL_checkudata(L, 1, CONNECTION);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  ssize_t n = send(end->fd, text, length, MSG_NOSIGNAL);
  if (n < 0 && errno == EAGAIN) n = 0;
  if (n < 0) return failure(L);
  lua_pushinteger(L, n);
  return 1;
}

static int reset(lua_State *L) {
  const end_t *end = luaL_checkudata(L, 1, CONNECTION);
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  return close_end(L);
}

static void make_type(lua_State *L, const char *name, const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

int luaopen_codecs_raw(lua_State *L) {
  static const luaL_Reg listener[] = {
      {"port", port},      {"accept", accept_one}, {"close", close_end},
      {"__gc", close_end}, {"__close", close_end}, {NULL, NULL}};
  static const luaL_Reg connection[] = {
      {"receive", receive}, {"send", send_text}, {"close", close_end},
      {"reset", reset},     {"__gc", close_end}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"listen", listen_port}, {"connect", connect_port}, {NULL, NULL}};
  make_type(L, LISTENER, listener);
  make_type(L, CONNECTION, connection);
  luaL_newlib(L, functions);
  return 1;
}
