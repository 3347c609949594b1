/* SPDX-License-Identifier: MIT
 * ltext.h: text from Lua that C functions take, which end it at a zero byte. */
#ifndef MCP_LUA_LTEXT_H
#define MCP_LUA_LTEXT_H

#include <lua.h>

/* The string at the top, which something else holds. Raises, in the name of
 * `what`, for any other type and for a string with a zero byte. [-0, +0, v] */
const char *mcp_ltext_check(lua_State *L, const char *what);

/* The string in field `name` of the table at `table`, which keeps it;
 * `otherwise` if it is nil. Raises as above. [-0, +0, e] */
const char *mcp_ltext_field(lua_State *L, int table, const char *name,
                            const char *otherwise);

#endif
