/* SPDX-License-Identifier: MIT
 * copy.c: see copy.h. Both directions recurse, MCP_COPY_DEPTH deep. */
#include "lua/copy.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "lua/value.h"

/* Keys in a fault are cut to this length. */
#define SHOWN_KEY 40
/* Stack slots that one value takes, in either direction. */
#define SLOTS 6

/* --- writing ---------------------------------------------------------------
 */

typedef struct {
  lua_State *L;
  mcp_buf_t *out;
  size_t limit;
  mcp_copy_fault_t *fault;
  const void
      *open[MCP_COPY_DEPTH]; /* the tables that contain the current value */
  size_t depth;
} writer_t;

static int refuse(writer_t *w, int code, const char *reason) {
  snprintf(w->fault->what, sizeof w->fault->what, ": %s", reason);
  return code;
}

/* Prepends a step to the path of the fault; a path that is too long loses its
 * outermost steps. */
static int under(writer_t *w, int code, const char *step) {
  char whole[2 * MCP_COPY_FAULT];
  const char *what = w->fault->what;
  const char *point = *what == '[' || *what == ':' ? "" : ".";
  int n = snprintf(whole, sizeof whole, "%s%s%s", step, point, what);
  if (n > 0 && (size_t)n < sizeof w->fault->what)
    memcpy(w->fault->what, whole, (size_t)n + 1);
  return code;
}

/* The step for the key at `index`. */
static int under_key(writer_t *w, int code, int index) {
  lua_State *L = w->L;
  char step[SHOWN_KEY + 8];
  if (lua_isinteger(L, index)) {
    snprintf(step, sizeof step, "[" LUA_INTEGER_FMT "]",
             (LUAI_UACINT)lua_tointeger(L, index));
  } else if (lua_type(L, index) == LUA_TSTRING) {
    snprintf(step, sizeof step, "%.*s", SHOWN_KEY, lua_tostring(L, index));
    for (char *c = step; *c; c++)
      if ((unsigned char)*c < ' ' || (unsigned char)*c > '~') *c = '?';
  } else {
    snprintf(step, sizeof step, "[%s]", luaL_typename(L, index));
  }
  return under(w, code, step);
}

static int put(writer_t *w, const void *bytes, size_t size) {
  int code;
  if (size > w->limit || w->out->len > w->limit - size)
    return refuse(w, MCP_ETOOBIG, mcp_err_text(MCP_ETOOBIG));
  code = mcp_buf_append(w->out, bytes, size);
  return code < 0 ? refuse(w, code, mcp_err_text(code)) : 0;
}

static int put_tag(writer_t *w, char tag) {
  return put(w, &tag, 1);
}

static int put_tagged(writer_t *w, char tag, const void *bytes, size_t size) {
  char all[1 + sizeof(lua_Integer) + sizeof(lua_Number)];
  all[0] = tag;
  memcpy(all + 1, bytes, size);
  return put(w, all, 1 + size);
}

static int put_string(writer_t *w, int index) {
  size_t size;
  const char *text = lua_tolstring(w->L, index, &size);
  uint32_t size32 = (uint32_t)size;
  int code;
  if (size > UINT32_MAX)
    return refuse(w, MCP_ETOOBIG, mcp_err_text(MCP_ETOOBIG));
  code = put_tagged(w, 's', &size32, sizeof size32);
  return code < 0 ? code : put(w, text, size);
}

static int put_value(writer_t *w);

/* Is the key at `index` one of 1 to `count`, which are written already? */
static bool is_counted(lua_State *L, int index, uint32_t count) {
  return lua_isinteger(L, index) && lua_tointeger(L, index) >= 1 &&
         lua_tointeger(L, index) <= (lua_Integer)count;
}

