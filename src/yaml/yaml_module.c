/* SPDX-License-Identifier: MIT
 * yaml_module.c: the Lua module mcp.libyaml, which reads YAML as events. Apart
 * from mcp.core so that a program loads libyaml only when it reads YAML. It
 * knows neither values nor schemas: lua/mcp/yaml.lua makes values of events. */
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#define PARSER_TYPE "mcp.libyaml.parser"

__attribute__((visibility("default"))) int luaopen_mcp_libyaml(lua_State *L);

typedef struct {
  yaml_parser_t parser;
  /* Held here, since pushing a part of it may raise. */
  yaml_event_t event;
  bool open;
} parser_t;

static int close(lua_State *L) {
  parser_t *p = luaL_checkudata(L, 1, PARSER_TYPE);
  if (!p->open) return 0;
  p->open = false;
  yaml_event_delete(&p->event);
  yaml_parser_delete(&p->parser);
  return 0;
}

/* libyaml.parser(text) -> parser. The text stays alive as its user value. */
static int new_parser(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  parser_t *p = lua_newuserdatauv(L, sizeof *p, 1);
  p->open = false;
  luaL_setmetatable(L, PARSER_TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  memset(&p->event, 0, sizeof p->event);
  if (!yaml_parser_initialize(&p->parser))
    return luaL_error(L, "not enough memory");
  p->open = true;
  /* Otherwise the first bytes could make it UTF-16. */
  yaml_parser_set_encoding(&p->parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&p->parser, (const unsigned char *)text, length);
  return 1;
}

/* Where a byte of the text stands; columns count characters, as libyaml's. */
static yaml_mark_t place_of(const yaml_parser_t *parser, size_t offset) {
  const unsigned char *text = parser->input.string.start;
  size_t length = (size_t)(parser->input.string.end - text), i;
  yaml_mark_t at = {0, 0, 0};
  for (i = 0; i < offset && i < length; i++) {
    if (text[i] == '\n') {
      at.line++;
      at.column = 0;
    } else if ((text[i] & 0xC0) != 0x80) {
      at.column++;
    }
  }
  return at;
}

/* nil, text, line, column. libyaml counts lines from 0, and knows the byte
 * alone where the text is no text. */
static int fail(lua_State *L, const yaml_parser_t *parser) {
  yaml_mark_t at = parser->problem_mark;
  if (parser->error == YAML_MEMORY_ERROR)
    return luaL_error(L, "not enough memory");
  if (parser->error == YAML_READER_ERROR)
    at = place_of(parser, parser->problem_offset);
  lua_pushnil(L);
  lua_pushstring(L, parser->problem ? parser->problem : "invalid YAML");
  lua_pushinteger(L, (lua_Integer)at.line + 1);
  lua_pushinteger(L, (lua_Integer)at.column + 1);
  return 4;
}

/* [-0, +1, m] */
static void push_text(lua_State *L, const yaml_char_t *text) {
  lua_pushstring(L, (const char *)text); /* nil for NULL */
}

/* What an event is called, and the parts that it has: value, whether a scalar
 * is plain, tag, anchor. [-0, +5, m] */
static void push_event(lua_State *L, const yaml_event_t *event) {
  switch (event->type) {
  case YAML_SCALAR_EVENT:
    lua_pushliteral(L, "scalar");
    lua_pushlstring(L, (const char *)event->data.scalar.value,
                    event->data.scalar.length);
    lua_pushboolean(L, event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
    push_text(L, event->data.scalar.tag);
    push_text(L, event->data.scalar.anchor);
    return;
  case YAML_SEQUENCE_START_EVENT:
    lua_pushliteral(L, "[");
    lua_pushnil(L);
    lua_pushnil(L);
    push_text(L, event->data.sequence_start.tag);
    push_text(L, event->data.sequence_start.anchor);
    return;
  case YAML_MAPPING_START_EVENT:
    lua_pushliteral(L, "{");
    lua_pushnil(L);
    lua_pushnil(L);
    push_text(L, event->data.mapping_start.tag);
    push_text(L, event->data.mapping_start.anchor);
    return;
  case YAML_ALIAS_EVENT:
    lua_pushliteral(L, "alias");
    push_text(L, event->data.alias.anchor);
    break;
  case YAML_SEQUENCE_END_EVENT:
    lua_pushliteral(L, "]");
    lua_pushnil(L);
    break;
  case YAML_MAPPING_END_EVENT:
    lua_pushliteral(L, "}");
    lua_pushnil(L);
    break;
  case YAML_DOCUMENT_START_EVENT:
    lua_pushliteral(L, "document");
    lua_pushnil(L);
    break;
  default:
    lua_pushliteral(L, "end");
    lua_pushnil(L);
    break;
  }
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushnil(L);
}

/* parser:next() -> event, value, plain, tag, anchor, line, column; or nil,
 * text, line, column. After the end, and after an error, not to be called. */
static int next(lua_State *L) {
  parser_t *p = luaL_checkudata(L, 1, PARSER_TYPE);
  luaL_argcheck(L, p->open, 1, "closed");
  do {
    yaml_event_delete(&p->event);
    if (!yaml_parser_parse(&p->parser, &p->event)) return fail(L, &p->parser);
  } while (p->event.type == YAML_STREAM_START_EVENT ||
           p->event.type == YAML_DOCUMENT_END_EVENT);
  push_event(L, &p->event);
  lua_pushinteger(L, (lua_Integer)p->event.start_mark.line + 1);
  lua_pushinteger(L, (lua_Integer)p->event.start_mark.column + 1);
  return 7;
}

int luaopen_mcp_libyaml(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"next", next}, {"close", close}, {NULL, NULL}};
  luaL_checkversion(L);
  if (luaL_newmetatable(L, PARSER_TYPE)) {
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__close");
  }
  lua_pop(L, 1);
  lua_createtable(L, 0, 2);
  lua_pushstring(L, yaml_get_version_string());
  lua_setfield(L, -2, "version");
  lua_pushcfunction(L, new_parser);
  lua_setfield(L, -2, "parser");
  return 1;
}
