-- SPDX-License-Identifier: MIT
-- Mounted servers that start slowly, fail, come back, or keep state for a session.
local cases = require "spec.mcp.mount.cases"
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local mounted = require "mcp.mount.server"
local upstream = require "mcp.mount.upstream"
local watched = require "mcp.client.watched"

local function text_of(result) return result.content[1].text end

describe("a mounted server", function()
  local front, behind, listening

  before_each(function()
    behind = mcp.server "behind"
    behind:tool "who" (function(_, ctx) return tostring(ctx.own_session) end)
    behind:tool "headers" (function(_, ctx)
      return ("%s %s"):format(ctx.headers.authorization, ctx.headers["x-mine"])
    end)
    front = mcp.server "front"
  end)
  after_each(function()
    for _, each in ipairs(front:mounted()) do front:unmount(each.name) end
    if listening then listening:close() end
    listening = nil
    mcp.sleep(0.02)
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
    helper.leftovers()
  end)

  local function serve()
    listening = behind:listen { http = "127.0.0.1:0", quiet = true }
    return listening.urls[1]
  end

  local function names_of(client)
    local out = {}
    for i, tool in ipairs(client:list_tools()) do out[i] = tool.name end
    return table.concat(out, " ")
  end

  it("gets of each request what is the request's own in _meta, whatever came before", function()
    local kept = mounted.SEEN
    mounted.SEEN = 2
    behind:tool "meta" (function(_, ctx)
      return ("%s %s"):format(ctx.meta["x/trace"], tostring(ctx.capabilities.elicitation ~= nil))
    end)
    front:mount("gh", serve())
    local quiet <close> = assert(mcp.connect(front, { era = "modern" }))
    local asked <close> = assert(mcp.connect(front, { era = "modern",
      on_elicit = function() return nil, "decline" end }))
    local session <close> = assert(mcp.connect(front, { era = "legacy" }))
    for _, trace in ipairs { "a", "a", "b", "c", "a", ("long"):rep(400) } do
      for client, may in pairs { [quiet] = "false", [asked] = "true", [session] = "false" } do
        assert.equal(trace .. " " .. may,
          text_of(assert(client:call_tool("gh_meta", {}, { meta = { ["x/trace"] = trace } }))))
        assert.equal("nil " .. may, text_of(assert(client:call_tool "gh_meta")))
      end
    end
    mounted.SEEN = kept
  end)

  it("is not connected to before something is asked of it", function()
    front:mount("gh", serve())
    assert.equal("new", front:mounted()[1].state)
    local client <close> = assert(mcp.connect(front))
    assert.equal("up", front:mounted()[1].state)
    assert.equal("gh_who gh_headers", names_of(client))
  end)

  it("is missing while it cannot be reached, and the error names it; it comes back", function()
    local pause = upstream.PAUSE
    upstream.PAUSE = 0.02
    local may, tries = false, 0
    front:tool "own" (function() return "own" end)
    front:mount("gh", serve())
    front.mounts.by_name.gh.upstream.connect = function(options)
      tries = tries + 1
      if not may then return nil, "out of order", "EGONE" end
      return mcp.connect(behind, options)
    end
    local client, seen
    local lines = helper.logged(function()
      seen = 0
      client = assert(mcp.connect(front, { era = "legacy",
        on_change = function(what) if what == "tools" then seen = seen + 1 end end }))
      assert.equal("own", names_of(client))
    end)
    assert.matches('mount "gh": cannot be reached, the next attempt is in 0.02 s: out of order',
      lines, 1, true)
    local _, text, code = client:call_tool "gh_who"
    assert.same({ 'tools/call "gh_who": the mounted server "gh" cannot be reached: out of order',
      -32603 }, { text, code })
    assert.matches('server "gh" cannot be reached', (select(2, client:read_resource "gh+n://a")))
    assert.matches("Unknown tool: hg_who", (select(2, client:call_tool "hg_who")))
    assert.same({ "down", "out of order" }, { front:mounted()[1].state, front:mounted()[1].text })
    helper.wait_until(function() return tries >= 3 end, "further attempts")
    may = true
    helper.wait_until(function() return seen > 0 end, "the list")
    assert.equal("own gh_who gh_headers", names_of(client))
    -- Lost, and opened again by the next call.
    local main = front.mounts.by_name.gh.upstream.main
    main.client.transport:close()
    main.client.state, main.client.lost_text = "lost", "cut"
    helper.logged(function() assert(client:call_tool "gh_who") end)
    client:close()
    upstream.PAUSE = pause
  end)

  it("that dies again and again is tried less and less often; its part is taken out", function()
    local pause = upstream.PAUSE
    upstream.PAUSE = 0.01
    local calls, up = {}, true
    front:mount("gh", serve())
    front.mounts.by_name.gh.upstream.connect = function(options)
      calls[#calls + 1] = core.now()
      if not up then return nil, "gone", "EGONE" end
      return mcp.connect(behind, options)
    end
    local client = assert(mcp.connect(front))
    up = false
    helper.logged(function()
      local main = front.mounts.by_name.gh.upstream.main
      main.client.transport:close()
      main.client.state, main.client.lost_text = "lost", "cut"
      assert.equal("", names_of(client))
      helper.wait_until(function() return #calls >= 6 end, "attempts")
    end)
    assert.is_true(calls[6] - calls[5] >= 2 * (calls[4] - calls[3]) - 0.01)
    -- Not rarer than that.
    local most = upstream.PAUSE_MAX
    upstream.PAUSE_MAX = 0.01
    helper.logged(function()
      helper.wait_until(function() return #calls >= 12 end, "attempts at the least rate", 2)
    end)
    upstream.PAUSE_MAX = most
    client:close()
    upstream.PAUSE = pause
  end)

  it("that answers a call between its deaths is started again at once each time", function()
    local pause = upstream.PAUSE
    upstream.PAUSE = 0.05
    behind:tool "dies" (function(_, ctx) ctx:sleep(60) end)
    front:mount("gh", behind, { era = "legacy" })
    local client <close> = assert(mcp.connect(front))
    local up = front.mounts.by_name.gh.upstream
    local function lose()
      local main = up.main
      main.client.transport:close()
      main.client.state, main.client.lost_text = "lost", "cut"
    end
    -- The seconds until there is a list again.
    local function back()
      local began = core.now()
      assert.equal("gh_who gh_headers gh_dies", names_of(client))
      return core.now() - began
    end
    helper.logged(function()
      for _ = 1, 4 do
        assert(client:call_tool "gh_who")
        lose()
        back()
        assert.equal(1, up.tries)
      end
      -- Without an answer the pauses grow, whether it was called or not.
      for i = 1, 2 do
        mcp.spawn(function() client:call_tool "gh_dies" end)
        mcp.sleep(0.01)
        lose()
        local took = back()
        assert.is_true(took >= upstream.PAUSE * 2 ^ (i - 1) - 0.005, took .. " " .. i)
        assert.equal(i + 1, up.tries)
      end
      assert(client:call_tool "gh_who")
      lose()
      back()
      assert.equal(1, up.tries)
    end)
    upstream.PAUSE = pause
  end)

  it("that starts slowly delays a list by its deadline, once, and calls until it is up", function()
    front:tool "own" (function() return "own" end)
    front:mount("gh", serve(), { deadline = 0.3 })
    local waiter = core.waiter()
    front.mounts.by_name.gh.upstream.connect = function(options)
      waiter:wait()
      return mcp.connect(behind, options)
    end
    local client = assert(mcp.connect(front, { era = "legacy" }))
    assert.is_truthy(client.capabilities.resources)
    local began = core.now()
    assert.equal("own", names_of(client))
    assert.equal("own", names_of(client))
    assert.is_true(core.now() - began < 0.3)
    local result
    mcp.spawn(function() result = client:call_tool "gh_who" end)
    mcp.sleep(0.01)
    waiter:wake()
    helper.wait_until(function() return result end, "the call")
    client:close()
    -- What a call waits for has an end.
    local start = mounted.START
    mounted.START = 0.02
    front:unmount "gh"
    front:mount("gh", serve(), { deadline = 0.01 })
    local never = core.waiter()
    front.mounts.by_name.gh.upstream.connect = function()
      never:wait()
      return nil, "never", "EGONE"
    end
    client = assert(mcp.connect(front))
    assert.matches("it is still starting", (select(2, client:call_tool "gh_who")))
    client:close()
    never:wake()
    mounted.START = start
  end)

  it("starts beside others, a few at a time", function()
    local now, most = 0, 0
    for i = 1, 12 do
      front:mount("s" .. i, behind, { era = "legacy" })
      front.mounts.by_name["s" .. i].upstream.connect = function(options)
        now = now + 1
        most = math.max(most, now)
        mcp.sleep(0.005)
        now = now - 1
        return mcp.connect(behind, options)
      end
    end
    local client <close> = assert(mcp.connect(front))
    assert.equal(24, #client:list_tools())
    assert.equal(upstream.STARTING, most)
  end)

  it("that ends the stream of a call early has it ended here, and the rest is fetched", function()
    behind:tool "long" (function(_, ctx)
      assert(ctx:close_stream(0.02))
      ctx:sleep(0.005)
      return "done"
    end)
    -- It speaks both eras: a session is what it keeps for a client that has one.
    front:mount("gh", serve(), { sessions = "client" })
    local outer = front:listen { http = "127.0.0.1:0", quiet = true }
    local fields = { Accept = "application/json, text/event-stream" }
    local function post(id, method, params)
      return assert(mcp.fetch(outer.urls[1], { method = "POST", headers = fields,
        json = { jsonrpc = "2.0", id = id, method = method, params = params } }))
    end
    local opened = post(1, "initialize", { protocolVersion = "2025-11-25", capabilities = {},
      clientInfo = { name = "raw", version = "1" } })
    fields["Mcp-Session-Id"] = opened.headers["mcp-session-id"]
    fields["MCP-Protocol-Version"] = "2025-11-25"
    post(nil, "notifications/initialized")
    local ended = post(2, "tools/call", { name = "gh_long", arguments = {} })
    local body = ended.body
    assert.matches("^text/event%-stream", ended.headers["content-type"])
    assert.matches("retry: 20\n", body, 1, true)
    assert.is_nil(body:find('"result"', 1, true))
    fields["Last-Event-ID"], fields.Accept = body:match "id: (%S+)", "text/event-stream"
    local rest = assert(mcp.fetch(outer.urls[1], { headers = fields }))
    assert.matches('"text":"done"', rest.body, 1, true)
    outer:close()
  end)

  it("gets what its mount says and nothing of the caller: no token, no header fields", function()
    front:mount("gh", serve(), { headers = { Authorization = "Bearer ours", ["X-Mine"] = "1" } })
    local outer = front:listen { http = "127.0.0.1:0", quiet = true }
    local client <close> = assert(mcp.connect(outer.urls[1],
      { headers = { Authorization = "Bearer caller", ["X-Mine"] = "2" } }))
    assert.equal("Bearer ours 1", text_of(client:call_tool "gh_headers"))
    client:close()
    outer:close()
  end)

  it("with sessions over HTTP has one for each client, over a connection one for all", function()
    for _, case in ipairs { { "http", "auto", 2 }, { "http", "shared", 1 }, { "http", "client", 2 },
      { "app", "auto", 1 }, { "app", "client", 2 } } do
      front:mount("gh", case[1] == "http" and serve() or behind,
        { era = "legacy", sessions = case[2] })
      local one <close> = assert(mcp.connect(front, { era = "legacy" }))
      local two <close> = assert(mcp.connect(front, { era = "legacy" }))
      local seen, count = {}, 0
      for _ = 1, 2 do
        for _, client in ipairs { one, two } do
          local who = text_of(client:call_tool "gh_who")
          if not seen[who] then count = count + 1 end
          seen[who] = true
        end
      end
      assert.equal(case[3], count, table.concat(case, " "))
      local of = front.mounts.by_name.gh.upstream.of
      one:close()
      two:close()
      helper.wait_until(function() return next(of) == nil end, "the end of the connections")
      front:unmount "gh"
      if listening then listening:close() end
      listening = nil
    end
  end)

  it("opens one connection for the calls of a client that come together", function()
    local opened = 0
    front:mount("gh", behind, { era = "legacy", sessions = "client" })
    front.mounts.by_name.gh.upstream.connect = function(options)
      opened = opened + 1
      mcp.sleep(0.005)
      return mcp.connect(behind, options)
    end
    local client <close> = assert(mcp.connect(front, { era = "legacy" }))
    local calls = {}
    for i = 1, 20 do calls[i] = function() return client:call_tool "gh_who" end end
    assert(mcp.all(calls))
    assert.equal(2, opened)
  end)

  for _, era in ipairs { "legacy", "modern" } do
    it(("gives no client what belongs to another (%s)"):format(era), function()
      cases.add_private(behind)
      for _, front_era in ipairs { "legacy", "modern" } do
        front:mount("gh", behind, { era = era })
        cases.keeps_apart(front, front_era, era, "gh_")
        front:unmount "gh"
      end
    end)
  end

  it("whose list can change unsaid is read again in time; the last good list is kept", function()
    local least = mounted.TTL_MIN
    mounted.TTL_MIN = 0.01
    -- A server that tells of no changes.
    function behind.capabilities() return { tools = {} } end
    front:mount("gh", behind, { era = "legacy", ttl = 0.01 })
    local client <close> = assert(mcp.connect(front))
    assert.equal("gh_who gh_headers", names_of(client))
    behind:tool "more" (function() return "x" end)
    mcp.sleep(0.02)
    assert.equal("gh_who gh_headers gh_more", names_of(client))
    local made = front.mounts.by_name.gh.upstream.main
    local request = made.client.transport.request
    function made.client.transport.request() return nil, "no answer", "ETIMEDOUT" end
    mcp.sleep(0.02)
    local lines = helper.logged(function()
      assert.equal("gh_who gh_headers gh_more", names_of(client))
    end)
    assert.matches('mount "gh": the last list is kept: tools/list: no answer', lines, 1, true)
    made.client.transport.request = request
    mounted.TTL_MIN = least
  end)

  it("that sends what nobody can use loses that entry alone", function()
    behind = mcp.server "odd"
    behind:tool "fine" (function() return "x" end)
    behind:use(function(request, next)
      local result, err = next(request)
      if request.method == "tools/list" then
        return { tools = { { name = "fine", inputSchema = { type = "object" }, title = mcp.null },
          { inputSchema = { type = "object" } }, { name = "bare" },
          { name = ("n"):rep(64), inputSchema = { type = "object" } } } }
      end
      return result, err
    end)
    front:mount("gh", behind, { era = "legacy" })
    local client
    local lines = helper.logged(function()
      client = assert(mcp.connect(front))
      assert.equal("gh_fine gh_" .. ("n"):rep(64), names_of(client))
    end)
    assert.matches('a tool is left out: name: expected a string: {"inputSchema":', lines, 1, true)
    assert.matches("inputSchema: expected an object", lines, 1, true)
    assert.matches("has 67 characters; models take 64 at most", lines, 1, true)
    client:close()
  end)

  it("that asks for folders before there is a call gets those of the first that comes", function()
    behind:tool "roots" (function(_, ctx) return #ctx:roots() end)
    for _, case in ipairs { { "shared", "legacy" }, { "client", "legacy" },
      { "shared", "modern" } } do
      local sessions, era = table.unpack(case)
      front:mount("gh", behind, { era = "legacy", sessions = sessions })
      local client <close> = assert(mcp.connect(front, { era = era, roots = { "/a", "/b" } }))
      client:list_tools()
      local main = front.mounts.by_name.gh.upstream.main
      -- As servers do when they have been initialized.
      local asked = main.client.settings.on_question("roots/list", {})
      assert.same({ {}, true }, { asked.roots, main.unrooted })
      local notified = {}
      function main.client.transport.notify(_, method)
        notified[#notified + 1] = method
        return true
      end
      assert.equal("2", text_of(client:call_tool "gh_roots"))
      assert.same(sessions == "shared" and { "notifications/roots/list_changed" } or {}, notified)
      front:unmount "gh"
    end
  end)

  it("hears only so often that folders have changed of which it gets none", function()
    behind:tool "roots" (function(_, ctx) return tostring((ctx:roots())) end)
    front:mount("gh", behind, { era = "legacy" })
    local client <close> = assert(mcp.connect(front, { era = "legacy",
      roots = function() return nil, "none" end }))
    client:list_tools()
    local transport = front.mounts.by_name.gh.upstream.main.client.transport
    local notify, notified = transport.notify, 0
    function transport.notify(self, method, ...)
      if method == "notifications/roots/list_changed" then notified = notified + 1 end
      return notify(self, method, ...)
    end
    helper.logged(function()
      for _ = 1, 24 do assert.equal("nil", text_of(client:call_tool "gh_roots")) end
    end)
    assert.equal(16, notified)
  end)

  it("makes room for resources that are watched", function()
    behind:resource "n://{i}" (function() return "x" end)
    local watch = require "mcp.client.watch"
    local kept, most = watched.KEPT, watch.URIS
    watched.KEPT, watch.URIS = 0, 8
    front:mount("gh", behind, { era = "legacy" })
    local client <close> = assert(mcp.connect(front, { era = "legacy" }))
    assert(client:subscribe("gh+n://kept", function() end))
    for i = 1, 40 do
      assert(client:subscribe("gh+n://" .. i, print))
      assert(client:unsubscribe("gh+n://" .. i))
    end
    assert.is_truthy(front.mounts.by_name.gh.upstream.main.watched["n://kept"])
    watched.KEPT, watch.URIS = kept, most
  end)

  it("that has made a task of a call ends it with the call", function()
    local began, ended = 0, 0
    behind:tool "long" { task = "required" } (function(_, ctx)
      local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
      began = began + 1
      ctx:sleep(60)
    end)
    front:mount("gh", behind, { era = "legacy" })
    local client <close> = assert(mcp.connect(front))
    local canceller = mcp.canceller()
    core.spawn(function() client:call_tool("gh_long", {}, { cancel = canceller }) end)
    helper.wait_until(function() return began == 1 end, "the task")
    canceller:cancel "enough"
    helper.wait_until(function() return ended == 1 end, "its end")
  end)

  it("that wants a tool to be a task gets one; its result is the call's", function()
    behind:tool "long" { task = "required" } (function(_, ctx)
      ctx:sleep(0.005)
      local answer = ctx:elicit("Name?", { name = "string" })
      return "long " .. answer.name
    end)
    front:mount("gh", behind, { era = "legacy" })
    for _, era in ipairs { "legacy", "modern" } do
      local client <close> = assert(mcp.connect(front, { era = era,
        on_elicit = function() return { name = "Ann" } end }))
      assert.equal("long Ann", text_of(client:call_tool "gh_long"))
    end
  end)
end)
