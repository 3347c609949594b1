-- SPDX-License-Identifier: MIT
-- An app that is another server: every pair of eras, and what goes both ways.
local cases = require "spec.mcp.mount.cases"
local helper = require "spec.helper"
local mcp = require "mcp"
local single = require "mcp.mount.single"
local upstream = require "mcp.mount.upstream"
local UI = "io.modelcontextprotocol/ui"
local watched = require "mcp.client.watched"

describe("an app that is another server", function()
  local behind, front, enabled

  before_each(function()
    enabled = setmetatable({}, { __mode = "k" })
    behind = mcp.server { name = "behind", title = "Behind", instructions = "Be kind." }
    behind:tool "add" {
      description = "Add", input = { a = "number", b = "number" }, output = { sum = "number" },
    } (function(args) return { sum = args.a + args.b } end)
    behind:tool "slow" (function(_, ctx)
      for i = 1, 3 do ctx:progress(i, 3, "s" .. i) end
      ctx:log("info", "logged")
      return "done"
    end)
    behind:tool "asks" (function(_, ctx)
      local answer, reason = ctx:elicit("Name?", { name = "string" })
      return answer and answer.name or reason
    end)
    behind:tool "samples" (function(_, ctx)
      return ctx:sample { messages = "hi", max_tokens = 5 }.content.text
    end)
    behind:tool "roots" (function(_, ctx) return ctx:roots()[1].uri end)
    behind:tool "fails" (function() return nil, "no luck" end)
    behind:tool "grow" (function()
      behind:tool "grown" (function() return "x" end)
      behind:resource_updated "notes://today"
      return "grown"
    end)
    behind:resource "notes://today" { mime = "text/markdown" } (function() return "# Milk" end)
    behind:prompt "review" {
      arguments = { code = "string", language = "string?" },
      complete = { language = { "C", "Lua" } },
    } (function(args) return args.code end)
  end)
  after_each(function()
    if front then single.close(front) end
    front = nil
    mcp.sleep(0.01)
    helper.leftovers()
  end)

  -- Makes `front` a relay in front of `behind`. Gives the list of connections that it opens.
  local function relay(era)
    local opened = {}
    front = assert(single.open("there", function(options)
      options.era = era
      local client = mcp.connect(behind, options)
      opened[#opened + 1] = client
      return client
    end))
    return opened
  end

  -- A client of a relay in front of `behind`, and what it was sent.
  local function connect(front_era, behind_era)
    relay(behind_era)
    local seen = {}
    local client = assert(mcp.connect(front, {
      era = front_era, roots = { "/home/me" }, log_level = "debug",
      on_elicit = function() return { name = "Ann" } end,
      on_sample = function(params) return "sampled " .. params.messages[1].content.text end,
      on_log = function(_, data) seen[#seen + 1] = "log " .. data end,
      on_change = function(what, uri) seen[#seen + 1] = "change " .. (uri or what) end,
    }))
    return client, seen
  end

  local function text_of(result) return result.content[1].text end

  for _, pair in ipairs { { "legacy", "legacy" }, { "legacy", "modern" }, { "modern", "legacy" },
    { "modern", "modern" } } do
    describe(("to a client (%s) of a server (%s)"):format(pair[1], pair[2]), function()
      it("is the other server", function()
        local client <close> = connect(pair[1], pair[2])
        assert.same({ "behind", "Be kind." }, { client.server.name, client.instructions })
        assert.same({ 7, 1, 1 }, { #client:list_tools(), #client:list_resources(),
          #client:list_prompts() })
        assert.equal(3, client:call_tool("add", { a = 1, b = 2 }).structuredContent.sum)
        assert.is_true(client:call_tool("fails").isError)
        local contents = client:read_resource("notes://today").contents[1]
        assert.same({ "# Milk", "text/markdown" }, { contents.text, contents.mimeType })
        assert.equal("x", client:get_prompt("review", { code = "x" }).messages[1].content.text)
        assert.same({ "Lua" }, client:complete({ prompt = "review" }, "language", "L").values)
      end)

      it("passes errors on in the code of the client's era", function()
        local client <close> = connect(pair[1], pair[2])
        assert.equal(-32602, (select(3, client:call_tool "nothing")))
        local _, text, code = client:read_resource "notes://none"
        assert.equal("Resource not found: notes://none", text)
        if pair[1] == "modern" or pair[2] == "legacy" then
          assert.equal(pair[1] == "modern" and -32602 or -32002, code)
        end
      end)

      it("passes progress, log messages and changes on", function()
        local client <close>, seen = connect(pair[1], pair[2])
        local steps, updated = {}, {}
        assert.equal("done", text_of(client:call_tool("slow", {}, {
          on_progress = function(_, _, text) steps[#steps + 1] = text end,
        })))
        assert.same({ "s1", "s2", "s3" }, steps)
        assert(client:subscribe("notes://today", function(uri) updated[#updated + 1] = uri end))
        assert.is_nil((client:subscribe("notes://none", function() end)))
        assert.equal("grown", text_of(client:call_tool "grow"))
        helper.wait_until(function() return updated[1] and #seen >= 3 end, "the change")
        table.sort(seen)
        assert.same({ "change notes://today", "change tools", "log logged" }, seen)
        assert.same({ "notes://today" }, updated)
        assert.equal(8, #client:list_tools())
      end)

      it("passes skills on", function()
        behind:skills "examples/skills"
        local client <close> = connect(pair[1], pair[2])
        local list = assert(client:list_skills())
        local skill = assert(client:read_skill(list[1]))
        assert.equal("release-notes", skill.name)
        assert.matches("## Fixed", (assert(skill:read "templates/notes.md")))
        assert.equal("skill://release-notes/templates",
          assert(client:list_directory "skill://release-notes")[1].uri)
        assert.equal(-32602, select(3, client:get_skill "skill://none/SKILL.md"))
      end)

      it("passes questions on", function()
        local client <close> = connect(pair[1], pair[2])
        assert.equal("Ann", text_of(client:call_tool "asks"))
        assert.equal("sampled hi", text_of(client:call_tool "samples"))
        assert.equal("file:///home/me", text_of(client:call_tool "roots"))
      end)

      it("passes a cancellation on", function()
        local client <close> = connect(pair[1], pair[2])
        cases.cancels(behind, client, "")
      end)
    end)
  end

  it("connects once for each session", function()
    local opened = relay "legacy"
    do
      local one <close> = assert(mcp.connect(front, { era = "legacy" }))
      local two <close> = assert(mcp.connect(front, { era = "legacy" }))
      for _ = 1, 3 do
        assert(one:call_tool("fails"))
        assert(two:call_tool("fails"))
      end
      assert.equal(2, #opened)
    end
    helper.wait_until(function() return not opened[1]:is_open() and not opened[2]:is_open() end,
      "the end of the connections")
  end)

  it("gives clients without a session a connection that no session has", function()
    behind:tool "who" (function(_, ctx) return tostring(ctx.own_session) end)
    for _, first in ipairs { "legacy", "modern" } do
      relay "legacy"
      local seen = {}
      for i, era in ipairs { first, first == "legacy" and "modern" or "legacy", "modern" } do
        local client <close> = assert(mcp.connect(front, { era = era }))
        seen[i] = { era, text_of(client:call_tool "who") }
        if era == "modern" then
          assert.equal(seen[i][2], text_of(client:call_tool "who"))
        end
        -- A session keeps its own as long as it lasts.
        if i == 1 and era == "legacy" then
          local other <close> = assert(mcp.connect(front, { era = "modern" }))
          assert.not_equal(seen[1][2], text_of(other:call_tool "who"))
        end
      end
      assert.not_equal(seen[1][2], seen[2][2])
      single.close(front)
    end
  end)

  it("connects again after the other server was lost", function()
    local client <close> = connect("legacy", "legacy")
    assert(client:call_tool "fails")
    local main = front.mounts.alone.upstream.main
    main.client.transport:close()
    main.client.state, main.client.lost_text = "lost", "cut"
    local lines = helper.logged(function() assert(client:call_tool "fails") end)
    assert.matches("there: cut", lines, 1, true)
  end)

  for _, lost in ipairs { 1, 2 } do
    it(("ends the connection that replaced a lost one with its session (client %d)"):format(lost),
      function()
        local opened = relay "legacy"
        -- The first has the connection that was there, the second one of its own.
        local clients = {}
        for i = 1, 2 do
          clients[i] = assert(mcp.connect(front, { era = "legacy" }))
          assert(clients[i]:call_tool "fails")
        end
        opened[lost].transport:close()
        opened[lost].state, opened[lost].lost_text = "lost", "cut"
        helper.logged(function() assert(clients[lost]:call_tool "fails") end)
        assert.equal(3, #opened)
        for _, client in ipairs(clients) do client:close() end
        for i, each in ipairs(opened) do
          helper.wait_until(function() return not each:is_open() end, "the end of number " .. i)
        end
      end)
  end

  for _, era in ipairs { "legacy", "modern" } do
    it(("shares one connection among requests that come together (%s)"):format(era), function()
      local opened = {}
      front = assert(single.open("there", function(options)
        options.era = "legacy"
        mcp.sleep(0.005)
        local client = mcp.connect(behind, options)
        opened[#opened + 1] = client
        return client
      end))
      local client <close> = assert(mcp.connect(front, { era = era }))
      local calls = {}
      for i = 1, 20 do calls[i] = function() return client:call_tool "fails" end end
      assert(mcp.all(calls))
      assert.is_true(#opened <= 2)
      client:close()
      single.close(front)
      for _, each in ipairs(opened) do
        helper.wait_until(function() return not each:is_open() end, "the end of a connection")
      end
    end)
  end

  it("tells all that wait for a connection why it failed, and tries again later", function()
    local count, may = 0, false
    front = assert(single.open("there", function(options)
      options.era = "legacy"
      count = count + 1
      if count > 1 then
        mcp.sleep(0.01)
        if not may then return nil, "out of order", "EGONE" end
      end
      return mcp.connect(behind, options)
    end))
    local first <close> = assert(mcp.connect(front, { era = "legacy" }))
    assert(first:call_tool "fails")
    local client <close> = assert(mcp.connect(front, { era = "legacy" }))
    local calls, texts = {}, {}
    for i = 1, 5 do calls[i] = function()
      texts[i] = client:call_tool("fails").content[1].text
      return true
    end end
    helper.logged(function() assert(mcp.all(calls)) end)
    for i = 1, 5 do assert.matches("out of order", texts[i], 1, true) end
    assert.equal(2, count)
    may = true
    assert.equal("no luck", text_of(client:call_tool "fails"))
  end)

  it("closes a connection that was opened when it had ended", function()
    local opened, go = {}, false
    front = assert(single.open("there", function(options)
      options.era = "legacy"
      local client = assert(mcp.connect(behind, options))
      opened[#opened + 1] = client
      while #opened > 1 and not go do mcp.sleep(0.001) end
      return client
    end))
    local one <close> = assert(mcp.connect(front, { era = "legacy" }))
    assert(one:call_tool "fails")
    local two <close> = assert(mcp.connect(front, { era = "legacy" }))
    local result
    mcp.spawn(function() result = two:call_tool "fails" end)
    helper.wait_until(function() return opened[2] end, "the second connection")
    single.close(front)
    go = true
    helper.logged(function()
      helper.wait_until(function() return result end, "the answer")
    end)
    helper.wait_until(function() return not opened[2]:is_open() end, "the end of the connection")
  end)

  it("opens for the others when the request that began to open is cancelled", function()
    local count = 0
    front = assert(single.open("there", function(options)
      options.era = "legacy"
      count = count + 1
      if count == 2 and not mcp.sleep(5) then return nil, "cancelled", "ECANCELED" end
      return mcp.connect(behind, options)
    end))
    local first <close> = assert(mcp.connect(front, { era = "legacy" }))
    assert(first:call_tool "fails")
    local client <close> = assert(mcp.connect(front, { era = "legacy" }))
    local stop, other = mcp.canceller(), nil
    mcp.spawn(function() client:call_tool("fails", {}, { cancel = stop }) end)
    mcp.spawn(function() other = client:call_tool "fails" end)
    helper.wait_until(function() return count == 2 end, "the first opening")
    mcp.sleep(0.005)
    stop:cancel "enough"
    helper.wait_until(function() return other end, "the other call")
    assert.equal(3, count)
  end)

  for _, era in ipairs { "legacy", "modern" } do
    it(("gives no client what belongs to another (%s)"):format(era), function()
      cases.add_private(behind)
      relay(era)
      cases.keeps_apart(front, "modern", era, "")
    end)
  end

  it("knows no method that the protocol does not have", function()
    for _, era in ipairs { "legacy", "modern" } do
      local client <close> = connect(era, "legacy")
      assert.equal(-32601, (select(3, client:request("nope", {}))))
      single.close(front)
    end
  end)

  it("takes whatever the other server says of itself", function()
    for _, member in ipairs { "name", "title", "version" } do
      for _, wrong in ipairs { mcp.null, true, 7, "", { a = 1 } } do
        front = assert(single.open("there", function(options)
          local client = mcp.connect(behind, options)
          client.server = { name = "behind", [member] = wrong }
          return client
        end))
        single.close(front)
      end
    end
  end)

  it("passes on that one side has pages and the other shows them (APP-04)", function()
    local settings = { mimeTypes = mcp.array { "text/html;profile=mcp-app" } }
    behind:ui("ui://page", { html = "<!doctype html><p>" })
    behind:tool "declared" { ui = "ui://page" } (function(_, ctx)
      local declared = ctx:has_extension(UI)
      return declared and declared.mimeTypes[1] or "no"
    end)
    for _, case in ipairs { { "legacy", "legacy", true }, { "legacy", "legacy" },
      { "legacy", "modern" }, { "modern", "modern" }, { "modern", "legacy", true } } do
      front = assert(single.open("there", function(options)
        options.era = case[2]
        return mcp.connect(behind, options)
      end, { declare = case[3] and { [UI] = settings } or nil }))
      for _, shows in ipairs { true, false } do
        local client <close> = assert(mcp.connect(front, { era = case[1],
          extensions = shows and { [UI] = settings } or nil }))
        assert.same({}, client.capabilities.extensions[UI])
        -- A shared connection with sessions has declared it for all.
        local wanted = (shows or case[3]) and "text/html;profile=mcp-app" or "no"
        assert.equal(wanted, text_of(client:call_tool "declared"))
      end
      single.close(front)
    end
  end)

  it("makes room for resources that are watched", function()
    behind:resource "n://{i}" (function() return "x" end)
    local kept, most = watched.KEPT, require("mcp.client.watch").URIS
    watched.KEPT, require("mcp.client.watch").URIS = 0, 8
    local client <close> = connect("legacy", "legacy")
    assert(client:subscribe("n://kept", function() end))
    for i = 1, 40 do
      assert(client:subscribe("n://" .. i, print))
      assert(client:unsubscribe("n://" .. i))
    end
    assert.is_truthy(front.mounts.alone.upstream.main.watched["n://kept"])
    watched.KEPT, require("mcp.client.watch").URIS = kept, most
  end)

  it("is tried again by the next request, not in the background", function()
    local pause = upstream.PAUSE
    upstream.PAUSE = 0.02
    local count, may = 0, true
    front = assert(single.open("there", function(options)
      options.era = "legacy"
      count = count + 1
      if not may then return nil, "out of order", "EGONE" end
      return mcp.connect(behind, options)
    end))
    local client <close> = assert(mcp.connect(front, { era = "legacy" }))
    assert(client:call_tool "fails")
    local main = front.mounts.alone.upstream.main
    main.client.transport:close()
    main.client.state, main.client.lost_text = "lost", "cut"
    may = false
    helper.logged(function()
      assert.matches("out of order", text_of(client:call_tool "fails"), 1, true)
      local _, text = client:list_tools()
      assert.matches('the server "there" cannot be reached: out of order', text, 1, true)
      assert.is_nil((mcp.connect(front, { era = "legacy" })))
    end)
    assert.equal(2, count)
    mcp.sleep(0.05)
    assert.equal(2, count)
    may = true
    assert.equal(7, #client:list_tools())
    assert.equal("no luck", text_of(client:call_tool "fails"))
    upstream.PAUSE = pause
  end)

  it("shows a client the list that the server has for it alone", function()
    behind:tool "enable" (function(_, ctx)
      enabled[ctx.own_session] = true
      behind.tools:changed()
      return "enabled"
    end)
    behind:tool "more" { visible = function(ctx) return enabled[ctx.own_session] or false end } (
      function() return "more" end)
    relay "legacy"
    local changed = { 0, 0 }
    local clients = {}
    for i = 1, 2 do
      clients[i] = assert(mcp.connect(front, { era = "legacy", on_change = function(what)
        if what == "tools" then changed[i] = changed[i] + 1 end
      end }))
      assert(clients[i]:call_tool "fails")
    end
    assert.equal(8, #clients[2]:list_tools())
    assert(clients[2]:call_tool "enable")
    helper.wait_until(function() return changed[2] > 0 end, "the change")
    assert.equal(9, #clients[2]:list_tools())
    assert.equal("more", text_of(clients[2]:call_tool "more"))
    assert.equal(8, #clients[1]:list_tools())
    assert.equal(-32602, (select(3, clients[1]:call_tool "more")))
    for i = 1, 2 do clients[i]:close() end
  end)

  it("says why the other server cannot be reached", function()
    local app, text, code = single.open("there", function(options)
      return mcp.connect("http://127.0.0.1:1/mcp", options)
    end)
    assert.same({ nil, "ECONNREFUSED" }, { app, code })
    assert.matches("connection refused", text, 1, true)
  end)
end)
