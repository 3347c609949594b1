/* SPDX-License-Identifier: MIT
 *
 * The bare limit over HTTP: what libuv and llhttp alone do on this machine.
 * Not part of the product; it exists to be divided by.
 *
 *   limit PORT raw ANSWER     every POST gets the bytes of the file ANSWER, a
 *                             whole HTTP response; the body is not even kept
 *   limit PORT lua HANDLER    every POST's body goes through the function that
 *                             HANDLER returns, in a new coroutine each time
 *
 * A GET gets an event stream that stays open and silent. It listens on the
 * loopback address only.
 */
#include <lauxlib.h>
#include <llhttp.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

typedef struct {
  uv_loop_t loop;
  uv_tcp_t listener;
  llhttp_settings_t settings;
  lua_State *L; /* NULL when raw; the handler is at index 1 */
  char *answer;
  size_t answer_size;
  char inbox[1 << 16];
} limit_t;

typedef struct {
  uv_tcp_t tcp;
  llhttp_t parser;
  char *body;
  size_t size, room;
} connection_t;

typedef struct {
  uv_write_t request;
  char bytes[];
} rest_t;

static const char stream_head[] = "HTTP/1.1 200 OK\r\n"
                                  "Content-Type: text/event-stream\r\n"
                                  "Cache-Control: no-cache\r\n\r\n: ok\n\n";

static void die(const char *what) {
  fprintf(stderr, "limit: %s\n", what);
  exit(1);
}

static void *must(void *memory) {
  if (!memory) die("no memory");
  return memory;
}

static limit_t *limit_of(connection_t *c) {
  return c->tcp.loop->data;
}

static void on_close(uv_handle_t *handle) {
  connection_t *c = (connection_t *)handle;
  free(c->body);
  free(c);
}

static void hang_up(connection_t *c) {
  if (!uv_is_closing((uv_handle_t *)c)) uv_close((uv_handle_t *)c, on_close);
}

static void on_write(uv_write_t *request, int status) {
  (void)status;
  free(request);
}

/* Both parts in one system call where the socket takes them. */
static void send_parts(connection_t *c, const char *a, size_t na, const char *b,
                       size_t nb) {
  uv_buf_t parts[2] = {uv_buf_init((char *)a, (unsigned)na),
                       uv_buf_init((char *)b, (unsigned)nb)};
  int n = uv_try_write((uv_stream_t *)c, parts, nb ? 2 : 1);
  size_t done = n > 0 ? (size_t)n : 0;
  if (done == na + nb) return;
  rest_t *rest = must(malloc(sizeof *rest + na + nb));
  memcpy(rest->bytes, a, na);
  if (nb) memcpy(rest->bytes + na, b, nb);
  uv_buf_t left = uv_buf_init(rest->bytes + done, (unsigned)(na + nb - done));
  if (uv_write(&rest->request, (uv_stream_t *)c, &left, 1, on_write))
    free(rest);
}

static void send_from_lua(connection_t *c, lua_State *L) {
  char head[128];
  size_t size;
  int count;
  lua_State *T = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, T, 1);
  lua_pushlstring(T, c->body, c->size);
  if (lua_resume(T, L, 1, &count) != LUA_OK) die(lua_tostring(T, -1));
  const char *text = lua_tolstring(T, -1, &size);
  int n = snprintf(head, sizeof head,
                   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   size);
  send_parts(c, head, (size_t)n, text, size);
  lua_settop(L, 1);
}

static int on_body(llhttp_t *parser, const char *at, size_t n) {
  connection_t *c = parser->data;
  if (c->size + n > c->room)
    c->body = must(realloc(c->body, c->room = (c->size + n) * 2));
  memcpy(c->body + c->size, at, n);
  c->size += n;
  return 0;
}

static int on_message(llhttp_t *parser) {
  connection_t *c = parser->data;
  limit_t *limit = limit_of(c);
  if (parser->method == HTTP_GET) {
    send_parts(c, stream_head, sizeof stream_head - 1, NULL, 0);
  } else if (limit->L) {
    send_from_lua(c, limit->L);
    free(c->body);
    c->body = NULL;
    c->size = c->room = 0;
  } else {
    send_parts(c, limit->answer, limit->answer_size, NULL, 0);
  }
  return 0;
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf) {
  limit_t *limit = handle->loop->data;
  (void)hint;
  *buf = uv_buf_init(limit->inbox, sizeof limit->inbox);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  connection_t *c = (connection_t *)stream;
  if (n < 0 ||
      (n > 0 && llhttp_execute(&c->parser, buf->base, (size_t)n) != HPE_OK))
    hang_up(c);
}

static void on_connection(uv_stream_t *listener, int status) {
  limit_t *limit = listener->loop->data;
  connection_t *c = must(calloc(1, sizeof *c));
  uv_tcp_init(listener->loop, &c->tcp);
  if (status || uv_accept(listener, (uv_stream_t *)c)) {
    hang_up(c);
    return;
  }
  uv_tcp_nodelay(&c->tcp, 1);
  llhttp_init(&c->parser, HTTP_REQUEST, &limit->settings);
  c->parser.data = c;
  uv_read_start((uv_stream_t *)c, on_alloc, on_read);
}

static void load_answer(limit_t *limit, const char *name) {
  FILE *file = fopen(name, "rb");
  if (!file || fseek(file, 0, SEEK_END)) die("cannot read the answer");
  long size = ftell(file);
  if (size <= 0) die("the answer is empty");
  rewind(file);
  limit->answer_size = (size_t)size;
  limit->answer = must(malloc(limit->answer_size));
  if (fread(limit->answer, 1, limit->answer_size, file) != limit->answer_size)
    die("cannot read the answer");
  fclose(file);
}

static void load_handler(limit_t *limit, const char *name) {
  limit->L = must(luaL_newstate());
  luaL_openlibs(limit->L);
  if (luaL_dofile(limit->L, name) != LUA_OK) die(lua_tostring(limit->L, -1));
  lua_settop(limit->L, 1);
}

int main(int argc, char **argv) {
  if (argc != 4) die("expected PORT raw|lua FILE");
  limit_t *limit = must(calloc(1, sizeof *limit));
  struct sockaddr_in address;
  llhttp_settings_init(&limit->settings);
  limit->settings.on_message_complete = on_message;
  if (strcmp(argv[2], "lua") == 0) {
    limit->settings.on_body = on_body;
    load_handler(limit, argv[3]);
  } else {
    load_answer(limit, argv[3]);
  }
  uv_loop_init(&limit->loop);
  limit->loop.data = limit;
  uv_ip4_addr("127.0.0.1", atoi(argv[1]), &address);
  uv_tcp_init(&limit->loop, &limit->listener);
  uv_tcp_bind(&limit->listener, (const struct sockaddr *)&address, 0);
  if (uv_listen((uv_stream_t *)&limit->listener, 1024, on_connection))
    die("cannot listen");
  return uv_run(&limit->loop, UV_RUN_DEFAULT);
}
