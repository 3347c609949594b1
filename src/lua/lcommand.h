/* SPDX-License-Identifier: MIT
 * lcommand.h: what a child process is started with, read from a table of Lua:
 * { command =, args =, env =, cwd = }, which is argument 1. */
#ifndef MCP_LUA_LCOMMAND_H
#define MCP_LUA_LCOMMAND_H

#include <lua.h>

#include "net/process.h"

/* What of our environment a child gets beside `env`. */
typedef enum {
  MCP_LCOMMAND_ALLOWED, /* a short list: a server of messages */
  MCP_LCOMMAND_ALL,
  MCP_LCOMMAND_NOTHING
} mcp_lcommand_inherit_t;

/* The program and its arguments, ended by NULL. [-0, +1, e] */
const char **mcp_lcommand_push_arguments(lua_State *L);

/* The environment, ended by NULL, and below it what holds it. A value of false
 * removes a variable. [-0, +2, e] */
const char **mcp_lcommand_push_environment(lua_State *L,
                                           mcp_lcommand_inherit_t inherited);

/* The folder that it starts in, or NULL. [-0, +1, e] */
const char *mcp_lcommand_push_folder(lua_State *L);

/* Pushes nil, text, name: which of the two is not there, the text has to say.
 * [-0, +3, m] */
int mcp_lcommand_push_failure(lua_State *L, int code, mcp_process_step_t step,
                              const char *folder);

#endif
