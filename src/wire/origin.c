/* SPDX-License-Identifier: MIT
 * origin.c: see origin.h. */
#include "wire/origin.h"

int mcp_origin_default_port(mcp_slice_t scheme) {
  static const struct {
    mcp_slice_t scheme;
    int port;
  } known[] = {{{"http", 4}, 80},
               {{"https", 5}, 443},
               {{"ws", 2}, 80},
               {{"wss", 3}, 443}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (mcp_slice_equal_nocase(scheme, known[i].scheme)) return known[i].port;
  return MCP_ORIGIN_NO_PORT;
}

/* One to five digits, or "*" where that may be; -3 if it is neither. */
static int read_port(mcp_slice_t text, bool listed) {
  int port = 0;
  if (listed && mcp_slice_equal(text, MCP_SLICE("*")))
    return MCP_ORIGIN_ANY_PORT;
  if (text.len == 0 || text.len > 5) return -3;
  for (size_t i = 0; i < text.len; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return -3;
    port = port * 10 + (text.data[i] - '0');
  }
  return port <= 65535 ? port : -3;
}

/* What cannot stand in a host's name; where it does, two readers may see two
 * hosts. */
static bool is_name(mcp_slice_t text) {
  if (text.len == 0) return false;
  for (size_t i = 0; i < text.len; i++)
    if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 127 ||
        memchr("/\\?#@,:[]<>\"'%", text.data[i], 14))
      return false;
  return true;
}

static bool is_address(mcp_slice_t text) {
  if (text.len < 4 || text.data[text.len - 1] != ']') return false;
  for (size_t i = 1; i + 1 < text.len; i++)
    if (!memchr("0123456789abcdefABCDEF:.", text.data[i], 24)) return false;
  return true;
}

bool mcp_origin_read_host(mcp_slice_t text, bool listed, mcp_origin_t *origin) {
  size_t end = text.len;
  bool bracketed = text.len > 0 && text.data[0] == '[';
  if (bracketed) {
    const char *close = memchr(text.data, ']', text.len);
    if (!close) return false;
    end = (size_t)(close - text.data) + 1;
  } else {
    const char *colon = text.len ? memchr(text.data, ':', text.len) : NULL;
    if (colon) end = (size_t)(colon - text.data);
  }
  *origin = (mcp_origin_t){.host = mcp_slice(text.data, end),
                           .port = MCP_ORIGIN_NO_PORT};
  if (!(bracketed ? is_address(origin->host) : is_name(origin->host)))
    return false;
  if (end == text.len) return true;
  if (text.data[end] != ':') return false;
  origin->port =
      read_port(mcp_slice(text.data + end + 1, text.len - end - 1), listed);
  return origin->port >= MCP_ORIGIN_ANY_PORT;
}

bool mcp_origin_read(mcp_slice_t text, bool listed, mcp_origin_t *origin) {
  size_t at = 0;
  mcp_slice_t scheme;
  while (at < text.len && text.data[at] != ':') at++;
  scheme = mcp_slice(text.data, at);
  if (at == 0 || text.len - at < 3 || memcmp(text.data + at, "://", 3) != 0)
    return false;
  if (!mcp_origin_read_host(mcp_slice(text.data + at + 3, text.len - at - 3),
                            listed, origin))
    return false;
  origin->scheme = scheme;
  if (origin->port == MCP_ORIGIN_NO_PORT)
    origin->port = mcp_origin_default_port(scheme);
  return true;
}

bool mcp_origin_same(const mcp_origin_t *ours, const mcp_origin_t *other) {
  return mcp_slice_equal_nocase(ours->scheme, other->scheme) &&
         mcp_slice_equal_nocase(ours->host, other->host) &&
         (ours->port == MCP_ORIGIN_ANY_PORT || ours->port == other->port);
}
