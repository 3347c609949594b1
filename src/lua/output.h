/* SPDX-License-Identifier: MIT
 * output.h: what a process has written and Lua code has not read yet. Knows
 * neither the process nor Lua. */
#ifndef MCP_LUA_OUTPUT_H
#define MCP_LUA_OUTPUT_H

#include "base/buf.h"

typedef struct {
  mcp_buf_t bytes;
  size_t from;     /* where what is not read begins */
  size_t searched; /* of that: so many bytes hold no newline */
  bool ended;      /* nothing will be added */
  bool paused;     /* for the owner */
  int code;        /* < 0: reading has failed, and nothing will be added */
} mcp_output_t;

static inline size_t mcp_output_held(const mcp_output_t *o) {
  return o->bytes.len - o->from;
}

static inline bool mcp_output_is_over(const mcp_output_t *o) {
  return o->ended || o->code < 0;
}

/* What is not read. */
static inline mcp_slice_t mcp_output_rest(const mcp_output_t *o) {
  size_t held = mcp_output_held(o);
  return mcp_slice(held > 0 ? o->bytes.data + o->from : NULL, held);
}

/* Adds bytes; sets `code` where there is no memory for them. */
void mcp_output_add(mcp_output_t *o, mcp_slice_t bytes);

/* The next line without its end, and how many bytes it takes with that: "\n"
 * or "\r\n". Of a line longer than `longest` a piece of that size; at the end
 * what is left. False: it has not all come. */
bool mcp_output_find_line(mcp_output_t *o, size_t longest, mcp_slice_t *line,
                          size_t *used);

/* The first `n` bytes have been read; they are there. */
void mcp_output_use(mcp_output_t *o, size_t n);

/* Frees what is not read. */
void mcp_output_drop(mcp_output_t *o);

#endif
