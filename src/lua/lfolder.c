/* SPDX-License-Identifier: MIT
 * lfolder.c: see lfolder.h.
 *
 *   folder(path)                  the object, or nil, text, code
 *   object:read(path [, limit])   the file's bytes; limit in bytes, 4 MiB
 *                                 unless given
 *   object:list([path])           { name, kind, size, modified } for each
 *                                 entry, sorted by name; links not followed
 *   object:stat(path)             { kind, size, modified }, links followed
 *   object:close()                further use raises; closing again does not
 *
 * kind is "file", "folder", "link" or "other"; modified is seconds since 1970.
 * Each method returns nil, text, code when it fails; paths are those of
 * net/folder.h. All of it is synchronous: for small local files. */
#include "lua/lfolder.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "net/folder.h"

#define TYPE "mcp.folder"
#define HELD "mcp.folder.held"

typedef struct {
  mcp_folder_t *folder; /* NULL while closed */
} object_t;

/* What a call holds while it makes Lua values of it, which may raise: then the
 * collector frees it. */
typedef struct {
  mcp_buf_t buf;
  mcp_folder_list_t list;
} held_t;

static const char *const kinds[] = {"file", "folder", "link", "other"};

static int free_held(lua_State *L) {
  held_t *held = luaL_checkudata(L, 1, HELD);
  mcp_buf_deinit(&held->buf);
  mcp_folder_list_deinit(&held->list);
  return 0;
}

/* [-0, +1, m] */
static held_t *push_held(lua_State *L) {
  held_t *held = lua_newuserdatauv(L, sizeof *held, 0);
  *held = (held_t){0};
  luaL_setmetatable(L, HELD);
  return held;
}

/* nil, text with the name at `arg`, code. [-0, +3, m] */
static int push_failure(lua_State *L, int arg, int code) {
  lua_pushnil(L);
  lua_pushfstring(L, "\"%s\": %s", lua_tostring(L, arg), mcp_err_text(code));
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}

static mcp_folder_t *check_open(lua_State *L) {
  object_t *object = luaL_checkudata(L, 1, TYPE);
  luaL_argcheck(L, object->folder, 1, "closed folder");
  return object->folder;
}

static mcp_slice_t check_name(lua_State *L, int arg) {
  mcp_slice_t path;
  path.data = luaL_checklstring(L, arg, &path.len);
  return path;
}

/* Fills the table at the top. [-0, +0, m] */
static void set_facts(lua_State *L, const mcp_folder_facts_t *facts) {
  lua_pushstring(L, kinds[facts->kind]);
  lua_setfield(L, -2, "kind");
  lua_pushinteger(L, (lua_Integer)facts->size);
  lua_setfield(L, -2, "size");
  lua_pushnumber(L, facts->modified);
  lua_setfield(L, -2, "modified");
}

static int open_folder(lua_State *L) {
  mcp_slice_t path = check_name(L, 1);
  object_t *object = lua_newuserdatauv(L, sizeof *object, 1);
  int code;
  object->folder = NULL;
  luaL_setmetatable(L, TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1); /* the path, for __tostring */
  code = strlen(path.data) == path.len
             ? mcp_folder_open(&object->folder, path.data)
             : -EINVAL;
  return code == 0 ? 1 : push_failure(L, 1, code);
}

static int read_file(lua_State *L) {
  mcp_folder_t *folder = check_open(L);
  mcp_slice_t path = check_name(L, 2);
  lua_Integer limit = luaL_optinteger(L, 3, MCP_FOLDER_FILE_SIZE);
  held_t *held;
  int code;
  luaL_argcheck(L, limit >= 0, 3, "expected a number of bytes");
  held = push_held(L);
  code = mcp_folder_read(folder, path, (size_t)limit, &held->buf);
  if (code == 0) lua_pushlstring(L, held->buf.data, held->buf.len);
  mcp_buf_deinit(&held->buf);
  return code == 0 ? 1 : push_failure(L, 2, code);
}

static int list_folder(lua_State *L) {
  mcp_folder_t *folder = check_open(L);
  mcp_slice_t path;
  held_t *held;
  size_t i;
  int code;
  if (lua_isnoneornil(L, 2)) {
    lua_settop(L, 1);
    lua_pushliteral(L, "");
  }
  path = check_name(L, 2);
  held = push_held(L);
  code = mcp_folder_list(folder, path, &held->list);
  if (code == 0) {
    lua_createtable(L, (int)held->list.count, 0);
    for (i = 0; i < held->list.count; i++) {
      lua_createtable(L, 0, 4);
      lua_pushstring(L, held->list.entries[i].name);
      lua_setfield(L, -2, "name");
      set_facts(L, &held->list.entries[i].facts);
      lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
  }
  mcp_folder_list_deinit(&held->list);
  return code == 0 ? 1 : push_failure(L, 2, code);
}

static int stat_path(lua_State *L) {
  mcp_folder_facts_t facts;
  int code = mcp_folder_stat(check_open(L), check_name(L, 2), &facts);
  if (code < 0) return push_failure(L, 2, code);
  lua_createtable(L, 0, 3);
  set_facts(L, &facts);
  return 1;
}

static int close_folder(lua_State *L) {
  object_t *object = luaL_checkudata(L, 1, TYPE);
  mcp_folder_t *folder = object->folder;
  object->folder = NULL;
  mcp_folder_close(folder);
  return 0;
}

static int to_string(lua_State *L) {
  object_t *object = luaL_checkudata(L, 1, TYPE);
  lua_getiuservalue(L, 1, 1);
  lua_pushfstring(L, object->folder ? TYPE ": %s" : TYPE ": %s (closed)",
                  lua_tostring(L, -1));
  return 1;
}

int mcp_lfolder_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"read", read_file},
                                     {"list", list_folder},
                                     {"stat", stat_path},
                                     {"close", close_folder},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", close_folder},
                                         {"__close", close_folder},
                                         {"__tostring", to_string},
                                         {NULL, NULL}};
  if (luaL_newmetatable(L, TYPE)) {
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
  }
  if (luaL_newmetatable(L, HELD)) {
    lua_pushcfunction(L, free_held);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 2);
  lua_pushcfunction(L, open_folder);
  return 1;
}
