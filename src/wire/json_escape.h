/* SPDX-License-Identifier: MIT
 * json_escape.h: the escapes of JSON strings (RFC 8259 7), for the parser,
 * which checks them, for the document, which decodes them, and for the writer.
 */
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

/* By letter: the byte that a backslash and the letter stand for; 0 for 'u' and
 * for every byte that is not an escape. */
static const char mcp_escape_bytes[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

/* By byte: the letter of its escape of two bytes; 0: it has none, or needs
 * none. */
static const char mcp_escape_letters[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
    ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
};

static inline char mcp_escape_short(char c) {
  return mcp_escape_bytes[(unsigned char)c];
}

static inline char mcp_escape_letter(char c) {
  return mcp_escape_letters[(unsigned char)c];
}

#endif
