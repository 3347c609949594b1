-- SPDX-License-Identifier: MIT
-- Operations give back the memory that they took, whether they succeed or fail.
local core = require "mcp.core"
local heap = require "spec.heap"
local helper = require "spec.helper"
local mcp = require "mcp"
local openssl = require "mcp.openssl"
local regex = require "codecs.regex"

-- The smallest block of malloc is 24 bytes. Objects of OpenSSL are larger, and it keeps some bytes
-- for later in every round.
local LEAST, LEAST_OPENSSL = 12, 120

local function flat(times, run, least)
  local kept = heap.kept(times, run)
  assert.is_true(kept < (least or LEAST), ("%.1f bytes are kept of each run"):format(kept))
end

local function flat_openssl(times, run) flat(times, run, LEAST_OPENSSL) end

describe("memory is given back by", function()
  after_each(helper.leftovers)

  it("regular expressions, good and bad", function()
    for _, pattern in ipairs { "^(a+)\\1$", "(a", "a{2,1}", "\\p{Nope}", ("("):rep(300) } do
      flat(500, function()
        local made = regex.compile(pattern)
        if made then made:matches "aaaa" end
      end)
    end
  end)

  it("signatures and keys, good and bad", function()
    for _, alg in ipairs { "ES256", "EdDSA" } do
      local pem, jwk = openssl.generate_key(alg)
      local signature = openssl.sign(alg, pem, "data")
      flat_openssl(100, function() openssl.generate_key(alg) end)
      flat_openssl(100, function() openssl.sign(alg, pem, "data") end)
      flat_openssl(100, function() openssl.sign(alg, "no key", "data") end)
      flat_openssl(100, function() openssl.public_jwk(pem) end)
      flat_openssl(100, function() openssl.verify(alg, jwk, "data", signature) end)
      flat_openssl(100, function() openssl.verify(alg, jwk, "other", signature) end)
      local bad = { kty = jwk.kty, crv = jwk.crv, x = jwk.x, y = jwk.x }
      flat_openssl(100, function() openssl.verify(alg, bad, "data", ("s"):rep(64)) end)
    end
    local key = ("k"):rep(32)
    local sealed = openssl.seal(key, "about", "plain")
    flat_openssl(500, function() openssl.seal(key, "about", "plain") end)
    flat_openssl(500, function() openssl.open(key, "about", sealed) end)
    flat_openssl(500, function() openssl.open(key, "else", sealed) end)
    flat_openssl(500, function() openssl.hmac_sha256(key, "x") end)
  end)

  it("decoders that are left in the middle", function()
    local whole = {
      http = { "POST / HTTP/1.1\r\nHost: a\r\nX: " .. ("x"):rep(5000) .. "\r\n\r\nbo" },
      sse = { "id: 1\ndata: " .. ("x"):rep(5000) },
      line = { ("x"):rep(5000) },
    }
    for name, pieces in pairs(whole) do
      local codec = require("codecs." .. name)
      flat(500, function()
        local made <close> = name == "http" and codec.new "request" or codec.new()
        for _, piece in ipairs(pieces) do made:feed(piece) end
        made:next()
      end)
    end
    flat(500, function()
      core.decode('{"a":[1,2,{"b":"' .. ("x"):rep(200) .. '"}]}')
      core.decode '{"a":[1,2,{"b":'
    end)
  end)

  it("TLS contexts, good and bad", function()
    flat_openssl(50, function() assert(openssl.tls { role = "client", verify = false }) end)
    flat_openssl(50, function()
      assert(not openssl.tls { role = "client", ca = "/nowhere/ca.pem" })
    end)
    flat_openssl(50, function() assert(not openssl.tls { role = "server", cert = "none" }) end)
  end)

  it("listeners, and connections of each kind", function()
    local app = mcp.server "spec"
    app:tool "t" (function() return ("x"):rep(100) end)
    local function closed(listening)
      listening:close()
      while not listening:is_gone() do core.step() end
    end
    flat(200, function() closed(app:listen { http = 0, quiet = true }) end)
    flat(100, function()
      local client <close> = assert(mcp.connect(app))
      assert(client:call_tool "t")
    end)
    local listening = app:listen { http = 0, quiet = true }
    local url = ("http://127.0.0.1:%d/mcp"):format(listening.port)
    for _, target in ipairs { url, (url:gsub("^http", "ws")) } do
      flat(100, function()
        local client <close> = assert(mcp.connect(target, { era = "modern" }))
        assert(client:call_tool "t")
      end)
    end
    closed(listening)
    flat(100, function() assert.is_nil((mcp.connect(url, { timeout = 5 }))) end)
    flat(100, function() assert.is_nil((mcp.connect(url:gsub("^http", "ws"), { timeout = 5 }))) end)
  end)

  it("requests, programs and files", function()
    local app = mcp.server "spec"
    local listening = app:listen { http = 0, quiet = true }
    local url = ("http://127.0.0.1:%d"):format(listening.port)
    local path = helper.file(("x"):rep(200000), ".txt")
    flat(100, function() assert(mcp.fetch(url .. "/nothing")) end)
    flat(50, function() assert(mcp.fetch(url, { method = "PUT", file = path })) end)
    listening:close()
    while not listening:is_gone() do core.step() end
    flat(50, function() assert(not mcp.fetch(url)) end)
    flat(20, function() assert(mcp.process.run { "true" }) end)
    flat(20, function()
      assert(not mcp.process.run { "/nowhere/program" })
      helper.settle() -- what is closed is freed by the loop
    end)
    local top = os.tmpname()
    os.remove(top)
    local folder <close> = assert(mcp.folder(top, { create = true }))
    flat(100, function()
      assert(folder:write("a", "text"))
      assert(folder:read "a")
      assert(folder:list "")
      assert(folder:remove "a")
      assert(not folder:read "b")
    end)
    assert(os.remove(top))
  end)
end)
