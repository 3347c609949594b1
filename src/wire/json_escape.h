/* SPDX-License-Identifier: MIT
 * json_escape.h: the escapes of JSON strings (RFC 8259 7), for the parser,
 * which checks them, and for the document, which decodes them. */
#ifndef MCP_WIRE_JSON_ESCAPE_H
#define MCP_WIRE_JSON_ESCAPE_H

#include <stdbool.h>

/* The value of a hexadecimal digit; 16 or more for any other byte. */
static inline unsigned mcp_escape_hex(char c) {
  unsigned digit = (unsigned)(unsigned char)c - '0';
  unsigned letter = ((unsigned)(unsigned char)c | 0x20) - 'a';
  if (digit < 10) return digit;
  return letter < 6 ? letter + 10 : 16;
}

/* The UTF-16 code unit of the four hexadecimal digits at `p`. */
static inline unsigned mcp_escape_unit(const char *p) {
  return mcp_escape_hex(p[0]) << 12 | mcp_escape_hex(p[1]) << 8 |
         mcp_escape_hex(p[2]) << 4 | mcp_escape_hex(p[3]);
}

/* Is the code unit the first, or the second, half of a surrogate pair? */
static inline bool mcp_escape_is_high(unsigned unit) {
  return (unit & 0xfc00) == 0xd800;
}

static inline bool mcp_escape_is_low(unsigned unit) {
  return (unit & 0xfc00) == 0xdc00;
}

/* The byte that a backslash and `c` stand for; 0 for 'u' and for every byte
 * that is not an escape. */
static inline char mcp_escape_short(char c) {
  static const char bytes[256] = {
      ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
      ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
  };
  return bytes[(unsigned char)c];
}

#endif
