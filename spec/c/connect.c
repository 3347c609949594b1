/* SPDX-License-Identifier: MIT
 * connect.c: src/net/connect.c for the specs, with names that lead where the
 * spec wants: "::1,127.0.0.1" is a name with these addresses. */
#include <uv.h>

static int find_addresses(uv_loop_t *loop, uv_getaddrinfo_t *lookup,
                          uv_getaddrinfo_cb fn, const char *name,
                          const char *service, const struct addrinfo *hints);
static void free_addresses(struct addrinfo *list);

#define uv_getaddrinfo  find_addresses
#define uv_freeaddrinfo free_addresses
#include "net/connect.c"
#undef uv_getaddrinfo
#undef uv_freeaddrinfo

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

typedef struct {
  uv_getaddrinfo_t real;
  uv_getaddrinfo_t *lookup;
  uv_getaddrinfo_cb fn;
  struct addrinfo *list;
} question_t;

static void free_addresses(struct addrinfo *list) {
  while (list) {
    struct addrinfo *next = list->ai_next;
    free(list->ai_addr);
    free(list);
    list = next;
  }
}

static void on_real(uv_getaddrinfo_t *real, int status,
                    struct addrinfo *found) {
  question_t *question = (question_t *)real;
  (uv_freeaddrinfo)(found);
  question->fn(question->lookup, question->list ? status : UV_EAI_NONAME,
               question->list);
  free(question);
}

/* Asks for an address that needs no asking, so that the answer comes as all
 * answers do. */
static int find_addresses(uv_loop_t *loop, uv_getaddrinfo_t *lookup,
                          uv_getaddrinfo_cb fn, const char *name,
                          const char *service, const struct addrinfo *hints) {
  question_t *question = calloc(1, sizeof *question);
  struct addrinfo **end = &question->list;
  char *copy = strdup(name), *save = NULL;
  for (char *one = strtok_r(copy, ",", &save); one;
       one = strtok_r(NULL, ",", &save)) {
    struct sockaddr_in6 *at = calloc(1, sizeof *at);
    struct addrinfo *found = calloc(1, sizeof *found);
    bool v4 = uv_ip4_addr(one, atoi(service), (struct sockaddr_in *)at) == 0;
    if (!v4 && uv_ip6_addr(one, atoi(service), at) < 0) {
      /* No address: a name that does not exist. */
      free(at);
      free(found);
      continue;
    }
    found->ai_family = at->sin6_family;
    found->ai_addr = (struct sockaddr *)at;
    found->ai_addrlen = v4 ? sizeof(struct sockaddr_in) : sizeof *at;
    *end = found;
    end = &found->ai_next;
  }
  free(copy);
  question->lookup = lookup;
  question->fn = fn;
  return (uv_getaddrinfo)(loop, &question->real, on_real, "127.0.0.1", service,
                          hints);
}

typedef struct {
  bool called;
  int code;
  mcp_stream_t *stream;
} result_t;

static void on_result(void *owner, int code, mcp_stream_t *stream) {
  result_t *result = owner;
  result->called = true;
  result->code = code;
  result->stream = stream;
}

/* The loop has one connection only. */
static void find_peer(uv_handle_t *handle, void *arg) {
  struct sockaddr_storage at;
  int size = sizeof at;
  char *text = arg;
  if (handle->type != UV_TCP || uv_is_closing(handle) ||
      uv_tcp_getpeername((uv_tcp_t *)handle, (struct sockaddr *)&at, &size) < 0)
    return;
  if (at.ss_family == AF_INET) {
    uv_ip4_name((struct sockaddr_in *)&at, text, INET6_ADDRSTRLEN);
  } else {
    uv_ip6_name((struct sockaddr_in6 *)&at, text, INET6_ADDRSTRLEN);
  }
}

/* dial(name, port, timeout_ms [, "public" | "loopback" [, cancel_ms]])
 * -> address | nil, name of the code; then whether it was called at once, and
 * how many ms it took */
static int dial(lua_State *L) {
  static const char *const names[] = {"any", "public", "loopback", NULL};
  static const unsigned flags[] = {0, MCP_CONNECT_PUBLIC, MCP_CONNECT_LOOPBACK};
  const char *name = luaL_checkstring(L, 1);
  int port = (int)luaL_checkinteger(L, 2);
  uint64_t timeout = (uint64_t)luaL_checkinteger(L, 3), began;
  int only = luaL_checkoption(L, 4, "any", names);
  lua_Integer cancel = luaL_optinteger(L, 5, -1);
  mcp_connect_t *op = NULL;
  result_t result = {0};
  char peer[INET6_ADDRSTRLEN] = "";
  mcp_loop_t *loop;
  bool early;
  int code = mcp_loop_new(&loop);
  if (code < 0) return luaL_error(L, "loop: %s", mcp_err_text(code));
  began = uv_hrtime();
  code = mcp_tcp_connect(loop, name, port, flags[only], timeout, on_result,
                         &result, &op);
  early = result.called;
  if (code < 0) {
    result.called = true;
    result.code = code;
  }
  while (!result.called) {
    uint64_t ms = (uv_hrtime() - began) / 1000000;
    if (cancel >= 0 && ms >= (uint64_t)cancel) {
      mcp_connect_cancel(op);
      result.code = MCP_ECANCELED;
      break;
    }
    mcp_loop_step(loop, cancel >= 0 ? cancel : 1000);
  }
  if (result.stream) {
    uv_walk(mcp_loop_uv(loop), find_peer, peer);
    lua_pushstring(L, peer);
    lua_pushnil(L);
    mcp_stream_close(result.stream, false);
  } else {
    lua_pushnil(L);
    lua_pushstring(L, mcp_err_name(result.code));
  }
  lua_pushboolean(L, early);
  lua_pushinteger(L, (lua_Integer)((uv_hrtime() - began) / 1000000));
  result.called = false;
  mcp_loop_free(loop);
  if (result.called) return luaL_error(L, "called twice");
  return 4;
}

__attribute__((visibility("default"))) int luaopen_codecs_connect(lua_State *L);

int luaopen_codecs_connect(lua_State *L) {
  static const luaL_Reg functions[] = {{"dial", dial}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
