/* SPDX-License-Identifier: MIT
 * lfile.h: an open file in Lua, as a part of an answer: it goes out as a string
 * of JSON, in pieces where the transport can send it so, and otherwise whole,
 * up to MCP_FOLDER_FILE_SIZE. */
#ifndef MCP_LUA_LFILE_H
#define MCP_LUA_LFILE_H

#include <lua.h>

#include "lua/coroutine.h"
#include "lua/value.h"
#include "transport/exchange.h"

typedef struct {
  mcp_file_t *file; /* NULL while closed */
  mcp_pieces_as_t as;
  uint64_t length; /* of the string of JSON */
  mcp_loop_t *loop;
} mcp_lfile_t;

/* Registers the type, and adds no function. [-0, +0, m] */
void mcp_lfile_open(lua_State *L);

/* Pushes the methods of files, for those of lfolder.c. [-0, +1, m] */
void mcp_lfile_push_methods(lua_State *L);

/* Pushes a file that goes out as Base64; its name is at `name`. Keeps a
 * reference. [-0, +1, m] */
void mcp_lfile_push(lua_State *L, mcp_loop_t *loop, mcp_file_t *file, int name);

/* Argument 1, which is an open file, with its name pushed to index 2.
 * [-?, +?, v] */
mcp_lfile_t *mcp_lfile_check(lua_State *L);

/* Answers `x` with the value at `result`, in which there are files. `co` owes
 * the answer; NULL for a kept exchange. 0; or a code, `fault` is filled and
 * nothing was done. [-0, +0, -] */
int mcp_lfile_answer(lua_State *L, mcp_exchange_t *x, mcp_coroutine_t *co,
                     int result, mcp_value_fault_t *fault);

/* mcp_value_write with files, which are written whole. [-0, +0, -] */
int mcp_lfile_encode(lua_State *L, int index, mcp_buf_t *out, int sorted,
                     mcp_value_fault_t *fault);

#endif
