/* SPDX-License-Identifier: MIT
 * lregex.h: wire/regex.h for Lua, for the "pattern" of schemas only,
 * loop: a match is bounded work and never yields. */
#ifndef MCP_LUA_LREGEX_H
#define MCP_LUA_LREGEX_H

#include <lua.h>

/* Pushes the table { compile = function }. [-0, +1, m] */
int mcp_lregex_open(lua_State *L);

#endif
