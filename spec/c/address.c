/* SPDX-License-Identifier: MIT
 * address.c: src/net/address.c for the specs, which is compiled in here because
 * codecs.so has nothing else of src/net. */
#include "net/address.c"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <lua.h>

/* judge(address) -> public, loopback | nothing for what is no address */
static int judge(lua_State *L) {
  const char *text = luaL_checkstring(L, 1);
  struct sockaddr_in in = {.sin_family = AF_INET};
  struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
  const void *at = &in;
  if (inet_pton(AF_INET, text, &in.sin_addr) != 1) {
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) != 1) return 0;
    at = &in6;
  }
  lua_pushboolean(L, mcp_address_is_public(at));
  lua_pushboolean(L, mcp_address_is_loopback(at));
  return 2;
}

/* judge_other() -> public, loopback: of an address that is neither */
static int judge_other(lua_State *L) {
  const struct sockaddr file = {.sa_family = AF_UNIX};
  lua_pushboolean(L, mcp_address_is_public(&file));
  lua_pushboolean(L, mcp_address_is_loopback(&file));
  return 2;
}

__attribute__((visibility("default"))) int luaopen_codecs_address(lua_State *L);

int luaopen_codecs_address(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"judge", judge}, {"judge_other", judge_other}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
