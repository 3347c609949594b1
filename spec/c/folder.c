/* SPDX-License-Identifier: MIT
 * folder.c: makes what Lua cannot: links, FIFOs and folders, for the specs of
 * src/net/folder.c. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int done(lua_State *L, int result) {
  if (result < 0) return luaL_error(L, "%s", strerror(errno));
  return 0;
}

static int make_folder(lua_State *L) {
  return done(L, mkdir(luaL_checkstring(L, 1), 0777));
}

static int make_link(lua_State *L) {
  return done(L, symlink(luaL_checkstring(L, 1), luaL_checkstring(L, 2)));
}

static int make_fifo(lua_State *L) {
  return done(L, mkfifo(luaL_checkstring(L, 1), 0666));
}

static int make_socket(lua_State *L) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0), result;
  const char *path = luaL_checkstring(L, 1);
  luaL_argcheck(L, strlen(path) < sizeof address.sun_path, 1, "too long");
  memcpy(address.sun_path, path, strlen(path) + 1);
  result = bind(fd, (struct sockaddr *)&address, sizeof address);
  close(fd);
  return done(L, result);
}

static int set_mode(lua_State *L) {
  return done(L,
              chmod(luaL_checkstring(L, 1), (mode_t)luaL_checkinteger(L, 2)));
}

/* Root reads what is forbidden: then there is nothing to test. */
static int is_root(lua_State *L) {
  lua_pushboolean(L, geteuid() == 0);
  return 1;
}

/* Open descriptors, to see that none is left. */
static int count_descriptors(lua_State *L) {
  int fd, count = 0;
  for (fd = 0; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) >= 0) count++;
  lua_pushinteger(L, count);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_codecs_folder(lua_State *L);

int luaopen_codecs_folder(lua_State *L) {
  static const luaL_Reg functions[] = {{"make_folder", make_folder},
                                       {"make_link", make_link},
                                       {"make_fifo", make_fifo},
                                       {"make_socket", make_socket},
                                       {"set_mode", set_mode},
                                       {"is_root", is_root},
                                       {"descriptors", count_descriptors},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