/* The pairs beside 1 to `count` of the table at the top. */
static int put_pairs(writer_t *w, uint32_t count, uint32_t *pairs) {
  lua_State *L = w->L;
  int key = lua_gettop(L) + 1, code;
  *pairs = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (is_counted(L, -2, count)) continue;
    if (*pairs == UINT32_MAX)
      return refuse(w, MCP_ETOOBIG, mcp_err_text(MCP_ETOOBIG));
    ++*pairs;
    lua_pushvalue(L, -2);
    code = put_value(w);
    if (code < 0) return under(w, code, "(a key)");
    lua_pop(L, 1);
    code = put_value(w);
    if (code < 0) return under_key(w, code, key);
  }
  return 0;
}

static int put_members(writer_t *w) {
  lua_State *L = w->L;
  lua_Unsigned length = lua_rawlen(L, -1);
  uint32_t counts[2] = {0, 0};
  size_t at = w->out->len + 1;
  char tag = mcp_value_is_array(L) ? 'A' : 'T';
  int code;
  if (length > UINT32_MAX)
    return refuse(w, MCP_ETOOBIG, mcp_err_text(MCP_ETOOBIG));
  code = put_tagged(w, tag, counts, sizeof counts);
  if (code < 0) return code;
  /* A table may have several borders: nil below the chosen one is written as
   * nil. */
  counts[0] = (uint32_t)length;
  for (uint32_t i = 1; i <= counts[0]; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    code = put_value(w);
    if (code < 0) {
      char step[16];
      snprintf(step, sizeof step, "[%u]", (unsigned)i);
      return under(w, code, step);
    }
    lua_pop(L, 1);
  }
  code = put_pairs(w, counts[0], &counts[1]);
  if (code == 0) memcpy(w->out->data + at, counts, sizeof counts);
  return code;
}

static int put_table(writer_t *w) {
  const void *table = lua_topointer(w->L, -1);
  int code;
  for (size_t i = 0; i < w->depth; i++)
    if (w->open[i] == table)
      return refuse(w, MCP_EENCODE, "a table inside itself");
  if (w->depth == MCP_COPY_DEPTH)
    return refuse(w, MCP_EDEPTH, mcp_err_text(MCP_EDEPTH));
  w->open[w->depth++] = table;
  code = put_members(w);
  w->depth--;
  return code;
}

/* Appends the value at the top. After a failure the stack holds more than
 * before. [-0, +0, -] */
static int put_value(writer_t *w) {
  lua_State *L = w->L;
  int type = lua_type(L, -1);
  if (!lua_checkstack(L, SLOTS))
    return refuse(w, MCP_ENOMEM, mcp_err_text(MCP_ENOMEM));
  switch (type) {
  case LUA_TNIL: return put_tag(w, 'n');
  case LUA_TBOOLEAN: return put_tag(w, lua_toboolean(L, -1) ? 't' : 'f');
  case LUA_TSTRING: return put_string(w, -1);
  case LUA_TTABLE: return put_table(w);
  case LUA_TLIGHTUSERDATA:
    if (!lua_touserdata(L, -1)) return put_tag(w, '0');
    break;
  case LUA_TNUMBER:
    if (lua_isinteger(L, -1)) {
      lua_Integer i = lua_tointeger(L, -1);
      return put_tagged(w, 'i', &i, sizeof i);
    } else {
      lua_Number d = lua_tonumber(L, -1);
      return put_tagged(w, 'd', &d, sizeof d);
    }
  default: break;
  }
  return refuse(w, MCP_EENCODE, lua_typename(L, type));
}

int mcp_copy_write(lua_State *L, int index, mcp_buf_t *out, size_t limit,
                   mcp_copy_fault_t *fault) {
  writer_t w = {.L = L, .out = out, .limit = limit, .fault = fault};
  int top = lua_gettop(L), code;
  char *what = fault->what;
  if (!lua_checkstack(L, SLOTS)) {
    code = refuse(&w, MCP_ENOMEM, mcp_err_text(MCP_ENOMEM));
  } else {
    lua_pushvalue(L, index);
    code = put_value(&w);
    lua_settop(L, top);
  }
  /* The value itself has no path before the colon. */
  if (code < 0 && what[0] == ':') memmove(what, what + 2, strlen(what + 2) + 1);
  return code;
}

