/* SPDX-License-Identifier: MIT
 * value.c: see value.h. Reading goes over the tokens in one loop; writing
 * recurses as deep as MCP_JSON_DEPTH. Must not know what a message means. */
#include "lua/value.h"

#include "lua/value_fault.h"

#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

/* Their addresses are keys of the registry: the array metatable, the set of
 * what else means an array, the metatable of raw values. */
static const char registry_keys[3];
#define ARRAY_MT (&registry_keys[0])
#define ARRAYS   (&registry_keys[1])
#define RAW_MT   (&registry_keys[2])

void mcp_value_open(lua_State *L) {
  luaL_checkstack(L, 4, NULL);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, RAW_MT) == LUA_TNIL) {
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, ARRAYS);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "mcp.array");
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, ARRAY_MT);
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "mcp.raw");
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, RAW_MT);
  }
  lua_pop(L, 1);
}

void mcp_value_push_array_mt(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, ARRAY_MT);
}

void mcp_value_mark_array(lua_State *L) {
  luaL_checkstack(L, 3, NULL);
  lua_rawgetp(L, LUA_REGISTRYINDEX, ARRAYS);
  lua_insert(L, -2);
  lua_pushboolean(L, 1);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

void mcp_value_push_raw_line(lua_State *L, mcp_slice_t text) {
  luaL_checkstack(L, 2, NULL);
  memcpy(lua_newuserdatauv(L, text.len, 0), text.data, text.len);
  lua_rawgetp(L, LUA_REGISTRYINDEX, RAW_MT);
  lua_setmetatable(L, -2);
}

void mcp_value_push_raw(lua_State *L, mcp_slice_t text) {
  char *to;
  mcp_value_push_raw_line(L, text);
  to = lua_touserdata(L, -1);
  for (size_t i = 0; i < text.len; i++)
    if (to[i] == '\n' || to[i] == '\r') to[i] = ' ';
}

/* -- reading -- */

/* Strings up to this length have their escapes undone on the C stack. */
#define SMALL_STRING 1024

/* A container whose members are being pushed; its table is on the stack, with
 * the key of the member at hand above it if it is an object. */
typedef struct {
  uint32_t end; /* the token after it */
  lua_Integer filled;
  bool object;
} frame_t;

/* Pushes the string `raw` with its escapes undone. A larger one needs room that
 * outlives an error; the buffer's is free again at once, where the collector
 * would leave it for long. */
static void push_escaped(lua_State *L, mcp_slice_t raw) {
  char small[SMALL_STRING];
  luaL_Buffer large;
  if (raw.len <= sizeof small) {
    lua_pushlstring(L, small, mcp_json_unescape(raw, small));
    return;
  }
  (void)luaL_buffinitsize(L, &large, raw.len);
  luaL_pushresultsize(&large, mcp_json_unescape(raw, luaL_buffaddr(&large)));
}

static inline void push_string(lua_State *L, const mcp_json_doc_t *doc,
                               uint32_t at) {
  mcp_slice_t raw = mcp_json_raw(doc, at);
  if (doc->undone_at == at && at > 0)
    lua_pushlstring(L, doc->undone.data, doc->undone.len);
  else if (doc->tokens[at].escaped)
    push_escaped(L, raw);
  else
    lua_pushlstring(L, raw.data, raw.len);
}

/* Pushes a scalar value, or an empty table for a container. */
static inline void push_one(lua_State *L, const mcp_json_doc_t *doc,
                            uint32_t at, int base) {
  const mcp_json_token_t *t = &doc->tokens[at];
  switch ((mcp_json_kind_t)t->kind) {
  case MCP_JSON_NULL: mcp_value_push_null(L); break;
  case MCP_JSON_FALSE: lua_pushboolean(L, 0); break;
  case MCP_JSON_TRUE: lua_pushboolean(L, 1); break;
  case MCP_JSON_INTEGER: lua_pushinteger(L, mcp_json_integer(doc, at)); break;
  case MCP_JSON_DOUBLE: lua_pushnumber(L, mcp_json_double(doc, at)); break;
  case MCP_JSON_STRING: push_string(L, doc, at); break;
  case MCP_JSON_OBJECT: lua_createtable(L, 0, (int)t->count); break;
  case MCP_JSON_ARRAY:
    if (lua_isnil(L, base)) {
      mcp_value_push_array_mt(L);
      lua_replace(L, base);
    }
    lua_createtable(L, (int)t->count, 0);
    lua_pushvalue(L, base);
    lua_setmetatable(L, -2);
    break;
  }
}

/* The key at `at`, and the member with it, are passed over if its value is
 * `without`: where the next key stands. */
static inline uint32_t skip_member(const mcp_json_doc_t *doc, uint32_t at,
                                   uint32_t without) {
  return at + 1 == without ? doc->tokens[without].next : at;
}

void mcp_value_push(lua_State *L, const mcp_json_doc_t *doc, uint32_t at) {
  const mcp_json_token_t *t = &doc->tokens[at];
  /* Most values pushed alone are strings, which need none of the following. */
  if (t->kind == MCP_JSON_STRING && !t->escaped) {
    mcp_slice_t raw = mcp_json_raw(doc, at);
    lua_pushlstring(L, raw.data, raw.len);
    return;
  }
  mcp_value_push_without(L, doc, at, 0);
}

/* The slot `base` holds the metatable of arrays from the first of them on,
 * above it lie the open tables, and above them there is room for what
 * push_escaped needs. */
void mcp_value_push_without(lua_State *L, const mcp_json_doc_t *doc,
                            uint32_t at, uint32_t without) {
  frame_t frames[MCP_JSON_DEPTH];
  size_t depth = 0;
  int base;
  luaL_checkstack(L, 8, NULL);
  lua_pushnil(L);
  base = lua_gettop(L);
  do {
    const mcp_json_token_t *t = &doc->tokens[at];
    push_one(L, doc, at++, base);
    if (t->kind >= MCP_JSON_ARRAY && t->count > 0) {
      frame_t *f = &frames[depth++];
      f->end = t->next;
      f->filled = 0;
      f->object = t->kind == MCP_JSON_OBJECT;
      luaL_checkstack(L, 8, NULL);
      if (f->object) {
        at = skip_member(doc, at, without);
        if (at >= f->end) { /* it was the only member */
          depth--;
          continue;
        }
        push_string(L, doc, at++);
      }
      continue;
    }
    while (depth > 0) {
      frame_t *f = &frames[depth - 1];
      if (f->object)
        lua_rawset(L, -3);
      else
        lua_rawseti(L, -2, ++f->filled);
      if (f->object) at = skip_member(doc, at, without);
      if (at < f->end) {
        if (f->object) push_string(L, doc, at++);
        break;
      }
      depth--;
    }
  } while (depth > 0);
  lua_replace(L, base);
  lua_settop(L, base);
}

/* -- writing -- */

typedef struct {
  lua_State *L;
  mcp_buf_t *out;
  mcp_value_fault_t *fault;
  size_t depth;
  bool sorted;
  size_t end;                   /* of out->len: beyond it is MCP_ETOOBIG */
  mcp_value_foreign_fn foreign; /* or NULL; with `arg` */
  void *arg;
} writer_t;

static int refuse(writer_t *w, int code, const char *reason) {
  return mcp_value_fault_set(w->fault, code, reason);
}

static int lack(writer_t *w, int code) {
  return refuse(w, code, mcp_err_text(code));
}

static int write_value(writer_t *w);

/* Is what lies at the top in the set of things that mean an array?
 * [-1, +0, -] */
static bool pop_marked(lua_State *L) {
  bool marked;
  lua_rawgetp(L, LUA_REGISTRYINDEX, ARRAYS);
  lua_insert(L, -2);
  lua_rawget(L, -2);
  marked = lua_toboolean(L, -1);
  lua_pop(L, 2);
  return marked;
}

/* Is the table at the top marked as an array? */
bool mcp_value_is_array(lua_State *L) {
  bool ours;
  if (!lua_getmetatable(L, -1)) return false;
  mcp_value_push_array_mt(L);
  ours = lua_rawequal(L, -1, -2);
  lua_pop(L, 1);
  if (!ours) return pop_marked(L);
  lua_pop(L, 1);
  return true;
}

/* Checks that the keys of the table at the top are 1 to n, and returns n. */
static int measure(writer_t *w, lua_Integer *length) {
  lua_State *L = w->L;
  lua_Integer count = 0, last = 0, hole = 1;
  lua_pushnil(L);
  for (; lua_next(L, -2); count++) {
    lua_Integer key = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
    if (key < 1)
      return refuse(w, MCP_EENCODE,
                    lua_type(L, -2) == LUA_TSTRING
                        ? "an array with string keys"
                        : "an array with keys that are no positions");
    if (key > last) last = key;
    lua_pop(L, 1);
  }
  *length = last;
  if (count == last) return 0;
  for (; lua_rawgeti(L, -1, hole) != LUA_TNIL; hole++) lua_pop(L, 1);
  return mcp_value_fault_index(
      w->fault, refuse(w, MCP_EENCODE, "a hole in an array"), hole);
}

static int write_element(writer_t *w, lua_Integer i) {
  int code = i == 1 ? 0 : mcp_buf_append_char(w->out, ',');
  if (code < 0) return lack(w, code);
  code = write_value(w);
  return code < 0 ? mcp_value_fault_index(w->fault, code, i) : 0;
}

/* The elements of the table under the first pair of lua_next. They mostly come
 * in their order; when one does not, the rest is fetched by number. */
static int write_elements(writer_t *w) {
  lua_State *L = w->L;
  lua_Integer done = 0, length = 0;
  int code;
  do {
    if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) != done + 1) {
      lua_pop(L, 2);
      code = measure(w, &length);
      while (code == 0 && done < length) {
        lua_rawgeti(L, -1, ++done);
        code = write_element(w, done);
        lua_pop(L, 1);
      }
      return code;
    }
    code = write_element(w, ++done);
    if (code < 0) return code;
    lua_pop(L, 1);
  } while (lua_next(L, -2));
  return 0;
}

