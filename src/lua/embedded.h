/* SPDX-License-Identifier: MIT
 * embedded.h: the compiled Lua modules of lua/ in the program; embedded.c is
 * made by scripts/embed.lua. */
#ifndef MCP_LUA_EMBEDDED_H
#define MCP_LUA_EMBEDDED_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint32_t name; /* where it stands in the names, ended by a 0 */
  uint32_t code;
  uint32_t size;
} mcp_embedded_t;

extern const unsigned char mcp_embedded_code[];
extern const char mcp_embedded_names[];
extern const mcp_embedded_t mcp_embedded[]; /* sorted by name */
extern const size_t mcp_embedded_count;

#endif
