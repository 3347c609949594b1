/* SPDX-License-Identifier: MIT
 *
 * count: what a Lua state allocates, by kind. Loading it puts a counter in
 * front of the state's own allocator, so a server is counted as it is and pays
 * nothing when it is not. Only for measuring.
 */
#include <lauxlib.h>
#include <lua.h>

typedef struct {
  lua_Alloc f;
  void *ud;
  /* By LUA_T…; 0 is what has no type of its own: arrays, stacks, buffers. */
  unsigned long long made[LUA_NUMTYPES];
  unsigned long long bytes;
} counter_t;

static counter_t counter;

static void *allocate(void *ud, void *block, size_t osize, size_t nsize) {
  counter_t *c = ud;
  void *fresh = c->f(c->ud, block, osize, nsize);
  if (fresh && !block) {
    /* For a new block Lua says what it is for in place of its old size. */
    c->made[osize < LUA_NUMTYPES ? osize : 0]++;
    c->bytes += nsize;
  } else if (fresh && nsize > osize) {
    c->made[0]++;
    c->bytes += nsize - osize;
  }
  return fresh;
}

/* () -> tables, strings, everything, bytes: allocated since it was loaded */
static int l_read(lua_State *L) {
  unsigned long long all = 0;
  for (int i = 0; i < LUA_NUMTYPES; i++) all += counter.made[i];
  lua_pushinteger(L, (lua_Integer)counter.made[LUA_TTABLE]);
  lua_pushinteger(L, (lua_Integer)counter.made[LUA_TSTRING]);
  lua_pushinteger(L, (lua_Integer)all);
  lua_pushinteger(L, (lua_Integer)counter.bytes);
  return 4;
}

__attribute__((visibility("default"))) int luaopen_count(lua_State *L);

/* Linked so that closing the state, which frees what is left through the
 * counter, does not unload it. */
int luaopen_count(lua_State *L) {
  counter.f = lua_getallocf(L, &counter.ud);
  lua_setallocf(L, allocate, &counter);
  lua_pushcfunction(L, l_read);
  return 1;
}
