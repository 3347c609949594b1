/* SPDX-License-Identifier: MIT
 * stop_lib.h: functions of Lua's libraries for code that may be stopped
 * (stop.h). Those of coroutines note which one runs, since a hook belongs to
 * one coroutine; no message handler runs once the code is stopped, for hooks
 * are off there; string.rep and patterns look at the flag as they work. All
 * else is as in Lua. */
#ifndef MCP_LUA_STOP_LIB_H
#define MCP_LUA_STOP_LIB_H

#include "lua/stop.h"

/* Replaces coroutine.resume, wrap, close and xpcall, unless the program has put
 * Lua functions there. `stop` lives as long as the state. [-0, +0, m] */
void mcp_stop_lib_open(lua_State *L, mcp_stop_t *stop);

/* The same for rep, find, match, gmatch and gsub in the table at the top.
 * [-0, +0, m] */
void mcp_stop_lib_open_strings(lua_State *L, mcp_stop_t *stop);

/* For the hook that stops code, which counts instructions and calls: may it
 * raise where it is? A C function that is called by Lua code runs, since the
 * next instruction is near; so do those that close a variable while an error
 * passes, which pcall calls. Others, which a C function calls perhaps for
 * ever, do not. [-0, +0, -] */
bool mcp_stop_lib_may_raise(lua_State *L, lua_Debug *ar,
                            const mcp_stop_t *stop);

#endif
