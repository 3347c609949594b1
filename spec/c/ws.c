/* SPDX-License-Identifier: MIT
 * ws.c: src/wire/ws.c, src/wire/ws_handshake.c and src/base/sha1.c for the
 * specs. */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/sha1.h"
#include "wire/ws.h"
#include "wire/ws_handshake.h"

#include "push.h"

#define TYPE "codecs.ws"

typedef struct {
  mcp_ws_t *ws;
  /* Of exactly that size, and ruined when the loan ends. */
  char *fed;
  size_t length;
} reader_t;

static void ruin(reader_t *reader) {
  if (reader->length > 0) memset(reader->fed, '!', reader->length);
  free(reader->fed);
  reader->fed = NULL;
  reader->length = 0;
}

static reader_t *check(lua_State *L) {
  reader_t *reader = luaL_checkudata(L, 1, TYPE);
  luaL_argcheck(L, reader->ws != NULL, 1, "closed");
  return reader;
}

static mcp_slice_t optional_slice(lua_State *L, int index) {
  size_t len;
  const char *data = luaL_optlstring(L, index, "", &len);
  return mcp_slice(data, len);
}

static lua_Integer number(lua_State *L, const char *name) {
  lua_Integer n;
  lua_getfield(L, 1, name);
  n = luaL_optinteger(L, -1, 0);
  lua_pop(L, 1);
  return n;
}

static bool flag(lua_State *L, const char *name) {
  bool on;
  lua_getfield(L, 1, name);
  on = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return on;
}

/* new { client, binary, message_limit, fragments }: a reader, or nil and the
 * error's name. [-0, +1|2, m] */
static int new_reader(lua_State *L) {
  mcp_ws_options_t options;
  reader_t *reader;
  luaL_checktype(L, 1, LUA_TTABLE);
  options =
      (mcp_ws_options_t){.client = flag(L, "client"),
                         .binary = flag(L, "binary"),
                         .message_limit = (size_t)number(L, "message_limit"),
                         .fragments = (unsigned)number(L, "fragments")};
  reader = lua_newuserdatauv(L, sizeof *reader, 0);
  *reader = (reader_t){0};
  luaL_setmetatable(L, TYPE);
  reader->ws = mcp_ws_new(&options);
  return reader->ws ? 1 : push_failure(L, MCP_ENOMEM);
}

static int close_reader(lua_State *L) {
  reader_t *reader = luaL_checkudata(L, 1, TYPE);
  ruin(reader);
  mcp_ws_free(reader->ws);
  reader->ws = NULL;
  return 0;
}