int mcp_copy_write_text(mcp_buf_t *out, mcp_slice_t text) {
  char head[1 + sizeof(uint32_t)] = {'s'};
  uint32_t size = (uint32_t)text.len;
  int code;
  if (text.len > UINT32_MAX) return MCP_ETOOBIG;
  memcpy(head + 1, &size, sizeof size);
  code = mcp_buf_append(out, head, sizeof head);
  return code < 0 ? code : mcp_buf_append_slice(out, text);
}

/* --- reading ---------------------------------------------------------------
 */

typedef struct {
  lua_State *L;
  const char *at, *end;
  int depth;
} reader_t;

static bool take(reader_t *r, void *to, size_t size) {
  if ((size_t)(r->end - r->at) < size) return false;
  memcpy(to, r->at, size);
  r->at += size;
  return true;
}

static bool push_value(reader_t *r);

/* May the value at `index` be a key? */
static bool is_key(lua_State *L, int index) {
  lua_Number n;
  if (lua_isnil(L, index)) return false;
  if (lua_type(L, index) != LUA_TNUMBER) return true;
  n = lua_tonumber(L, index);
  return n == n;
}

static bool push_table(reader_t *r, bool array) {
  lua_State *L = r->L;
  uint32_t counts[2];
  size_t left;
  if (!take(r, counts, sizeof counts) || r->depth == MCP_COPY_DEPTH)
    return false;
  /* Each value takes at least a byte: a count above that is refused before
   * anything is reserved. */
  left = (size_t)(r->end - r->at);
  if (counts[0] > left || counts[1] > (left - counts[0]) / 2) return false;
  if (counts[0] > INT_MAX || counts[1] > INT_MAX) return false;
  r->depth++;
  lua_createtable(L, (int)counts[0], (int)counts[1]);
  if (array) {
    mcp_value_push_array_mt(L);
    lua_setmetatable(L, -2);
  }
  for (uint32_t i = 1; i <= counts[0]; i++) {
    if (!push_value(r)) return false;
    lua_rawseti(L, -2, (lua_Integer)i);
  }
  for (uint32_t i = 0; i < counts[1]; i++) {
    if (!push_value(r) || !is_key(L, -1) || !push_value(r)) return false;
    lua_rawset(L, -3);
  }
  r->depth--;
  return true;
}

static bool push_number(reader_t *r, char tag) {
  lua_Integer i;
  lua_Number d;
  if (tag == 'i') {
    if (!take(r, &i, sizeof i)) return false;
    lua_pushinteger(r->L, i);
  } else {
    if (!take(r, &d, sizeof d)) return false;
    lua_pushnumber(r->L, d);
  }
  return true;
}

/* On false, the values read so far stay on the stack. */
static bool push_value(reader_t *r) {
  lua_State *L = r->L;
  uint32_t size;
  char tag;
  if (!take(r, &tag, 1)) return false;
  luaL_checkstack(L, SLOTS, NULL);
  switch (tag) {
  case 'n': lua_pushnil(L); return true;
  case 'f': lua_pushboolean(L, 0); return true;
  case 't': lua_pushboolean(L, 1); return true;
  case '0': mcp_value_push_null(L); return true;
  case 'i':
  case 'd': return push_number(r, tag);
  case 's':
    if (!take(r, &size, sizeof size) || (size_t)(r->end - r->at) < size)
      return false;
    lua_pushlstring(L, r->at, size);
    r->at += size;
    return true;
  case 'T':
  case 'A': return push_table(r, tag == 'A');
  default: return false;
  }
}

int mcp_copy_push(lua_State *L, mcp_slice_t bytes) {
  reader_t r = {L, bytes.data, bytes.data + bytes.len, 0};
  int base = lua_gettop(L), count = 0;
  if (bytes.len == 0) return 0;
  for (; r.at < r.end; count++) {
    if (!push_value(&r) || count == INT_MAX) {
      lua_settop(L, base);
      return -1;
    }
  }
  return count;
}
