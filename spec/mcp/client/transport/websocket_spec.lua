-- SPDX-License-Identifier: MIT
-- websocket_spec.lua: lua/mcp/client/transport/websocket.lua, against a listener of ours.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"
local websocket = require "mcp.client.transport.websocket"

local function own_app()
  local app = mcp.server "own"
  app:tool "who" (function(_, ctx) return ctx.transport end)
  app:tool "sleep" (function(_, ctx)
    ctx:sleep(10)
    return "slept"
  end)
  app:tool "ask" (function(_, ctx) return ctx:elicit("Who?", { name = "string" }).name end)
  return app
end

describe("a transport by WebSocket", function()
  local listening, address
  before_each(function()
    listening = own_app():listen { http = { port = 0 }, quiet = true }
    address = listening.urls[1]:gsub("^http:", "ws:")
  end)
  after_each(function()
    listening:close()
    helper.wait_until(function() return listening:is_gone() and core.task_count() == 0 end)
    helper.leftovers()
  end)

  for _, revision in ipairs(helper.revisions) do
    it("carries revision " .. revision, function()
      local client <close> = assert(mcp.connect(address, { revision = revision,
        on_elicit = function() return { name = "Ada" } end }))
      assert.equal("websocket", client.transport.name)
      assert.equal("websocket", assert(client:call_tool "who").content[1].text)
      if revision > "2025-03-26" then
        assert.equal("Ada", assert(client:call_tool "ask").content[1].text)
      end
      assert.equal("ETIMEDOUT", select(3, client:call_tool("sleep", {}, { timeout = 0.02 })))
      assert.is_true(client:ping())
    end)
  end

  it("goes through a socket file, to /mcp or where its address says", function()
    local path = os.tmpname()
    os.remove(path)
    local there <close> = own_app():listen { unix = path, quiet = true } -- luacheck: ignore
    for _, target in ipairs { "", ":/mcp" } do
      local client <close> = assert(mcp.connect(mcp.websocket_client("unix:" .. path .. target)))
      assert.equal("websocket", client.transport.name)
      assert.equal("websocket", assert(client:call_tool "who").content[1].text)
    end
    local client, text, code = mcp.connect(mcp.websocket_client("unix:" .. path .. ":/other"))
    assert.is_nil(client)
    assert.equal("EHTTP404", code, text)
  end)

  it("fails what waits when the server goes", function()
    local client <close> = assert(mcp.connect(address))
    local code
    mcp.spawn(function() code = select(3, client:call_tool "sleep") end)
    mcp.spawn(function() listening:close() end)
    helper.wait_until(function() return code end)
    assert.equal("EGONE", code)
    assert.equal("ECONNREFUSED", select(3, client:initialize()))
  end)

  it("says that the other side is gone when its process is killed", function()
    local server = support.http()
    finally(support.stop_all)
    local client <close> = assert(mcp.connect(("ws://127.0.0.1:%d/mcp"):format(server.port)))
    local told
    mcp.spawn(function() told = table.pack(client:call_tool("sleep", { seconds = 60 })) end)
    helper.wait_until(function() return server:told():find "began sleep" end)
    server.process:kill "KILL"
    helper.wait_until(function() return told end)
    assert.is_nil(told[1])
    -- The system may report either.
    assert.same(told[3] == "ECONNRESET" and "websocket: connection lost: connection reset by peer"
      or "websocket: connection lost: closed by the peer without a close frame", told[2])
    assert.is_truthy(told[3] == "ECONNRESET" or told[3] == "EGONE", told[3])
  end)

  it("asks with what it was given, and once more when it is challenged", function()
    local asked, challenged = 0, 0
    local provider = {
      headers = function(_, request)
        asked = asked + 1
        assert.equal(address, request.url)
        return { { "Authorization", "Bearer t" .. asked } }
      end,
      challenged = function(_, facts)
        challenged = challenged + 1
        assert.equal(401, facts.status)
        assert.equal("Bearer", facts.header "WWW-Authenticate")
        assert.is_nil(facts.header "other")
        return true
      end,
    }
    local real, seen = core.connect_websocket, {}
    core.connect_websocket = function(options, receive)
      seen[#seen + 1] = options
      if #seen == 1 then
        return nil, "refused", "EHTTP401", { ["www-authenticate"] = "Bearer" }
      end
      return real(options, receive)
    end
    local client = mcp.connect(address, { auth = provider, headers = { ["X-Spec"] = "1" } })
    core.connect_websocket = real
    assert(client):close()
    assert.same({ 2, 1, 2 }, { asked, challenged, #seen })
    assert.same({ { "X-Spec", "1" }, { "Authorization", "Bearer t2" } }, seen[2].headers)
  end)

  it("is not opened where the provider has failed to find a token", function()
    local client, text, code = mcp.connect(address, { auth = {
      headers = function() return nil, "the keyring is locked", "EACCES" end,
    } })
    assert.is_nil(client)
    assert.equal("EACCES", code)
    assert.matches("the keyring is locked", text)
  end)

  it("is refused so often and no more; the provider sees what was sent (SEC-77)", function()
    local real, facts = core.connect_websocket, {}
    core.connect_websocket = function() return nil, "refused", "EHTTP401", {} end
    local client, _, code = mcp.connect(address, { auth = {
      headers = function() return { { "Authorization", "Bearer t" .. #facts } } end,
      challenged = function(_, given)
        facts[#facts + 1] = given
        return true
      end,
    } })
    core.connect_websocket = real
    assert.is_nil(client)
    assert.equal("EHTTP401", code)
    assert.equal(require("mcp.client.transport.endpoint").CHALLENGES, #facts)
    assert.same({ { "Authorization", "Bearer t3" } }, facts[4].sent)
    assert.equal(facts[1].memory, facts[4].memory)
  end)

  it("says why it cannot be opened; no status is evidence of an era (WS-16)", function()
    for code, name in pairs { [404] = "EHTTP404", [401] = "EHTTP401" } do
      local real, count = core.connect_websocket, 0
      core.connect_websocket = function()
        count = count + 1
        return nil, "refused with " .. code, name
      end
      local none, text, got = mcp.connect(address)
      core.connect_websocket = real
      assert.same({ nil, ("%s: refused with %d"):format(address, code), name }, { none, text, got })
      assert.equal(1, count)
    end
  end)

  it("says what is wrong with what it is given, at the caller's line", function()
    for words, fn in pairs {
      ["mcp.websocket_client: address: expected a string, got nil"] =
        function() mcp.websocket_client() end,
      ["expected a ws, wss or unix address"] = function() mcp.websocket_client "http://host/" end,
      ['unknown option "header", did you mean "headers"?'] =
        function() mcp.websocket_client("ws://host/", { header = {} }) end,
      ["headers: X: expected a string, got table"] =
        function() mcp.connect("ws://host/", { headers = { X = {} } }) end,
      ["Authorization is set by the option auth"] = function()
        mcp.websocket_client("ws://host/", { headers = { Authorization = "x" },
          auth = { headers = print } })
      end,
      ["auth: expected a provider"] = function()
        mcp.websocket_client("ws://host/", { auth = {} })
      end,
      ['option "ping": expected seconds, 0 or more'] =
        function() mcp.websocket_client("ws://host/", { ping = -1 }) end,
    } do
      local ok, text = pcall(fn)
      assert.is_false(ok, words)
      assert.matches("websocket_spec.lua:%d+: ", text)
      assert.matches(words, text, 1, true)
    end
    assert.equal("mcp.transport (websocket, not opened)", tostring(websocket.new "ws://host/"))
  end)
end)
