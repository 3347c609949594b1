/* SPDX-License-Identifier: MIT
 * lhost.h: what messages come through, as Lua sees it: an HTTP listener, our
 * standard input and output, an end of a pair in memory. */
#ifndef MCP_LUA_LHOST_H
#define MCP_LUA_LHOST_H

#include <lua.h>

#include "lua/task.h"

/* How long handlers may go on when standard input has ended. The process is
 * gone within a second whatever they do. In milliseconds. */
#define MCP_LHOST_STDIO_GRACE 500

/* Adds listen_http and serve_stdio to the table at the top, whose functions
 * carry the runtime as upvalue 1. [-0, +0, m] */
void mcp_lhost_open(lua_State *L, mcp_runtime_t *rt);

/* Pushes a host, closed as yet, whose messages go to the function at
 * `receive`; returns it for mcp_lhost_over. [-0, +1, m] */
void *mcp_lhost_push(lua_State *L, mcp_runtime_t *rt, int receive);

/* Opens the link of such a host over `stream` (an mcp_stream_t, taken). `name`
 * is static. 0 or a code. */
int mcp_lhost_over(void *host, void *stream, const char *name);

#endif
