/* SPDX-License-Identifier: MIT
 * worker_load.c: see worker_load.h. */
#include "lua/worker_load.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* The compiler gets so many bytes at a time. */
#define PIECE 256
/* Where `load` keeps what its function has returned. */
#define KEPT_SLOT 5

typedef struct {
  const mcp_worker_t *worker;
  FILE *file;     /* or */
  const char *at; /* text */
  size_t left;
  bool is_function; /* the text is what the function at 1 returns */
  char bytes[PIECE];
} source_t;

/* Inside lua_load, which catches what is raised. */
static void check_stop(lua_State *L, const source_t *source) {
  if (mcp_worker_is_stopped(source->worker)) luaL_error(L, "stopped");
}

static const char *read_file(lua_State *L, void *ud, size_t *size) {
  source_t *source = ud;
  check_stop(L, source);
  *size = fread(source->bytes, 1, PIECE, source->file);
  return *size > 0 ? source->bytes : NULL;
}

static void call_function(lua_State *L, source_t *source) {
  luaL_checkstack(L, 2, "too many nested functions");
  lua_pushvalue(L, 1);
  lua_call(L, 0, 1);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  if (!lua_isstring(L, -1))
    luaL_error(L, "reader function must return a string");
  lua_replace(L, KEPT_SLOT);
  source->at = lua_tolstring(L, KEPT_SLOT, &source->left);
}

static const char *read_text(lua_State *L, void *ud, size_t *size) {
  source_t *source = ud;
  const char *piece;
  check_stop(L, source);
  if (source->left == 0 && source->is_function) call_function(L, source);
  *size = source->left < PIECE ? source->left : PIECE;
  piece = source->at;
  source->at += *size;
  source->left -= *size;
  return *size > 0 ? piece : NULL;
}

/* A byte order mark and a first line for the shell are not Lua. */
static void skip_head(FILE *file) {
  static const char mark[] = "\xEF\xBB\xBF";
  int c = getc(file);
  for (int i = 0; i < 3 && c == (unsigned char)mark[i]; i++) c = getc(file);
  while (c == '#') {
    do c = getc(file);
    while (c != '\n' && c != EOF);
  }
  if (c != EOF) ungetc(c, file);
}

int mcp_worker_load_file(lua_State *L, const mcp_worker_t *worker,
                         const char *path) {
  source_t source = {.worker = worker};
  const char *name = lua_pushfstring(L, "@%s", path);
  int status;
  source.file = fopen(path, "re");
  if (!source.file) {
    lua_pushfstring(L, "cannot open %s: %s", path, strerror(errno));
    lua_remove(L, -2);
    return LUA_ERRFILE;
  }
  skip_head(source.file);
  status = lua_load(L, read_file, &source, name, "t");
  fclose(source.file);
  lua_remove(L, -2);
  return status;
}

int mcp_worker_load(lua_State *L) {
  source_t source = {.worker = lua_touserdata(L, lua_upvalueindex(1)),
                     .at = ""};
  bool has_environment = !lua_isnone(L, 4);
  const char *text = lua_tolstring(L, 1, &source.left), *name;
  int status;
  if (text) {
    source.at = text;
    name = luaL_optstring(L, 2, text);
  } else {
    name = luaL_optstring(L, 2, "=(load)");
    luaL_checktype(L, 1, LUA_TFUNCTION);
    source.is_function = true;
  }
  lua_settop(L, KEPT_SLOT);
  status = lua_load(L, read_text, &source, name, "t");
  if (status != LUA_OK) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  if (has_environment) {
    lua_pushvalue(L, 4);
    if (!lua_setupvalue(L, -2, 1)) lua_pop(L, 1);
  }
  return 1;
}
