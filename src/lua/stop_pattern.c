/* SPDX-License-Identifier: MIT
 * stop_pattern.c: see stop_pattern.h. The mcp_stop_t is upvalue 1 of every
 * function. A matcher is a recursion over the items of the pattern; what a
 * quantifier repeats is a loop. */
#include "lua/stop_pattern.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

#define CAPTURES 32
/* Items inside items, as Lua has it. */
#define DEPTH 200
/* After so many steps the flag is looked at. One is a byte of a set or of a
 * replacement, COMPARED bytes compared, or an item. */
#define STEPS    65536
#define COMPARED 16

typedef struct {
  const char *at;
  ptrdiff_t length; /* OPEN, POSITION, or bytes */
} capture_t;

enum { OPEN = -1, POSITION = -2 };

typedef struct {
  lua_State *L;
  const mcp_stop_t *stop;
  const char *text, *text_end;
  const char *pattern, *pattern_end;
  size_t steps;
  int depth;
  int count; /* of captures, open ones too */
  capture_t captures[CAPTURES];
} match_t;

static const char *match_item(match_t *m, const char *s, const char *p);

static void spend(match_t *m, size_t steps) {
  m->steps += steps;
  if (m->steps < STEPS) return;
  m->steps = 0;
  if (mcp_stop_is_stopped(m->stop)) luaL_error(m->L, "stopped");
}

/* An item costs much more than the byte of a set. */
static void step(match_t *m) {
  spend(m, 16);
}

static int byte_at(const char *s) {
  return (unsigned char)*s;
}

/* --- classes ---------------------------------------------------------------
 */

/* The end of the single-character class at `p`: a letter, an escape or a set.
 */
static const char *class_end(match_t *m, const char *p) {
  const char *end = m->pattern_end, *begin = p;
  if (*p++ == '%') {
    if (p == end) luaL_error(m->L, "malformed pattern (ends with '%%')");
    return p + 1;
  }
  if (p[-1] != '[') return p;
  if (p < end && *p == '^') p++;
  /* The first one in a set may be a bracket. */
  do {
    if (p == end) luaL_error(m->L, "malformed pattern (missing ']')");
    if (*p++ == '%') {
      if (p == end) luaL_error(m->L, "malformed pattern (missing ']')");
      p++;
    }
  } while (p == end || *p != ']');
  spend(m, (size_t)(p - begin));
  return p + 1;
}

/* Is `c` of the class that the letter names? */
static bool is_of(int c, int letter) {
  bool is;
  switch (tolower(letter)) {
  case 'a': is = isalpha(c); break;
  case 'c': is = iscntrl(c); break;
  case 'd': is = isdigit(c); break;
  case 'g': is = isgraph(c); break;
  case 'l': is = islower(c); break;
  case 'p': is = ispunct(c); break;
  case 's': is = isspace(c); break;
  case 'u': is = isupper(c); break;
  case 'w': is = isalnum(c); break;
  case 'x': is = isxdigit(c); break;
  case 'z': is = c == 0; break; /* as Lua still has it */
  default: return letter == c;
  }
  return isupper(letter) ? !is : is;
}

/* Is `c` in the set from `p`, its bracket, to `last`, the closing one? */
static bool in_set(int c, const char *p, const char *last) {
  bool found = false, inverse = p[1] == '^';
  p += inverse ? 2 : 1;
  while (p < last && !found) {
    if (*p == '%') {
      found = is_of(c, byte_at(p + 1));
      p += 2;
    } else if (p + 2 < last && p[1] == '-') {
      found = byte_at(p) <= c && c <= byte_at(p + 2);
      p += 3;
    } else {
      found = byte_at(p) == c;
      p++;
    }
  }
  return found != inverse;
}

/* Does the class from `p` to `end` take the byte at `s`? */
static bool takes(match_t *m, const char *s, const char *p, const char *end) {
  if (s >= m->text_end) return false;
  switch (*p) {
  case '.': return true;
  case '%': return is_of(byte_at(s), byte_at(p + 1));
  case '[': spend(m, (size_t)(end - p)); return in_set(byte_at(s), p, end - 1);
  default: return *p == *s;
  }
}

/* --- items -----------------------------------------------------------------
 */

/* The most at first: class*, class+ */
static const char *match_most(match_t *m, const char *s, const char *p,
                              const char *end, ptrdiff_t least) {
  ptrdiff_t n = 0;
  while (takes(m, s + n, p, end)) {
    step(m);
    n++;
  }
  for (; n >= least; n--) {
    const char *found;
    step(m);
    found = match_item(m, s + n, end + 1);
    if (found) return found;
  }
  return NULL;
}

