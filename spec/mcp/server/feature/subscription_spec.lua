-- SPDX-License-Identifier: MIT
-- How one asks to be told: resources/subscribe of the sessions, subscriptions/listen of the
-- stateless era. What is told is spec/mcp/server/bus_spec.lua's.
local bus = require "mcp.server.bus"
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local TAG = helper.PREFIX .. "subscriptionId"
local ACK = "notifications/subscriptions/acknowledged"

local function new_app(options)
  local app = mcp.server(options or "spec")
  app:tool "echo" (function() return "ok" end)
  app:resource "test://watched" (function() return "text" end)
  app:resource "test://many/{name}" (function() return "text" end)
  return app
end

describe("subscriptions", function()
  local app, peer
  before_each(function() app = new_app() end)
  after_each(function()
    app.bus:close()
    helper.leftovers()
  end)

  for _, revision in ipairs { "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25" } do
    describe("of a session of " .. revision, function()
      before_each(function() peer = helper.open(app, revision) end)

      it("are declared (1.5)", function()
        local other = helper.connect(app)
        assert.same({ tools = { listChanged = true }, logging = {},
          resources = { listChanged = true, subscribe = true } },
          helper.plain(other:initialize(revision).capabilities))
      end)

      it("have empty results and nothing else (T-66)", function()
        for _, method in ipairs { "resources/subscribe", "resources/subscribe",
          "resources/unsubscribe", "resources/unsubscribe" } do
          local _, line = peer:request(method, { uri = "test://watched" }, 5)
          assert.equal('{"jsonrpc":"2.0","id":5,"result":{}}', line)
        end
      end)

      it("last until they are taken back", function()
        peer:request("resources/subscribe", { uri = "test://many/a" })
        app:resource_updated "test://many/a"
        assert.equal("test://many/a", peer:receive().params.uri)
        peer:request("resources/unsubscribe", { uri = "test://many/a" })
        app:resource_updated "test://many/a"
        peer:silent()
      end)

      it("need a resource, or a template that matches: else it is not found", function()
        for _, uri in ipairs { "test://nothing", "test://watched/part", "test://watche", "" } do
          local err = peer:request("resources/subscribe", { uri = uri }).error
          assert.same({ -32002, { uri = uri } }, { err.code, err.data })
          assert.is_table(peer:request("resources/unsubscribe", { uri = uri }).result)
        end
        local long = "test://many/" .. ("x"):rep(bus.URI_LENGTH)
        assert.equal(-32002, peer:request("resources/subscribe", { uri = long }).error.code)
      end)
    end)
  end

  describe("of a session", function()
    it("need a URI that is a string", function()
      peer = helper.open(app)
      for _, method in ipairs { "resources/subscribe", "resources/unsubscribe" } do
        for _, params in ipairs { {}, { uri = 5 }, { uri = mcp.null }, { uri = { "a" } } } do
          local err = peer:request(method, params).error
          assert.equal(-32602, err.code)
          assert.matches("^" .. method .. ": uri: expected a string", err.message)
        end
        assert.equal(-32602, peer:request(method).error.code)
      end
    end)

    it("are 64 at most, and what is taken back makes room", function()
      peer = helper.open(app)
      local function subscribe(i)
        return peer:request("resources/subscribe", { uri = "test://many/" .. i })
      end
      for i = 1, bus.MAX_URIS do assert.is_table(subscribe(i).result) end
      assert.is_table(subscribe(1).result)
      local err = subscribe(bus.MAX_URIS + 1).error
      assert.equal(-32000, err.code)
      assert.matches("64", err.message)
      peer:request("resources/unsubscribe", { uri = "test://many/1" })
      assert.is_table(subscribe(bus.MAX_URIS + 1).result)
      assert.is_table(helper.open(app):request("resources/subscribe",
        { uri = "test://watched" }).result)
    end)

    it("are there where resources are", function()
      local bare = mcp.server "bare"
      peer = helper.open(bare)
      assert.equal(-32601, peer:request("resources/subscribe", { uri = "a:b" }).error.code)
      assert.equal(-32601, peer:request("subscriptions/listen", { notifications = {} }).error.code)
    end)
  end)

  describe("by subscriptions/listen", function()
    before_each(function() peer = helper.open(app, "2026-07-28") end)

    local function send(filter, id, of)
      (of or peer):send { jsonrpc = "2.0", id = id, method = "subscriptions/listen",
        params = { notifications = filter, _meta = helper.envelope() } }
    end

    -- Sends, and gives what is acknowledged.
    local function listen(filter, id, of)
      send(filter, id, of)
      local first = (of or peer):receive()
      assert.equal(ACK, first.method, core.encode(first))
      assert.is_nil(first.id)
      return first.params.notifications, first.params._meta[TAG]
    end

    local function refused(filter, pattern)
      send(filter, 9)
      local answer = peer:receive()
      assert.same({ -32602, 9 }, { answer.error and answer.error.code, answer.id })
      assert.matches(pattern, answer.error.message)
      assert.equal(0, app.bus.count)
    end

    it("are declared; the session's methods are gone (SEC-22)", function()
      assert.same({ tools = { listChanged = true },
        resources = { listChanged = true, subscribe = true } },
        helper.plain(peer:modern("server/discover").result.capabilities))
      for _, method in ipairs { "resources/subscribe", "resources/unsubscribe" } do
        assert.equal(-32601, peer:modern(method, { uri = "test://watched" }).error.code)
      end
    end)

    it("are acknowledged first, with what is honoured, and cost no task (IO-65)", function()
      assert.same({ toolsListChanged = true, resourceSubscriptions = { "test://watched" } },
        helper.plain((listen({ toolsListChanged = true, promptsListChanged = false, more = {},
          resourceSubscriptions = { "test://watched", "test://nothing", "" } }, 1))))
      assert.same({ resourcesListChanged = true, promptsListChanged = true },
        helper.plain((listen({ resourcesListChanged = true, promptsListChanged = true,
          resourceSubscriptions = { "no URI" } }, 2))))
      assert.same({}, helper.plain((listen({}, 3))))
      assert.equal(0, core.task_count())
      peer:silent()
    end)

    it("are acknowledged first although others hear of changes meanwhile (IO-65, T-84)", function()
      app:tool "change" (function() app:changed "tools" end)
      for id = 1, 3 do
        send({ toolsListChanged = true }, id)
        peer:send { jsonrpc = "2.0", id = -id, method = "tools/call",
          params = { name = "change", _meta = helper.envelope() } }
      end
      local first, told = {}, 0
      for _, message in ipairs(peer:rest_of_messages()) do
        local tag = message.method and message.params._meta[TAG]
        if tag and not first[tag] then first[tag] = message.method else told = told + 1 end
      end
      assert.same({ ACK, ACK, ACK }, first)
      assert.is_true(told > 3, "nobody was told of a change")
    end)

    it("are tagged by the request's id, byte for byte (IO-64)", function()
      for _, id in ipairs { "1", '"1"', "-5", "9007199254740993", '""', '"\\u0041"',
        '"\xc3\xa4"' } do
        peer:send(([[{"jsonrpc":"2.0","id":%s,"method":"subscriptions/listen","params":%s}]])
          :format(id, core.encode { notifications = { toolsListChanged = true },
            _meta = helper.envelope() }))
        local tag = ('"%s":%s}'):format(TAG, id)
        local first = peer:receive_line()
        assert.is_truthy(first:find(tag, 1, true), first)
        app:changed "tools"
        local second = peer:receive_line()
        assert.is_truthy(second:find(tag, 1, true), second)
        app.bus:close()
        local last = peer:receive_line()
        assert.is_truthy(last:find(tag:sub(1, -2), 1, true), last)
        assert.is_truthy(last:find('"id":' .. id .. ",", 1, true), last)
      end
    end)

    it("need an object of notifications (4.7)", function()
      refused(nil, "notifications: expected an object, got nothing")
      refused(mcp.array {}, "notifications: expected an object, got array")
      refused("tools", "notifications: expected an object, got string")
      refused(mcp.null, "notifications: expected an object, got nothing")
      refused({ toolsListChanged = "yes" }, "notifications.toolsListChanged: expected a boolean")
      refused({ promptsListChanged = 1 }, "expected a boolean, got integer")
      refused({ resourceSubscriptions = "test://watched" },
        "notifications.resourceSubscriptions: expected an array, got string")
      refused({ resourceSubscriptions = { "test://watched", 5 } },
        "notifications.resourceSubscriptions%[1%]: expected a string, got integer")
      local many = {}
      for i = 1, bus.MAX_URIS + 1 do many[i] = "test://many/" .. i end
      refused({ resourceSubscriptions = many }, "at most 64 resources, got 65")
    end)

    it("end when they are cancelled, and nothing further comes (IO-62, IO-63)", function()
      listen({ toolsListChanged = true }, 1)
      listen({ toolsListChanged = true }, "1")
      peer:notify("notifications/cancelled", { requestId = 1 })
      helper.settle()
      app:changed "tools"
      assert.equal("1", peer:receive().params._meta[TAG])
      peer:silent()
      -- Its id is free again.
      listen({ toolsListChanged = true }, 1)
      app:changed "tools"
      assert.equal(2, #peer:rest_of_messages())
    end)

    it("of one id are one: a second is refused while the first is open", function()
      listen({ toolsListChanged = true }, 1)
      send({}, 1)
      assert.equal(-32600, peer:receive().error.code)
      app:changed "tools"
      assert.equal(1, #peer:rest_of_messages())
    end)

    it("end with their connection", function()
      listen({ toolsListChanged = true }, 1)
      local other = helper.open(app, "2026-07-28")
      listen({ toolsListChanged = true }, 1, other)
      other:close()
      app:changed "tools"
      assert.equal(1, #peer:rest_of_messages())
      assert.equal(1, app.bus.count)
    end)

    it("are forgotten when they have ended, also if nothing changes", function()
      listen({ toolsListChanged = true }, 1)
      for i = 1, 100 do
        local other = helper.open(app, "2026-07-28")
        listen({ resourceSubscriptions = { "test://many/" .. i } }, 1, other)
        other:close()
        assert.is_true(app.bus.count <= 33, app.bus.count .. " are kept")
      end
      assert.equal(1, app.bus:sweep())
      assert.equal(1, app.bus.count)
      -- Those of resources, too.
      local watchers = require "mcp.server.watchers"
      for i = 1, 100 do assert.is_nil(next(watchers.of("test://many/" .. i))) end
    end)

    it("hold up neither calls nor the end of the connection", function()
      for i = 1, 64 do listen({ toolsListChanged = true }, i) end
      for i = 101, 164 do
        peer:send { jsonrpc = "2.0", id = i, method = "tools/call",
          params = { name = "echo", _meta = helper.envelope() } }
      end
      local answers = peer:rest_of_messages()
      assert.equal(64, #answers)
      for _, answer in ipairs(answers) do assert.is_table(answer.result) end
      local host = peer.host
      peer:close()
      assert.is_true(host:is_gone())
    end)

    it("are 64 of a connection; what is cancelled makes room", function()
      for i = 1, 64 do listen({}, i) end
      send({}, 65)
      local answer = peer:receive()
      assert.same({ 65, -32603 }, { answer.id, answer.error.code })
      assert.matches("^Busy: too many subscriptions on this connection", answer.error.message)
      peer:notify("notifications/cancelled", { requestId = 7 })
      listen({}, 65)
      local other = helper.open(app, "2026-07-28")
      listen({}, 1, other)
    end)

    it("have a limit in all; what is gone makes room", function()
      app = new_app { name = "spec", subscriptions = { max = 3 } }
      local peers = {}
      for i = 1, 3 do
        peers[i] = helper.open(app, "2026-07-28")
        listen({ toolsListChanged = true }, 1, peers[i])
      end
      peer = helper.open(app, "2026-07-28")
      send({}, 1)
      local answer = peer:receive()
      assert.equal(-32603, answer.error.code)
      assert.matches("^Busy: 3 subscriptions are open", answer.error.message)
      peers[2]:close()
      listen({}, 1)
      assert.equal(3, app.bus.count)
    end)

    it("and as many as a setting allows URIs", function()
      app = new_app { name = "spec", subscriptions = { max_uris = 1 } }
      peer = helper.open(app, "2026-07-28")
      refused({ resourceSubscriptions = { "test://many/1", "test://many/2" } }, "at most 1")
    end)
  end)
end)
