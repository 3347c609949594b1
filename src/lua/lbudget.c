/* SPDX-License-Identifier: MIT
 * lbudget.c: see lbudget.h. The watch is upvalue 1 of every function. */
#include "lua/lbudget.h"

#include <lauxlib.h>

#include "base/err.h"
#include "lua/copy.h"

/* On the stack of `within`, below the function and its arguments. */
enum { TIME = 1, OUTPUT, ON_ERROR, FIXED = ON_ERROR };

static mcp_lwatch_t *watch_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* The message handler. What was stopped needs none. */
static int on_error(lua_State *L) {
  if (watch_of(L)->over) return 1;
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* The time begins, unless a call around this one has a budget. [-0, +0, v] */
static void begin(lua_State *L, mcp_lwatch_t *watch, lua_Number seconds) {
  mcp_runtime_t *rt = watch->rt;
  mcp_coroutine_t *co = mcp_coroutine_of(rt, L);
  int code;
  /* A worker's call has a budget of its own. */
  if (!co || co->budget.set || rt->stopped) return;
  /* A host may have moved to another thread. */
  code =
      mcp_monitor_publishes(&rt->monitor) ? 0 : watch->start(watch->start_arg);
  if (code < 0) luaL_error(L, "budget.time: %s", mcp_err_text(code));
  co->budget = (mcp_budget_t){.set = true, .left = (uint64_t)(seconds * 1e9)};
  mcp_budget_run(&co->budget, &rt->monitor);
}

/* The time ends. True: it was spent, and what runs was stopped. */
static bool end(lua_State *L, mcp_lwatch_t *watch) {
  mcp_coroutine_t *co = mcp_coroutine_of(watch->rt, L);
  if (!co || !co->budget.set) return false;
  mcp_budget_pause(&co->budget, &watch->rt->monitor);
  co->budget.set = false;
  /* It may be the one of a coroutine around this one that is spent. */
  return co->budget.left == 0 && mcp_lwatch_end_stop(watch, L);
}

/* Are the values above FIXED larger than the budget? What cannot be copied is
 * reported by those who want it as JSON. */
static bool is_too_large(lua_State *L, size_t limit) {
  int top = lua_gettop(L), code = 0;
  mcp_copy_fault_t fault;
  mcp_buf_t bytes = {0};
  for (int i = FIXED + 1; i <= top && code != MCP_ETOOBIG; i++)
    code = mcp_copy_write(L, i, &bytes, limit, &fault);
  mcp_buf_deinit(&bytes);
  return code == MCP_ETOOBIG;
}

static int after(lua_State *L, int status, lua_KContext context) {
  mcp_lwatch_t *watch = watch_of(L);
  lua_Integer output = lua_tointeger(L, OUTPUT);
  bool stopped = context ? end(L, watch) : false;
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_pushboolean(L, 0);
    if (stopped) {
      lua_pushliteral(L, "time");
      lua_pushstring(L, watch->stop_place);
      lua_pushinteger(L, watch->stop_line);
      watch->stop_place[0] = '\0';
      watch->stop_line = 0;
      return 4;
    }
    lua_pushliteral(L, "error");
    lua_pushvalue(L, -3);
    return 3;
  }
  if (output > 0 && is_too_large(L, (size_t)output)) {
    lua_pushboolean(L, 0);
    lua_pushliteral(L, "output");
    return 2;
  }
  lua_pushboolean(L, 1);
  lua_replace(L, FIXED);
  return lua_gettop(L) - FIXED + 1;
}

static int within(lua_State *L) {
  mcp_lwatch_t *watch = watch_of(L);
  lua_Number seconds = luaL_checknumber(L, TIME);
  int status;
  (void)luaL_checkinteger(L, OUTPUT);
  luaL_checkany(L, FIXED + 1);
  lua_pushlightuserdata(L, watch);
  lua_pushvalue(L, ON_ERROR);
  lua_pushcclosure(L, on_error, 2);
  lua_replace(L, ON_ERROR);
  if (seconds > 0) begin(L, watch, seconds);
  status = lua_pcallk(L, lua_gettop(L) - FIXED - 1, LUA_MULTRET, ON_ERROR,
                      seconds > 0, after);
  return after(L, status, seconds > 0);
}

static int prepare_budgets(lua_State *L) {
  mcp_lwatch_prepare(L, watch_of(L));
  return 0;
}

void mcp_lbudget_open(lua_State *L, mcp_lwatch_t *watch) {
  static const luaL_Reg functions[] = {
      {"within", within}, {"prepare_budgets", prepare_budgets}, {NULL, NULL}};
  watch->stop.calls_once[1] = within;
  lua_pushlightuserdata(L, watch);
  luaL_setfuncs(L, functions, 1);
}