/* The least at first: class- */
static const char *match_least(match_t *m, const char *s, const char *p,
                               const char *end) {
  for (;;) {
    const char *found = match_item(m, s, end + 1);
    if (found) return found;
    step(m);
    if (!takes(m, s, p, end)) return NULL;
    s++;
  }
}

static const char *match_balance(match_t *m, const char *s, const char *p) {
  int open, close, depth = 1;
  if (p + 1 >= m->pattern_end)
    luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
  open = byte_at(p);
  close = byte_at(p + 1);
  if (s >= m->text_end || byte_at(s) != open) return NULL;
  for (s++; s < m->text_end; s++) {
    step(m);
    if (byte_at(s) == close) {
      if (--depth == 0) return s + 1;
    } else if (byte_at(s) == open) {
      depth++;
    }
  }
  return NULL;
}

static const char *begin_capture(match_t *m, const char *s, const char *p,
                                 ptrdiff_t length) {
  const char *found;
  if (m->count == CAPTURES) luaL_error(m->L, "too many captures");
  m->captures[m->count++] = (capture_t){s, length};
  found = match_item(m, s, p);
  if (!found) m->count--;
  return found;
}

static const char *end_capture(match_t *m, const char *s, const char *p) {
  const char *found;
  int i = m->count - 1;
  while (i >= 0 && m->captures[i].length != OPEN) i--;
  if (i < 0) luaL_error(m->L, "invalid pattern capture");
  m->captures[i].length = s - m->captures[i].at;
  found = match_item(m, s, p);
  if (!found) m->captures[i].length = OPEN;
  return found;
}

/* %1 and the like: what that capture has taken, once more. */
static const char *match_back(match_t *m, const char *s, int digit) {
  int i = digit - '1';
  size_t length;
  if (i < 0 || i >= m->count || m->captures[i].length == OPEN)
    luaL_error(m->L, "invalid capture index %%%d", i + 1);
  length = (size_t)m->captures[i].length;
  spend(m, length / COMPARED);
  if ((size_t)(m->text_end - s) < length ||
      memcmp(m->captures[i].at, s, length) != 0)
    return NULL;
  return s + length;
}

/* %f[set]: the step from outside of the set into it. */
static bool at_frontier(match_t *m, const char *s, const char *p,
                        const char *end) {
  int before = s == m->text ? 0 : byte_at(s - 1);
  int now = s == m->text_end ? 0 : byte_at(s);
  spend(m, (size_t)(end - p));
  return !in_set(before, p, end - 1) && in_set(now, p, end - 1);
}

/* One class with what follows it. `*next` is where to go on, if it has taken
 * exactly one byte or, for `?`, none. */
static const char *match_class(match_t *m, const char *s, const char *p,
                               bool *more, const char **next) {
  const char *end = class_end(m, p), *found;
  char quantifier = end < m->pattern_end ? *end : '\0';
  *more = false;
  switch (quantifier) {
  case '?':
    if (takes(m, s, p, end)) {
      found = match_item(m, s + 1, end + 1);
      if (found) return found;
    }
    *more = true;
    *next = end + 1;
    return s;
  case '+': return match_most(m, s, p, end, 1);
  case '*': return match_most(m, s, p, end, 0);
  case '-': return match_least(m, s, p, end);
  default:
    if (!takes(m, s, p, end)) return NULL;
    *more = true;
    *next = end;
    return s + 1;
  }
}

/* An escape that is no class. False: it is one. */
static bool match_special(match_t *m, const char **s, const char **p) {
  const char *end;
  int letter = *p + 1 < m->pattern_end ? byte_at(*p + 1) : 0;
  if (letter == 'b') {
    *s = match_balance(m, *s, *p + 2);
    *p += 4;
    return true;
  }
  if (letter == 'f') {
    *p += 2;
    if (*p == m->pattern_end || **p != '[')
      luaL_error(m->L, "missing '[' after '%%f' in pattern");
    end = class_end(m, *p);
    if (!at_frontier(m, *s, *p, end)) *s = NULL;
    *p = end;
    return true;
  }
  if (letter >= '0' && letter <= '9') {
    *s = match_back(m, *s, letter);
    *p += 2;
    return true;
  }
  return false;
}

