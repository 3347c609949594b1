/* SPDX-License-Identifier: MIT
 * lsocket.c: see lsocket.h. */
#include "lua/lsocket.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "net/listener.h"

#define TYPE_NAME  "mcp.socket"
#define TALLY_NAME "mcp.tally"
/* Of a text that says where a socket is bound: a path. */
#define ADDRESS_SIZE 256

static mcp_socket_t *self(lua_State *L) {
  return luaL_checkudata(L, 1, TYPE_NAME);
}

mcp_socket_t *mcp_lsocket_check(lua_State *L, int index) {
  mcp_socket_t *socket = luaL_testudata(L, index, TYPE_NAME);
  if (!socket)
    luaL_error(L, "expected a socket, got %s", luaL_typename(L, index));
  if (socket->fd < 0) luaL_error(L, "the socket is closed");
  return socket;
}

/* socket:port() -> integer | nil: of a TCP socket */
static int socket_port(lua_State *L) {
  const mcp_socket_t *socket = self(L);
  if (socket->fd < 0 || socket->local) return 0;
  lua_pushinteger(L, socket->port);
  return 1;
}

/* socket:address() -> string | nil: the interface, or the path of a file */
static int socket_address(lua_State *L) {
  char text[ADDRESS_SIZE];
  const mcp_socket_t *socket = self(L);
  if (socket->fd < 0 || mcp_socket_address(socket, text, sizeof text) < 0)
    return 0;
  lua_pushstring(L, text);
  return 1;
}

/* socket:is_local() -> boolean: a socket file, or one end of a pair */
static int socket_is_local(lua_State *L) {
  lua_pushboolean(L, self(L)->local);
  return 1;
}

/* socket:is_loopback() -> boolean */
static int socket_is_loopback(lua_State *L) {
  lua_pushboolean(L, self(L)->loopback);
  return 1;
}

/* socket:is_listening() -> boolean: false for a connection */
static int socket_is_listening(lua_State *L) {
  lua_pushboolean(L, self(L)->listens);
  return 1;
}

/* socket:remove_file(): no client finds it any more; connections to it go on */
static int socket_remove_file(lua_State *L) {
  mcp_socket_remove_file(self(L));
  return 0;
}

/* socket:close(), __close, __gc: one function. */
static int socket_close(lua_State *L) {
  mcp_socket_close(self(L));
  return 0;
}

mcp_socket_t *mcp_lsocket_push(lua_State *L) {
  static const luaL_Reg methods[] = {{"port", socket_port},
                                     {"address", socket_address},
                                     {"is_local", socket_is_local},
                                     {"is_loopback", socket_is_loopback},
                                     {"is_listening", socket_is_listening},
                                     {"remove_file", socket_remove_file},
                                     {"close", socket_close},
                                     {NULL, NULL}};
  static const luaL_Reg events[] = {
      {"__gc", socket_close}, {"__close", socket_close}, {NULL, NULL}};
  mcp_socket_t *socket = lua_newuserdatauv(L, sizeof *socket, 0);
  mcp_socket_clear(socket);
  if (luaL_newmetatable(L, TYPE_NAME)) {
    luaL_setfuncs(L, events, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, -2);
  return socket;
}

/* open_socket { host =, port = } or { unix =, mode = } -> socket
 * | nil, text, code: it listens, and nothing is accepted */
static int open_socket(lua_State *L) {
  mcp_runtime_t *rt = mcp_coroutine_runtime(L);
  mcp_socket_t *socket;
  const char *path, *host;
  int code;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "unix");
  lua_getfield(L, 1, "mode");
  lua_getfield(L, 1, "host");
  lua_getfield(L, 1, "port");
  path = luaL_optstring(L, 2, NULL);
  host = luaL_optstring(L, 4, "127.0.0.1");
  socket = mcp_lsocket_push(L);
  code = path ? mcp_socket_listen_unix(
                    path, (unsigned)luaL_optinteger(L, 3, MCP_LISTENER_MODE),
                    socket)
              : mcp_socket_listen(rt->loop, host, (int)luaL_optinteger(L, 5, 0),
                                  socket);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  return 1;
}

/* ---- tallies ------------------------------------------------------------ */

mcp_tally_t *mcp_lsocket_check_tally(lua_State *L, int index) {
  mcp_tally_t **tally = luaL_checkudata(L, index, TALLY_NAME);
  if (!*tally) luaL_error(L, "the tally is closed");
  return *tally;
}

/* tally:clear(place): the process of it has ended */
static int tally_clear(lua_State *L) {
  lua_Integer place = luaL_checkinteger(L, 2);
  luaL_argcheck(L, place >= 0 && place < MCP_TALLY_PLACES, 2, "no such place");
  mcp_tally_clear(mcp_lsocket_check_tally(L, 1), (unsigned)place);
  return 0;
}

