/* SPDX-License-Identifier: MIT
 * value.h: JSON to Lua values and back, with nothing lost on the way.
 *
 *   null            mcp.null, the light userdata NULL (lua-cjson's too)
 *   true, false     booleans
 *   integer         a Lua integer; other numbers a Lua float
 *   string          a string
 *   array           a table with the metatable array_mt (so [] stays [])
 *   object          a plain table
 *
 * Outwards: a table marked array_mt (ours, or any metatable that lua-cjson's
 * forks use, see mcp_value_mark_array) is an array; a marked raw value is
 * written as it is; otherwise a table with a non-nil [1] is an array and any
 * other one an object. An unmarked empty table is {}. */
#ifndef MCP_LUA_VALUE_H
#define MCP_LUA_VALUE_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/json.h"

/* Creates the metatables once per state, in the registry. [-0, +0, m] */
void mcp_value_open(lua_State *L);

/* Pushes mcp.null. [-0, +1, -] */
static inline void mcp_value_push_null(lua_State *L) {
  lua_pushlightuserdata(L, NULL);
}

/* Pushes the metatable that marks arrays. [-0, +1, -] */
void mcp_value_push_array_mt(lua_State *L);

/* Lets tables with the metatable at the top count as arrays too, and pops it
 * (for array_mt and empty_array_mt of lua-cjson's forks). A light userdata
 * there (their empty_array) goes out as [] from now on. [-1, +0, m] */
void mcp_value_mark_array(lua_State *L);

/* Is the table at the top marked as an array? Needs 3 slots. [-0, +0, -] */
bool mcp_value_is_array(lua_State *L);

/* Pushes a raw value: JSON text that goes out as it stands. The text is
 * checked JSON (ours); a full userdata with a fixed metatable.
 * `text` is copied, with its line ends made spaces: JSON has them between
 * tokens only, and what we send stays on one line. [-0, +1, m] */
void mcp_value_push_raw(lua_State *L, mcp_slice_t text);
/* The same of a text without line breaks. */
void mcp_value_push_raw_line(lua_State *L, mcp_slice_t text);

/* Pushes the value of token `at` of `doc`, tables sized exactly. Uses
 * luaL_checkstack; may raise for lack of memory only: `doc` must have an owner
 * that outlives the error. [-0, +1, m] */
void mcp_value_push(lua_State *L, const mcp_json_doc_t *doc, uint32_t at);

#define MCP_VALUE_FAULT_LENGTH 192

/* The same without the member of an object inside it whose value is token
 * `without`. [-0, +1, m] */
void mcp_value_push_without(lua_State *L, const mcp_json_doc_t *doc,
                            uint32_t at, uint32_t without);

/* What could not be encoded: the place in the value and the reason, in valid
 * UTF-8
 * ("content[1].text: function"; "function" if it is the value itself). A path
 * too long for the room loses its beginning. */
typedef struct {
  int code;
  char what[MCP_VALUE_FAULT_LENGTH];
} mcp_value_fault_t;

/* Appends the value at `index` as JSON. Keys of objects come in the order
 * lua_next gives them, or sorted bytewise with `sorted`. Metamethods are not
 * called. Does not raise for a bad value: returns 0, or a code with `fault`
 * filled (MCP_EENCODE: nil, function, thread, foreign userdata, mixed or
 * non-string keys, a hole in an array, deeper than MCP_JSON_DEPTH or cyclic,
 * NaN or infinite; MCP_EUTF8; MCP_ETOOBIG once more than `limit` bytes were
 * appended; MCP_ENOMEM). What was appended before the failure stays in `out`:
 * the caller cuts it off. No Lua runs meanwhile, not even a finalizer, so `out`
 * may be a buffer that others use too.
 * [-0, +0, -] */
int mcp_value_write_within(lua_State *L, int index, mcp_buf_t *out, int sorted,
                           size_t limit, mcp_value_fault_t *fault);

/* The same without a limit. */
static inline int mcp_value_write(lua_State *L, int index, mcp_buf_t *out,
                                  int sorted, mcp_value_fault_t *fault) {
  return mcp_value_write_within(L, index, out, sorted, SIZE_MAX, fault);
}

/* Writes the full userdata at the top, which value.c does not know. 0, or a
 * code: MCP_EENCODE if it is not known here either. Needs 3 slots.
 * [-0, +0, -] */
typedef int (*mcp_value_foreign_fn)(lua_State *L, mcp_buf_t *out, void *arg);

/* mcp_value_write of a value in which there are such. */
int mcp_value_write_foreign(lua_State *L, int index, mcp_buf_t *out, int sorted,
                            mcp_value_foreign_fn foreign, void *arg,
                            mcp_value_fault_t *fault);

#endif
