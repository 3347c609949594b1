/* SPDX-License-Identifier: MIT
 * core.h: the C module mcp.core, and what a C host needs of it. */
#ifndef MCP_LUA_CORE_H
#define MCP_LUA_CORE_H

#include <lua.h>

#if defined(__GNUC__)
#define MCP_EXPORT __attribute__((visibility("default")))
#else
#define MCP_EXPORT
#endif

/* Opens mcp.core: a lua_CFunction for luaL_requiref. Each Lua state has a
 * runtime and a loop of its own; nothing is shared between two states. */
MCP_EXPORT int luaopen_mcp_core(lua_State *L);

#endif
