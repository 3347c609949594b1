/* SPDX-License-Identifier: MIT
 * http_media.c: see http_media.h.
 *
 *   Content-Type = type "/" subtype *( OWS ";" OWS name "=" value )
 *   Accept       = #( range *( OWS ";" OWS name "=" value ) )
 *   range        = "*" "/" "*" | type "/" "*" | type "/" subtype
 *   value        = token | quoted-string      (RFC 9110 5.6, 8.3.1, 12.5.1)
 */
#include "wire/http_media.h"

/* Cuts `rest` at the first `mark` that is not inside a quoted string, and
 * returns what stood before it, trimmed. */
static mcp_slice_t cut(mcp_slice_t *rest, char mark) {
  bool quoted = false;
  size_t i = 0, next;
  mcp_slice_t piece;
  for (; i < rest->len; i++) {
    char c = rest->data[i];
    if (quoted && c == '\\' && i + 1 < rest->len)
      i++;
    else if (c == '"')
      quoted = !quoted;
    else if (c == mark && !quoted)
      break;
  }
  piece = mcp_slice(rest->data, i);
  next = i < rest->len ? i + 1 : i;
  *rest = mcp_slice(rest->data ? rest->data + next : NULL, rest->len - next);
  return mcp_slice_trim(piece);
}

/* Zero weight: "0", "0.", "0.0", "0.00" … A weight that breaks the grammar
 * counts as non-zero. */
static bool is_zero(mcp_slice_t weight) {
  if (weight.len == 0 || weight.data[0] != '0') return false;
  if (weight.len > 1 && weight.data[1] != '.') return false;
  for (size_t i = 2; i < weight.len; i++)
    if (weight.data[i] != '0') return false;
  return true;
}

/* Does the parameter list hold a `q` of 0? */
static bool refused(mcp_slice_t parameters) {
  while (parameters.len > 0) {
    mcp_slice_t value = cut(&parameters, ';');
    mcp_slice_t name = cut(&value, '=');
    if (mcp_slice_equal_nocase(name, MCP_SLICE("q")) &&
        is_zero(mcp_slice_trim(value)))
      return true;
  }
  return false;
}

/* How precisely `range` names `essence`: 0 not at all … 3 exactly. */
static unsigned match(mcp_slice_t range, mcp_slice_t essence) {
  const char *slash;
  size_t type;
  if (mcp_slice_equal(range, MCP_SLICE("*/*"))) return 1;
  if (mcp_slice_equal_nocase(range, essence)) return 3;
  slash = essence.len ? memchr(essence.data, '/', essence.len) : NULL;
  if (!slash) return 0;
  type = (size_t)(slash - essence.data) + 1;
  if (range.len != type + 1 || range.data[type] != '*') return 0;
  return mcp_slice_equal_nocase(mcp_slice(range.data, type),
                                mcp_slice(essence.data, type))
             ? 2
             : 0;
}

bool mcp_http_media_is(mcp_slice_t value, mcp_slice_t essence) {
  return mcp_slice_equal_nocase(cut(&value, ';'), essence);
}

void mcp_http_media_accept(mcp_http_accept_t *accept, mcp_slice_t value,
                           mcp_slice_t essence) {
  while (value.len > 0) {
    mcp_slice_t parameters = cut(&value, ',');
    unsigned rank = match(cut(&parameters, ';'), essence);
    bool taken;
    if (rank == 0 || rank < accept->rank) continue;
    taken = !refused(parameters);
    accept->taken = taken || (rank == accept->rank && accept->taken);
    accept->rank = rank;
  }
}

bool mcp_http_accepts(mcp_slice_t value, mcp_slice_t essence) {
  mcp_http_accept_t accept = {0};
  mcp_http_media_accept(&accept, value, essence);
  return accept.taken;
}
