-- SPDX-License-Identifier: MIT
rockspec_format = "3.0"
package = "luamcp"
version = "0.1.0-1"

source = {
  url = "git+https://github.com/luamcp/luamcp.git",
  tag = "v0.1.0",
}

description = {
  summary = "A Lua-scriptable runtime for the Model Context Protocol",
  detailed = [[
A server and a client for every revision of MCP, over stdio, Streamable HTTP,
HTTP+SSE, WebSocket and Unix sockets. The transports are native (libuv, llhttp,
wslay, OpenSSL); tools, resources and prompts are written in Lua. Installs the
module "mcp" and the command "luamcp".]],
  license = "MIT",
  homepage = "https://github.com/luamcp/luamcp",
  issues_url = "https://github.com/luamcp/luamcp/issues",
  maintainer = "The luamcp contributors",
  labels = { "mcp", "json-rpc", "server", "client" },
}

-- argparse becomes part of the command when it is built. Where the system's
-- package manager has installed it, --deps-mode=none keeps LuaRocks, which sees
-- only its own trees, from fetching a second one.
dependencies = {
  "lua >= 5.4, < 5.5",
  "argparse >= 0.7",
}

-- llhttp is not here: a library on newer systems, but C sources on Debian 12.
-- The Makefile finds either.
external_dependencies = {
  LIBUV = { header = "uv.h", library = "uv" },
  PCRE2 = { header = "pcre2.h", library = "pcre2-8" },
  WSLAY = { header = "wslay/wslay.h", library = "wslay" },
  OPENSSL = { header = "openssl/ssl.h", library = "ssl" },
  CRYPTO = { header = "openssl/crypto.h", library = "crypto" },
  ZLIB = { header = "zlib.h", library = "z" },
  YAML = { header = "yaml.h", library = "yaml" },
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
    -- where the rocks of this tree are
    ROCKS_LUADIR = "$(PREFIX)/../../../../../share/lua/5.4",
  },
  install_variables = {
    LUA = "$(LUA)",
    ROCKS_LUADIR = "$(PREFIX)/../../../../../share/lua/5.4",
    INST_PREFIX = "$(PREFIX)",
    INST_LUADIR = "$(LUADIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_BINDIR = "$(BINDIR)",
    INST_CONFDIR = "$(CONFDIR)",
  },
}
