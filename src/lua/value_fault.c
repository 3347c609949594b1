/* SPDX-License-Identifier: MIT
 * value_fault.c: see value_fault.h. */
#include "lua/value_fault.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

/* Keys in a fault are cut to this length. */
#define SHOWN_KEY 40

int mcp_value_fault_set(mcp_value_fault_t *fault, int code,
                        const char *reason) {
  fault->code = code;
  snprintf(fault->what, sizeof fault->what, ": %s", reason);
  return code;
}

int mcp_value_fault_text(mcp_value_fault_t *fault, mcp_slice_t text) {
  char reason[64];
  snprintf(reason, sizeof reason, "not valid UTF-8 at byte %zu",
           mcp_utf8_prefix(text) + 1);
  return mcp_value_fault_set(fault, MCP_EUTF8, reason);
}

/* Puts `s` before the path, with a point if a key follows; dots if it does not
 * fit. `s` has room for one more byte. */
static void put_before(mcp_value_fault_t *fault, char *s, size_t len) {
  static const char dots[] = "...";
  char *what = fault->what;
  const char *part = s;
  size_t used = strlen(what), room = sizeof fault->what - sizeof dots;
  if (strncmp(what, dots, sizeof dots - 1) == 0) return;
  if (*what != '[' && *what != ':') s[len++] = '.';
  if (len > room - used) {
    part = dots;
    len = sizeof dots - 1;
  }
  memmove(what + len, what, used + 1);
  memcpy(what, part, len);
}

int mcp_value_fault_index(mcp_value_fault_t *fault, int code, lua_Integer i) {
  char text[32];
  int len =
      snprintf(text, sizeof text, "[" LUA_INTEGER_FMT "]", (LUAI_UACINT)i);
  put_before(fault, text, (size_t)len);
  return code;
}

int mcp_value_fault_key(mcp_value_fault_t *fault, int code, mcp_slice_t key) {
  char text[SHOWN_KEY + 4], *to = text;
  size_t at = 0;
  while (at < key.len && (size_t)(to - text) < SHOWN_KEY) {
    size_t n = mcp_utf8_step(mcp_slice(key.data + at, key.len - at));
    if (n == 0 || (unsigned char)key.data[at] < ' ') {
      n = 1;
      *to++ = '?';
    } else {
      memcpy(to, key.data + at, n);
      to += n;
    }
    at += n;
  }
  put_before(fault, text, (size_t)(to - text));
  return code;
}
