/* SPDX-License-Identifier: MIT
 * ltls.h: TLS contexts for Lua. */
#ifndef MCP_OPENSSL_LTLS_H
#define MCP_OPENSSL_LTLS_H

#include <lua.h>

/* Adds tls to the table on top. [-0, +0, m] */
void mcp_ltls_open(lua_State *L);

#endif
