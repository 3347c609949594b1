/* SPDX-License-Identifier: MIT
 * lcoding.h: finds the decoder of compressed bodies, which lives in a module of
 * its own. */
#ifndef MCP_LUA_LCODING_H
#define MCP_LUA_LCODING_H

#include <lua.h>

#include "wire/decoder.h"

/* The decoder of mcp.zlib, which is loaded now if it was not before; NULL if it
 * cannot be loaded, and the log says why. It is valid as long as the state.
 * [-0, +0, e] */
const mcp_decoder_ops_t *mcp_lcoding_decoder(lua_State *L);

#endif
