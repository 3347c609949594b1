/* SPDX-License-Identifier: MIT
 * lself.h: the object that a method was called on, for methods that programs
 * call. */
#ifndef MCP_LUA_LSELF_H
#define MCP_LUA_LSELF_H

#include <lua.h>

/* Argument 1, a userdata whose metatable is `type`'s in the registry. Raises at
 * the user's line if it is anything else: a dot in place of the colon is what
 * leads there. `name` is the method's, as programs call it: "waiter:wait".
 * [-0, +0, v] */
void *mcp_lself_check(lua_State *L, const char *type, const char *name);

/* The same for a type whose methods do not know their names: `what` is the name
 * that programs give to the object, and Lua knows by which name a method was
 * called. [-0, +0, v] */
void *mcp_lself_check_called(lua_State *L, const char *type, const char *what);

#endif