/* The member of `key` could not be written: where that was. */
static int fault_member(writer_t *w, int code, mcp_slice_t key, bool at_key) {
  if (at_key && code != MCP_EUTF8) return lack(w, code);
  if (at_key) code = refuse(w, code, "a key that is not valid UTF-8");
  return mcp_value_fault_key(w->fault, code, key);
}

/* The member whose value is at the top. */
static inline int write_member(writer_t *w, mcp_slice_t key, bool first) {
  int code = mcp_json_write_key(w->out, key, first);
  if (code < 0) return fault_member(w, code, key, true);
  code = write_value(w);
  return code < 0 ? fault_member(w, code, key, false) : 0;
}

/* Refuses the key at `index`, which is not a string. Apart, so that writing
 * needs no room for its text. */
static __attribute__((noinline)) int refuse_key(writer_t *w, int index) {
  lua_State *L = w->L;
  int type = lua_type(L, index);
  char reason[96];
  if (lua_isinteger(L, index))
    snprintf(reason, sizeof reason,
             "integer key " LUA_INTEGER_FMT
             " in an object (keys are neither all strings nor 1 to n)",
             (LUAI_UACINT)lua_tointeger(L, index));
  else
    snprintf(reason, sizeof reason, "a key that is a %s",
             type == LUA_TNUMBER ? "float" : lua_typename(L, type));
  return refuse(w, MCP_EENCODE, reason);
}

