/* SPDX-License-Identifier: MIT
 * lfile_watch.c: see lfile_watch.h. */
#include "lua/lfile_watch.h"

#include <lauxlib.h>

#include "base/err.h"
#include "base/log.h"
#include "lua/lself.h"
#include "lua/seconds.h"
#include "net/file_watch.h"

#define TYPE_NAME "mcp.file_watch"

/* Its user value is the function that is called. */
typedef struct {
  mcp_runtime_t *rt;
  mcp_file_watch_t *watch;    /* NULL once it is closed */
  mcp_loop_cleanup_t cleanup; /* registered while `watch` is open */
  int self;                   /* registry reference of the userdata */
} handle_t;

static void close_watch(handle_t *h) {
  if (!h->watch) return;
  mcp_file_watch_stop(h->watch);
  h->watch = NULL;
  mcp_loop_drop_cleanup(&h->cleanup);
}

static void on_loop_end(mcp_loop_cleanup_t *cleanup) {
  handle_t *h = (handle_t *)((char *)cleanup - offsetof(handle_t, cleanup));
  close_watch(h);
}

/* fn(name): the handle lies at 1, the name at 2 is a light userdata that is
 * valid until the first wait. */
static int call(lua_State *L) {
  handle_t *h = lua_touserdata(L, 1);
  const char *name = lua_touserdata(L, 2);
  if (!h->watch) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, h->self);
  lua_getiuservalue(L, -1, 1);
  if (name)
    lua_pushstring(L, name);
  else
    lua_pushnil(L);
  lua_call(L, 1, 0);
  return 0;
}

static void on_change(void *arg, const char *name) {
  handle_t *h = arg;
  mcp_coroutine_t *co = mcp_coroutine_new(h->rt);
  if (co && !lua_checkstack(co->thread, 3)) {
    mcp_coroutine_drop(co);
    co = NULL;
  }
  if (!co) {
    mcp_log(MCP_LOG_ERROR, "out of memory: a change of a file was missed");
    return;
  }
  lua_pushcfunction(co->thread, call);
  lua_pushlightuserdata(co->thread, h);
  lua_pushlightuserdata(co->thread, (void *)name);
  mcp_coroutine_run(co, 2);
}

static int watch_close(lua_State *L) {
  handle_t *h = mcp_lself_check(L, TYPE_NAME, "watch:close");
  close_watch(h);
  luaL_unref(L, LUA_REGISTRYINDEX, h->self);
  h->self = LUA_NOREF;
  return 0;
}

static int watch_collect(lua_State *L) {
  close_watch(luaL_checkudata(L, 1, TYPE_NAME));
  return 0;
}

/* watch_path(path, seconds | nil, fn) -> watch | nil, text, code
 * fn(name | nil) is called for each change in the folder `path`; with seconds
 * it looks at a file or folder so often. Watches until watch:close(). */
static int watch_path(lua_State *L) {
  mcp_runtime_t *rt = lua_touserdata(L, lua_upvalueindex(1));
  const char *path = luaL_checkstring(L, 1);
  bool polls = !lua_isnoneornil(L, 2);
  uint32_t ms = polls ? mcp_seconds_read32(L, 2, "seconds") : 0;
  handle_t *h;
  int code;
  luaL_checktype(L, 3, LUA_TFUNCTION);
  luaL_argcheck(L, !polls || ms > 0, 2, "expected more than 0");
  lua_settop(L, 3);
  h = lua_newuserdatauv(L, sizeof *h, 1);
  *h = (handle_t){.rt = rt, .self = LUA_NOREF};
  luaL_setmetatable(L, TYPE_NAME);
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 4, 1);
  lua_pushvalue(L, 4);
  h->self = luaL_ref(L, LUA_REGISTRYINDEX);
  code = mcp_file_watch_start(rt->loop, path, ms, on_change, h, &h->watch);
  if (code < 0) {
    luaL_unref(L, LUA_REGISTRYINDEX, h->self);
    h->self = LUA_NOREF;
    return mcp_coroutine_push_error(L, code);
  }
  h->cleanup.end = on_loop_end;
  mcp_loop_add_cleanup(rt->loop, &h->cleanup);
  return 1;
}

void mcp_lfile_watch_open(lua_State *L, mcp_runtime_t *rt) {
  luaL_newmetatable(L, TYPE_NAME);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, watch_close);
  lua_setfield(L, -2, "close");
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, watch_collect);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  lua_pushlightuserdata(L, rt);
  lua_pushcclosure(L, watch_path, 1);
  lua_setfield(L, -2, "watch_path");
}
