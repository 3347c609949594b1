/* SPDX-License-Identifier: MIT
 * lself.h: the object that a method was called on, for methods that programs
 * call. */
#ifndef MCP_LUA_LSELF_H
#define MCP_LUA_LSELF_H

#include <lauxlib.h>
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

/* Argument 1, a userdata whose metatable is the first upvalue of the running
 * function, as that of methods set by mcp_lself_set_methods is; otherwise NULL.
 * For what is called with every message: luaL_testudata looks the metatable up
 * by its name. [-0, +0, -] */
void *mcp_lself_own(lua_State *L);

/* The same where anything else is an argument error. [-0, +0, v] */
void *mcp_lself_check_own(lua_State *L, const char *type);

/* Pushes a table of `methods`, whose first upvalue is the metatable at the top.
 * [-0, +1, m] */
void mcp_lself_push_methods(lua_State *L, const luaL_Reg *methods);

/* The same, and makes it the __index of the metatable. [-0, +0, m] */
void mcp_lself_set_methods(lua_State *L, const luaL_Reg *methods);

#endif
