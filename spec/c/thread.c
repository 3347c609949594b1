/* SPDX-License-Identifier: MIT
 * thread.c: src/net/thread.c for the specs: threads that do what a word says,
 * on a loop that the spec turns.
 *
 *   open() -> loop
 *   hops(rounds) -> seconds  CPU time of this process for a byte to a second
 *                            thread and one back, over two pipes, nothing else
 *   loop:step(ms)            one turn
 *   loop:start() -> thread
 *   loop:close()             what is left of its threads is not waited for
 *   thread:post(word)        the work: see `work` below
 *   thread:stop()
 *   thread:close()
 *   thread:hold(boolean)
 *   thread:credit(bytes)
 *   thread:end_by(ms) -> ended
 *   thread:seen() -> { answers = {…}, notes =, note_bytes =, ended =,
 *                      interrupts =, late = }   late: after `run` */
#include "net/thread.c"
#include "net/interrupt.c"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/loop.h"

#define LOOP   "spec.thread_loop"
#define THREAD "spec.thread"

/* Used by both threads; the last one frees it. */
typedef struct {
  atomic_int refs;
  atomic_int interrupts, late;
  atomic_bool released;
  atomic_bool spinning;
} shared_t;

typedef struct {
  mcp_loop_t *loop;
} loop_t;

typedef struct {
  mcp_thread_t *thread; /* NULL: ended, or left */
  shared_t *shared;
  char answers[512];
  unsigned notes;
  size_t note_bytes;
  bool ended;
} held_t;

static void drop(shared_t *shared) {
  if (atomic_fetch_sub(&shared->refs, 1) == 1) free(shared);
}

/* --- the thread ------------------------------------------------------------
 */

/* Loads and stores alone: ThreadSanitizer takes locks for more, and this comes
 * at any moment. */
static void interrupted(void *arg) {
  shared_t *shared = arg;
  bool released = atomic_load_explicit(&shared->released, memory_order_relaxed);
  atomic_int *count = released ? &shared->late : &shared->interrupts;
  int n = atomic_load_explicit(count, memory_order_relaxed);
  atomic_store_explicit(count, n + 1, memory_order_relaxed);
  atomic_store_explicit(&shared->spinning, false, memory_order_relaxed);
}

static const char *send_notes(mcp_thread_t *thread, int count) {
  for (int i = 0; i < count; i++) {
    mcp_buf_t note = {0};
    char block[1024] = {0};
    (void)mcp_buf_append(&note, block, sizeof block);
    if (mcp_thread_note(thread, &note) < 0) return "stopped";
  }
  return "noted";
}

/* "echo…": itself. "sleep N", "block N": ms, the second one deaf. "spin": until
 * interrupted. "notes N": so many, of 1 KiB each. */
static const char *work(mcp_thread_t *thread, shared_t *shared,
                        const char *word) {
  if (strncmp(word, "sleep ", 6) == 0)
    return mcp_thread_sleep(thread, (uint64_t)atoi(word + 6)) ? "slept"
                                                              : "stopped";
  if (strncmp(word, "block ", 6) == 0) {
    uint64_t over = mcp_thread_clock() + (uint64_t)atoi(word + 6);
    while (mcp_thread_clock() < over) usleep(1000);
    return "blocked";
  }
  if (strncmp(word, "notes ", 6) == 0)
    return send_notes(thread, atoi(word + 6));
  if (strcmp(word, "spin") == 0) {
    atomic_store(&shared->spinning, true);
    while (atomic_load(&shared->spinning) && !mcp_thread_stopped(thread))
      continue;
    return "interrupted";
  }
  return word;
}

static void run_words(mcp_thread_t *thread, void *arg) {
  mcp_buf_t word = {0}, answer = {0};
  while (mcp_thread_receive(thread, &word)) {
    const char *text;
    (void)mcp_buf_append_char(&word, '\0');
    text = work(thread, arg, word.data);
    (void)mcp_buf_append(&answer, text, strlen(text));
    mcp_buf_deinit(&word);
    mcp_thread_answer(thread, &answer);
  }
}

/* A signal that comes now must find nothing. */
static void release_words(void *arg) {
  shared_t *shared = arg;
  atomic_store(&shared->released, true);
  raise(SIGURG);
  usleep(20000); /* another one of mcp_thread_end_by */
  drop(shared);
}

/* --- the loop --------------------------------------------------------------
 */

static void note_note(void *owner, mcp_buf_t *bytes) {
  held_t *held = owner;
  held->notes++;
  held->note_bytes += bytes->len;
  mcp_buf_deinit(bytes);
}

static void note_answer(void *owner, mcp_buf_t *bytes) {
  held_t *held = owner;
  size_t have = strlen(held->answers);
  snprintf(held->answers + have, sizeof held->answers - have, "%.*s;",
           (int)bytes->len, bytes->data ? bytes->data : "");
  mcp_buf_deinit(bytes);
}

static void note_end(void *owner) {
  held_t *held = owner;
  held->ended = true;
  held->thread = NULL;
}

static held_t *check_held(lua_State *L) {
  return luaL_checkudata(L, 1, THREAD);
}

static held_t *check_thread(lua_State *L) {
  held_t *held = check_held(L);
  luaL_argcheck(L, held->thread, 1, "it has ended");
  return held;
}

static int open_loop(lua_State *L) {
  loop_t *own = lua_newuserdatauv(L, sizeof *own, 0);
  own->loop = NULL;
  luaL_setmetatable(L, LOOP);
  if (mcp_loop_new(&own->loop) < 0) return luaL_error(L, "no loop");
  return 1;
}

