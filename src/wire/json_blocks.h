/* SPDX-License-Identifier: MIT
 * json_blocks.h: long JSON strings, 64 bytes at a time. A text of 100 KB has
 * thousands of escapes, and reading and writing it is mostly these loops.
 *
 * Each function takes what is common: plain bytes and escapes of two bytes. It
 * ends early, at the first byte of anything else or near the end of its text,
 * and leaves the rest to its caller, which handles all there is. So one that
 * does nothing is right, too, and that is what other processors have. */
#ifndef MCP_WIRE_JSON_BLOCKS_H
#define MCP_WIRE_JSON_BLOCKS_H

typedef struct {
  /* Passes over the text of a string to the first byte that is neither plain
   * nor part of a good escape of two bytes, or to where it ends early. */
  const char *(*skip)(const char *p, const char *end);
  /* skip and undo in one: writes to *out what it passes over. NULL where that
   * is not quicker than one after the other. */
  const char *(*read)(const char *p, const char *end, char **out);
  /* Undoes the escapes of a text that was checked. At *out, which it moves,
   * there is as much room as there is text from `p` on; so it is for read. */
  const char *(*undo)(const char *p, const char *end, char **out);
  /* Writes a text with the escapes it needs to *out, which it moves. As much
   * room as there is text is left up to `room`, else it ends early. */
  const char *(*write)(const char *p, const char *end, char **out,
                       const char *room);
} mcp_json_blocks_t;

/* Those that are the fastest on this processor. */
const mcp_json_blocks_t *mcp_json_blocks(void);

/* For any processor that the program runs on. */
const mcp_json_blocks_t *mcp_json_blocks_basic(void);

/* With AVX-512; NULL where the processor or the compiler has not got it. */
const mcp_json_blocks_t *mcp_json_blocks_wide(void);

#endif
