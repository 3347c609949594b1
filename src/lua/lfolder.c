/* SPDX-License-Identifier: MIT
 * lfolder.c: see lfolder.h. lua/mcp/folder.lua makes the public object of it.
 *
 *   folder(path, create, walk)     the object, or nil, text, code
 *   object:read(path, limit, from, length)
 *                                  the file's bytes, or those after `from`
 *   object:open(path)              a file, see lfile.c
 *   object:list(path)              { name, kind, size, modified } for each
 *                                  entry, sorted by name; links not followed
 *   object:stat(path)              { kind, size, modified }, links followed
 *   real_path(path)                without links, or nil, text, code
 *   object:write(path, bytes, limit, sync, create, only_mine, keep_owner)
 *   object:append(the same)
 *   object:remove(path)
 *   object:rename(from, to, create)
 *   object:make(path, parents)     these five: true
 *   object:close()                 further use raises; closing again does not
 *
 * kind is "file", "folder", "link" or "other"; modified is seconds since 1970.
 * Each method returns nil, text, code when it fails; paths and codes are those
 * of net/folder.h.
 *
 * A method is a job on a thread of the pool, and its caller waits, as in any
 * wait. Where no wait is possible (inside a function that cannot yield, in a
 * coroutine of the user's, a finalizer, a callback, a <close> of a cancelled
 * call) the job runs at once and blocks the loop: what cleans up must work
 * there. A caller that stops waiting leaves the job, which ends as soon as it
 * can and then frees itself. */
#include "lua/lfolder.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "lua/lfile.h"
#include "lua/lturn.h"
#include "net/folder.h"
#include "net/interrupt.h"
#include "net/work.h"

#define TYPE     "mcp.folder.core"
#define JOB_TYPE "mcp.folder.job"

/* The index of the job's box in the frame of a method. */
#define BOX 9

typedef struct {
  mcp_folder_t *folder; /* NULL while closed */
} object_t;

typedef enum {
  READ,
  LIST,
  STAT,
  WRITE,
  APPEND,
  REMOVE,
  RENAME,
  MAKE,
  OPEN,
  BYTES,  /* of a file that is open */
  MEASURE /* likewise */
} verb_t;

typedef struct {
  mcp_folder_t *folder; /* a reference, */
  mcp_file_t *file;     /* or one to this */
  mcp_runtime_t *rt;
  mcp_coroutine_t *co; /* the coroutine that waits for it, or NULL */
  mcp_work_t *work;    /* until it has been done; then NULL */
  bool dropped;        /* the caller no longer waits */
  mcp_folder_stop_t stop;
  /* What to do. */
  verb_t verb;
  mcp_buf_t text;                /* holds the three */
  mcp_slice_t path, to, content; /* slices of `text` */
  size_t limit;
  mcp_folder_part_t part;
  mcp_folder_write_t how;
  bool parents;
  /* The result. */
  int code;
  mcp_buf_t bytes;
  mcp_folder_list_t list;
  mcp_folder_facts_t facts;
  uint64_t length;
} job_t;

static const char *const kinds[] = {"file", "folder", "link", "other"};

static void free_job(job_t *job) {
  mcp_buf_deinit(&job->text);
  mcp_buf_deinit(&job->bytes);
  mcp_folder_list_deinit(&job->list);
  mcp_folder_unref(job->folder);
  mcp_file_unref(job->file);
  mcp_mem_free(job);
}

/* The caller no longer needs the job. */
static void drop_job(job_t *job) {
  if (!job) return;
  if (!job->work) {
    free_job(job);
    return;
  }
  job->dropped = true;
  atomic_store(&job->stop.flag, true);
  mcp_work_cancel(job->work);
}

/* All of a file, which is not longer than the limit. */
static int read_whole(job_t *job) {
  size_t size = (size_t)mcp_file_size(job->file);
  int code = mcp_buf_reserve(&job->bytes, size + 1);
  if (code == 0) code = mcp_file_read(job->file, 0, job->bytes.data, size);
  job->bytes.len = size;
  return code == MCP_EGONE ? MCP_ECHANGED : code;
}