/* The members of the table under the first pair of lua_next. */
static int write_members(writer_t *w) {
  lua_State *L = w->L;
  bool first = true;
  do {
    mcp_slice_t key;
    int code;
    if (lua_type(L, -2) != LUA_TSTRING) return refuse_key(w, -2);
    key.data = lua_tolstring(L, -2, &key.len);
    code = write_member(w, key, first);
    if (code < 0) return code;
    lua_pop(L, 1);
    first = false;
  } while (lua_next(L, -2));
  return 0;
}

/* A key, and where on the stack it lies. */
typedef struct {
  mcp_slice_t text;
  int index;
} member_t;

static int compare_keys(const void *a, const void *b) {
  const mcp_slice_t *left = &((const member_t *)a)->text;
  const mcp_slice_t *right = &((const member_t *)b)->text;
  size_t shared = left->len < right->len ? left->len : right->len;
  int order = memcmp(left->data, right->data, shared);
  if (order != 0) return order;
  return left->len < right->len ? -1 : left->len > right->len;
}

/* The same in the order of the keys. They wait on Lua's stack and in a block of
 * ours: nothing here may raise, or let the collector run a finalizer,
 * while a text is half written. */
static int write_sorted_members(writer_t *w) {
  lua_State *L = w->L;
  size_t count = 0, i = 0;
  int table = lua_gettop(L) - 2, code = 0;
  member_t *keys;
  do {
    if (lua_type(L, -2) != LUA_TSTRING) return refuse_key(w, -2);
    lua_pop(L, 1);
    count++;
  } while (lua_next(L, -2));
  if (count > INT_MAX / 2 || !lua_checkstack(L, (int)count + 3))
    return lack(w, MCP_ENOMEM);
  keys = mcp_mem_alloc(count * sizeof *keys);
  if (!keys) return lack(w, MCP_ENOMEM);
  lua_pushnil(L);
  for (; lua_next(L, table); i++) {
    /* The value's slot takes the key for lua_next, the key's stays. */
    keys[i].index = lua_gettop(L) - 1;
    keys[i].text.data = lua_tolstring(L, -2, &keys[i].text.len);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
  }
  qsort(keys, count, sizeof *keys, compare_keys);
  for (i = 0; i < count && code == 0; i++) {
    lua_pushvalue(L, keys[i].index);
    lua_rawget(L, table);
    code = write_member(w, keys[i].text, i == 0);
    if (code == 0) lua_pop(L, 1);
  }
  mcp_mem_free(keys);
  lua_settop(L, table);
  return code;
}

