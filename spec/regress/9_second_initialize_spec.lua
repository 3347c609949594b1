-- SPDX-License-Identifier: MIT
-- A bridge may give one connection (a child's pipes, an event stream, a WebSocket) to one client
-- after the other. Each begins with initialize, and finds nothing of those before it.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"

local HELLO = { protocolVersion = "2025-11-25", capabilities = {},
  clientInfo = { name = "second", version = "1" } }

describe("a second initialize on one connection", function()
  local app, peer, ended, waiting

  before_each(function()
    ended, waiting = {}, {}
    app = mcp.server "spec"
    app:tool "who" (function(_, ctx) return ctx.client and ctx.client.name or "nobody" end)
    app:tool "can" (function(_, ctx) return tostring(ctx.capabilities.roots ~= nil) end)
    app:tool "wait" (function(_, ctx)
      local _ <close> = setmetatable({}, { __close = function() ended[#ended + 1] = "wait" end })
      waiting[#waiting + 1] = true
      ctx:sleep(60)
      return "late"
    end)
    app:tool "stubborn" (function()
      waiting[#waiting + 1] = true
      while not ended.stop do core.sleep(0.001) end
      return "late"
    end)
    app:tool "asks" (function(_, ctx)
      waiting[#waiting + 1] = true
      local roots, why = ctx:roots()
      ended[#ended + 1] = tostring(roots or why)
      return "late"
    end)
    app:tool "later" { task = "optional" } (function() return "ok" end)
    app:resource "test://a" (function() return "x" end)
    peer = helper.connect(app)
  end)
  after_each(function()
    ended.stop = true
    helper.leftovers()
  end)

  local function start(name, id)
    peer:send { jsonrpc = "2.0", id = id, method = "tools/call", params = { name = name } }
    local count = #waiting
    helper.wait_until(function() return #waiting > count end, name)
  end

  -- The second client says hello, by a line of its own.
  local function again(params, id)
    local response
    local log = helper.logged(function()
      response = peer:request("initialize", params or HELLO, id)
    end)
    return response, log
  end

  it("is answered, and what the client said counts from then on", function()
    peer:initialize("2025-06-18", { roots = {} })
    assert.equal("true", peer:call("can").content[1].text)
    local response, log = again()
    assert.equal("2025-11-25", response.result.protocolVersion)
    assert.equal("info: initialize on a connection that is in use: ending its earlier requests",
      log)
    peer:notify "notifications/initialized"
    assert.equal("second", peer:call("who").content[1].text)
    assert.equal("false", peer:call("can").content[1].text)
  end)

  it("ends requests under way, without an answer", function()
    peer:initialize()
    start("wait", "w")
    start("stubborn", "s")
    assert.is_table(again().result)
    helper.wait_until(function() return ended[1] end, "the handler to end")
    ended.stop = true
    peer:silent()
  end)

  it("takes the ids of before, though their handlers still run", function()
    peer:initialize()
    start("stubborn", 1)
    assert.is_table(again(HELLO, 2).result)
    assert.equal("second", peer:request("tools/call", { name = "who" }, 1).result.content[1].text)
    ended.stop = true
    peer:silent()
  end)

  it("ends subscriptions, and what was to be told", function()
    peer:initialize()
    assert.is_table(peer:request("resources/subscribe", { uri = "test://a" }).result)
    app:resource_updated "test://a"
    assert.equal("notifications/resources/updated", peer:receive().method)
    again()
    peer:notify "notifications/initialized"
    app:resource_updated "test://a"
    peer:silent()
    assert.is_table(peer:request("resources/subscribe", { uri = "test://a" }).result)
    app:resource_updated "test://a"
    assert.equal("notifications/resources/updated", peer:receive().method)
    peer:silent()
  end)

  it("ends the level of log messages, questions and tasks", function()
    peer:initialize("2025-11-25", { roots = {} })
    local task = peer:request("tools/call", { name = "later", task = {} }).result.task.taskId
    start("asks", "q")
    local question
    repeat question = peer:receive() until question.method == "roots/list"
    again()
    helper.wait_until(function() return ended[1] end, "the question to end")
    -- The answer of the one who is gone is nobody's.
    peer:send { jsonrpc = "2.0", id = question.id, result = { roots = {} } }
    assert.equal(-32602, peer:request("tasks/get", { taskId = task }).error.code)
    peer:silent()
  end)

  it("that is refused changes nothing", function()
    peer:initialize("2025-06-18", { roots = {} })
    assert.equal(-32602, again({ protocolVersion = 5 }).error.code)
    assert.equal("true", peer:call("can").content[1].text)
  end)

  it("works any number of times", function()
    for _ = 1, 50 do assert.is_table(again().result) end
    assert.equal("second", peer:call("who").content[1].text)
    local links = 0
    for _ in pairs(app.bus.links) do links = links + 1 end
    assert.equal(1, links)
  end)

  it("comes after a client of the stateless era: its requests and listens end", function()
    assert.is_table(peer:modern("tools/list").result)
    peer:send { jsonrpc = "2.0", id = "l", method = "subscriptions/listen", params = {
      notifications = { toolsListChanged = true }, _meta = helper.envelope() } }
    assert.equal("notifications/subscriptions/acknowledged", peer:receive().method)
    peer:send { jsonrpc = "2.0", id = "w", method = "tools/call",
      params = { name = "wait", _meta = helper.envelope() } }
    helper.wait_until(function() return waiting[1] end, "the call")
    assert.equal("2025-11-25", again().result.protocolVersion)
    helper.wait_until(function() return ended[1] end, "the handler to end")
    app:tool "another" (function() end)
    peer:silent() -- the second client has not sent notifications/initialized
    assert.equal("second", peer:call("who").content[1].text)
    -- With a whole envelope it is no handshake.
    local other = helper.connect(app)
    assert.is_table(other:modern("tools/list").result)
    assert.equal(-32601, other:modern("initialize", HELLO).error.code)
  end)

  it("comes over the pipes of a process", function()
    finally(support.stop_all)
    local server = support.stdio()
    for id, revision in ipairs { "2025-11-25", "2024-11-05", "2025-06-18" } do
      server:write(support.initialize_body(id, revision) .. "\n")
      local answer = server:read_line()
      assert.equal(revision, answer.result.protocolVersion)
      server:write(support.legacy_body(10, "tools/call",
        { name = "sleep", arguments = { seconds = 60, name = "s" .. id } }) .. "\n")
      server:wait_said("began s" .. id)
      if id > 1 then server:wait_said(("woke s%d ECANCELED"):format(id - 1)) end
    end
    -- The id that the first two had, too.
    server:write(support.initialize_body(9, "2025-11-25") .. "\n"
      .. support.legacy_body(10, "ping") .. "\n")
    assert.equal(9, server:read_line().id)
    assert.equal(10, server:read_line().id)
  end)
end)