static int loop_step(lua_State *L) {
  loop_t *own = luaL_checkudata(L, 1, LOOP);
  lua_pushinteger(L, mcp_loop_step(own->loop, luaL_optinteger(L, 2, 0)));
  return 1;
}

static int loop_close(lua_State *L) {
  loop_t *own = luaL_checkudata(L, 1, LOOP);
  mcp_loop_free(own->loop);
  own->loop = NULL;
  return 0;
}

static int loop_start(lua_State *L) {
  loop_t *own = luaL_checkudata(L, 1, LOOP);
  held_t *held = lua_newuserdatauv(L, sizeof *held, 0);
  mcp_thread_options_t options = {.run = run_words,
                                  .interrupt = interrupted,
                                  .release = release_words,
                                  .on_note = note_note,
                                  .on_answer = note_answer,
                                  .on_ended = note_end,
                                  .owner = held};
  int code;
  memset(held, 0, sizeof *held);
  held->shared = options.arg = calloc(1, sizeof *held->shared);
  if (!held->shared) return luaL_error(L, "not enough memory");
  atomic_init(&held->shared->refs, 2);
  luaL_setmetatable(L, THREAD);
  code = mcp_thread_start(own->loop, &options, &held->thread);
  if (code < 0) {
    drop(held->shared);
    return luaL_error(L, "mcp_thread_start: %d", code);
  }
  return 1;
}

static int thread_post(lua_State *L) {
  mcp_buf_t bytes = {0};
  size_t size;
  const char *word = luaL_checklstring(L, 2, &size);
  (void)mcp_buf_append(&bytes, word, size);
  mcp_thread_post(check_thread(L)->thread, &bytes);
  return 0;
}

static int thread_stop(lua_State *L) {
  mcp_thread_stop(check_thread(L)->thread);
  return 0;
}

static int thread_close(lua_State *L) {
  mcp_thread_close(check_thread(L)->thread);
  return 0;
}

static int thread_hold(lua_State *L) {
  mcp_thread_hold(check_thread(L)->thread, lua_toboolean(L, 2));
  return 0;
}

static int thread_credit(lua_State *L) {
  mcp_thread_credit(check_thread(L)->thread, (size_t)luaL_checkinteger(L, 2));
  return 0;
}

static int thread_end_by(lua_State *L) {
  held_t *held = check_thread(L);
  uint64_t deadline = mcp_thread_clock() + (uint64_t)luaL_checkinteger(L, 2);
  lua_pushboolean(L, mcp_thread_end_by(held->thread, deadline));
  held->thread = NULL;
  return 1;
}

static int thread_seen(lua_State *L) {
  held_t *held = check_held(L);
  lua_newtable(L);
  lua_pushstring(L, held->answers);
  lua_setfield(L, -2, "answers");
  lua_pushinteger(L, (lua_Integer)held->notes);
  lua_setfield(L, -2, "notes");
  lua_pushinteger(L, (lua_Integer)held->note_bytes);
  lua_setfield(L, -2, "note_bytes");
  lua_pushboolean(L, held->ended);
  lua_setfield(L, -2, "ended");
  lua_pushinteger(L, atomic_load(&held->shared->interrupts));
  lua_setfield(L, -2, "interrupts");
  lua_pushinteger(L, atomic_load(&held->shared->late));
  lua_setfield(L, -2, "late");
  return 1;
}

static int thread_collect(lua_State *L) {
  drop(check_held(L)->shared);
  return 0;
}

/* --- what the system itself takes -------------------------------------------
 */

static void *send_back(void *arg) {
  const int *ends = arg;
  char byte;
  while (read(ends[0], &byte, 1) == 1 && write(ends[3], &byte, 1) == 1)
    continue;
  return NULL;
}

static int hops(lua_State *L) {
  lua_Integer rounds = luaL_checkinteger(L, 1);
  int ends[4];
  clock_t began;
  char byte = 0;
  pthread_t id;
  if (pipe(ends) < 0 || pipe(ends + 2) < 0) return luaL_error(L, "no pipe");
  if (pthread_create(&id, NULL, send_back, ends) != 0)
    return luaL_error(L, "no thread");
  began = clock();
  while (rounds-- > 0)
    if (write(ends[1], &byte, 1) != 1 || read(ends[2], &byte, 1) != 1)
      return luaL_error(L, "a pipe broke");
  lua_pushnumber(L, (lua_Number)(clock() - began) / CLOCKS_PER_SEC);
  close(ends[1]);
  pthread_join(id, NULL);
  close(ends[0]);
  close(ends[2]);
  close(ends[3]);
  return 1;
}

static void new_type(lua_State *L, const char *name, const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

__attribute__((visibility("default"))) int luaopen_codecs_thread(lua_State *L);

int luaopen_codecs_thread(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"open", open_loop}, {"hops", hops}, {NULL, NULL}};
  static const luaL_Reg of_loop[] = {{"step", loop_step},
                                     {"start", loop_start},
                                     {"close", loop_close},
                                     {NULL, NULL}};
  static const luaL_Reg of_thread[] = {
      {"post", thread_post},     {"stop", thread_stop},
      {"close", thread_close},   {"hold", thread_hold},
      {"credit", thread_credit}, {"end_by", thread_end_by},
      {"seen", thread_seen},     {NULL, NULL}};
  new_type(L, LOOP, of_loop);
  new_type(L, THREAD, of_thread);
  luaL_getmetatable(L, THREAD);
  lua_pushcfunction(L, thread_collect);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, functions);
  return 1;
}
