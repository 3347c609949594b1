/* SPDX-License-Identifier: MIT
 * link_noise.c: lines of a server's output that are no messages. See
 * link_framing.h. */
#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "transport/incoming.h"
#include "transport/link_framing.h"

/* Bytes shown of a line that is not a message. */
#define SHOWN_LINE 60

void mcp_link_quote(const mcp_link_t *link, mcp_slice_t line, char *reason) {
  size_t length = strlen(reason);
  if (!link->client || line.len == 0 || line.data[0] == '{' ||
      line.data[0] == '[')
    return;
  snprintf(reason + length, MCP_INCOMING_REASON - length, ": %.*s%s",
           (int)mcp_utf8_cut(line, SHOWN_LINE), line.data,
           line.len > SHOWN_LINE ? "..." : "");
}

void mcp_link_keep_noise(mcp_link_t *link, mcp_slice_t line) {
  size_t used = link->noise ? strlen(link->noise) : 0, room;
  if (!link->client || line.len == 0 || memchr(line.data, '\0', line.len))
    return;
  if (!link->noise) link->noise = mcp_mem_zalloc(MCP_LINK_NOISE);
  room = MCP_LINK_NOISE - used;
  if (!link->noise || room < 8) return;
  snprintf(
      link->noise + used, room, "%s%.*s", used ? "\n" : "",
      (int)mcp_utf8_cut(line, room - 2 < SHOWN_LINE ? room - 2 : SHOWN_LINE),
      line.data);
}

const char *mcp_link_noise(const mcp_link_t *link) {
  return link->noise;
}
