/* SPDX-License-Identifier: MIT
 * json_place.c: see json_place.h. Both functions look at a text that has been
 * checked, so they only tell strings from what is between them. */
#include "wire/json_place.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "wire/json.h"

/* Bytes of one key in a path. */
#define KEY_LENGTH 40

/* A container around the offset. */
typedef struct {
  bool object, at_value;
  size_t index;    /* of the element, from 1 */
  mcp_slice_t key; /* of the member */
} level_t;

/* The end of the string that begins at `at`, after its quote; NULL: it does not
 * end before `end`. */
static const char *skip_string(const char *at, const char *end) {
  for (at++; at < end; at++) {
    if (*at == '"') return at + 1;
    if (*at == '\\') at++;
  }
  return NULL;
}

/* Puts `length` bytes before `*start`. False: no room. */
static bool prepend(const char *begin, char **start, const char *text,
                    size_t length) {
  if ((size_t)(*start - begin) < length) return false;
  *start -= length;
  memcpy(*start, text, length);
  return true;
}

static bool prepend_level(const char *begin, char **start, const level_t *level,
                          bool outermost) {
  char text[KEY_LENGTH + 32];
  int length;
  if (level->object) {
    size_t kept = mcp_utf8_cut(level->key, KEY_LENGTH);
    if (!level->at_value) return true;
    length =
        snprintf(text, sizeof text, "%s%.*s%s", outermost ? "" : ".", (int)kept,
                 level->key.data, kept < level->key.len ? "…" : "");
  } else {
    length = snprintf(text, sizeof text, "[%zu]", level->index);
  }
  return prepend(begin, start, text, (size_t)length);
}

static void write_path(const level_t *levels, size_t depth, char *path) {
  static const char cut[] = "…";
  char text[MCP_JSON_PATH_LENGTH], *start = text + sizeof text - 1;
  const char *begin = text + sizeof cut - 1;
  *start = '\0';
  while (depth > 0) {
    depth--;
    if (!prepend_level(begin, &start, &levels[depth], depth == 0)) {
      (void)prepend(text, &start, cut, sizeof cut - 1);
      break;
    }
  }
  memcpy(path, start, (size_t)(text + sizeof text - start));
}

static void find_path(mcp_slice_t before, char *path) {
  level_t levels[MCP_JSON_DEPTH];
  size_t depth = 0;
  const char *at = before.data, *end = before.data + before.len;
  while (at < end) {
    level_t *level = depth > 0 ? &levels[depth - 1] : NULL;
    if (*at == '"') {
      const char *after = skip_string(at, end);
      if (!after) break;
      if (level && level->object && !level->at_value)
        level->key = mcp_slice(at + 1, (size_t)(after - at) - 2);
      at = after;
      continue;
    }
    if (*at == '{' || *at == '[') {
      if (depth == MCP_JSON_DEPTH) break;
      levels[depth++] = (level_t){.object = *at == '{', .index = 1};
    } else if (level && (*at == '}' || *at == ']')) {
      depth--;
    } else if (level && *at == ':') {
      level->at_value = true;
    } else if (level && *at == ',') {
      level->at_value = false;
      level->index++;
    }
    at++;
  }
  write_path(levels, depth, path);
}

void mcp_json_locate(mcp_slice_t text, size_t offset, mcp_json_place_t *place) {
  size_t i;
  if (offset > text.len) offset = text.len;
  place->line = place->column = 1;
  for (i = 0; i < offset; i++) {
    if (text.data[i] == '\n') {
      place->line++;
      place->column = 1;
    } else if (((unsigned char)text.data[i] & 0xc0) != 0x80) {
      place->column++;
    }
  }
  find_path(mcp_slice(text.data, offset), place->path);
}

static int break_line(mcp_buf_t *out, size_t spaces) {
  static const char blank[] = "                ";
  int code = mcp_buf_append_char(out, '\n');
  while (code == 0 && spaces > 0) {
    size_t some = spaces < sizeof blank - 1 ? spaces : sizeof blank - 1;
    code = mcp_buf_append(out, blank, some);
    spaces -= some;
  }
  return code;
}

int mcp_json_indent(mcp_buf_t *out, mcp_slice_t text, unsigned spaces) {
  const char *at = text.data, *end = text.data + text.len;
  size_t depth = 0;
  int code = 0;
  while (code == 0 && at < end) {
    char c = *at;
    if (c == '"') {
      const char *after = skip_string(at, end);
      if (!after) after = end;
      code = mcp_buf_append(out, at, (size_t)(after - at));
      at = after;
      continue;
    }
    at++;
    if (c == '}' || c == ']') code = break_line(out, --depth * spaces);
    if (code == 0) code = mcp_buf_append_char(out, c);
    if (code < 0) return code;
    if (c == '{' || c == '[') {
      if (at < end && *at == c + 2) { /* empty: stays on its line */
        code = mcp_buf_append_char(out, *at++);
        continue;
      }
      code = break_line(out, ++depth * spaces);
    } else if (c == ',') {
      code = break_line(out, depth * spaces);
    } else if (c == ':') {
      code = mcp_buf_append_char(out, ' ');
    }
  }
  return code;
}
