/* SPDX-License-Identifier: MIT
 * stop_pattern.h: string.find, match, gmatch and gsub that can be stopped,
 * for code that may be (stop.h). Lua's own backtrack inside C, where no hook
 * runs: one call can take years. These look at the flag as they go,
 * and are the same otherwise (the manual, 6.4.1);
 * spec/lua/stop_pattern_spec.lua compares the two. */
#ifndef MCP_LUA_STOP_PATTERN_H
#define MCP_LUA_STOP_PATTERN_H

#include <lauxlib.h>

#include "lua/stop.h"

/* Upvalue 1 of each is a light userdata: the mcp_stop_t. */
extern const luaL_Reg mcp_stop_pattern_functions[];

#endif