/* An unmarked table whose first key is a string is an object. If it also has
 * [1] its keys are mixed, and the object writer refuses them. */
static int write_table(writer_t *w) {
  lua_State *L = w->L;
  mcp_buf_t *out = w->out;
  bool array = mcp_value_is_array(L);
  int code;
  lua_pushnil(L);
  if (!lua_next(L, -2)) {
    code = array ? mcp_buf_append_literal(out, "[]")
                 : mcp_buf_append_literal(out, "{}");
    return code < 0 ? lack(w, code) : 0;
  }
  if (!array && lua_type(L, -2) != LUA_TSTRING) {
    array = lua_rawgeti(L, -3, 1) != LUA_TNIL;
    lua_pop(L, 1);
  }
  code = mcp_buf_append_char(out, array ? '[' : '{');
  if (code < 0) return lack(w, code);
  code = array       ? write_elements(w)
         : w->sorted ? write_sorted_members(w)
                     : write_members(w);
  if (code < 0) return code;
  code = mcp_buf_append_char(out, array ? ']' : '}');
  return code < 0 ? lack(w, code) : 0;
}

/* Tables inside each other are counted here. */
static int check_end(writer_t *w) {
  if (w->out->len <= w->end) return 0;
  return refuse(w, MCP_ETOOBIG, mcp_err_text(MCP_ETOOBIG));
}

static int enter_table(writer_t *w) {
  int code;
  if (w->depth == MCP_JSON_DEPTH)
    return refuse(w, MCP_EENCODE, "nested deeper than the limit, or cyclic");
  if (!lua_checkstack(w->L, 8)) return lack(w, MCP_ENOMEM);
  w->depth++;
  code = write_table(w);
  w->depth--;
  return code < 0 ? code : check_end(w);
}

static int write_number(writer_t *w) {
  lua_State *L = w->L;
  int code;
  if (lua_isinteger(L, -1))
    code = mcp_json_write_integer(w->out, lua_tointeger(L, -1));
  else
    code = mcp_json_write_double(w->out, lua_tonumber(L, -1));
  if (code == MCP_ENUMBER)
    return refuse(w, MCP_EENCODE,
                  isnan(lua_tonumber(L, -1)) ? "NaN" : "infinity");
  return code < 0 ? lack(w, code) : 0;
}

