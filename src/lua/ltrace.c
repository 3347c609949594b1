/* SPDX-License-Identifier: MIT
 * ltrace.c: see ltrace.h. */
#include "lua/ltrace.h"

#include <lauxlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/err.h"
#include "lua/lexchange_handle.h"
#include "lua/value.h"

static mcp_runtime_t *runtime(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* trace([value]) -> the value of the running coroutine, or nil. With an
 * argument sets it first: false for none. Outside of coroutines there is none.
 */
static int trace(lua_State *L) {
  mcp_coroutine_t *co = runtime(L)->current;
  if (!co) return 0;
  if (!lua_isnoneornil(L, 1)) {
    int made = 0;
    lua_settop(L, 1);
    if (lua_toboolean(L, 1)) {
      lua_pushvalue(L, 1);
      made = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    if (co->trace) luaL_unref(L, LUA_REGISTRYINDEX, co->trace);
    co->trace = made;
  }
  if (!co->trace) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, co->trace);
  return 1;
}

/* watch_trace(fn): fn(exchange, traceparent, tracestate, baggage) is called
 * with each request that comes with a traceparent, in its coroutine and before
 * it is handled. The strings are those of params._meta, nil where there are
 * none; the header fields are the exchange's. */
static int watch_trace(lua_State *L) {
  mcp_runtime_t *rt = runtime(L);
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  if (rt->on_trace) luaL_unref(L, LUA_REGISTRYINDEX, rt->on_trace);
  rt->on_trace = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* random_hex(count) -> 2 * count digits: bytes from the system's generator, not
 * all of them zero, which no id of a trace may be */
static int random_hex(lua_State *L) {
  static const char digits[] = "0123456789abcdef";
  unsigned char bytes[16];
  char text[2 * sizeof bytes], any = 0;
  lua_Integer count = luaL_checkinteger(L, 1);
  luaL_argcheck(L, count >= 1 && count <= (lua_Integer)sizeof bytes, 1,
                "expected 1 to 16");
  while (!any) {
    int code = mcp_crypto_random(bytes, (size_t)count);
    if (code < 0) return luaL_error(L, "random: %s", mcp_err_text(code));
    for (lua_Integer i = 0; i < count; i++) {
      any |= (char)bytes[i];
      text[2 * i] = digits[bytes[i] >> 4];
      text[2 * i + 1] = digits[bytes[i] & 15];
    }
  }
  lua_pushlstring(L, text, 2 * (size_t)count);
  return 1;
}

static void push_string(lua_State *L, const mcp_json_doc_t *doc, uint32_t meta,
                        mcp_slice_t name) {
  uint32_t at = meta ? mcp_json_member(doc, meta, name) : 0;
  if (at && doc->tokens[at].kind == MCP_JSON_STRING) {
    mcp_value_push(L, doc, at);
  } else {
    lua_pushnil(L);
  }
}

/* Is there a member "traceparent"? Every request is asked this, so the length
 * of a key comes first. One that is written with escapes is not found. */
static bool has_traceparent(const mcp_json_doc_t *doc, uint32_t object) {
  static const char name[] = "traceparent";
  const mcp_json_token_t *tokens = doc->tokens;
  uint32_t at = object + 1, end = tokens[object].next;
  for (; at < end; at = tokens[at + 1].next) {
    if (tokens[at].length == sizeof name - 1 &&
        memcmp(doc->text.data + tokens[at].start, name, sizeof name - 1) == 0)
      return true;
  }
  return false;
}

void mcp_ltrace_arrived(lua_State *L, mcp_coroutine_t *co, int x,
                        const mcp_json_doc_t *doc, uint32_t meta) {
  mcp_exchange_t *exchange = co->exchange;
  if (!co->rt->on_trace) return;
  if (!meta || !has_traceparent(doc, meta)) {
    mcp_slice_t value;
    bool twice;
    if (!exchange->ops->http ||
        !exchange->ops->http->header(exchange, MCP_SLICE("traceparent"), &value,
                                     &twice))
      return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, co->rt->on_trace);
  lua_pushvalue(L, x);
  push_string(L, doc, meta, MCP_SLICE("traceparent"));
  push_string(L, doc, meta, MCP_SLICE("tracestate"));
  push_string(L, doc, meta, MCP_SLICE("baggage"));
  lua_call(L, 4, 0);
}

int mcp_ltrace_inherit(lua_State *L, const mcp_runtime_t *rt) {
  if (!rt->current || !rt->current->trace) return 0;
  lua_rawgeti(L, LUA_REGISTRYINDEX, rt->current->trace);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

void mcp_ltrace_about(lua_State *L, const mcp_coroutine_t *co,
                      mcp_log_about_t *about) {
  if (!co->trace) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, co->trace);
  if (!lua_istable(L, -1)) return;
  lua_getfield(L, -1, "trace_id");
  lua_getfield(L, -2, "span_id");
  about->trace = lua_tostring(L, -2);
  about->span = lua_tostring(L, -1);
}

void mcp_ltrace_open(lua_State *L, mcp_runtime_t *rt) {
  static const luaL_Reg functions[] = {{"trace", trace},
                                       {"watch_trace", watch_trace},
                                       {"random_hex", random_hex},
                                       {NULL, NULL}};
  lua_pushlightuserdata(L, rt);
  luaL_setfuncs(L, functions, 1);
}
