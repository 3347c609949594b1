/* SPDX-License-Identifier: MIT
 * ltls.c: see ltls.h. A context is a userdata of the type that net/tls.h names;
 * mcp.core takes it from there. Its user value is what it was made of. */
#include "openssl/ltls.h"

#include <lauxlib.h>

#include "openssl/tls_engine.h"
#include "openssl/tls_tickets.h"

/* The longest error text. */
#define WHY_SIZE 512

typedef struct {
  mcp_tls_t *tls; /* NULL while it is made; the core reads this */
} context_t;

static context_t *check_context(lua_State *L) {
  context_t *context = luaL_checkudata(L, 1, MCP_TLS_TYPE);
  luaL_argcheck(L, context->tls != NULL, 1, "it is closed");
  return context;
}

static const char *const NAMES[] = {"ca",        "cert", "key",
                                    "client_ca", "alpn", NULL};

/* Copies the options from the table at 1 into a new one on top, so that later
 * changes have no effect, and raises an error for invalid ones. [-0, +1, m] */
static void copy_options(lua_State *L) {
  static const char *const flags[] = {"verify", "require", NULL};
  static const char *const roles[] = {"client", "server", NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_newtable(L);
  lua_getfield(L, 1, "role");
  lua_pushboolean(L, luaL_checkoption(L, -1, NULL, roles) == 1);
  lua_setfield(L, 2, "server");
  for (int i = 0; NAMES[i]; i++) {
    if (lua_getfield(L, 1, NAMES[i]) == LUA_TNIL) {
      lua_pop(L, 1);
      continue;
    }
    if (lua_type(L, -1) != LUA_TSTRING || lua_rawlen(L, -1) == 0)
      luaL_error(L, "tls: %s: expected a string, got %s", NAMES[i],
                 lua_type(L, -1) == LUA_TSTRING ? "an empty one"
                                                : luaL_typename(L, -1));
    lua_setfield(L, 2, NAMES[i]);
  }
  for (int i = 0; flags[i]; i++) {
    if (lua_getfield(L, 1, flags[i]) != LUA_TNIL &&
        lua_type(L, -1) != LUA_TBOOLEAN)
      luaL_error(L, "tls: %s: expected a boolean, got %s", flags[i],
                 luaL_typename(L, -1));
    /* Flags that are not given are true. */
    lua_pushboolean(L, lua_isnil(L, -1) || lua_toboolean(L, -1));
    lua_setfield(L, 2, flags[i]);
    lua_pop(L, 1);
  }
  lua_settop(L, 2);
  lua_remove(L, 1);
}

static mcp_slice_t text_field(lua_State *L, int table, const char *name) {
  mcp_slice_t s = {"", 0};
  if (lua_getfield(L, table, name) == LUA_TSTRING)
    s.data = lua_tolstring(L, -1, &s.len);
  lua_pop(L, 1);
  return s;
}

static bool flag_field(lua_State *L, int table, const char *name) {
  bool is;
  lua_getfield(L, table, name);
  is = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is;
}

/* The options in the table at `index`; their strings live there. */
static mcp_tls_options_t read_options(lua_State *L, int index) {
  return (mcp_tls_options_t){
      .server = flag_field(L, index, "server"),
      .verify = flag_field(L, index, "verify"),
      .require = flag_field(L, index, "require"),
      .ca = text_field(L, index, "ca"),
      .cert = text_field(L, index, "cert"),
      .key = text_field(L, index, "key"),
      .client_ca = text_field(L, index, "client_ca"),
  };
}

static int fail(lua_State *L, const char *reason) {
  lua_pushnil(L);
  lua_pushstring(L, reason);
  return 2;
}

/* tls(options) -> context | nil, text
 * options: role, ca, cert, key, client_ca, verify, require, alpn */
static int new_context(lua_State *L) {
  context_t *context;
  mcp_tls_options_t options;
  mcp_slice_t alpn;
  SSL_CTX *ctx;
  char reason[WHY_SIZE];
  copy_options(L);
  context = lua_newuserdatauv(L, sizeof *context, 1);
  context->tls = NULL;
  luaL_setmetatable(L, MCP_TLS_TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  options = read_options(L, 1);
  alpn = text_field(L, 1, "alpn");
  luaL_argcheck(L, alpn.len <= MCP_TLS_ALPN, 1, "alpn: too long");
  ctx = mcp_tls_context_new(&options, reason, sizeof reason);
  if (!ctx) return fail(L, reason);
  context->tls = mcp_tls_engine_new(ctx, options.server, options.verify, alpn);
  if (!context->tls) {
    SSL_CTX_free(ctx);
    return fail(L, "not enough memory");
  }
  return 1;
}

/* context:reload() -> true | nil, text
 * Reads its files again, for new connections. If that fails the old ones stay
 * in use. */
static int reload(lua_State *L) {
  context_t *context = check_context(L);
  mcp_tls_options_t options;
  char reason[WHY_SIZE];
  SSL_CTX *ctx;
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  options = read_options(L, 2);
  ctx = mcp_tls_context_new(&options, reason, sizeof reason);
  if (!ctx) return fail(L, reason);
  if (mcp_tls_engine_renew(context->tls, ctx) < 0) {
    SSL_CTX_free(ctx);
    return fail(L, "not enough memory");
  }
  lua_pushboolean(L, true);
  return 1;
}

/* context:tickets(secret): the server's session tickets are encrypted with
 * what this secret of 32 bytes gives, and those with the one before it are read
 * still. A process with the same secret and files resumes its sessions. */
static int tickets(lua_State *L) {
  context_t *context = check_context(L);
  size_t size;
  const char *secret = luaL_checklstring(L, 2, &size);
  luaL_argcheck(L, context->tls->server, 1, "expected a server's context");
  luaL_argcheck(L, size == MCP_TLS_TICKET_SECRET, 2,
                "expected a secret of 32 bytes");
  if (mcp_tls_engine_share(context->tls, (const unsigned char *)secret) < 0)
    return luaL_error(L, "tickets: not enough memory");
  return 0;
}

/* context:handshakes() -> full, resumed */
static int handshakes(lua_State *L) {
  mcp_tls_handshakes_t done = mcp_tls_engine_handshakes(check_context(L)->tls);
  lua_pushinteger(L, (lua_Integer)done.full);
  lua_pushinteger(L, (lua_Integer)done.resumed);
  return 2;
}

/* context:role() -> "client" | "server" */
static int role(lua_State *L) {
  context_t *context = check_context(L);
  lua_pushstring(L, context->tls->server ? "server" : "client");
  return 1;
}

static int text(lua_State *L) {
  context_t *context = luaL_checkudata(L, 1, MCP_TLS_TYPE);
  lua_pushfstring(L, "%s (%s)", MCP_TLS_TYPE,
                  !context->tls          ? "none"
                  : context->tls->server ? "server"
                                         : "client");
  return 1;
}

static int collect(lua_State *L) {
  context_t *context = luaL_checkudata(L, 1, MCP_TLS_TYPE);
  if (context->tls) context->tls->ops->release(context->tls);
  context->tls = NULL;
  return 0;
}

void mcp_ltls_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"reload", reload},
                                     {"role", role},
                                     {"tickets", tickets},
                                     {"handshakes", handshakes},
                                     {NULL, NULL}};
  if (luaL_newmetatable(L, MCP_TLS_TYPE)) {
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, text);
    lua_setfield(L, -2, "__tostring");
    lua_pushcfunction(L, collect);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
  lua_pushcfunction(L, new_context);
  lua_setfield(L, -2, "tls");
}
