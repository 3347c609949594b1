-- SPDX-License-Identifier: MIT
-- Sessions that any of several processes can serve.
local core = require "mcp.core"
local helper = require "spec.helper"
local several = require "spec.several"

describe("a session of several processes", function()
  local all

  local function make(app, i)
    app:tool "served" (function(_, ctx)
      return ("%d %s %s"):format(i, ctx.client.name, ctx.capabilities.roots and "roots" or "-")
    end)
    app:tool "log" (function(_, ctx)
      return tostring(ctx:log("debug", "x"))
    end)
    app:resource "note:a" (function() return "a" end)
    app:resource "note:b" (function() return "b" end)
  end

  local function open(count, options) all = several.open(count, make, options) end

  after_each(function()
    all:close()
    helper.leftovers()
  end)

  it("is served by each of them, with what its client has declared", function()
    open(3)
    several.run(function()
      local sid = all:session(1, 2, { roots = {} })
      for i = 1, 3 do
        assert.equal(i .. " spec roots", (all:call(i, sid, "served")))
        assert.is_true(all.apps[i].sessions.by_id[sid].initialized ~= false)
      end
      assert.same({ 1, 1, 1 }, { all.apps[1].sessions.count, all.apps[2].sessions.count,
        all.apps[3].sessions.count })
    end)
  end)

  it("is unknown everywhere if it never was, or its id is no id", function()
    open(2)
    several.run(function()
      for _, sid in ipairs { core.random_id(), "x", ("y"):rep(2000), "a/b" } do
        local _, err, status = all:request(2, "ping", nil, sid)
        assert.same({ 404, -32001 }, { status, err.code })
      end
    end)
  end)

  it("ends everywhere, also where it was never seen", function()
    open(3)
    several.run(function()
      local sid = all:session(1, 1)
      assert.same({}, (all:request(2, "ping", nil, sid)))
      assert.equal(200, all:delete(2, sid))
      several.eventually(function() return all.apps[1].sessions.count == 0 end)
      for i = 1, 3 do
        local _, _, status = all:request(i, "ping", nil, sid)
        assert.equal(404, status)
      end
    end)
  end)

  it("is answered that it ended once the store has passed that on", function()
    open(2)
    several.run(function()
      local sid = all:session(1, 1)
      local store, said = all.apps[1].shared.store, {}
      for _, name in ipairs { "put", "publish", "get" } do
        store[name] = function(self, ...)
          said[#said + 1] = name
          return getmetatable(self).__index[name](self, ...)
        end
      end
      assert.equal(200, all:delete(1, sid))
      said[#said + 1] = "answered"
      assert.same({ "put", "publish", "get", "answered" }, said)
    end)
  end)

  it("has one set of subscriptions and one level of log messages", function()
    open(2)
    several.run(function()
      local sid = all:session(1, 1)
      assert.same({}, (all:request(1, "resources/subscribe", { uri = "note:a" }, sid)))
      assert.same({}, (all:request(2, "resources/subscribe", { uri = "note:b" }, sid)))
      several.eventually(function()
        local mine = all.apps[1].sessions.by_id[sid].subscribed
        return mine["note:a"] and mine["note:b"]
      end)
      -- At the process that does not know of the first one by a message of its own.
      assert.same({}, (all:request(2, "resources/unsubscribe", { uri = "note:a" }, sid)))
      several.eventually(function()
        return not all.apps[1].sessions.by_id[sid].subscribed["note:a"]
      end)
      assert.equal("false", (all:call(2, sid, "log")))
      assert.same({}, (all:request(1, "logging/setLevel", { level = "debug" }, sid)))
      several.eventually(function() return all.apps[2].sessions.by_id[sid].log_rank end)
      assert.equal("true", (all:call(2, sid, "log")))
    end)
  end)

  it("keeps all subscriptions that are made at the same time", function()
    open(2)
    several.run(function()
      local sid = all:session(1, 2)
      local waiter = core.waiter()
      for i = 1, 2 do
        waiter:spawn(function()
          all:request(i, "resources/subscribe", { uri = i == 1 and "note:a" or "note:b" }, sid)
        end)
      end
      waiter:wait(helper.LIMIT)
      for i = 1, 2 do
        several.eventually(function()
          local mine = all.apps[i].sessions.by_id[sid].subscribed
          return mine and mine["note:a"] and mine["note:b"]
        end, "both at " .. i)
      end
    end)
  end)

  it("lives as long as any process serves it", function()
    open(2, { sessions = { idle = 0.5 } })
    several.run(function()
      local sid = all:session(1, 1)
      for _ = 1, 8 do
        assert.same({}, (all:request(2, "ping", nil, sid)))
        core.sleep(0.1)
      end
      assert.same({}, (all:request(1, "ping", nil, sid)))
      core.sleep(0.8)
      for i = 1, 2 do
        local _, _, status = all:request(i, "ping", nil, sid)
        assert.equal(404, status)
      end
    end)
  end)

  it("is forgotten by a process that stops listening, and by no other", function()
    open(2)
    several.run(function()
      local sid = all:session(1, 1)
      all.listening[1]:close()
      assert.same({}, (all:request(2, "ping", nil, sid)))
    end)
  end)

  it("belongs to its principal at each of them", function()
    open(2, { auth = { resource = "https://mcp.example/mcp",
      authorization_servers = { "https://as.example" },
      verify = function(token)
        return token ~= "bad" and { subject = token, scopes = {} } or nil
      end } })
    several.run(function()
      local function as(name) return { Authorization = "Bearer " .. name } end
      local sid = all:session(1, 2, {}, nil, as "ann")
      assert.same({}, (all:request(2, "ping", nil, sid, as "ann")))
      for i = 1, 2 do
        local _, err, status = all:request(i, "ping", nil, sid, as "bob")
        assert.same({ 404, -32001 }, { status, err.code })
      end
      -- What a stranger asks leaves it as it is.
      assert.same({}, (all:request(2, "ping", nil, sid, as "ann")))
      assert.equal(1, all.apps[2].sessions.count)
    end)
  end)

  it("does not leave its subscriptions charged", function()
    open(2)
    several.run(function()
      local sid = all:session(1, 1)
      all:request(2, "resources/subscribe", { uri = "note:a" }, sid)
      several.eventually(function()
        return (all.apps[1].sessions.by_id[sid].charged or 0) > 0
      end)
      all:request(1, "resources/unsubscribe", { uri = "note:a" }, sid)
      several.eventually(function() return all.apps[2].sessions.by_id[sid].charged == 0 end)
      assert.equal(0, all.apps[1].sessions.by_id[sid].charged)
    end)
  end)
end)

describe("servers with a store of their own", function()
  it("refuse values that are not stores", function()
    local mcp = require "mcp"
    assert.error_matches(function() mcp.server { name = "x", store = "nonsense" } end,
      "mcp.server: store: expected an address")
    assert.error_matches(function() mcp.server { name = "x", store = {} } end,
      "expected a store")
    local app = mcp.server { name = "x", store = "memory:" }
    assert.error_matches(function() app:listen { http = { port = 0 }, store = "memory:" } end,
      "has one already")
  end)
end)
