/* SPDX-License-Identifier: MIT
 * value_decode.h: JSON text as a Lua value. */
#ifndef MCP_LUA_VALUE_DECODE_H
#define MCP_LUA_VALUE_DECODE_H

#include <lua.h>

#include "wire/json.h"

/* Reads `text` by the strict reader and pushes its value, or nil, text, name of
 * the code; returns how many it pushed. `text` must have an owner that outlives
 * an error. [-0, +(1|3), m] */
int mcp_value_decode(lua_State *L, mcp_slice_t text);

/* The same within `limits`: 0 with the value pushed, or a code with `fault`
 * filled. [-0, +(0|1), m] */
int mcp_value_decode_within(lua_State *L, mcp_slice_t text,
                            const mcp_json_limits_t *limits,
                            mcp_json_fault_t *fault);

#endif
