/* SPDX-License-Identifier: MIT
 * lservice.h: what a process does as a service of the system, from Lua. */
#ifndef MCP_LUA_LSERVICE_H
#define MCP_LUA_LSERVICE_H

#include <lua.h>

/* Adds notify, take_variable, find_user, become, change_owner and pid to the
 * table at the top. [-0, +0, m] */
void mcp_lservice_open(lua_State *L);

#endif
