-- SPDX-License-Identifier: MIT
-- The first message that means an era settles it for the connection (section 3.5).
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local NEW = "2026-07-28"
local P = helper.PREFIX

describe("the duplex front", function()
  local app, peer

  before_each(function()
    app = mcp.server "spec"
    app:tool "echo" (function() return "ok" end)
    peer = helper.connect(app)
  end)
  after_each(helper.leftovers)

  local HELLO = { protocolVersion = "2025-11-25", capabilities = {},
    clientInfo = { name = "c", version = "1" } }

  local function code(response) return response.error and response.error.code end

  describe("while it is open to both eras", function()
    it("initialize opens a session", function()
      local result = peer:request("initialize", HELLO).result
      assert.equal("2025-11-25", result.protocolVersion)
      assert.equal("ok", peer:call("echo").content[1].text)
    end)

    it("an initialize that fails leaves it open", function()
      for _, params in ipairs { {}, { protocolVersion = 5 }, { protocolVersion = mcp.null },
        { protocolVersion = mcp.array {} } } do
        assert.equal(-32602, code(peer:request("initialize", params)))
      end
      assert.equal(-32602, code(peer:request "initialize"))
      assert.is_table(peer:modern("tools/list").result)
    end)

    it("a request with an envelope makes it modern", function()
      assert.is_table(peer:modern("tools/list").result)
      assert.equal(-32602, code(peer:request "tools/list"))
    end)

    it("server/discover does not settle it (T-03)", function()
      assert.is_table(peer:modern("server/discover").result)
      assert.is_table(peer:modern("server/discover").result)
      assert.equal("2025-11-25", peer:initialize().protocolVersion)
      assert.is_table(peer:request("tools/list").result)
    end)

    it("an envelope of a version nobody speaks does not settle it", function()
      for _, version in ipairs { "v999", "2027-01-01", "2025-11-25" } do
        local err = peer:modern("tools/list", nil, { [P .. "protocolVersion"] = version }).error
        assert.equal(-32022, err.code)
        assert.equal(version, err.data.requested)
      end
      assert.is_table(peer:request("initialize", HELLO).result)
    end)

    it("a version that is no string is -32602", function()
      for _, odd in ipairs { 7, mcp.null, true, mcp.array {} } do
        assert.equal(-32602, code(peer:modern("tools/list", nil,
          { [P .. "protocolVersion"] = odd })))
      end
    end)

    it("ping is answered before anything else", function()
      local _, line = peer:request("ping", nil, 1)
      assert.equal('{"jsonrpc":"2.0","id":1,"result":{}}', line)
      assert.is_table(peer:request("initialize", HELLO).result)
    end)

    it("another request without an envelope is -32602, naming both ways (3.5)", function()
      local err = peer:request("tools/list").error
      assert.equal(-32602, err.code)
      assert.matches(P .. "protocolVersion", err.message, 1, true)
      assert.matches("initialize", err.message, 1, true)
      assert.equal(-32602, code(peer:request("tools/list", { _meta = { x = 1 } })))
      assert.equal(-32602, code(peer:request("server/discover")))
    end)

    it("notifications and responses are taken without a word", function()
      peer:notify "notifications/initialized"
      peer:notify("notifications/cancelled", { requestId = 1 })
      peer:notify "notifications/nosuch"
      peer:send { jsonrpc = "2.0", id = 1, result = {} }
      peer:silent()
    end)

    it("an array is -32600", function()
      peer:send '[{"jsonrpc":"2.0","id":1,"method":"ping"}]'
      local message = peer:receive()
      assert.equal(-32600, message.error.code)
      assert.equal(mcp.null, message.id)
    end)

    it("an initialize with a whole modern envelope is a method that is gone (T-02)", function()
      local params = { protocolVersion = NEW, _meta = helper.envelope() }
      assert.equal(-32601, code(peer:request("initialize", params)))
    end)

    it("an initialize with half an envelope is a handshake", function()
      local params = { protocolVersion = "2025-06-18", _meta = { [P .. "protocolVersion"] = NEW } }
      assert.equal("2025-06-18", peer:request("initialize", params).result.protocolVersion)
    end)

    it("initialize never negotiates the modern revision (T-06)", function()
      assert.equal("2025-11-25",
        peer:request("initialize", { protocolVersion = NEW }).result.protocolVersion)
    end)
  end)

  describe("once it is modern", function()
    before_each(function() assert.is_table(peer:modern("tools/list").result) end)

    it("every request needs its envelope", function()
      assert.equal(-32602, code(peer:request "tools/list"))
      assert.equal(-32602, code(peer:request "ping"))
      assert.is_table(peer:modern("tools/list").result)
    end)

    it("an envelope that is not whole is -32602 (3.3, row 3)", function()
      local bad = { { [P .. "clientCapabilities"] = 5 }, { [P .. "clientCapabilities"] = mcp.null },
        { [P .. "clientInfo"] = 5 }, { [P .. "clientInfo"] = "me" },
        { [P .. "logLevel"] = "loud" }, { [P .. "logLevel"] = 5 },
        { progressToken = true }, { progressToken = 1.5 } }
      for i, more in ipairs(bad) do
        assert.equal(-32602, code(peer:modern("tools/list", nil, more)), "case " .. i)
      end
      assert.equal(-32602, code(peer:request("tools/list",
        { _meta = { [P .. "protocolVersion"] = NEW } })))
    end)

    it("clientInfo may be left out (4.1)", function()
      assert.is_table(peer:modern("tools/list").result)
    end)

    it("methods of the session era are -32601", function()
      for _, method in ipairs { "ping", "initialize", "logging/setLevel", "resources/subscribe",
        "resources/unsubscribe" } do
        assert.equal(-32601, code(peer:modern(method)), method)
      end
    end)

    it("arrays and responses", function()
      peer:send { jsonrpc = "2.0", id = 1, result = {} }
      peer:silent()
      peer:send "[]"
      assert.equal(-32600, peer:receive().error.code)
    end)

    it("results say so", function()
      local result = peer:modern("tools/call", { name = "echo" }).result
      assert.equal("complete", result.resultType)
      assert.equal("spec", result._meta[P .. "serverInfo"].name)
    end)
  end)

  describe("once it is a session", function()
    before_each(function() peer:initialize() end)

    it("envelopes are refused with -32600", function()
      assert.equal(-32600, code(peer:modern "tools/list"))
      assert.equal(-32600, code(peer:modern "server/discover"))
      assert.equal(-32600, code(peer:modern "initialize"))
    end)

    it("server/discover without one is -32601", function()
      assert.equal(-32601, code(peer:request "server/discover"))
    end)

    it("a second initialize begins another one", function()
      local result = peer:request("initialize", { protocolVersion = "2024-11-05" }).result
      assert.equal("2024-11-05", result.protocolVersion)
      assert.is_table(peer:request("tools/list").result)
    end)

    it("nothing of the modern era is in its results (T-50)", function()
      for _, revision in ipairs { "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25" } do
        local one = helper.open(app, revision)
        for _, method in ipairs { "tools/list", "ping" } do
          local _, line = one:request(method)
          for _, member in ipairs { "resultType", "ttlMs", "cacheScope", "serverInfo" } do
            assert.is_nil(line:find(member, 1, true), revision .. " " .. method .. " " .. member)
          end
        end
        local _, line = one:request("tools/call", { name = "echo" })
        assert.is_nil(line:find("resultType", 1, true))
        assert.is_nil(line:find("_meta", 1, true))
        one:close()
      end
    end)

    it("two connections are two sessions", function()
      local other = helper.connect(app)
      assert.equal(-32602, code(other:request "tools/list"))
      assert.equal("2024-11-05", other:initialize("2024-11-05").protocolVersion)
    end)
  end)

  it("what is known of one request is not taken for another's", function()
    app:tool "level" (function(_, ctx)
      return ("%s %s %s"):format(ctx.level, ctx.token, ctx.capabilities.roots ~= nil)
    end)
    local function ask(method, params, meta)
      local response = peer:modern(method, params, meta)
      return response.result and response.result.content and response.result.content[1].text
        or response.result and response.result.tools and "list" or response.error.code
    end
    local LEVEL, CAPABILITIES = P .. "logLevel", P .. "clientCapabilities"
    local cases = {
      { "tools/call", {}, "nil nil false" },
      { "tools/call", { [LEVEL] = "debug" }, "debug nil false" },
      { "tools/call", { progressToken = 1 }, "nil 1 false" },
      { "tools/call", { progressToken = "1", [LEVEL] = "debug" }, "debug 1 false" },
      { "tools/call", { [CAPABILITIES] = { roots = {} } }, "nil nil true" },
      { "tools/call", { [LEVEL] = "loud" }, -32602 },
      { "tools/call", { [CAPABILITIES] = 7 }, -32602 },
      { "tools/call", { [P .. "protocolVersion"] = "2025-11-25" }, -32022 },
      { "tools/list", {}, "list" },
      { "tools/nothing", {}, -32601 },
    }
    for _, first in ipairs(cases) do
      for _, second in ipairs(cases) do
        for _, case in ipairs { first, second, second } do
          assert.equal(case[3], ask(case[1], { name = "level" }, case[2]))
        end
      end
    end
  end)

  it("a request like the one before goes there at once, until an initialize", function()
    local methods = debug.getregistry()["mcp.exchange"].__index
    local remember, left, forgotten = methods.remember, 0, 0
    methods.remember = function(x, fn, ...)
      if fn then left = left + 1 else forgotten = forgotten + 1 end
      return remember(x, fn, ...)
    end
    local _ <close> = setmetatable({}, { __close = function() methods.remember = remember end })
    app:tool "caller" (function(_, ctx) return ctx.client.name end)
    local function say(response) return response.result.content[1].text end
    local named = { [P .. "clientInfo"] = { name = "none", version = "1" } }
    for _ = 1, 4 do
      assert.equal("none", say(peer:modern("tools/call", { name = "caller" }, named)))
    end
    assert.equal(1, left)
    -- The era changes, and then the session.
    for round, name in ipairs { "first", "second" } do
      assert.is_table(peer:request("initialize", { protocolVersion = "2025-11-25",
        capabilities = {}, clientInfo = { name = name, version = "1" } }).result)
      assert.equal(round, forgotten)
      assert.equal(-32600, code(peer:modern("tools/call", { name = "caller" }, named)))
      for _ = 1, 4 do
        assert.equal(name, say(peer:request("tools/call", { name = "caller" })))
      end
      assert.equal(1 + round, left)
    end
    -- Methods that take turns are given up, and tried again some time later.
    for _ = 1, 20 do
      peer:request "ping"
      assert.equal("second", say(peer:request("tools/call", { name = "caller" })))
    end
    assert.is_true(left < 20, left)
    for _ = 1, 80 do peer:request "ping" end
    local before = left
    for _ = 1, 80 do peer:request "ping" end
    assert.equal(before, left)
  end)

  it("leaves nothing when it ends", function()
    local function rounds()
      for _ = 1, 20 do
        local other = helper.connect(app)
        for _ = 1, 4 do other:modern("tools/call", { name = "echo" }) end
        other:close()
      end
      helper.settle()
      collectgarbage()
      collectgarbage()
      return collectgarbage "count" * 1024
    end
    rounds()
    local before = rounds()
    assert.is_true(rounds() - before < 4096)
  end)

  it("keeps nothing of a long envelope or method", function()
    local LONG = ("x"):rep(1 << 20)
    local function grown(fn)
      local function held()
        helper.settle()
        collectgarbage()
        collectgarbage()
        return collectgarbage "count" * 1024
      end
      fn("short", {})
      local before = held()
      fn("long", { x = LONG })
      return held() - before
    end
    assert.is_true(grown(function(_, meta)
      for _ = 1, 2 do
        assert.is_table(peer:modern("tools/call", { name = "echo" }, meta).result)
      end
    end) < 65536)
    assert.is_true(grown(function(method)
      if method == "long" then method = LONG end
      for _ = 1, 2 do assert.equal(-32601, code(peer:modern(method, {}))) end
    end) < 65536)
    peer:initialize()
    assert.is_true(grown(function(_, meta)
      for _ = 1, 2 do
        assert.is_table(peer:request("tools/call", { name = "echo", _meta = meta }).result)
      end
    end) < 65536)
    assert.is_true(grown(function(method)
      if method == "long" then method = LONG end
      for _ = 1, 2 do assert.equal(-32601, code(peer:request(method, {}))) end
    end) < 65536)
  end)

  it("many messages in one write are answered in order", function()
    peer:initialize()
    local lines = {}
    for i = 1, 50 do
      lines[i] = core.encode { jsonrpc = "2.0", id = i, method = "ping" }
    end
    peer:send(table.concat(lines, "\n"))
    for i = 1, 50 do assert.equal(i, peer:receive().id) end
  end)

  it("a message in many writes is one message", function()
    peer:initialize()
    local text = '{"jsonrpc":"2.0","id":"é","method":"ping"}\n'
    for i = 1, #text do
      assert(peer.wire:send(text:sub(i, i)))
      if i % 7 == 0 then helper.settle() end
    end
    assert.equal("é", peer:receive().id)
  end)
end)