/* Matches the pattern from `p` on at `s`; the end of the match, or NULL. */
static const char *match_item(match_t *m, const char *s, const char *p) {
  bool more = true;
  if (m->depth++ == DEPTH) luaL_error(m->L, "pattern too complex");
  while (s && more && p < m->pattern_end) {
    step(m);
    if (*p == '(') {
      bool position = p + 1 < m->pattern_end && p[1] == ')';
      s = position ? begin_capture(m, s, p + 2, POSITION)
                   : begin_capture(m, s, p + 1, OPEN);
      break;
    }
    if (*p == ')') {
      s = end_capture(m, s, p + 1);
      break;
    }
    if (*p == '$' && p + 1 == m->pattern_end) {
      if (s != m->text_end) s = NULL;
      break;
    }
    if (*p == '%' && match_special(m, &s, &p)) continue;
    s = match_class(m, s, p, &more, &p);
  }
  m->depth--;
  return s;
}

/* --- what the functions have in common --------------------------------------
 */

/* Begins with the text and the pattern at these indices. */
static void prepare(lua_State *L, match_t *m, int text, int pattern) {
  size_t size;
  m->L = L;
  m->stop = lua_touserdata(L, lua_upvalueindex(1));
  m->text = luaL_checklstring(L, text, &size);
  m->text_end = m->text + size;
  m->pattern = luaL_checklstring(L, pattern, &size);
  m->pattern_end = m->pattern + size;
  m->steps = 0;
}

static const char *match_at(match_t *m, const char *s, const char *p) {
  m->count = m->depth = 0;
  return match_item(m, s, p);
}

/* Pushes capture `i`, or the whole match if the pattern has no captures.
 * [-0, +1, e] */
static void push_capture(const match_t *m, int i, const char *s,
                         const char *end) {
  const capture_t *c = &m->captures[i];
  if (i >= m->count) {
    if (i > 0) luaL_error(m->L, "invalid capture index %%%d", i + 1);
    lua_pushlstring(m->L, s, (size_t)(end - s));
    return;
  }
  if (c->length == OPEN) luaL_error(m->L, "unfinished capture");
  if (c->length == POSITION) {
    lua_pushinteger(m->L, c->at - m->text + 1);
  } else {
    lua_pushlstring(m->L, c->at, (size_t)c->length);
  }
}

/* Pushes them all; `s` is NULL if the whole match is not to be pushed. */
static int push_captures(const match_t *m, const char *s, const char *end) {
  int count = m->count == 0 && s ? 1 : m->count;
  luaL_checkstack(m->L, count, "too many captures");
  for (int i = 0; i < count; i++) push_capture(m, i, s, end);
  return count;
}

/* Where a search begins: the argument, from 1, negative from the end. */
static size_t start_of(lua_State *L, int index, size_t size) {
  lua_Integer at = luaL_optinteger(L, index, 1);
  if (at > 0) return (size_t)at - 1;
  if (at == 0 || at < -(lua_Integer)size) return 0;
  return size - (size_t)-at;
}

static const char *find_plain(match_t *m, const char *from) {
  size_t size = (size_t)(m->pattern_end - m->pattern);
  if (size == 0) return from;
  for (; (size_t)(m->text_end - from) >= size; from++) {
    from = memchr(from, *m->pattern, (size_t)(m->text_end - from) - size + 1);
    if (!from) return NULL;
    spend(m, 1 + size / COMPARED);
    if (memcmp(from, m->pattern, size) == 0) return from;
  }
  return NULL;
}

static bool is_plain(const match_t *m) {
  for (const char *p = m->pattern; p < m->pattern_end; p++)
    if (*p && strchr("^$*+?.([%-", *p)) return false;
  return true;
}

/* --- the functions ---------------------------------------------------------
 */

static int search(lua_State *L, bool find) {
  match_t m;
  size_t at;
  const char *s, *p;
  bool anchored;
  prepare(L, &m, 1, 2);
  at = start_of(L, 3, (size_t)(m.text_end - m.text));
  if (at > (size_t)(m.text_end - m.text)) {
    lua_pushnil(L);
    return 1;
  }
  s = m.text + at;
  if (find && (lua_toboolean(L, 4) || is_plain(&m))) {
    s = find_plain(&m, s);
    if (!s) {
      lua_pushnil(L);
      return 1;
    }
    lua_pushinteger(L, s - m.text + 1);
    lua_pushinteger(L, s - m.text + (m.pattern_end - m.pattern));
    return 2;
  }
  anchored = m.pattern < m.pattern_end && *m.pattern == '^';
  p = m.pattern + anchored;
  do {
    const char *end = match_at(&m, s, p);
    step(&m);
    if (end && find) {
      lua_pushinteger(L, s - m.text + 1);
      lua_pushinteger(L, end - m.text);
      return push_captures(&m, NULL, NULL) + 2;
    }
    if (end) return push_captures(&m, s, end);
  } while (s++ < m.text_end && !anchored);
  lua_pushnil(L);
  return 1;
}

static int find(lua_State *L) {
  return search(L, true);
}

