-- SPDX-License-Identifier: MIT
-- content_coding_spec.lua: we ask that nothing is coded (RFC 9110 12.5.3), and a body that is coded
-- all the same is named, wherever it comes from: an answer of MCP, an event stream, a document of
-- OAuth, keys. It is never read for what it is not.
local core = require "mcp.core"
local fetch = require "mcp.fetch"
local helper = require "spec.helper"
local jwks = require "mcp.auth.jwks"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"

-- gzip of "{}".
local GZIP = "\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0\x43\xbf\xa6\xa3\x02\0\0\0"

local server

local function serve(handler)
  server = raw_server.start(function(request, connection)
    local status, fields, body = handler(request, connection)
    if math.type(status) then return status, fields, body end
  end)
end

local function coded(coding, kind)
  return 200, { ["Content-Type"] = kind or "application/json", ["Content-Encoding"] = coding }, GZIP
end

describe("content coding", function()
  after_each(function()
    if server then server:close() end
    server = nil
    helper.leftovers()
  end)

  it("is asked not to be used, by every request", function()
    serve(function() return 200, {}, "{}" end)
    local address = server.url
    assert(fetch.get(address))
    assert(fetch.post(address, { json = { 1 } }))
    assert(jwks.new { url = address }:find { kid = "none" } or true)
    mcp.connect(address)
    assert.is_true(#server.requests >= 4)
    for _, request in ipairs(server.requests) do
      assert.equal("identity", request.fields["accept-encoding"], request.head)
    end
  end)

  it("of an answer of MCP is named", function()
    for _, coding in ipairs { "gzip", "GZIP", "br", "deflate", "zstd", "x-gzip",
      "gzip, identity" } do
      serve(function() return coded(coding) end)
      local client, text = mcp.connect(server.url)
      assert.is_nil(client)
      assert.is_truthy(text:find("Content-Encoding: expected identity, got " .. coding, 1, true),
        text)
      server:close()
    end
  end)

  it("of a call's answer and of its event stream is named, and the call fails at once", function()
    for _, kind in ipairs { "application/json", "text/event-stream" } do
      serve(function(request)
        local message = request.message
        if not message then return 405, {}, "" end
        if message.method == "tools/call" then return coded("gzip", kind) end
        if message.method == "initialize" then
          return 200, { ["Content-Type"] = "application/json" }, core.encode { jsonrpc = "2.0",
            id = message.id, result = { protocolVersion = "2025-11-25",
              capabilities = { tools = { listChanged = false } },
              serverInfo = { name = "x", version = "1" } } }
        end
        if message.id == nil then return 202, {}, "" end
        return 200, { ["Content-Type"] = "application/json" }, core.encode { jsonrpc = "2.0",
          id = message.id, error = { code = -32601, message = "none" } }
      end)
      local client <close> = assert(mcp.connect(server.url))
      local result, text, code = client:call_tool("echo", {}, { timeout = 3 })
      assert.is_nil(result)
      assert.equal("ECODING", code, text)
      assert.is_truthy(text:find("got gzip", 1, true), text)
      server:close()
    end
  end)

  it("of documents and keys is named", function()
    serve(function() return coded "gzip" end)
    local answer, text, code = fetch.get(server.url)
    assert.is_nil(answer)
    assert.equal("ECODING", code)
    assert.is_truthy(text:find("got gzip", 1, true), text)
    local keys, why = jwks.new { url = server.url }:find { kid = "a" }
    assert.is_nil(keys)
    assert.is_truthy(tostring(why):find("gzip", 1, true) or why, tostring(why))
  end)

  it("of metadata for authorization is named", function()
    serve(function(request)
      if request.target:find "well%-known" then return coded "gzip" end
      return 401, { ["WWW-Authenticate"] = ("Bearer resource_metadata=\"http://127.0.0.1:%d"
        .. "/.well-known/oauth-protected-resource\""):format(server.port) }, ""
    end)
    local client, text = mcp.connect(server.url, { auth = mcp.auth.client_credentials {
      client_id = "spec", client_secret = "word", allow_private = true } })
    assert.is_nil(client)
    assert.is_truthy(text:find("Content-Encoding: expected identity, got gzip", 1, true), text)
  end)

  it("that says identity, or has no body, is none", function()
    serve(function(request)
      if request.target == "/none" then
        return 200, { ["Content-Encoding"] = "gzip", ["Content-Length"] = "0" }, ""
      end
      return 200, { ["Content-Encoding"] = "Identity" }, "{}"
    end)
    assert.equal("{}", assert(fetch.get(server.url)).body)
    assert.equal("", assert(fetch.get(("http://127.0.0.1:%d/none"):format(server.port))).body)
  end)

  it("that a program asks for itself is its own to decode", function()
    serve(function() return coded "gzip" end)
    local answer = assert(fetch.get(server.url, { headers = { ["Accept-Encoding"] = "gzip" } }))
    assert.equal(GZIP, answer.body)
    assert.equal("gzip", answer.headers["content-encoding"])
    assert.equal("gzip", server.requests[1].fields["accept-encoding"])
  end)
end)
