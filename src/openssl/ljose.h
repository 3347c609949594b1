/* SPDX-License-Identifier: MIT
 * ljose.h: jose.h for Lua. */
#ifndef MCP_OPENSSL_LJOSE_H
#define MCP_OPENSSL_LJOSE_H

#include <lua.h>

/* Adds verify, sign, generate_key and public_jwk to the table on top.
 * [-0, +0, m] */
void mcp_ljose_open(lua_State *L);

#endif
