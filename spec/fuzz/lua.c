/* SPDX-License-Identifier: MIT
 * lua.c: the targets that are written in Lua: TARGET names a file that returns
 * a function, which is called with every input and raises what is wrong.
 *
 * libFuzzer sees edges of C only, and to it every run of the interpreter looks
 * alike. So a line hook counts the steps from one line of Lua to the next in a
 * section that libFuzzer reads as further counters. With MCP_FUZZ_BLIND=1 they
 * go where it does not look, so that what they bring can be measured. The end
 * prints how many different steps were seen. */
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "base/mem.h"
#include "lua/core.h"
#include "target.h"

#define COUNTERS (1u << 16)
#define CHUNKS   256 /* more than there are files of Lua in a target */

__attribute__((section("__libfuzzer_extra_counters"),
               used)) static uint8_t counters[COUNTERS];
static uint8_t unseen[COUNTERS], ever[COUNTERS];
static uint8_t *count_in = counters;

/* A number for a file that is the same in every run. Files are told apart by
 * the address of their name, which costs nothing. */
static uint32_t number_of(const char *source) {
  static struct {
    const char *source;
    uint32_t number;
  } known[CHUNKS];
  size_t at = ((uintptr_t)source >> 4) % CHUNKS;
  for (size_t i = 0; i < CHUNKS; i++, at = (at + 1) % CHUNKS) {
    if (known[at].source == source) return known[at].number;
    if (known[at].source) continue;
    known[at].source = source;
    known[at].number = 2166136261u;
    for (const char *c = source; *c; c++)
      known[at].number = (known[at].number ^ (uint8_t)*c) * 16777619u;
    return known[at].number;
  }
  return 0;
}

static void on_line(lua_State *L, lua_Debug *about) {
  static uint32_t before;
  uint32_t here, edge;
  lua_getinfo(L, "Sl", about);
  here =
      (number_of(about->source) ^ (uint32_t)about->currentline) * 2654435761u;
  edge = ((here >> 12) ^ (before >> 13)) % COUNTERS;
  before = here;
  if (count_in[edge] < UINT8_MAX) count_in[edge]++;
  ever[edge] = 1;
}

static void say_seen(void) {
  size_t seen = 0;
  for (size_t i = 0; i < COUNTERS; i++) seen += ever[i];
  fprintf(stderr, "stat::lua_edges: %zu\n", seen);
}

static int open_state(lua_State *L) {
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_mcp_core);
  lua_setfield(L, -2, "mcp.core");
  lua_pop(L, 1);
  if (luaL_loadfilex(L, TARGET, "t") != LUA_OK) return lua_error(L);
  lua_call(L, 0, 1);
  return 1;
}

static void must_work(lua_State *L, int status) {
  if (status == LUA_OK) return;
  fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  abort();
}

static int trace(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* At the bottom of the stack lies `trace`, above it the function. */
static lua_State *state(void) {
  static lua_State *L;
  if (L) return L;
  L = lua_newstate(mcp_mem_lua, NULL);
  MUST(L);
  lua_pushcfunction(L, trace);
  lua_pushcfunction(L, open_state);
  must_work(L, lua_pcall(L, 0, 1, 1));
  if (getenv("MCP_FUZZ_BLIND")) count_in = unseen;
  /* Threads that are made from here on inherit it. */
  lua_sethook(L, on_line, LUA_MASKLINE, 0);
  atexit(say_seen);
  return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lua_State *L = state();
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *)data, size);
  must_work(L, lua_pcall(L, 1, 0, 1));
  return 0;
}