static int feed(lua_State *L) {
  reader_t *reader = check(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  ruin(reader);
  if (len > 0) {
    reader->fed = malloc(len);
    if (!reader->fed) return luaL_error(L, "no memory");
    reader->length = len;
    memcpy(reader->fed, bytes, len);
  }
  mcp_ws_feed(reader->ws, mcp_slice(reader->fed, len));
  return 0;
}

/* the event { kind, text, status, binary }; false when there is none; or nil,
 * error name, close code, why */
static int next(lua_State *L) {
  static const char *const kinds[] = {"more", "message", "ping", "pong",
                                      "close"};
  reader_t *reader = check(L);
  mcp_ws_event_t event;
  int code = mcp_ws_next(reader->ws, &event);
  if (code < 0) {
    (void)push_failure(L, code);
    lua_pushinteger(L, (lua_Integer)mcp_ws_status(reader->ws));
    lua_pushstring(L, mcp_ws_error_text(reader->ws));
    return 4;
  }
  if (event.kind == MCP_WS_MORE) {
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_createtable(L, 0, 4);
  lua_pushstring(L, kinds[event.kind]);
  lua_setfield(L, -2, "kind");
  lua_pushlstring(L, event.text.data ? event.text.data : "", event.text.len);
  lua_setfield(L, -2, "text");
  if (event.kind == MCP_WS_CLOSE) {
    lua_pushinteger(L, (lua_Integer)event.status);
    lua_setfield(L, -2, "status");
  }
  if (event.binary) {
    lua_pushboolean(L, true);
    lua_setfield(L, -2, "binary");
  }
  return 1;
}

static int push_written(lua_State *L, mcp_buf_t *out, int code) {
  int n = 0;
  if (code < 0) n = push_failure(L, code);
  lua_pushlstring(L, out->data ? out->data : "", out->len);
  mcp_buf_deinit(out);
  return n + 1;
}

/* write(opcode, payload, client?, before?): the frame after `before` */
static int write_frame(lua_State *L) {
  mcp_buf_t out = {0};
  int op = (int)luaL_checkinteger(L, 1);
  int code = mcp_buf_append_slice(&out, optional_slice(L, 4));
  if (code == 0)
    code = mcp_ws_write(&out, (mcp_ws_op_t)op, optional_slice(L, 2),
                        lua_toboolean(L, 3));
  return push_written(L, &out, code);
}

/* write_close(status, reason, client?) */
static int write_close(lua_State *L) {
  mcp_buf_t out = {0};
  int code = mcp_ws_write_close(&out, (unsigned)luaL_checkinteger(L, 1),
                                optional_slice(L, 2), lua_toboolean(L, 3));
  return push_written(L, &out, code);
}

/* may_say(status) */
static int may_say(lua_State *L) {
  lua_pushboolean(L, mcp_ws_may_say((unsigned long)luaL_checkinteger(L, 1)));
  return 1;
}

static int accept(lua_State *L) {
  char text[MCP_WS_ACCEPT_LENGTH];
  mcp_ws_accept(optional_slice(L, 1), text);
  lua_pushlstring(L, text, sizeof text);
  return 1;
}

static int make_key(lua_State *L) {
  char key[MCP_WS_KEY_LENGTH];
  int code = mcp_ws_make_key(key);
  if (code < 0) return push_failure(L, code);
  lua_pushlstring(L, key, sizeof key);
  return 1;
}

/* Reads one head; raises if it is none. Free what comes back. */
static mcp_http_t *read_head(lua_State *L, bool responses) {
  mcp_http_t *http = mcp_http_new(responses);
  mcp_http_event_t event = {0};
  int code;
  if (!http) {
    luaL_error(L, "no memory");
    return NULL;
  }
  mcp_http_feed(http, optional_slice(L, 1));
  code = mcp_http_next(http, &event);
  if (code < 0 || event.kind != MCP_HTTP_START) {
    lua_pushstring(L, code < 0 ? mcp_http_error_text(http) : "no whole head");
    mcp_http_free(http);
    lua_error(L);
  }
  return http;
}

/* judge(request, any_protocol?): false if it asks for no WebSocket; 0 and the
 * fields that grant it; or a status, and why */
static int judge(lua_State *L) {
  mcp_http_t *http = read_head(L, false);
  const mcp_http_head_t *head = mcp_http_head(http);
  mcp_buf_t out = {0};
  const char *why = NULL;
  int n = 1;
  if (!mcp_ws_is_wanted(head)) {
    lua_pushboolean(L, false);
  } else {
    unsigned status = mcp_ws_judge(head, lua_toboolean(L, 2), &why);
    lua_pushinteger(L, (lua_Integer)status);
    if (status) {
      lua_pushstring(L, why);
      n = 2;
    } else {
      n = 1 + push_written(L, &out, mcp_ws_write_answer(&out, head));
    }
  }
  mcp_http_free(http);
  return n;
}

/* granted(response, key, any_protocol?): true, or false and why */
static int granted(lua_State *L) {
  mcp_http_t *http = read_head(L, true);
  const char *why = NULL;
  bool ok;
  ok = mcp_ws_is_granted(mcp_http_head(http), luaL_checkstring(L, 2),
                         lua_toboolean(L, 3), &why);
  lua_pushboolean(L, ok);
  lua_pushstring(L, ok ? NULL : why);
  mcp_http_free(http);
  return 2;
}

/* request(key): the fields that ask for it */
static int request(lua_State *L) {
  mcp_buf_t out = {0};
  int code = mcp_ws_write_request(&out, luaL_checkstring(L, 1));
  return push_written(L, &out, code);
}

/* resident(): bytes of memory that the process has touched */
static int resident(lua_State *L) {
  FILE *file = fopen("/proc/self/statm", "r");
  unsigned long pages = 0;
  if (file) {
    if (fscanf(file, "%*u %lu", &pages) != 1) pages = 0;
    fclose(file);
  }
  lua_pushinteger(L, (lua_Integer)pages * 4096);
  return 1;
}

/* sha1(text): 20 bytes */
static int sha1(lua_State *L) {
  unsigned char digest[MCP_SHA1_SIZE];
  mcp_sha1(optional_slice(L, 1), digest);
  lua_pushlstring(L, (const char *)digest, sizeof digest);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_codecs_ws(lua_State *L);

int luaopen_codecs_ws(lua_State *L) {
  static const luaL_Reg methods[] = {{"feed", feed},
                                     {"next", next},
                                     {"__gc", close_reader},
                                     {"__close", close_reader},
                                     {NULL, NULL}};
  static const luaL_Reg functions[] = {{"new", new_reader},
                                       {"write", write_frame},
                                       {"write_close", write_close},
                                       {"may_say", may_say},
                                       {"accept", accept},
                                       {"make_key", make_key},
                                       {"judge", judge},
                                       {"granted", granted},
                                       {"request", request},
                                       {"sha1", sha1},
                                       {"resident", resident},
                                       {NULL, NULL}};
  luaL_newmetatable(L, TYPE);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  lua_pushinteger(L, MCP_WS_MESSAGE_LENGTH);
  lua_setfield(L, -2, "LENGTH");
  lua_pushinteger(L, MCP_WS_FRAGMENTS);
  lua_setfield(L, -2, "FRAGMENTS");
  return 1;
}