static int write_userdata(writer_t *w) {
  lua_State *L = w->L;
  bool raw = false;
  int code;
  if (!lua_checkstack(L, 3)) return lack(w, MCP_ENOMEM);
  if (lua_getmetatable(L, -1)) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, RAW_MT);
    raw = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  if (raw) {
    code = mcp_buf_append(w->out, lua_touserdata(L, -1), lua_rawlen(L, -1));
  } else {
    code = w->foreign ? w->foreign(L, w->out, w->arg) : MCP_EENCODE;
    if (code == MCP_EENCODE) return refuse(w, code, "userdata");
  }
  return code < 0 ? lack(w, code) : 0;
}

static int write_light_userdata(writer_t *w) {
  lua_State *L = w->L;
  int code;
  if (!lua_touserdata(L, -1)) {
    code = mcp_buf_append_literal(w->out, "null");
  } else {
    if (!lua_checkstack(L, 3)) return lack(w, MCP_ENOMEM);
    lua_pushvalue(L, -1);
    if (!pop_marked(L)) return refuse(w, MCP_EENCODE, "light userdata");
    code = mcp_buf_append_literal(w->out, "[]");
  }
  return code < 0 ? lack(w, code) : 0;
}

/* What is neither a string nor a table. */
static int write_other(writer_t *w, int type) {
  lua_State *L = w->L;
  int code;
  switch (type) {
  case LUA_TNUMBER: code = write_number(w); break;
  case LUA_TBOOLEAN:
    code = lua_toboolean(L, -1) ? mcp_buf_append_literal(w->out, "true")
                                : mcp_buf_append_literal(w->out, "false");
    if (code < 0) return lack(w, code);
    break;
  case LUA_TLIGHTUSERDATA: code = write_light_userdata(w); break;
  case LUA_TUSERDATA: code = write_userdata(w); break;
  default: return refuse(w, MCP_EENCODE, lua_typename(L, type));
  }
  return code < 0 ? code : check_end(w);
}

/* Appends the value at the top. After a failure the stack may hold more than
 * before. [-0, +0, -] */
static int write_value(writer_t *w) {
  lua_State *L = w->L;
  int type = lua_type(L, -1), code;
  mcp_slice_t s;
  if (type == LUA_TTABLE) return enter_table(w);
  if (type != LUA_TSTRING) return write_other(w, type);
  s.data = lua_tolstring(L, -1, &s.len);
  code = mcp_json_write_string(w->out, s);
  if (code == MCP_EUTF8) return mcp_value_fault_text(w->fault, s);
  return code < 0 ? lack(w, code) : check_end(w);
}

static inline int write_from(writer_t *w, int index) {
  lua_State *L = w->L;
  mcp_value_fault_t *fault = w->fault;
  int top = lua_gettop(L), code;
  fault->code = 0;
  if (!lua_checkstack(L, 2)) {
    code = lack(w, MCP_ENOMEM);
  } else {
    lua_pushvalue(L, index);
    code = write_value(w);
    lua_settop(L, top);
  }
  /* The value itself has no path before the colon. */
  if (code < 0 && fault->what[0] == ':')
    memmove(fault->what, fault->what + 2, strlen(fault->what + 2) + 1);
  return code;
}

int mcp_value_write_within(lua_State *L, int index, mcp_buf_t *out, int sorted,
                           size_t limit, mcp_value_fault_t *fault) {
  writer_t w = {L, out, fault, 0, sorted != 0, SIZE_MAX, NULL, NULL};
  if (limit < SIZE_MAX - out->len) w.end = out->len + limit;
  return write_from(&w, index);
}

int mcp_value_write_foreign(lua_State *L, int index, mcp_buf_t *out, int sorted,
                            mcp_value_foreign_fn foreign, void *arg,
                            mcp_value_fault_t *fault) {
  writer_t w = {L, out, fault, 0, sorted != 0, SIZE_MAX, foreign, arg};
  return write_from(&w, index);
}
