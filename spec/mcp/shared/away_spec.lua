-- SPDX-License-Identifier: MIT
-- What several processes do while the store that they share is away.
local helper = require "spec.helper"
local several = require "spec.several"

describe("while the store is away", function()
  local all, log

  local function make(app)
    app:tool "served" (function() return "me" end)
    app:tool "log" (function(_, ctx)
      ctx:log("error", "x")
      return "done"
    end)
    app:resource "note:a" (function() return "a" end)
  end

  before_each(function() all = several.open(2, make) end)
  after_each(function()
    require("mcp.server.shared").TIMEOUT = 2
    all:close()
    helper.leftovers()
  end)

  local function quietly(fn)
    log = helper.logged(function() several.run(fn) end)
  end

  it("sessions that a process knows go on, and streams of their calls", function()
    quietly(function()
      local sid = all:session(1, 1)
      all:away(1, true)
      assert.equal("me", (all:call(1, sid, "served")))
      assert.equal("done", (all:call(1, sid, "log")))
      local stream = all:get(1, sid)
      assert.equal(200, stream.status)
      all.apps[1]:changed "tools"
      assert.equal("notifications/tools/list_changed", stream:next().method)
    end)
  end)

  it("other sessions get 503 with Retry-After, and so does what changes a session", function()
    quietly(function()
      local sid = all:session(1, 1)
      all:away(2, true)
      local _, err, status, response = all:request(2, "ping", nil, sid)
      assert.same({ 503, -32000, "2" }, { status, err.code, response:header "retry-after" })
      assert.matches("the store that the processes of this server share cannot be reached",
        err.message)
      _, err, status, response = all:request(2, "initialize", { protocolVersion = several.LATEST,
        capabilities = {}, clientInfo = { name = "x", version = "1" } })
      assert.same({ 503, -32000, "2" }, { status, err.code, response:header "retry-after" })
      assert.equal(0, all.apps[2].sessions.count)
      all:away(1, true)
      _, err, status, response = all:request(1, "resources/subscribe", { uri = "note:a" }, sid)
      assert.same({ 503, -32000, "2" }, { status, err.code, response:header "retry-after" })
      assert.is_nil(all.apps[1].sessions.by_id[sid].subscribed)
      assert.equal(503, all:delete(1, sid))
      all:away(1, false)
      all:away(2, false)
      assert.same({}, (all:request(1, "resources/subscribe", { uri = "note:a" }, sid)))
      assert.same({}, (all:request(2, "ping", nil, sid)))
    end)
  end)

  it("a stream cannot be resumed, at no process: 503 with Retry-After, and later it can", function()
    quietly(function()
      local sid = all:session(1, 2)
      local ended, alone = all:open_call(1, sid, "log"), all:get(1, sid)
      ended:next()
      all.apps[1]:changed "tools"
      assert.equal("notifications/tools/list_changed", alone:next().method)
      for _, last in ipairs { ended.last, alone.last } do
        for i = 1, 2 do
          all:away(i, true)
          local refused = all:get(i, sid, last)
          assert.same({ 503, "2" }, { refused.status, refused.response:header "retry-after" })
          all:away(i, false)
        end
      end
      assert.equal(200, all:get(1, sid, ended.last).status)
      assert.equal(200, all:get(1, sid, alone.last).status)
    end)
  end)

  it("a session that ended meanwhile is gone afterwards", function()
    quietly(function()
      local sid = all:session(1, 1)
      all:request(2, "ping", nil, sid)
      all:away(1, true)
      assert.equal(200, all:delete(2, sid))
      assert.same({}, (all:request(1, "ping", nil, sid)))
      all:away(1, false)
      local _, _, status = all:request(1, "ping", nil, sid)
      assert.equal(404, status)
    end)
  end)

  it("a session that the store has lost is written again", function()
    quietly(function()
      local sid = all:session(1, 1)
      all:away(1, true)
      for key in pairs(all.memory.items) do all.nodes[2]:delete(key) end
      all:away(1, false)
      assert.same({}, (all:request(1, "ping", nil, sid)))
      assert.same({}, (all:request(2, "ping", nil, sid)))
    end)
  end)

  it("nothing is sent twice afterwards", function()
    quietly(function()
      local sid = all:session(1, 1)
      local stream = all:get(1, sid)
      all:away(1, true)
      all.apps[1]:changed "tools"
      assert.equal("notifications/tools/list_changed", stream:next().method)
      local other = all:get(2, all:session(2, 2))
      all:away(1, false)
      -- The others hear of it now.
      assert.equal("notifications/tools/list_changed", other:next().method)
      assert.is_true(stream:is_quiet())
      all.apps[2]:changed "tools"
      assert.equal("notifications/tools/list_changed", stream:next().method)
      assert.is_true(stream:is_quiet())
    end)
  end)

  -- What a session's lock holds in the store.
  local function lock_of(sid) return all.nodes[2]:get(all.apps[1].shared:key("lock", sid)) end

  it("a lock that was asked for in vain is not held afterwards", function()
    quietly(function()
      local sid = all:session(1, 2)
      local driver = all.nodes[1].driver
      local add, later, asked = driver.add, driver.later, nil
      driver.add = function(...)
        asked = table.pack(...)
        return nil, "no answer within 2 s; it may have been carried out", "EUNAVAILABLE"
      end
      local function carry_out()
        if asked then add(table.unpack(asked, 1, asked.n)) end
        asked = nil
      end
      -- In the order in which it was sent.
      driver.later = function(...)
        carry_out()
        return later(...)
      end
      local _, _, status = all:request(1, "resources/subscribe", { uri = "note:a" }, sid)
      driver.add, driver.later = add, later
      carry_out()
      assert.equal(503, status)
      assert.is_nil((lock_of(sid)))
      assert.same({}, (all:request(2, "resources/subscribe", { uri = "note:a" }, sid)))
    end)
  end)

  it("a process that was slow releases its own lock, not that of the next one", function()
    quietly(function()
      local sid = all:session(1, 2)
      local session = { id = sid }
      local first = all.apps[1].shared:lock(session)
      -- As if its time were over.
      all.nodes[2]:delete(all.apps[1].shared:key("lock", sid))
      local second = all.apps[2].shared:lock(session)
      local held = assert.is_string((lock_of(sid)))
      getmetatable(first).__close()
      assert.equal(held, lock_of(sid))
      getmetatable(second).__close()
      assert.is_nil((lock_of(sid)))
    end)
  end)

  -- A process that has never reached the store; returns what lets it.
  local function add_alone(options, seconds)
    local node = all.memory:node()
    local connect = node.driver.connect
    node.driver.connect = function() return nil, "it is away", "EUNAVAILABLE" end
    local given = { name = "spec", store = node }
    for key, member in pairs(options or {}) do given[key] = member end
    local app = require("mcp").server(given)
    make(app)
    all.apps[3], all.nodes[3] = app, node
    require("mcp.server.shared").TIMEOUT = seconds
    all.listening[3] = app:listen { http = { port = 0 }, quiet = true, ready = true,
      websocket = { port = 0 } }
    all.ports[3] = all.listening[3].port
    return app, function()
      node.driver.connect = connect
      several.eventually(function() return app.shared:is_ready() end)
    end
  end

  local function plain(method, params, name)
    params._meta = helper.envelope { ["io.modelcontextprotocol/clientCapabilities"] =
      { elicitation = { form = {} }, extensions = { ["io.modelcontextprotocol/tasks"] = {} } } }
    return all:request(3, method, params, nil, { ["MCP-Protocol-Version"] = several.STATELESS,
      ["Mcp-Method"] = method, ["Mcp-Name"] = name })
  end

  it("from the start, requests without a session are served at once", function()
    quietly(function()
      -- What waited for the store would fail by the time of the client.
      local app, reach = add_alone({}, helper.LIMIT * 2)
      assert.equal("me", plain("tools/call", { name = "served", arguments = {} },
        "served").content[1].text)
      assert.is_table(plain("tools/list", {}).tools)
      assert.equal("a", plain("resources/read", { uri = "note:a" }, "note:a").contents[1].text)
      local stream = all:listen(3, { toolsListChanged = true })
      assert.equal("notifications/subscriptions/acknowledged", stream:next().method)
      app:changed "tools"
      assert.equal("notifications/tools/list_changed", stream:next().method)
      reach()
      -- It has a memory to itself where the others have a server.
      all.apps[several.address and 3 or 1]:changed "tools"
      assert.equal("notifications/tools/list_changed", stream:next().method)
    end)
  end)

  it("from the start, a subscription waits for the first attempt", function()
    quietly(function()
      local node = all.memory:node()
      local connect = node.driver.connect
      node.driver.connect = function(...)
        require("mcp.core").sleep(0.1)
        return connect(...)
      end
      local app = require("mcp").server { name = "spec", store = node }
      make(app)
      all.nodes[3] = node
      all.listening[3] = app:listen { http = { port = 0 }, quiet = true }
      all.ports[3] = all.listening[3].port
      local stream = all:listen(3, { toolsListChanged = true })
      assert.equal("notifications/subscriptions/acknowledged", stream:next().method)
      assert.is_true(app.shared:is_ready())
    end)
  end)

  it("from the start, what other processes are to open or to know is refused", function()
    quietly(function()
      local app, reach = add_alone({ page_size = 1 }, 0.05)
      app:tool "asks" (function(_, ctx) return ctx:elicit("Well?", { n = "string" }) and "" end)
      app:tool "works" { task = "required" } (function() return "done" end)
      for _, case in ipairs {
        { "tools/call", { name = "asks", arguments = {} }, "asks" },
        { "tools/call", { name = "works", arguments = {} }, "works" },
        { "tools/list", {} },
      } do
        local _, err = plain(table.unpack(case))
        assert.matches("the store that the processes of this server share cannot be reached",
          err and err.message or "served")
      end
      reach()
      assert.equal("input_required", plain("tools/call", { name = "asks", arguments = {} },
        "asks").resultType)
      assert.equal("task", plain("tools/call", { name = "works", arguments = {} },
        "works").resultType)
      -- A cursor is good at every process.
      assert.is_string(plain("tools/list", {}).nextCursor)
    end)
  end)

  it("from the start, what has to be corrected is an error, with what to do", function()
    quietly(function()
      local node = all.memory:node()
      node.driver.connect = function() return nil, "the password is wrong.", "EAUTH" end
      local app = require("mcp").server { name = "spec", store = node }
      all.nodes[3] = node
      all.listening[3] = app:listen { http = { port = 0 }, quiet = true }
      helper.wait_until(function() return app.shared.job end)
      require("mcp.core").sleep(0.05)
    end)
    assert.matches("error: the store of spec has not been reached yet: the password is wrong; "
      .. "correct the address of the store %(%-%-store, or the option store%)", log)
  end)

  it("from the start, every request of a session is refused until it is there", function()
    quietly(function()
      local app, reach = add_alone({}, 0.05)
      local _, err, status = all:request(3, "initialize", { protocolVersion = several.LATEST,
        capabilities = {} })
      assert.same({ 503, -32000 }, { status, err.code })
      assert.is_false(app.shared:is_ready())
      reach()
      assert.is_string(all:session(3, 3))
    end)
    assert.matches("warning: the store of spec has not been reached yet: it is away; "
      .. "it is tried again, and what needs it is refused until then", log)
    assert.matches("the store of spec has been reached", log)
  end)
end)
