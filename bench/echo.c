/* SPDX-License-Identifier: MIT
 *
 * The bare limit over stdio: a loop of read and write. Not part of the
 * product; it exists to be divided by.
 *
 *   echo raw ANSWER     every line is answered with the line in file ANSWER
 *   echo lua HANDLER    every line goes through the function that HANDLER
 *                       returns, in a new coroutine each time
 *
 * All whole lines of one read are answered with one write.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  char *bytes;
  size_t size, room;
} text_t;

static void die(const char *what) {
  fprintf(stderr, "echo: %s\n", what);
  exit(1);
}

static void reserve(text_t *text, size_t more) {
  if (text->size + more <= text->room) return;
  text->room = (text->size + more) * 2;
  text->bytes = realloc(text->bytes, text->room);
  if (!text->bytes) die("no memory");
}

static void append(text_t *text, const char *bytes, size_t n) {
  reserve(text, n);
  memcpy(text->bytes + text->size, bytes, n);
  text->size += n;
}

static void flush(text_t *text) {
  for (size_t done = 0; done < text->size;) {
    ssize_t n = write(1, text->bytes + done, text->size - done);
    if (n <= 0) exit(0);
    done += (size_t)n;
  }
  text->size = 0;
}

static void append_from_lua(text_t *out, lua_State *L, const char *line,
                            size_t n) {
  size_t size;
  int count;
  lua_State *T = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, T, 1);
  lua_pushlstring(T, line, n);
  if (lua_resume(T, L, 1, &count) != LUA_OK) die(lua_tostring(T, -1));
  const char *text = lua_tolstring(T, -1, &size);
  if (size) { /* a notification has no answer */
    append(out, text, size);
    append(out, "\n", 1);
  }
  lua_settop(L, 1);
}

static void load_answer(text_t *answer, const char *name) {
  FILE *file = fopen(name, "rb");
  if (!file) die("cannot read the answer");
  size_t n;
  do {
    reserve(answer, 4096);
    n = fread(answer->bytes + answer->size, 1, 4096, file);
    answer->size += n;
  } while (n);
  fclose(file);
  while (answer->size && answer->bytes[answer->size - 1] == '\n')
    answer->size--;
  append(answer, "\n", 1);
}

int main(int argc, char **argv) {
  if (argc != 3) die("expected raw|lua FILE");
  lua_State *L = NULL;
  text_t in = {0}, out = {0}, answer = {0};
  if (strcmp(argv[1], "lua") == 0) {
    L = luaL_newstate();
    luaL_openlibs(L);
    if (luaL_dofile(L, argv[2]) != LUA_OK) die(lua_tostring(L, -1));
    lua_settop(L, 1);
  } else {
    load_answer(&answer, argv[2]);
  }
  for (;;) {
    reserve(&in, 1 << 16);
    ssize_t n = read(0, in.bytes + in.size, in.room - in.size);
    if (n <= 0) return 0;
    char *from = in.bytes, *end = in.bytes + in.size + (size_t)n, *stop;
    while ((stop = memchr(from, '\n', (size_t)(end - from)))) {
      if (L)
        append_from_lua(&out, L, from, (size_t)(stop - from));
      else
        append(&out, answer.bytes, answer.size);
      from = stop + 1;
    }
    flush(&out);
    in.size = (size_t)(end - from);
    memmove(in.bytes, from, in.size);
  }
}
