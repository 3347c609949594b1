/* SPDX-License-Identifier: MIT
 * lhttp_body.h: the methods of a response that read its body: at once, in
 * pieces, or as events. */
#ifndef MCP_LUA_LHTTP_BODY_H
#define MCP_LUA_LHTTP_BODY_H

#include <lua.h>

/* response:read([limit [, timeout]]) -> string | nil, text, code */
int mcp_lhttp_body_read(lua_State *L);

/* response:json([limit [, timeout]]) -> value | nil, text, code */
int mcp_lhttp_body_json(lua_State *L);

/* response:chunk([timeout]) -> string | nil | nil, text, code */
int mcp_lhttp_body_chunk(lua_State *L);

/* response:event([timeout]) -> event [, message | nil, text]
 * | nil | nil, text, code */
int mcp_lhttp_body_event(lua_State *L);

#endif
