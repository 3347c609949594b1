/* SPDX-License-Identifier: MIT
 * lid.h: the ids of messages as Lua sees them: their keys (wire/rpc_id.h). */
#ifndef MCP_LUA_LID_H
#define MCP_LUA_LID_H

#include <lua.h>

#include "wire/rpc_id.h"

/* Pushes the key of an id, given as JSON text. [-0, +1, m] */
void mcp_lid_push(lua_State *L, mcp_slice_t id);

/* Writes the key of the id that the value at `index` is to `key`, which has
 * MCP_RPC_KEY_LENGTH bytes; returns its length, 0 if it is no id.
 * [-0, +0, -] */
size_t mcp_lid_of_value(lua_State *L, int index, char *key);

/* Adds id_key, key_of and find_id to the module at the top. [-0, +0, m] */
void mcp_lid_open(lua_State *L);

#endif
