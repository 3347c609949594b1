-- SPDX-License-Identifier: MIT
-- watch_spec.lua: lua/mcp/client/watch.lua: being told of changes, in both eras (4.7).
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"
local value = require "mcp.value"
local watch = require "mcp.client.watch"

local TAG = helper.PREFIX .. "subscriptionId"

local EVERYTHING = { tools = { listChanged = true }, prompts = { listChanged = true },
  resources = { listChanged = true, subscribe = true } }

local function own_app()
  local app = mcp.server "own"
  app:tool "t" (function() end)
  app:prompt "p" (function() return "x" end)
  app:resource "r://a" (function() return "a" end)
  app:resource "r://b" (function() return "b" end)
  return app
end

-- A server of the stateless era that listens, and says so. `far.heard` is what it listens to now.
local function listener(more)
  return scripted.modern(function(far, message)
    if message.method == "subscriptions/listen" then
      far.heard = message
      if more and more(far, message) then return end
      far:notify("notifications/subscriptions/acknowledged", {
        notifications = message.params.notifications, _meta = { [TAG] = message.id } })
    elseif message.method == "notifications/cancelled" then
      far.cancelled = far.cancelled or {}
      table.insert(far.cancelled, message.params.requestId)
    elseif message.id then
      far:result(message.id, { tools = value.array {} })
    end
  end, { capabilities = EVERYTHING })
end

