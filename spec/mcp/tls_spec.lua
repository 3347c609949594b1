-- SPDX-License-Identifier: MIT
-- tls_spec.lua: lua/mcp/tls.lua: contexts from options. What they do is in spec/net/tls_spec.lua.
local certificate = require "codecs.certificate"
local system = require "codecs.system"
local tls = require "mcp.tls"

local function raised(...)
  local ok, text = pcall(...)
  assert.is_false(ok)
  return text
end

describe("tls.server", function()
  local own

  setup(function() own = certificate.make { names = "DNS:localhost" } end)

  it("makes a context, or says what is wrong with the files", function()
    local context = assert(tls.server { cert = own.cert, key = own.key })
    assert.equal("server", context:role())
    assert.same({ nil, "tls: cert: /none.pem: No such file or directory", "ETLS" },
      { tls.server { cert = "/none.pem", key = own.key } })
    assert.same({ nil, "tls: cert: required for a server", "ETLS" }, { tls.server {} })
    assert(tls.server { cert = own.cert, key = own.key, client_ca = own.cert, require = false })
  end)

  it("refuses what is no option, naming the nearest, where it was called", function()
    assert.matches("^spec/mcp/tls_spec.lua:%d+: .*client_sa.*client_ca",
      raised(function() tls.server { client_sa = "x" } end))
    assert.matches('tls: option "key": expected a string, got boolean',
      raised(function() tls.server { key = true } end))
    assert.matches('tls: option "require": expected a boolean, got number',
      raised(function() tls.server { require = 1 } end))
    assert.matches('tls: option "cert": expected a file name or PEM text, got an empty string',
      raised(function() tls.server { cert = "" } end))
    assert.matches("tls: expected a table of options, got nil", raised(function() tls.server() end))
  end)

  it("a context is one already, if it is of that kind", function()
    local context = assert(tls.server { cert = own.cert, key = own.key })
    assert.equal(context, tls.server(context))
    assert.matches("expected options or a client's context, got a server's",
      raised(function() tls.client(context) end))
    assert.matches("expected options or a server's context, got a client's",
      raised(function() tls.server(tls.client()) end))
    assert.matches("expected options or a server's context, got userdata",
      raised(function() tls.server(io.stdout) end))
  end)
end)

describe("tls.client", function()
  it("gives one context for the same options", function()
    local own = certificate.make { name = "CA", ca = true }
    local one = assert(tls.client())
    assert.equal("client", one:role())
    assert.equal(one, tls.client {})
    assert.equal(one, tls.client { verify = true })
    local other = assert(tls.client { ca = own.cert })
    assert.is_not_equal(one, other)
    assert.equal(other, tls.client { ca = own.cert })
    -- Names do not run into each other.
    assert.is_nil((tls.client { cert = "a", key = "bc" }))
    assert.equal("tls: cert: a: No such file or directory",
      select(2, tls.client { cert = "a", key = "bc" }))
    assert.equal("tls: ca: ab: No such file or directory", select(2, tls.client { ca = "ab" }))
  end)

  it("refuses what is no option, naming the nearest, where it was called", function()
    assert.matches("^spec/mcp/tls_spec.lua:%d+: .*verfy.*verify",
      raised(function() tls.client { verfy = false } end))
    assert.matches('tls: option "verify": expected a boolean, got string',
      raised(function() tls.client { verify = "no" } end))
  end)

  it("loads OpenSSL when it is needed, and warns of verify = false", function()
    local process <close> = system.spawn { os.getenv "LUA" or "lua5.4", "-e", [[
      local tls = require "mcp.tls"
      print(package.loaded["mcp.openssl"])
      local kept = { tls.client(), tls.client { verify = false }, tls.client { verify = false } }
      print(package.loaded["mcp.openssl"] ~= nil, #kept)]] }
    assert.same({ "exit", 0 }, { process:wait() })
    assert.equal("nil\ntrue\t3\n", process:read())
    local said = process:read_error()
    assert.equal("luamcp: warning: tls: verify = false: any certificate is accepted, so "
      .. "the server is not authenticated\n", said)
  end)
end)