static int tally_close(lua_State *L) {
  mcp_tally_t **tally = luaL_checkudata(L, 1, TALLY_NAME);
  mcp_tally_close(*tally);
  *tally = NULL;
  return 0;
}

/* Pushes a userdata without a tally. [-0, +1, m] */
static mcp_tally_t **push_tally(lua_State *L) {
  mcp_tally_t **tally = lua_newuserdatauv(L, sizeof *tally, 0);
  *tally = NULL;
  if (luaL_newmetatable(L, TALLY_NAME)) {
    lua_pushcfunction(L, tally_close);
    lua_setfield(L, -2, "__gc");
    lua_newtable(L);
    lua_pushcfunction(L, tally_clear);
    lua_setfield(L, -2, "clear");
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, -2);
  return tally;
}

/* tally() -> tally, socket | nil, text, code: a new page, for children; tally(
 * socket, place): that of the parent, in which this process has a place */
static int open_tally(lua_State *L) {
  mcp_socket_t *socket = lua_isnoneornil(L, 1) ? NULL : mcp_lsocket_check(L, 1);
  unsigned place = (unsigned)luaL_optinteger(L, 2, MCP_TALLY_PLACES);
  mcp_tally_t **tally;
  lua_settop(L, 1);
  tally = push_tally(L);
  if (!socket) {
    int fd = mcp_tally_create();
    if (fd < 0) return mcp_coroutine_push_error(L, fd);
    socket = mcp_lsocket_push(L);
    socket->fd = fd;
  }
  *tally = mcp_tally_open(socket->fd, place);
  if (!*tally) return mcp_coroutine_push_error(L, MCP_ENOMEM);
  return lua_gettop(L) - 1;
}

/* Pushes the name of descriptor `i` of those inherited, from the list with
 * colons at `*names`, which moves on; "" where there is none. [-0, +1, m] */
static void push_name(lua_State *L, const char **names) {
  const char *from = *names ? *names : "";
  size_t length = strcspn(from, ":");
  lua_pushlstring(L, from, length);
  *names = from[length] == ':' ? from + length + 1 : NULL;
}

/* inherited([any_process]) -> { { name =, socket = }, … } | nil | nil, text,
 * code: the sockets that this process was started with, as LISTEN_FDS,
 * LISTEN_PID and LISTEN_FDNAMES tell (sd_listen_fds(3)); the variables are
 * removed. `any_process`: LISTEN_PID may be missing. */
static int inherited(lua_State *L) {
  const char *names;
  int count = mcp_socket_count_inherited(lua_toboolean(L, 1));
  (void)mcp_coroutine_runtime(L);
  if (count == 0) return 0;
  if (count < 0) {
    lua_pushnil(L);
    lua_pushfstring(L, "LISTEN_FDS: expected a number up to %d, got \"%s\"",
                    MCP_SOCKET_MOST_INHERITED, getenv("LISTEN_FDS"));
    lua_pushliteral(L, "EINVAL");
    return 3;
  }
  lua_settop(L, 0);
  lua_createtable(L, count, 0);
  /* A copy: the variable goes. */
  names = getenv("LISTEN_FDNAMES");
  lua_pushstring(L, names ? names : "");
  names = lua_tostring(L, 2);
  for (int i = 0; i < count; i++) {
    mcp_socket_t *socket;
    int fd = MCP_SOCKET_FIRST_INHERITED + i, code;
    bool is_tally;
    lua_createtable(L, 0, 2);
    push_name(L, &names);
    is_tally = strcmp(lua_tostring(L, -1), "tally") == 0;
    lua_setfield(L, 3, "name");
    socket = mcp_lsocket_push(L);
    code = mcp_socket_inherit(fd, socket);
    /* What a supervisor passes on besides is no socket. */
    if (code == -ENOTSOCK && is_tally) {
      socket->fd = fd;
      code = 0;
    }
    if (code < 0) {
      lua_pushnil(L);
      lua_pushfstring(L,
                      "descriptor %d of LISTEN_FDS: expected a stream socket: "
                      "%s",
                      fd, mcp_err_text(code));
      lua_pushstring(L, mcp_err_name(code));
      return 3;
    }
    lua_setfield(L, 3, "socket");
    lua_rawseti(L, 1, i + 1);
  }
  mcp_socket_forget_inherited();
  lua_settop(L, 1);
  return 1;
}

void mcp_lsocket_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"open_socket", open_socket},
                                       {"inherited", inherited},
                                       {"tally", open_tally},
                                       {NULL, NULL}};
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