/* On a thread of the pool. */
static void run_job(void *arg) {
  job_t *job = arg;
  mcp_folder_t *in = job->folder;
  switch (job->verb) {
  case READ:
    job->code = mcp_folder_read(in, job->path, &job->part, job->limit,
                                &job->bytes, &job->stop);
    break;
  case LIST:
    job->code = mcp_folder_list(in, job->path, &job->list, &job->stop);
    break;
  case STAT: job->code = mcp_folder_stat(in, job->path, &job->facts); break;
  case WRITE:
    job->code =
        mcp_folder_write(in, job->path, job->content, &job->how, &job->stop);
    break;
  case APPEND:
    job->code = mcp_folder_append(in, job->path, job->content, job->limit,
                                  &job->how, &job->stop);
    break;
  case REMOVE: job->code = mcp_folder_remove(in, job->path); break;
  case RENAME:
    job->code = mcp_folder_rename(in, job->path, job->to, job->how.create);
    break;
  case MAKE: job->code = mcp_folder_make(in, job->path, job->parents); break;
  case OPEN: job->code = mcp_folder_open_file(in, job->path, &job->file); break;
  case BYTES: job->code = read_whole(job); break;
  case MEASURE:
    job->code = mcp_pieces_measure(job->file, MCP_PIECES_TEXT, &job->stop,
                                   &job->length);
    break;
  }
}

static void on_done(void *arg) {
  job_t *job = arg;
  mcp_coroutine_t *co = job->co;
  job->work = NULL;
  job->co = NULL;
  if (job->dropped)
    free_job(job);
  else if (co)
    mcp_coroutine_wake(co, 0);
}

static void cancel_job(mcp_coroutine_t *co, void *arg) {
  job_t *job = arg;
  (void)co;
  job->co = NULL;
  atomic_store(&job->stop.flag, true);
}

static int free_box(lua_State *L) {
  job_t **box = luaL_checkudata(L, 1, JOB_TYPE);
  job_t *job = *box;
  *box = NULL;
  drop_job(job);
  return 0;
}

/* nil, text with the name at `arg`, code. [-0, +3, m] */
static int push_failure(lua_State *L, int arg, int code) {
  lua_pushnil(L);
  lua_pushfstring(L, "\"%s\": %s", lua_tostring(L, arg), mcp_err_text(code));
  lua_pushstring(L, mcp_err_name(code));
  return 3;
}