describe("changes of a server", function()
  after_each(scripted.leftovers)

  for _, revision in ipairs(helper.revisions) do
    it("are told by our own, revision " .. revision, function()
      local app, lists, told = own_app(), {}, {}
      local client <close> = assert(mcp.connect(app, { revision = revision,
        on_change = function(what, uri)
          lists[#lists + 1] = uri and what .. " " .. uri or what
        end }))
      local function note(uri) told[#told + 1] = uri end
      assert.is_true(client:subscribe("r://a", note))
      assert.is_true(client:subscribe("r://b", note))
      app:resource_updated "r://a"
      app:resource_updated "r://c"
      helper.wait_until(function() return told[1] end)
      assert.is_true(client:unsubscribe "r://a")
      app:resource_updated "r://a"
      app:resource_updated "r://b"
      helper.wait_until(function() return told[2] end)
      assert.same({ "r://a", "r://b" }, told)
      app:tool "new" (function() end)
      helper.wait_until(function() return #lists >= 3 end)
      assert.same({ "resource r://a", "resource r://b", "tools" }, lists)
      app:remove("prompt", "p")
      app:resource "r://new" (function() return "n" end)
      helper.wait_until(function() return #lists >= 5 end)
      table.sort(lists)
      assert.same({ "prompts", "resource r://a", "resource r://b", "resources", "tools" }, lists)
      assert.is_true(client:unsubscribe "r://b")
      assert.is_true(client:unsubscribe "r://b")
    end)
  end

  it("of a part of a resource are told as well (4.7), each function once", function()
    local client, far = scripted.connect(scripted.legacy(function(end_, message)
      if message.id then end_:result(message.id, {}) end
    end, nil, { capabilities = EVERYTHING }))
    local one, two = {}, {}
    local function first(uri) one[#one + 1] = uri end
    assert(client:subscribe("file:///dir", first))
    assert(client:subscribe("file:///dir", first))
    assert(client:subscribe("file:///dir", function(uri) two[#two + 1] = uri end))
    assert.equal(1, #far:all "resources/subscribe")
    for _, uri in ipairs { "file:///dir/a", "file:///directory", "file:///", "file:///dir" } do
      far:notify("notifications/resources/updated", { uri = uri })
    end
    far:notify("notifications/resources/updated", { uri = 5 })
    far:notify "notifications/resources/updated"
    helper.wait_until(function() return #two == 2 end)
    assert.same({ "file:///dir/a", "file:///dir" }, one)
    assert.same(one, two)
    -- One of the functions goes: the server is asked only when the last one does.
    assert(client:unsubscribe("file:///dir", first))
    assert.equal(0, #far:all "resources/unsubscribe")
    assert(client:unsubscribe "file:///dir")
    assert.equal(1, #far:all "resources/unsubscribe")
  end)

  it("that cannot be subscribed to leave nothing behind", function()
    local client = scripted.connect(scripted.legacy(function(far, message)
      far:error(message.id, -32601, "no such thing")
    end))
    assert.same({ nil, "no such thing", -32601 },
      { table.unpack({ client:subscribe("r://a", print) }, 1, 3) })
    assert.same({}, client.subscribed)
    local real = watch.URIS
    watch.URIS = 0
    local code = select(3, client:subscribe("r://a", print))
    watch.URIS = real
    assert.equal("EBUSY", code)
  end)

  it("may be of 1024 resources, and the next one says so", function()
    local client, far = scripted.connect(scripted.legacy(function(end_, message)
      if message.id then end_:result(message.id, {}) end
    end, nil, { capabilities = EVERYTHING }))
    for i = 1, 1023 do client.subscribed["r://" .. i] = { [print] = true } end
    assert.is_true(client:subscribe("r://last", print))
    assert.same({ nil, "subscribed to 1024 resources, which is the limit", "EBUSY" },
      { client:subscribe("r://more", print) })
    -- Another function of one of them is no more.
    assert.is_true(client:subscribe("r://last", tostring))
    assert.equal(1, #far:all "resources/subscribe")
    client.subscribed = {}
  end)

  it("of what was never subscribed to end without a request", function()
    local client, far = scripted.connect(scripted.legacy(function(end_, message)
      if message.id then end_:result(message.id, {}) end
    end, nil, { capabilities = EVERYTHING }))
    assert.is_true(client:unsubscribe "r://a")
    assert.is_true(client:unsubscribe("r://a", print))
    assert.equal(0, #far:all "resources/unsubscribe")
    assert(client:subscribe("r://a", print))
    assert.is_true(client:unsubscribe("r://a", tostring))
    assert.equal(0, #far:all "resources/unsubscribe")
    assert.is_true(client:unsubscribe("r://a", print))
    assert.equal(1, #far:all "resources/unsubscribe")
  end)

  it("are told apart from all other notifications", function()
    local client = { settings = {}, subscribed = {}, era = "legacy" }
    for method, taken in pairs { ["notifications/tools/list_changed"] = true,
      ["notifications/resources/updated"] = true, ["notifications/progress"] = false,
      ["notifications/roots/list_changed"] = false, ["notifications/tools/updated"] = false,
      ["notifications/subscriptions/acknowledged"] = true, ["x"] = false } do
      assert.equal(taken, watch.notice(client, method, {}), method)
    end
  end)

  it("that a new session refuses are named in the log, the others are not", function()
    local client, far = scripted.connect(scripted.legacy(function(end_, message)
      if message.method == "resources/subscribe" and message.params.uri == "r://gone" then
        end_:error(message.id, -32002, "no such thing")
      elseif message.id then
        end_:result(message.id, {})
      end
    end, nil, { capabilities = EVERYTHING }))
    client.subscribed = { ["r://gone"] = { [print] = true }, ["r://a"] = { [print] = true } }
    local log = helper.logged(function() watch.start(client) end)
    assert.equal("warning: no longer subscribed to r://gone: no such thing", log)
    assert.equal(2, #far:all "resources/subscribe")
    client.subscribed = {}
  end)

  describe("without sessions", function()
    it("are acknowledged in any spelling of a URI, and by nothing else", function()
      local honoured
      local client = scripted.connect(listener(function(end_, message)
        end_:notify("notifications/subscriptions/acknowledged", {
          notifications = { resourceSubscriptions = honoured }, _meta = { [TAG] = message.id } })
        return true
      end))
      for list, good in pairs { [{ "HTTP://EXAMPLE.com/a" }] = true, [{ 5, "http://x" }] = false,
        [{ 5, "http://example.com/a" }] = true, [{}] = false } do
        honoured = list
        local ok, _, code = client:subscribe("http://example.com/a", print)
        assert.equal(good or nil, ok)
        assert.equal(not good and "ENOTSUP" or nil, code)
        client:unsubscribe "http://example.com/a"
      end
    end)

    it("are listened to by one request, which is made anew when more is wanted", function()
      local client, far = scripted.connect(listener())
      local told = {}
      local function note(uri) told[#told + 1] = uri end
      assert(client:subscribe("r://a", note))
      local first = far.heard
      assert.same({ resourceSubscriptions = { "r://a" } }, helper.plain(first.params.notifications))
      assert(client:subscribe("r://b", note))
      assert.same({ resourceSubscriptions = { "r://a", "r://b" } },
        helper.plain(far.heard.params.notifications))
      -- The one before ends, and what it still says is not heard twice.
      helper.wait_until(function() return far.cancelled end)
      assert.same({ first.id }, far.cancelled)
      for _, tag in ipairs { first.id, far.heard.id, tostring(far.heard.id), 99, true } do
        far:notify("notifications/resources/updated", { uri = "r://a", _meta = { [TAG] = tag } })
      end
      far:notify("notifications/resources/updated", { uri = "r://a" })
      far:notify("notifications/resources/updated", { uri = "r://b",
        _meta = { [TAG] = far.heard.id } })
      helper.wait_until(function() return #told == 2 end)
      assert.same({ "r://a", "r://b" }, told)
      -- And none at all when nothing is wanted.
      assert(client:unsubscribe "r://a")
      assert(client:unsubscribe "r://b")
      helper.wait_until(function() return #far.cancelled == 3 end)
      assert.is_nil(client.listening)
      assert.equal(0, client.in_flight)
    end)

    it("of lists are listened to if the program wants them, and the server tells", function()
      local client, far = scripted.connect(listener(), { on_change = print })
      assert.same({ toolsListChanged = true, promptsListChanged = true,
        resourcesListChanged = true }, helper.plain(far.heard.params.notifications))
      client:close()
      client, far = scripted.connect(scripted.modern(), { on_change = print })
      assert.equal(1, #far.got)
      client:close()
      far = select(2, scripted.connect(listener()))
      assert.is_nil(far.heard)
    end)

    it("forget what is kept (4.8)", function()
      local listed = 0
      local client, far
      client, far = scripted.connect(scripted.modern(function(end_, message)
        if message.method == "subscriptions/listen" then
          end_.heard = message.id
          end_:notify("notifications/subscriptions/acknowledged", {
            notifications = message.params.notifications, _meta = { [TAG] = message.id } })
        elseif message.id then
          listed = listed + 1
          end_:result(message.id, { ttlMs = 60000, cacheScope = "public",
            tools = value.array { { name = "t" .. listed } }, prompts = value.array {},
            contents = value.array {}, resources = value.array {},
            resourceTemplates = value.array {} })
        end
      end, { capabilities = EVERYTHING }), { on_change = function() end })
      local function tell(what, uri)
        far:notify("notifications/" .. what, { uri = uri, _meta = { [TAG] = far.heard } })
      end
      for _, case in ipairs {
        { "tools/list_changed", "list_tools" }, { "prompts/list_changed", "list_prompts" },
        { "resources/list_changed", "list_resources" },
        { "resources/list_changed", "list_resource_templates" },
        { "resources/updated", "read_resource", "r://a" },
      } do
        local verb = client[case[2]]
        for _ = 1, 2 do assert(verb(client, case[3])) end
        local before = listed
        tell(case[1], case[3])
        helper.wait_until(function()
          assert(verb(client, case[3]))
          return listed > before
        end, case[1])
        assert(verb(client, case[3]))
        assert.equal(before + 1, listed)
      end
    end)

    it("that the server does not tell cannot be subscribed to", function()
      local client, far = scripted.connect(listener(function(far, message)
        far:notify("notifications/subscriptions/acknowledged", { notifications = {},
          _meta = { [TAG] = message.id } })
        return true
      end))
      local ok, text, code = client:subscribe("r://a", print)
      assert.same({ nil, "the server does not send changes of r://a", "ENOTSUP" },
        { ok, text, code })
      assert.same({}, client.subscribed)
      helper.wait_until(function() return far.cancelled end)
      assert.equal(0, client.in_flight)
    end)

    it("that the server refuses to listen to are an error of subscribe only", function()
      local function refusing(far, message)
        far:error(message.id, -32603, "too many", 5)
        return true
      end
      local client = scripted.connect(listener(refusing))
      assert.same({ nil, "too many", -32603, 5 }, { client:subscribe("r://a", print) })
      assert.equal(0, client.in_flight)
      client:close()
      local log = helper.logged(function()
        client = scripted.connect(listener(refusing), { on_change = print })
      end)
      assert.matches("not subscribed to changes: too many", log, 1, true)
      assert.is_true(client:is_open())
    end)

    it("that nobody acknowledges are given up", function()
      local real = watch.ACKNOWLEDGE
      watch.ACKNOWLEDGE = 0.02
      local client, far = scripted.connect(listener(function() return true end))
      local ok, text, code = client:subscribe("r://a", print)
      watch.ACKNOWLEDGE = real
      assert.same({ nil, "subscriptions/listen: not acknowledged", "ETIMEDOUT" },
        { ok, text, code })
      helper.wait_until(function() return far.cancelled end)
    end)

    it("are acknowledged within ten seconds if nothing is set", function()
      local methods, waits = getmetatable(core.waiter()).__index, {}
      local real = methods.wait
      methods.wait = function(waiter, seconds)
        waits[#waits + 1] = seconds or false
        return real(waiter, seconds)
      end
      local client = scripted.connect(listener())
      local ok = client:subscribe("r://a", print)
      methods.wait = real
      assert.is_true(ok)
      local found
      for _, seconds in ipairs(waits) do found = found or seconds == 10 end
      assert.is_true(found)
    end)

    it("are listened to again when the server has ended that, and all may have changed", function()
      local real = watch.PAUSE
      watch.PAUSE = 0.01
      local changes, told = {}, {}
      local client, far = scripted.connect(listener(), {
        on_change = function(what, uri) changes[#changes + 1] = uri and "resource" or what end })
      assert(client:subscribe("r://a", function(uri) told[#told + 1] = uri end))
      local before, dropped = far.heard.id, {}
      client.cache = { drop = function(_, _, method) dropped[#dropped + 1] = method or "all" end }
      -- Gracefully, with a result.
      local log = helper.logged(function()
        far:result(before, { resultType = "complete", _meta = { [TAG] = before } })
        helper.wait_until(function() return far.heard.id ~= before and #changes == 4 end)
      end)
      assert.matches("info: subscriptions/listen: the server ended the subscription", log, 1, true)
      -- At once, not only when it listens again.
      assert.equal("all", dropped[1])
      client.cache = nil
      table.sort(changes)
      assert.same({ "prompts", "resource", "resources", "tools" }, changes)
      assert.same({ "r://a" }, told)
      -- Or by taking the request back (7.6).
      before = far.heard.id
      far:notify("notifications/cancelled", { requestId = before })
      helper.wait_until(function() return far.heard.id ~= before end)
      helper.wait_until(function() return client.listening end)
      -- Not when nobody wants it any more.
      before = far.heard.id
      assert(client:unsubscribe "r://a")
      client.settings.on_change = nil
      far:result(far.heard.id, {})
      watch.PAUSE = real
      helper.wait_until(function() return client.in_flight == 0 end)
      assert.is_true(far.heard.id > before)
    end)

    it("are changed one after the other when several tasks want something else", function()
      local client, far = scripted.connect(listener())
      local ways = {}
      for i = 1, 6 do
        ways[i] = function() return client:subscribe("r://" .. i, print) end
      end
      assert.same({ true, true, true, true, true, true }, mcp.all(ways))
      assert.equal(6, #far.heard.params.notifications.resourceSubscriptions)
      helper.wait_until(function() return #far.cancelled == 5 end)
      assert.equal(1, client.in_flight)
    end)
  end)

  it("are subscribed to again after the connection was lost", function()
    for _, era in ipairs { "legacy", "modern" } do
      local script = era == "modern" and listener() or scripted.legacy(function(far, message)
        if message.id then far:result(message.id, {}) end
      end, nil, { capabilities = EVERYTHING })
      local transport = scripted.transport(script)
      local client = scripted.keep(mcp.session(transport))
      assert(client:initialize())
      local told
      assert(client:subscribe("r://a", function(uri) told = uri end))
      transport.far:close()
      helper.wait_until(function() return not client:is_open() end)
      assert.equal("EGONE", select(3, client:ping()))
      assert.equal("EGONE", select(3, client:subscribe("r://b", print)))
      assert.equal(client, client:initialize())
      local far = transport.far
      assert.equal(2, #transport.fars)
      far:notify("notifications/resources/updated", { uri = "r://a",
        _meta = far.heard and { [TAG] = far.heard.id } or nil })
      helper.wait_until(function() return told end)
      client:close()
    end
  end)

  it("an error in a function is the program's own", function()
    local client, far = scripted.connect(scripted.legacy(function(end_, message)
      if message.id then end_:result(message.id, {}) end
    end), { on_change = function() error "mine" end })
    far:notify "notifications/tools/list_changed"
    assert(client:ping())
    assert.equal(0, core.task_count() - 1)
  end)
end)
