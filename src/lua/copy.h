/* SPDX-License-Identifier: MIT
 * copy.h: Lua values as bytes, to be made again in another state. What JSON
 * can say is kept exactly, and what it cannot as well: integers and floats are
 * what they were (NaN and infinities too), strings are bytes, a table has any
 * keys that can be copied, an array stays an array, mcp.null is itself.
 *
 * A table is copied without its metatable (mcp.array's apart) and without
 * calling metamethods. One that occurs twice becomes two. Functions, threads,
 * userdata and tables inside themselves are refused.
 *
 * The format is private to one build of this file: two states of one process,
 * or of two processes of one program.
 *
 *   'n' 'f' 't' '0'     nil, false, true, mcp.null
 *   'i' 8 bytes         an integer; 'd' 8 bytes: a float
 *   's' size bytes      a string
 *   'T' or 'A' n m      a table or an array: n values for 1 to n, then m pairs
 *
 * Sizes and counts are 4 bytes; everything is in the machine's own order. */
#ifndef MCP_LUA_COPY_H
#define MCP_LUA_COPY_H

#include <lua.h>

#include "base/buf.h"

/* Tables inside tables: deeper ones are refused, for reading recurses. */
#define MCP_COPY_DEPTH 100
#define MCP_COPY_FAULT 192

/* What could not be copied: the place in the value and the reason, such as
 * "rows[2].close: function". */
typedef struct {
  char what[MCP_COPY_FAULT];
} mcp_copy_fault_t;

/* Appends the value at `index`. `out` may grow to `limit` bytes. 0, or with
 * `fault` filled MCP_EENCODE (what cannot be copied), MCP_EDEPTH, MCP_ETOOBIG,
 * MCP_ENOMEM; `out` then holds a piece of it. Never raises. [-0, +0, -] */
int mcp_copy_write(lua_State *L, int index, mcp_buf_t *out, size_t limit,
                   mcp_copy_fault_t *fault);

/* Appends a string. 0 or MCP_ENOMEM, MCP_ETOOBIG. */
int mcp_copy_write_text(mcp_buf_t *out, mcp_slice_t text);

/* Pushes all values that `bytes` holds and returns their number, or -1 where
 * they are not what mcp_copy_write makes (then it pushes nothing). Bytes from
 * a process that is not trusted do no harm. Raises for lack of memory only:
 * `bytes` must have an owner that outlives that. [-0, +n, m] */
int mcp_copy_push(lua_State *L, mcp_slice_t bytes);

#endif
