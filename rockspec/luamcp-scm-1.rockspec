-- SPDX-License-Identifier: MIT
rockspec_format = "3.0"
package = "luamcp"
version = "scm-1"

-- For `luarocks make` in a clone, which takes what lies there.
source = {
  url = "git+file://.",
}

description = {
  summary = "A Lua-scriptable runtime for the Model Context Protocol",
  detailed = [[
A server and a client for every revision of MCP, over stdio, Streamable HTTP,
HTTP+SSE, WebSocket and Unix sockets. The transports are native (libuv, llhttp,
wslay, OpenSSL); tools, resources and prompts are written in Lua. Installs the
module "mcp" and the command "luamcp".]],
  license = "MIT",
  labels = { "mcp", "json-rpc", "server", "client" },
}

-- lua-cjson is needed too, but not named here: LuaRocks sees only its own
-- trees, so where the system's package manager installed lua-cjson it would
-- fetch and build a second one, and fail without a network. `make install`
-- checks that one can be loaded and says how to get it.
dependencies = {
  "lua >= 5.4, < 5.5",
}

external_dependencies = {
  LIBUV = { header = "uv.h" },
  PCRE2 = { header = "pcre2.h" },
  WSLAY = { header = "wslay/wslay.h" },
  OPENSSL = { header = "openssl/ssl.h" },
}

-- The Makefile keeps the only list of sources.
build = {
  type = "make",
  build_target = "build",
  install_target = "install",
  build_variables = {
    LUA = "$(LUA)",
    CC = "$(CC)",
    CPPFLAGS = "-I$(LUA_INCDIR)",
    CFLAGS = "$(CFLAGS)",
  },
  install_variables = {
    LUA = "$(LUA)",
    INST_PREFIX = "$(PREFIX)",
    INST_LUADIR = "$(LUADIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_BINDIR = "$(BINDIR)",
    INST_CONFDIR = "$(CONFDIR)",
  },
}
