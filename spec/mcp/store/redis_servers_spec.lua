-- SPDX-License-Identifier: MIT
-- Two processes of `luamcp run --store` that serve the same clients.
local helper = require "spec.helper"
local mcp = require "mcp"
local redis_server = require "spec.mcp.store.redis_server"
local support = require "spec.support"

if redis_server.is_missing(_ENV, "luamcp run --store") then return end

local SCRIPT = [[
  local mcp = require "mcp"
  local app = mcp.server { name = "twins", version = "1" }
  app:tool "name" (function(_, ctx) return ctx.client.name end)
  app:tool "change" (function()
    app:changed "tools"
    return "done"
  end)
  app:run()
]]

describe("luamcp run --store", function()
  local redis, path

  local function start(...)
    local server = support.start("{}", { path = path, env = { "MCP_LOG=info" },
      words = { "--http", "0", "--ready", "--store", redis.url, ... } })
    server.port = math.tointeger(server:wait_said "at http://[^%s]-:(%d+)/")
    return server
  end

  -- One request: status, the decoded body or its text, fields.
  local function ask(server, message, sid, accept)
    local fields = { Accept = accept or "application/json, text/event-stream" }
    if message then fields["Content-Type"] = "application/json" end
    fields["Mcp-Session-Id"] = sid
    local response = assert(mcp.fetch(("http://127.0.0.1:%d%s"):format(server.port,
      message and "/mcp" or "/readyz"), { method = message and "POST" or "GET", headers = fields,
      body = message and require("mcp.core").encode(message) }))
    local text = response:text()
    return response.status, text:find "^%s*{" and require("mcp.core").decode(text) or text,
      response
  end

  local function call(server, sid, name)
    return ask(server, { jsonrpc = "2.0", id = 1, method = "tools/call",
      params = { name = name, arguments = {} } }, sid)
  end

  local function open(server)
    local _, _, response = ask(server, { jsonrpc = "2.0", id = 0, method = "initialize", params = {
      protocolVersion = "2025-11-25", capabilities = {},
      clientInfo = { name = "spec", version = "1" } } })
    local sid = response.headers["mcp-session-id"]
    ask(server, { jsonrpc = "2.0", method = "notifications/initialized" }, sid)
    return sid
  end

  before_each(function()
    redis = redis_server.begin()
    path = helper.file(SCRIPT, ".lua")
  end)

  after_each(function()
    support.stop_all()
    redis_server.tidy()
    helper.remove_files()
  end)

  it("shares sessions, also with a process that starts later", function()
    local a = start()
    local sid = open(a)
    local b = start()
    for _, server in ipairs { a, b, a } do
      local status, answer = call(server, sid, "name")
      assert.equal(200, status)
      assert.equal("spec", answer.result.content[1].text)
    end
    assert.equal(200, (ask(a)))
    a.process:kill "KILL"
    local _, answer = call(b, sid, "name")
    assert.equal("spec", answer.result.content[1].text)
  end)

  it("is not ready while Redis is away, serves what it knows, and comes back", function()
    local a, b = start(), start()
    local sid = open(a)
    redis:kill()
    a:wait_said "warning: redis 127%.0%.0%.1:%d+: away: "
    local status, text = ask(a)
    assert.equal(503, status)
    assert.equal("the store that the processes share cannot be reached", text)
    -- Its own session goes on; the other process has not seen it.
    local answer
    status, answer = call(a, sid, "name")
    assert.same({ 200, "spec" }, { status, answer.result.content[1].text })
    local response
    status, answer, response = call(b, sid, "name")
    assert.equal(503, status)
    assert.is_string(response.headers["retry-after"])
    assert.matches("store", answer.error.message)
    redis:start()
    a:wait_said "warning: redis 127%.0%.0%.1:%d+: back after "
    b:wait_said "warning: redis 127%.0%.0%.1:%d+: back after "
    helper.wait_until(function() return ask(a) == 200 and ask(b) == 200 end, "both")
    local other = open(b)
    status, answer = call(a, other, "name")
    assert.same({ 200, "spec" }, { status, answer.result.content[1].text })
  end)

  it("is the store of workers, too", function()
    local a, b = start("--workers", "2"), start()
    helper.wait_until(function() return redis:ask("ZCARD", "luamcp:nodes") == 3 end, "all nodes")
    local sid = open(a)
    for _, server in ipairs { a, b, a } do
      local status, answer = call(server, sid, "name")
      assert.same({ 200, "spec" }, { status, answer.result.content[1].text })
    end
  end)

  it("refuses a wrong address, and starts while Redis is away", function()
    local out, status = helper.shell(("%s run %s --http 0 --store %s 2>&1"):format(
      helper.quote(helper.program()), helper.quote(path), "'redis://me:secret@localhost/x'"))
    assert.equal(1, status)
    assert.equal('luamcp: --store: redis://(hidden)@localhost/x: the database: expected a number, '
      .. 'got "x"\n', out)
    redis:kill()
    local a = start()
    a:wait_said "warning: redis 127%.0%.0%.1:%d+: away: cannot be reached: connection refused"
    assert.equal(503, (ask(a)))
    redis:start()
    helper.wait_until(function() return ask(a) == 200 end, "its start")
  end)
end)
