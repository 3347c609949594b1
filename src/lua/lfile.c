/* SPDX-License-Identifier: MIT
 * lfile.c: see lfile.h. Made by `open` of a folder (lfolder.c).
 *
 *   file:size()      bytes, as of its opening
 *   file:modified()  seconds since 1970, likewise
 *   file:close()     further use raises; closing again does not
 *   file:bytes()     all of it, or nil, text, code   (these two: lfolder.c)
 *   file:measure()   true: it is UTF-8, and goes out as text from now on;
 *                    false and the place of the first byte that is not; or nil,
 *                    text, code
 *
 * A file that is sent in pieces is closed here as soon as that begins. */
#include "lua/lfile.h"

#include <lauxlib.h>

#include "base/err.h"
#include "lua/lexchange_handle.h"
#include "wire/rpc.h"

#define TYPE "mcp.file"

/* Its address is the registry's key of the metatable. */
static const char type_key;

/* [-0, +0, -] */
static mcp_lfile_t *file_at(lua_State *L, int index) {
  bool ours;
  if (!lua_getmetatable(L, index)) return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &type_key);
  ours = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return ours ? lua_touserdata(L, index) : NULL;
}

void mcp_lfile_push(lua_State *L, mcp_loop_t *loop, mcp_file_t *file,
                    int name) {
  mcp_lfile_t *f = lua_newuserdatauv(L, sizeof *f, 1);
  f->file = NULL;
  luaL_setmetatable(L, TYPE);
  lua_pushvalue(L, name);
  lua_setiuservalue(L, -2, 1);
  f->file = mcp_file_ref(file);
  f->as = MCP_PIECES_BASE64;
  f->loop = loop;
  (void)mcp_pieces_measure(file, f->as, NULL, &f->length);
}

mcp_lfile_t *mcp_lfile_check(lua_State *L) {
  mcp_lfile_t *f = luaL_checkudata(L, 1, TYPE);
  luaL_argcheck(L, f->file, 1, "closed file");
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  return f;
}

/* --- in an answer --------------------------------------------------------- */

/* The file that is sent in pieces: the first of an answer. */
typedef struct {
  mcp_lfile_t *f; /* NULL: none */
  size_t at;
} pieced_t;

/* `arg`: where it is noted, or NULL. */
static int write_foreign(lua_State *L, mcp_buf_t *out, void *arg) {
  pieced_t *pieced = arg;
  mcp_lfile_t *f = file_at(L, -1);
  if (!f) return MCP_EENCODE;
  if (!f->file) return MCP_ECLOSED;
  if (pieced && !pieced->f) {
    *pieced = (pieced_t){f, out->len};
    return 0;
  }
  return mcp_file_size(f->file) > MCP_FOLDER_FILE_SIZE
             ? MCP_EFILE
             : mcp_pieces_write(f->file, f->as, out);
}

int mcp_lfile_encode(lua_State *L, int index, mcp_buf_t *out, int sorted,
                     mcp_value_fault_t *fault) {
  return mcp_value_write_foreign(L, index, out, sorted, write_foreign, NULL,
                                 fault);
}

/* The collector may be slow to close what one request has opened. */
static void close_now(mcp_lfile_t *f) {
  mcp_file_t *file = f->file;
  f->file = NULL;
  mcp_file_unref(file);
}

static void send_pieces(mcp_exchange_t *x, const pieced_t *pieced) {
  mcp_lfile_t *f = pieced->f;
  mcp_large_file_t large = {f->loop, f->file, f->as, f->length, pieced->at};
  if (mcp_exchange_send_file(x, &large) < 0)
    mcp_exchange_fail(x, MCP_RPC_INTERNAL_ERROR, "Out of memory");
  close_now(f);
}

int mcp_lfile_answer(lua_State *L, mcp_exchange_t *x, mcp_coroutine_t *co,
                     int result, mcp_value_fault_t *fault) {
  pieced_t pieced = {0};
  bool envelope = x->id_length > 0;
  mcp_buf_t *out = mcp_exchange_begin(x, MCP_OUT_ANSWER);
  int code = out ? 0 : MCP_ENOMEM;
  if (code == 0 && envelope)
    code = mcp_rpc_begin_result(out, mcp_exchange_id(x));
  if (code == 0)
    code = mcp_value_write_foreign(L, result, out, 0, write_foreign,
                                   co && x->ops->send_file ? &pieced : NULL,
                                   fault);
  if (code == 0 && envelope) code = mcp_buf_append_char(out, '}');
  if (code < 0) {
    if (out) mcp_exchange_abandon(x);
    return code;
  }
  mcp_lexchange_detach_answered(L, x, co);
  if (pieced.f) {
    send_pieces(x, &pieced);
  } else {
    (void)mcp_exchange_commit(x, MCP_OUT_ANSWER);
  }
  return 0;
}

/* --- the type ------------------------------------------------------------- */

static int size_of(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mcp_file_size(mcp_lfile_check(L)->file));
  return 1;
}

static int modified(lua_State *L) {
  lua_pushnumber(L, mcp_file_modified(mcp_lfile_check(L)->file));
  return 1;
}

static int close_file(lua_State *L) {
  close_now(luaL_checkudata(L, 1, TYPE));
  return 0;
}

static int to_string(lua_State *L) {
  mcp_lfile_t *f = luaL_checkudata(L, 1, TYPE);
  lua_getiuservalue(L, 1, 1);
  lua_pushfstring(L, f->file ? TYPE ": %s" : TYPE ": %s (closed)",
                  lua_tostring(L, -1));
  return 1;
}

void mcp_lfile_push_methods(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &type_key);
  lua_getfield(L, -1, "__index");
  lua_remove(L, -2);
}

void mcp_lfile_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"size", size_of},
                                     {"modified", modified},
                                     {"close", close_file},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", close_file},
                                         {"__close", close_file},
                                         {"__tostring", to_string},
                                         {NULL, NULL}};
  luaL_newmetatable(L, TYPE);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &type_key);
}