/* The limit is named, because the caller can raise it. [-0, +3, m] */
static int push_too_big(lua_State *L, size_t limit) {
  lua_pushnil(L);
  lua_pushfstring(L, "\"%s\": larger than its limit (limit = %I bytes)",
                  lua_tostring(L, 2), (LUAI_UACINT)limit);
  lua_pushstring(L, mcp_err_name(MCP_ETOOBIG));
  return 3;
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

static void push_list(lua_State *L, const mcp_folder_list_t *list) {
  lua_createtable(L, (int)list->count, 0);
  for (size_t i = 0; i < list->count; i++) {
    lua_createtable(L, 0, 4);
    lua_pushstring(L, list->entries[i].name);
    lua_setfield(L, -2, "name");
    set_facts(L, &list->entries[i].facts);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* What was measured of the file at 1. [-0, +2, m] */
static int push_measured(lua_State *L, int code, uint64_t length) {
  mcp_lfile_t *file = lua_touserdata(L, 1);
  lua_pushboolean(L, code == 0);
  if (code == MCP_EUTF8) {
    lua_pushinteger(L, (lua_Integer)length + 1);
    return 2;
  }
  file->as = MCP_PIECES_TEXT;
  file->length = length;
  return 1;
}

/* Pushes the result of the job in the box, which is then empty. [-0, +?, m] */
static int push_result(lua_State *L) {
  job_t **box = luaL_checkudata(L, BOX, JOB_TYPE);
  job_t *job = *box;
  int code = job->code;
  size_t limit = job->limit;
  uint64_t length = job->length;
  bool measured = job->verb == MEASURE && (code == 0 || code == MCP_EUTF8);
  if (code == 0) {
    switch (job->verb) {
    case OPEN: mcp_lfile_push(L, job->rt->loop, job->file, 2); break;
    case READ:
    case BYTES:
      lua_pushlstring(L, job->bytes.data ? job->bytes.data : "",
                      job->bytes.len);
      break;
    case LIST: push_list(L, &job->list); break;
    case STAT:
      lua_createtable(L, 0, 3);
      set_facts(L, &job->facts);
      break;
    default: lua_pushboolean(L, true);
    }
  }
  *box = NULL;
  free_job(job);
  if (code == MCP_ETOOBIG) return push_too_big(L, limit);
  if (measured) return push_measured(L, code, length);
  return code == 0 ? 1 : push_failure(L, 2, code);
}

static int waited(lua_State *L, int status, lua_KContext context) {
  mcp_coroutine_t *co = (mcp_coroutine_t *)context;
  job_t **box = luaL_checkudata(L, BOX, JOB_TYPE);
  (void)status;
  if (co->wake_code == 0) return push_result(L);
  drop_job(*box);
  *box = NULL;
  return mcp_coroutine_push_error(L, co->wake_code);
}

/* Runs the job in the box and returns its result. */
static int perform(lua_State *L, job_t *job) {
  mcp_runtime_t *rt = job->rt;
  mcp_coroutine_t *co;
  int code;
  if (!rt->loop || !mcp_lturn_has_place(L, rt) ||
      !mcp_lturn_begin(L, rt, &co)) {
    run_job(job);
    return push_result(L);
  }
  code = mcp_work_start(rt->loop, run_job, on_done, job, &job->work);
  if (code < 0) return mcp_coroutine_push_error(L, code);
  if (co) {
    job->co = co;
    return mcp_coroutine_wait(L, co, cancel_job, job, waited);
  }
  while (job->work) mcp_lturn_once(L, rt, -1);
  return push_result(L);
}

static mcp_folder_t *check_open(lua_State *L) {
  object_t *object = luaL_checkudata(L, 1, TYPE);
  luaL_argcheck(L, object->folder, 1, "closed folder");
  return object->folder;
}

static mcp_slice_t check_text(lua_State *L, int arg) {
  mcp_slice_t text;
  text.data = luaL_checklstring(L, arg, &text.len);
  return text;
}

/* A job in a box at BOX. [-?, +?, v] */
static job_t *push_job(lua_State *L, verb_t verb) {
  job_t **box, *job;
  lua_settop(L, BOX - 1);
  box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, JOB_TYPE);
  job = mcp_mem_zalloc(sizeof *job);
  if (!job) luaL_error(L, "%s", mcp_err_text(MCP_ENOMEM));
  *box = job;
  job->rt = lua_touserdata(L, lua_upvalueindex(1));
  job->verb = verb;
  return job;
}

/* The same for a folder, with copies of the texts. [-?, +?, v] */
static job_t *new_job(lua_State *L, verb_t verb, mcp_slice_t path,
                      mcp_slice_t to, mcp_slice_t content) {
  mcp_folder_t *folder = check_open(L);
  job_t *job = push_job(L, verb);
  char *at;
  job->folder = mcp_folder_ref(folder);
  /* The sum cannot overflow: all texts are in memory. */
  if (mcp_buf_reserve(&job->text, path.len + to.len + content.len + 1) < 0)
    luaL_error(L, "%s", mcp_err_text(MCP_ENOMEM));
  at = job->text.data;
  job->path = mcp_slice(at, path.len);
  job->to = mcp_slice(at + path.len, to.len);
  job->content = mcp_slice(at + path.len + to.len, content.len);
  memcpy(at, path.data, path.len);
  if (to.len > 0) memcpy(at + path.len, to.data, to.len);
  if (content.len > 0)
    memcpy(at + path.len + to.len, content.data, content.len);
  return job;
}

static const mcp_slice_t none = {"", 0};

static size_t check_limit(lua_State *L, int arg) {
  lua_Integer limit = luaL_optinteger(L, arg, MCP_FOLDER_FILE_SIZE);
  luaL_argcheck(L, limit >= 0, arg, "expected a number of bytes");
  return (size_t)limit;
}

static int open_folder(lua_State *L) {
  mcp_slice_t path = check_text(L, 1);
  bool create = lua_toboolean(L, 2), walk = lua_toboolean(L, 3);
  object_t *object = lua_newuserdatauv(L, sizeof *object, 1);
  int code;
  object->folder = NULL;
  luaL_setmetatable(L, TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1); /* the path, for __tostring */
  code = strlen(path.data) == path.len
             ? mcp_folder_open(&object->folder, path.data, create)
             : -EINVAL;
  mcp_interrupt_stay_loaded();
  if (code == 0 && walk) mcp_folder_walk(object->folder);
  return code == 0 ? 1 : push_failure(L, 1, code);
}

static int real_path(lua_State *L) {
  mcp_slice_t path = check_text(L, 1);
  char found[PATH_MAX];
  int code = strlen(path.data) == path.len
                 ? mcp_folder_real_path(path.data, found)
                 : -EINVAL;
  if (code < 0) return push_failure(L, 1, code);
  lua_pushstring(L, found);
  return 1;
}

static int read_file(lua_State *L) {
  size_t limit = check_limit(L, 3);
  lua_Integer from = luaL_optinteger(L, 4, 0);
  lua_Integer length = luaL_optinteger(L, 5, -1);
  job_t *job;
  luaL_argcheck(L, from >= 0, 4, "expected a number of bytes");
  job = new_job(L, READ, check_text(L, 2), none, none);
  job->limit = limit;
  job->part.from = (uint64_t)from;
  job->part.length = length < 0 ? UINT64_MAX : (uint64_t)length;
  return perform(L, job);
}

static int list_folder(lua_State *L) {
  if (lua_isnoneornil(L, 2)) {
    lua_settop(L, 1);
    lua_pushliteral(L, "");
  }
  return perform(L, new_job(L, LIST, check_text(L, 2), none, none));
}

static int stat_path(lua_State *L) {
  return perform(L, new_job(L, STAT, check_text(L, 2), none, none));
}

/* Refused before anything is copied. */
static int write_with(lua_State *L, verb_t verb) {
  mcp_slice_t path = check_text(L, 2), content = check_text(L, 3);
  size_t limit = check_limit(L, 4);
  mcp_folder_write_t how = {.sync = lua_toboolean(L, 5),
                            .create = lua_toboolean(L, 6),
                            .only_mine = lua_toboolean(L, 7),
                            .keep_owner = lua_toboolean(L, 8)};
  job_t *job;
  check_open(L);
  if (content.len > limit) return push_too_big(L, limit);
  job = new_job(L, verb, path, none, content);
  job->limit = limit;
  job->how = how;
  return perform(L, job);
}

static int write_file(lua_State *L) {
  return write_with(L, WRITE);
}

static int append_file(lua_State *L) {
  return write_with(L, APPEND);
}

static int remove_path(lua_State *L) {
  return perform(L, new_job(L, REMOVE, check_text(L, 2), none, none));
}

static int rename_path(lua_State *L) {
  bool create = lua_toboolean(L, 4);
  job_t *job = new_job(L, RENAME, check_text(L, 2), check_text(L, 3), none);
  job->how.create = create;
  return perform(L, job);
}

static int make_folder(lua_State *L) {
  bool parents = lua_toboolean(L, 3);
  job_t *job = new_job(L, MAKE, check_text(L, 2), none, none);
  job->parents = parents;
  return perform(L, job);
}

static int open_file(lua_State *L) {
  return perform(L, new_job(L, OPEN, check_text(L, 2), none, none));
}

/* A job for the file at 1. */
static int perform_with_file(lua_State *L, verb_t verb) {
  mcp_file_t *file = mcp_lfile_check(L)->file;
  job_t *job = push_job(L, verb);
  job->file = mcp_file_ref(file);
  return perform(L, job);
}

static int file_bytes(lua_State *L) {
  if (mcp_file_size(mcp_lfile_check(L)->file) > MCP_FOLDER_FILE_SIZE)
    return push_too_big(L, MCP_FOLDER_FILE_SIZE);
  return perform_with_file(L, BYTES);
}

static int measure_file(lua_State *L) {
  return perform_with_file(L, MEASURE);
}

/* follows() -> boolean: are symbolic links followed that stay below the folder?
 */
static int follows(lua_State *L) {
  lua_pushboolean(L, mcp_folder_follows(check_open(L)));
  return 1;
}

static int close_folder(lua_State *L) {
  object_t *object = luaL_checkudata(L, 1, TYPE);
  mcp_folder_t *folder = object->folder;
  object->folder = NULL;
  mcp_folder_unref(folder);
  return 0;
}

static int to_string(lua_State *L) {
  object_t *object = luaL_checkudata(L, 1, TYPE);
  lua_getiuservalue(L, 1, 1);
  lua_pushfstring(L,
                  object->folder ? "mcp.folder: %s" : "mcp.folder: %s (closed)",
                  lua_tostring(L, -1));
  return 1;
}

void mcp_lfolder_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg file_methods[] = {
      {"bytes", file_bytes}, {"measure", measure_file}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"read", read_file},     {"open", open_file},     {"list", list_folder},
      {"stat", stat_path},     {"write", write_file},   {"append", append_file},
      {"remove", remove_path}, {"rename", rename_path}, {"make", make_folder},
      {"follows", follows},    {"close", close_folder}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", close_folder},
                                         {"__close", close_folder},
                                         {"__tostring", to_string},
                                         {NULL, NULL}};
  if (luaL_newmetatable(L, TYPE)) {
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlibtable(L, methods);
    lua_pushlightuserdata(L, rt);
    luaL_setfuncs(L, methods, 1);
    lua_setfield(L, -2, "__index");
  }
  if (luaL_newmetatable(L, JOB_TYPE)) {
    lua_pushcfunction(L, free_box);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 2);
  mcp_lfile_push_methods(L);
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, file_methods, 1);
  lua_pop(L, 1);
  lua_pushcfunction(L, open_folder);
  lua_setfield(L, -2, "folder");
  lua_pushcfunction(L, real_path);
  lua_setfield(L, -2, "real_path");
}