static int match(lua_State *L) {
  return search(L, false);
}

/* Upvalues: the worker, text, pattern, where to go on, the end of the last
 * match or -1. */
static int next_match(lua_State *L) {
  match_t m;
  const char *s;
  lua_Integer last = lua_tointeger(L, lua_upvalueindex(5));
  prepare(L, &m, lua_upvalueindex(2), lua_upvalueindex(3));
  for (s = m.text + lua_tointeger(L, lua_upvalueindex(4)); s <= m.text_end;
       s++) {
    const char *end = match_at(&m, s, m.pattern);
    step(&m);
    if (!end || end - m.text == last) continue;
    lua_pushinteger(L, end - m.text);
    lua_copy(L, -1, lua_upvalueindex(4));
    lua_replace(L, lua_upvalueindex(5));
    return push_captures(&m, s, end);
  }
  return 0;
}

static int gmatch(lua_State *L) {
  size_t size, at;
  (void)luaL_checklstring(L, 1, &size);
  (void)luaL_checkstring(L, 2);
  at = start_of(L, 3, size);
  if (at > size) at = size + 1;
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_pushinteger(L, (lua_Integer)at);
  lua_pushinteger(L, -1);
  lua_pushcclosure(L, next_match, 5);
  return 1;
}

/* Adds the replacement, a string, with its captures. */
static void add_text(match_t *m, luaL_Buffer *out, const char *s,
                     const char *end) {
  lua_State *L = m->L;
  size_t size;
  const char *text = lua_tolstring(L, 3, &size), *text_end = text + size;
  while (text < text_end) {
    const char *sign = memchr(text, '%', (size_t)(text_end - text));
    if (!sign) sign = text_end;
    luaL_addlstring(out, text, (size_t)(sign - text));
    text = sign;
    if (text == text_end) break;
    step(m);
    text++;
    if (text < text_end && *text == '%') {
      luaL_addchar(out, '%');
    } else if (text < text_end && *text == '0') {
      luaL_addlstring(out, s, (size_t)(end - s));
    } else if (text < text_end && isdigit(byte_at(text))) {
      push_capture(m, *text - '1', s, end);
      luaL_tolstring(L, -1, NULL);
      lua_remove(L, -2);
      luaL_addvalue(out);
    } else {
      luaL_error(L, "invalid use of '%%' in replacement string");
    }
    text++;
  }
}

/* Adds what the match from `s` to `end` is replaced with. False: itself. */
static bool add_value(match_t *m, luaL_Buffer *out, const char *s,
                      const char *end) {
  lua_State *L = m->L;
  switch (lua_type(L, 3)) {
  case LUA_TFUNCTION:
    lua_pushvalue(L, 3);
    lua_call(L, push_captures(m, s, end), 1);
    break;
  case LUA_TTABLE:
    push_capture(m, 0, s, end);
    lua_gettable(L, 3);
    break;
  default: add_text(m, out, s, end); return true;
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    luaL_addlstring(out, s, (size_t)(end - s));
    return false;
  }
  if (!lua_isstring(L, -1))
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  luaL_addvalue(out);
  return true;
}

static int gsub(lua_State *L) {
  match_t m;
  const char *s, *p, *last = NULL;
  int type = lua_type(L, 3);
  lua_Integer max, count = 0;
  bool anchored, changed = false;
  luaL_Buffer out;
  prepare(L, &m, 1, 2);
  max = luaL_optinteger(L, 4, (lua_Integer)(m.text_end - m.text) + 1);
  luaL_argexpected(L,
                   type == LUA_TNUMBER || type == LUA_TSTRING ||
                       type == LUA_TFUNCTION || type == LUA_TTABLE,
                   3, "string/function/table");
  anchored = m.pattern < m.pattern_end && *m.pattern == '^';
  p = m.pattern + anchored;
  s = m.text;
  luaL_buffinit(L, &out);
  while (count < max) {
    const char *end = match_at(&m, s, p);
    step(&m);
    if (end && end != last) {
      count++;
      changed = add_value(&m, &out, s, end) || changed;
      s = last = end;
    } else if (s < m.text_end) {
      luaL_addchar(&out, *s++);
    } else {
      break;
    }
    if (anchored) break;
  }
  if (!changed) {
    lua_pushvalue(L, 1);
  } else {
    luaL_addlstring(&out, s, (size_t)(m.text_end - s));
    luaL_pushresult(&out);
  }
  lua_pushinteger(L, count);
  return 2;
}

const luaL_Reg mcp_stop_pattern_functions[] = {{"find", find},
                                               {"match", match},
                                               {"gmatch", gmatch},
                                               {"gsub", gsub},
                                               {NULL, NULL}};
