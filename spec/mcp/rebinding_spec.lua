-- SPDX-License-Identifier: MIT
-- only = "public" against names that change: the address of a name is checked where the socket is
-- opened, for each request and each redirect. examples/fetch.lua runs with a resolver of ours, and
-- with one public address that leads here (spec/shim/resolver.c).
local helper = require "spec.helper"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"

describe("only = \"public\"", function()
  local server, location
  before_each(function()
    server = raw_server.start(function(request)
      if request.target == "/away" then return 302, { Location = location } end
      return 200, { ["Content-Type"] = "text/plain" }, "secret"
    end)
  end)
  after_each(function()
    server:close()
    helper.leftovers()
  end)

  -- What examples/fetch.lua says to these URLs, one after the other.
  local function answers(addresses, ...)
    local preload = os.getenv "LD_PRELOAD"
    local session <close> = mcp.session(mcp.stdio_client {
      command = helper.program(), args = { "run", "examples/fetch.lua" },
      env = { MCP_SPEC_RESOLVER = addresses, LD_PRELOAD = (preload and preload .. ":" or "")
        .. os.getenv "MCP_BUILD" .. "/spec/resolver.so" },
    }, { timeout = 10 })
    assert(session:initialize())
    local list = {}
    for i, url in ipairs { ... } do
      list[i] = assert(session:call_tool("fetch", { url = url })).content[1].text
    end
    session:close()
    return table.unpack(list)
  end

  local function at(host, path) return ("http://%s:%d%s"):format(host, server.port, path or "/") end

  it("holds for a name that turns to this machine after it was asked for", function()
    local name = at "a.test.example"
    local first, second, third = answers("8.8.8.8,127.0.0.1,8.8.8.8", name, name, name)
    assert.equal("secret", first)
    assert.is_truthy(second:find("the address is not public", 1, true), second)
    assert.equal("secret", third)
    assert.equal(2, #server.requests)
  end)

  it("holds for where a redirect leads", function()
    for _, there in ipairs { at "b.test.example", at "127.0.0.1", at "localhost",
      at "[::ffff:127.0.0.1]", "http://10.0.0.1/", "http://169.254.169.254/" } do
      location = there
      local text = answers("8.8.8.8,127.0.0.1", at("a.test.example", "/away"))
      assert.is_truthy(text:find("the address is not public", 1, true), text)
    end
    assert.equal(6, #server.requests)
    -- And only for that.
    location = at "b.test.example"
    assert.equal("secret", (answers("8.8.8.8", at("a.test.example", "/away"))))
  end)
end)
