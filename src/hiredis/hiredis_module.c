/* SPDX-License-Identifier: MIT
 * hiredis_module.c: the Lua module mcp.hiredis, which writes commands for Redis
 * and reads its answers (RESP2). Apart from mcp.core so that a program loads
 * hiredis only when it uses Redis. It knows neither sockets nor what commands
 * mean: lua/mcp/redis does. */
#include <hiredis/hiredis.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>

#define READER_TYPE "mcp.hiredis.reader"
#define TEXT_TYPE   "mcp.hiredis.text"
/* The most words of one command; ours have a dozen. */
#define WORDS 64

__attribute__((visibility("default"))) int luaopen_mcp_hiredis(lua_State *L);

/* --- commands ------------------------------------------------------------- */

/* What hiredis has allocated, until it is a string of Lua's: that may raise. */
typedef struct {
  char *text;
} text_t;

static int free_text(lua_State *L) {
  text_t *box = luaL_checkudata(L, 1, TEXT_TYPE);
  if (box->text) redisFreeCommand(box->text);
  box->text = NULL;
  return 0;
}

/* hiredis.command(word, …) -> string: words are strings or integers */
static int write_command(lua_State *L) {
  text_t *box = lua_touserdata(L, lua_upvalueindex(1));
  const char *words[WORDS];
  size_t lengths[WORDS];
  int count = lua_gettop(L);
  long long length; /* an int before hiredis 1 */
  luaL_argcheck(L, count > 0 && count <= WORDS, 1, "expected 1 to 64 words");
  for (int i = 0; i < count; i++)
    words[i] = luaL_checklstring(L, i + 1, &lengths[i]);
  if (box->text) redisFreeCommand(box->text);
  box->text = NULL;
  length = redisFormatCommandArgv(&box->text, count, words, lengths);
  if (length < 0) return luaL_error(L, "not enough memory");
  lua_pushlstring(L, box->text, (size_t)length);
  redisFreeCommand(box->text);
  box->text = NULL;
  return 1;
}

/* --- answers -------------------------------------------------------------- */

typedef struct {
  redisReader *reader; /* NULL once closed */
  redisReply *reply;   /* being pushed, which may raise */
} reader_t;

static reader_t *check_reader(lua_State *L) {
  reader_t *r = luaL_checkudata(L, 1, READER_TYPE);
  luaL_argcheck(L, r->reader, 1, "closed");
  return r;
}

static void drop_reply(reader_t *r) {
  if (r->reply) freeReplyObject(r->reply);
  r->reply = NULL;
}

static int reader_close(lua_State *L) {
  reader_t *r = luaL_checkudata(L, 1, READER_TYPE);
  drop_reply(r);
  if (r->reader) redisReaderFree(r->reader);
  r->reader = NULL;
  return 0;
}

/* hiredis.reader() -> reader */
static int new_reader(lua_State *L) {
  reader_t *r = lua_newuserdatauv(L, sizeof *r, 0);
  *r = (reader_t){0};
  luaL_setmetatable(L, READER_TYPE);
  r->reader = redisReaderCreate();
  if (!r->reader) return luaL_error(L, "not enough memory");
  return 1;
}

/* reader:feed(bytes) */
static int reader_feed(lua_State *L) {
  reader_t *r = check_reader(L);
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  /* What is wrong with the bytes before is what `next` returns. */
  if (length > 0 && redisReaderFeed(r->reader, bytes, length) != REDIS_OK &&
      r->reader->err == REDIS_ERR_OOM)
    return luaL_error(L, "not enough memory");
  return 0;
}

/* A value; no element of a table is nil. hiredis has bounded the depth.
 * [-0, +1, m] */
static void push_value(lua_State *L, const redisReply *reply, bool inside) {
  luaL_checkstack(L, 3, "an answer of Redis");
  switch (reply->type) {
  case REDIS_REPLY_INTEGER:
    lua_pushinteger(L, (lua_Integer)reply->integer);
    break;
  case REDIS_REPLY_ARRAY:
    lua_createtable(L, (int)reply->elements, 0);
    for (size_t i = 0; i < reply->elements; i++) {
      push_value(L, reply->element[i], true);
      lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    break;
  case REDIS_REPLY_NIL:
    if (inside) {
      lua_pushboolean(L, false);
    } else {
      lua_pushnil(L);
    }
    break;
  default: lua_pushlstring(L, reply->str, (size_t)reply->len); break;
  }
}

/* reader:next() -> kind, value: "error" and its text, or "value" and a string,
 * an integer, a table, nil; nil if the answer has not come whole; or nil, text
 * if it is broken. Not to be called after that. */
static int reader_next(lua_State *L) {
  reader_t *r = check_reader(L);
  void *reply = NULL;
  drop_reply(r);
  if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
    if (r->reader->err == REDIS_ERR_OOM)
      return luaL_error(L, "not enough memory");
    lua_pushnil(L);
    lua_pushstring(L, r->reader->errstr);
    return 2;
  }
  if (!reply) return 0;
  r->reply = reply;
  if (r->reply->type == REDIS_REPLY_ERROR) {
    lua_pushliteral(L, "error");
  } else {
    lua_pushliteral(L, "value");
  }
  push_value(L, r->reply, false);
  drop_reply(r);
  return 2;
}

int luaopen_mcp_hiredis(lua_State *L) {
  static const luaL_Reg methods[] = {{"feed", reader_feed},
                                     {"next", reader_next},
                                     {"close", reader_close},
                                     {NULL, NULL}};
  static const luaL_Reg events[] = {
      {"__gc", reader_close}, {"__close", reader_close}, {NULL, NULL}};
  text_t *box;
  luaL_checkversion(L);
  if (luaL_newmetatable(L, READER_TYPE)) {
    luaL_setfuncs(L, events, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
  lua_createtable(L, 0, 3);
  lua_pushfstring(L, "%d.%d.%d", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
  lua_setfield(L, -2, "version");
  lua_pushcfunction(L, new_reader);
  lua_setfield(L, -2, "reader");
  box = lua_newuserdatauv(L, sizeof *box, 0);
  box->text = NULL;
  if (luaL_newmetatable(L, TEXT_TYPE)) {
    lua_pushcfunction(L, free_text);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  lua_pushcclosure(L, write_command, 1);
  lua_setfield(L, -2, "command");
  return 1;
}
