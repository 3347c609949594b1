/* SPDX-License-Identifier: MIT
 * seconds.h: times. Lua states them in seconds, the loop in milliseconds; this
 * is the only place that converts one into the other. */
#ifndef MCP_LUA_SECONDS_H
#define MCP_LUA_SECONDS_H

#include <lua.h>
#include <stdint.h>

/* The longest time in ms. A time may be added to the loop's clock without
 * overflow. */
#define MCP_SECONDS_FOREVER (UINT64_MAX / 4)

/* Times that a program states are below this, in seconds. */
#define MCP_SECONDS_MAX 1e12

/* `seconds` as ms, rounded up so that no wait ends early: 0 if it is negative
 * or not a number, at most MCP_SECONDS_FOREVER. */
uint64_t mcp_seconds_to_ms(lua_Number seconds);

/* The time at `index` in ms. Raises an error that begins with `what` unless it
 * is a number, 0 or more and below MCP_SECONDS_MAX. [-0, +0, v] */
uint64_t mcp_seconds_read(lua_State *L, int index, const char *what);

/* The same for a clock, which counts 32 bits: a time that does not fit becomes
 * UINT32_MAX. [-0, +0, v] */
uint32_t mcp_seconds_read32(lua_State *L, int index, const char *what);

/* Reads field `name` of the table at `table` into `*ms`, which stays as it is
 * if the field is nil. Errors name the field. True if it was there.
 * [-0, +0, e] */
int mcp_seconds_field(lua_State *L, int table, const char *name, uint64_t *ms);

#endif
