/* SPDX-License-Identifier: MIT
 * rpc_id.c: see rpc_id.h. */
#include "wire/rpc_id.h"

#include <math.h>
#include <string.h>

#include "wire/json.h"
#include "wire/number.h"

/* Integers that fit 64 bits whatever their digits are. */
#define SAFE_DIGITS 18

static bool is_string(mcp_slice_t id) {
  return id.len > 0 && id.data[0] == '"';
}

/* Is this text of a number the key already? */
static bool is_plain(mcp_slice_t id) {
  size_t sign = id.len > 0 && id.data[0] == '-' ? 1 : 0;
  if (id.len == sign || id.len - sign > SAFE_DIGITS) return false;
  for (size_t i = sign; i < id.len; i++)
    if (id.data[i] < '0' || id.data[i] > '9') return false;
  return !(sign && id.data[1] == '0');
}

/* Its digits as an integer of 64 bits, if that is what it is. */
static bool read_integer(mcp_slice_t id, int64_t *out) {
  bool minus = id.len > 0 && id.data[0] == '-';
  uint64_t limit = minus ? (uint64_t)INT64_MAX + 1 : INT64_MAX, n = 0;
  for (size_t i = minus ? 1 : 0; i < id.len; i++) {
    unsigned digit = (unsigned)(unsigned char)id.data[i] - '0';
    if (digit > 9 || n > (limit - digit) / 10) return false;
    n = n * 10 + digit;
  }
  *out = minus ? (int64_t)(0 - n) : (int64_t)n;
  return true;
}

size_t mcp_rpc_id_key_of_double(double n, char *key) {
  if (!isfinite(n) || n != floor(n)) return 0;
  if (n >= -0x1p63 && n < 0x1p63)
    return mcp_number_write_integer(key, (int64_t)n);
  return mcp_number_write_double(key, n);
}

size_t mcp_rpc_id_key(mcp_slice_t id, char *key) {
  int64_t n;
  if (is_string(id)) {
    key[0] = '"';
    return 1 + mcp_json_unescape(mcp_slice(id.data + 1, id.len - 2), key + 1);
  }
  if (is_plain(id)) {
    memcpy(key, id.data, id.len);
    return id.len;
  }
  if (read_integer(id, &n)) return mcp_number_write_integer(key, n);
  return mcp_rpc_id_key_of_double(mcp_number_read(id), key);
}

bool mcp_rpc_id_equal(mcp_slice_t a, mcp_slice_t b) {
  char key[MCP_RPC_KEY_LENGTH], other[MCP_RPC_KEY_LENGTH];
  if (a.len == 0 || b.len == 0 || is_string(a) != is_string(b)) return false;
  if (mcp_slice_equal(a, b)) return true;
  if (is_string(a)) {
    if (!memchr(a.data, '\\', a.len) && !memchr(b.data, '\\', b.len))
      return false;
  } else if (is_plain(a) && is_plain(b)) {
    return false;
  }
  return mcp_slice_equal(mcp_slice(key, mcp_rpc_id_key(a, key)),
                         mcp_slice(other, mcp_rpc_id_key(b, other)));
}

/* -- finding one -- */

static const char *skip_space(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
  return p;
}

/* Skips the string whose quote is at `p`, valid or not; NULL if it does not
 * end. */
static const char *skip_string(const char *p, const char *end) {
  for (p++; p < end; p++) {
    if (*p == '"') return p + 1;
    if (*p == '\\') p++;
  }
  return NULL;
}

/* Past one value; NULL if it does not end. */
static const char *skip_value(const char *p, const char *end) {
  size_t depth = 0;
  while (p < end) {
    if (*p == '"') {
      p = skip_string(p, end);
      if (!p) return NULL;
      if (depth == 0) return p;
      continue;
    }
    if (depth == 0 && (*p == ',' || *p == '}' || *p == ']')) return p;
    if (*p == '{' || *p == '[') depth++;
    if ((*p == '}' || *p == ']') && --depth == 0) return p + 1;
    p++;
  }
  return NULL;
}

/* The id that begins at `p`, if it is one. */
static mcp_slice_t read_id(const char *p, const char *end) {
  mcp_slice_t text = {p, (size_t)(end - p)}, none = {0};
  mcp_json_doc_t doc;
  mcp_json_fault_t fault;
  mcp_json_kind_t kind;
  bool taken = false;
  while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1])) text.len--;
  if (text.len == 0 || text.len > MCP_RPC_ID_LENGTH) return none;
  mcp_json_doc_init(&doc);
  if (mcp_json_parse(&doc, text, &mcp_json_default_limits, &fault) == 0) {
    kind = (mcp_json_kind_t)doc.tokens[0].kind;
    taken = kind == MCP_JSON_STRING || kind == MCP_JSON_INTEGER ||
            (kind == MCP_JSON_DOUBLE &&
             mcp_json_double(&doc, 0) == floor(mcp_json_double(&doc, 0)));
  }
  mcp_json_doc_deinit(&doc);
  return taken ? text : none;
}

static bool is_named(const char *key, const char *end, const char *name) {
  size_t len = strlen(name);
  return (size_t)(end - key) == len + 2 && memcmp(key + 1, name, len) == 0;
}

mcp_rpc_id_found_t mcp_rpc_id_find(mcp_slice_t text) {
  mcp_rpc_id_found_t found = {0};
  const char *p = text.data, *end = p + text.len, *key, *key_end, *value;
  bool is_call = false, is_answer = false;
  unsigned ids = 0;
  if (text.len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) p += 3;
  p = skip_space(p, end);
  if (p == end || *p != '{') return found;
  do {
    key = skip_space(p + 1, end);
    if (key == end || *key != '"') break;
    key_end = skip_string(key, end);
    if (!key_end) break;
    value = skip_space(key_end, end);
    if (value == end || *value != ':') break;
    value = skip_space(value + 1, end);
    if (is_named(key, key_end, "method")) is_call = true;
    if (is_named(key, key_end, "result") || is_named(key, key_end, "error"))
      is_answer = true;
    p = skip_value(value, end);
    if (p && is_named(key, key_end, "id") && ids++ == 0)
      found.id = read_id(value, p);
    if (p) p = skip_space(p, end);
  } while (p && p < end && *p == ',');
  if (ids > 1) found.id = (mcp_slice_t){0};
  found.is_response = is_answer && !is_call;
  found.is_call = is_call;
  return found;
}
