/* SPDX-License-Identifier: MIT
 * llog.c: see llog.h. */
#include "lua/llog.h"

#include <lauxlib.h>
#include <string.h>

#include "base/log.h"
#include "lua/ltrace.h"
#include "transport/exchange.h"

static mcp_log_level_t check_level(lua_State *L, int index) {
  static const char *const names[] = {"debug",   "info",  "notice",
                                      "warning", "error", NULL};
  static const mcp_log_level_t levels[] = {MCP_LOG_DEBUG, MCP_LOG_INFO,
                                           MCP_LOG_NOTICE, MCP_LOG_WARNING,
                                           MCP_LOG_ERROR};
  return levels[luaL_checkoption(L, index, NULL, names)];
}

/* The request whose coroutine calls, and what the arguments from `index` on
 * say. */
static mcp_log_about_t about_of(lua_State *L, int index) {
  const mcp_runtime_t *rt = lua_touserdata(L, lua_upvalueindex(1));
  const mcp_coroutine_t *co = rt->current;
  mcp_log_about_t about = {.kind = luaL_optstring(L, index, NULL),
                           .name = luaL_optstring(L, index + 1, NULL)};
  if (co && co->exchange) about.request = mcp_exchange_id(co->exchange);
  if (co && mcp_log_is_json()) mcp_ltrace_about(L, co, &about);
  return about;
}

/* log(level, text [, kind, name]): writes to standard error */
static int log_line(lua_State *L) {
  mcp_log_level_t level = check_level(L, 1);
  const char *text = luaL_checkstring(L, 2);
  mcp_log_about_t about = about_of(L, 3);
  if (!mcp_log_is_json()) {
    mcp_log(level, "%s", text);
  } else {
    mcp_log_about(level, &about, mcp_slice(text, strlen(text)));
  }
  return 0;
}

/* log_lines(level, text [, kind, name]): a text of several lines, whose tabs
 * indent */
static int log_lines(lua_State *L) {
  mcp_log_level_t level = check_level(L, 1);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  mcp_log_about_t about = about_of(L, 3);
  mcp_log_about(level, &about, mcp_slice(text, len));
  return 0;
}

/* log_asked(text): a line that the program asked for, whatever MCP_LOG says */
static int log_asked(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  mcp_log_about_t about = about_of(L, 2);
  about.always = true;
  mcp_log_about(MCP_LOG_INFO, &about, mcp_slice(text, len));
  return 0;
}

/* log_format([name]) -> "text" or "json", after setting it */
static int log_format(lua_State *L) {
  static const char *const names[] = {"text", "json", NULL};
  if (!lua_isnoneornil(L, 1))
    mcp_log_set_json(luaL_checkoption(L, 1, NULL, names) == 1);
  lua_pushstring(L, names[mcp_log_is_json()]);
  return 1;
}

/* log_refusal(text): the same at "info" for a refused request; at most
 * MCP_LOG_REFUSALS a second are written */
static int log_refusal(lua_State *L) {
  mcp_log_refusal("%s", luaL_checkstring(L, 1));
  return 0;
}

void mcp_llog_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {
      {"log", log_line},          {"log_lines", log_lines},
      {"log_asked", log_asked},   {"log_refusal", log_refusal},
      {"log_format", log_format}, {NULL, NULL}};
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
