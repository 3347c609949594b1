-- SPDX-License-Identifier: MIT
-- examples/fetch.lua: pages, their limits, and what a model may not ask for, seen by a real client.
local helper = require "spec.helper"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"

describe("examples/fetch.lua", function()
  local session, server

  local function start(...)
    session = mcp.session(mcp.stdio_client {
      command = helper.program(), args = { "run", "examples/fetch.lua", ... },
    }, { timeout = 10 })
    assert(session:initialize())
  end

  before_each(function()
    server = raw_server.start(function(request, connection)
      local kind = request.target:match "^/(%a+)"
      if kind == "long" then return 200, { ["Content-Type"] = "text/plain" }, ("x"):rep(30000) end
      if kind == "huge" then
        return 200, { ["Content-Type"] = "text/plain" }, ("x"):rep((1 << 20) + 1)
      elseif kind == "film" then
        connection:answer(200, { ["Content-Type"] = "video/mp4", ["Content-Length"] = "9999" },
          "x")
        return connection:wait_end()
      elseif kind == "back" then
        return 302, { Location = "/page" }
      elseif kind == "none" then
        return 404
      end
      return 200, { ["Content-Type"] = "text/html" }, "<h1>Tea</h1>"
    end)
    server.at = ("http://127.0.0.1:%d/"):format(server.port)
  end)

  after_each(function()
    session:close()
    server:close()
    helper.leftovers()
  end)

  local function ask(tool, arguments)
    local result = assert(session:call_tool(tool, arguments))
    return result.content[1].text, result.isError
  end

  it("reads pages, in parts, and follows redirects", function()
    start "any"
    assert.equal("<h1>Tea</h1>", (ask("fetch", { url = server.at .. "back" })))
    local text = ask("fetch", { url = server.at .. "long" })
    assert.equal(("x"):rep(20000) .. "\n\n(10000 bytes are left: from = 20000)", text)
    text = ask("fetch", { url = server.at .. "long", from = 20000 })
    assert.equal(("x"):rep(10000), text)
  end)

  it("says what it could not read", function()
    start "any"
    for path, words in pairs { none = "none: status 404", film = "expected text, got video/mp4",
      huge = "larger than its limit" } do
      local text, failed = ask("fetch", { url = server.at .. path })
      assert.is_true(failed)
      assert.is_truthy(text:find(words, 1, true), text)
    end
    -- The film was not read.
    helper.wait_until(function() return next(server.connections) == nil end)
  end)

  it("reports progress", function()
    start "any"
    local seen = 0
    local result = assert(session:call_tool("size", { url = server.at .. "huge" }, {
      on_progress = function(bytes) seen = bytes end }))
    assert.equal("1048577 bytes, status 200", result.content[1].text)
    assert.is_true(seen > 0)
  end)

  it("reaches no private address", function()
    start()
    for _, address in ipairs { server.at, ("http://localhost:%d/"):format(server.port),
      "http://169.254.169.254/latest/meta-data/", "http://[::ffff:7f00:1]/", "http://0x7f.1/",
      "http://2130706433/", "unix:/var/run/docker.sock:/containers/json", "file:///etc/passwd" } do
      local text, failed = ask("fetch", { url = address })
      assert.is_true(failed, address)
      assert.is_truthy(text:find("not public", 1, true) or text:find("not a public", 1, true)
        or text:find("not a supported address", 1, true), text)
    end
    assert.equal(0, #server.requests)
  end)
end)
