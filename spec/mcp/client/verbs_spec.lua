-- SPDX-License-Identifier: MIT
-- verbs_spec.lua: lua/mcp/client/verbs.lua: every verb, against our own server in every revision,
-- and what is said to who uses one wrongly.
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"
local value = require "mcp.value"

local function own_app()
  local app = mcp.server "own"
  app:tool "add" { input = { a = "number", b = "number" } } (function(args)
    return ("%d"):format(args.a + args.b)
  end)
  app:tool "fail" (function() error "it failed" end)
  app:tool "refuse" (function() error(mcp.error(-5, "refused", { why = "so" })) end)
  app:tool "log" (function(_, ctx)
    ctx:log("debug", "low")
    ctx:log("error", { a = 1 }, "here")
    return "logged"
  end)
  app:resource "r://a" { mime = "text/plain" } (function() return "content" end)
  app:resource "r://{name}" { complete = { name = { "one", "other" } } } (function(vars)
    return vars.name == "one" and "1" or nil
  end)
  app:prompt "greet" { arguments = { name = "string", style = "string?" },
    complete = { name = { "Ada", "Alan", "Bob" },
      style = function(_, ctx) return { ctx.chosen and ctx.chosen.name or "none" } end } } (
    function(args) return "Hello, " .. args.name end)
  return app
end

describe("the verbs of a client", function()
  after_each(scripted.leftovers)

  for _, revision in ipairs(helper.revisions) do
    it("work with revision " .. revision, function()
      local logged = {}
      local client <close> = assert(mcp.connect(own_app(), { revision = revision,
        on_log = function(...) logged[#logged + 1] = { ... } end }))
      assert.equal(4, #assert(client:list_tools()))
      assert.equal("r://a", assert(client:list_resources())[1].uri)
      assert.equal("r://{name}", assert(client:list_resource_templates())[1].uriTemplate)
      assert.equal("greet", assert(client:list_prompts())[1].name)
      assert.equal("3", assert(client:call_tool("add", { a = 1, b = 2 })).content[1].text)
      helper.logged(function()
        local failed = assert(client:call_tool "fail")
        assert.is_true(failed.isError)
        assert.equal("it failed", failed.content[1].text)
      end)
      assert.same({ nil, "refused", -5 }, { table.unpack({ client:call_tool "refuse" }, 1, 3) })
      assert.same({ why = "so" }, helper.plain(select(4, client:call_tool "refuse")))
      assert.equal("content", assert(client:read_resource "r://a").contents[1].text)
      assert.equal(revision == "2026-07-28" and -32602 or -32002,
        select(3, client:read_resource "r://nothing"))
      assert.equal("Hello, Ada",
        assert(client:get_prompt("greet", { name = "Ada" })).messages[1].content.text)
      assert.equal(-32602, select(3, client:get_prompt "greet"))
      assert.same({ "Ada", "Alan" },
        helper.plain(assert(client:complete({ prompt = "greet" }, "name", "A")).values))
      assert.same({ "one", "other" },
        helper.plain(assert(client:complete({ resource = "r://{name}" }, "name", "o")).values))
      assert.is_true(client:ping())
      assert.is_true(client:set_log_level "warning")
      assert(client:call_tool "log")
      helper.wait_until(function() return logged[1] end)
      assert.same({ "error", { a = 1 } }, { logged[1][1], helper.plain(logged[1][2]) })
      assert.equal(1, #logged)
      assert.is_true(client:is_open())
    end)
  end

  it("make any request of any method, and send any notification", function()
    local client, far = scripted.connect(scripted.legacy(function(end_, message)
      if message.id then end_:result(message.id, { got = message.params }) end
    end))
    assert.same({ got = { a = 1 } }, helper.plain(client:request("x/y", { a = 1 })))
    assert(client:notify("notifications/x", { b = 2 }))
    assert(client:notify "notifications/y")
    helper.wait_until(function() return far:all("notifications/y")[1] end)
    assert.same({ b = 2 }, helper.plain(far:all("notifications/x")[1].params))
  end)

  it("tell what was chosen already where the revision has a place for it", function()
    for revision, expected in pairs { ["2025-03-26"] = false, ["2025-06-18"] = true } do
      local client, far = scripted.connect(scripted.legacy(function(end_, message)
        end_:result(message.id, { completion = { values = value.array {} } })
      end, revision), { revision = revision })
      assert(client:complete({ prompt = "p" }, "b", "x", { a = "1" }))
      local params = far:all("completion/complete")[1].params
      assert.equal(expected, params.context ~= nil)
      client:close()
    end
  end)

  it("know answers that are none (ERPC)", function()
    local client = scripted.connect(scripted.modern(function(far, message)
      far:result(message.id, { contents = 5, messages = { a = 1 }, completion = { values = "x" } })
    end))
    assert.equal("ERPC", select(3, client:read_resource "r"))
    assert.equal("ERPC", select(3, client:get_prompt "p"))
    assert.equal("ERPC", select(3, client:complete({ prompt = "p" }, "a", "")))
  end)

  it("ask for the log from the start, if the server has one", function()
    local client, far = scripted.connect(scripted.legacy(function(end_, message)
      end_:result(message.id, {})
    end, nil, { capabilities = { logging = {} } }), { log_level = "info" })
    assert.equal("info", far:all("logging/setLevel")[1].params.level)
    client:close()
    far = select(2, scripted.connect(scripted.legacy(), { log_level = "info" }))
    assert.equal(0, #far:all "logging/setLevel")
  end)

  it("are refused before the handshake, at the caller's line, and fail after the end", function()
    local client = mcp.session(scripted.transport(scripted.modern()))
    for _, verb in ipairs { "list_tools", "ping", "roots_changed" } do
      local ok, text = pcall(function() return client[verb](client) end)
      assert.is_false(ok)
      assert.matches("verbs_spec.lua:%d+: .*client:", text)
    end
    assert.equal("mcp.client (scripted, new)", tostring(client))
    client:close()
    assert.same({ nil, "the client was closed", "ECLOSED" }, { client:list_tools() })
    assert.same({ nil, "the client was closed", "ECLOSED" }, { client:subscribe("r", print) })
    assert.same({ nil, "the client was closed", "ECLOSED" }, { client:initialize() })
    assert.equal("mcp.client (scripted, closed)", tostring(client))
    client:close()
  end)

  it("say what is wrong with a call, at the caller's line", function()
    local client <close> = assert(mcp.connect(own_app()))
    for words, fn in pairs {
      ["client:call_tool: name: expected a string, got nil"] = function() client:call_tool() end,
      ["client:call_tool: name: expected a string, got an empty one"] =
        function() client:call_tool "" end,
      ['client:call_tool: unknown option "timout", did you mean "timeout"?'] =
        function() client:call_tool("x", {}, { timout = 1 }) end,
      ['client:call_tool: option "timeout": expected a number, got string'] =
        function() client:call_tool("x", {}, { timeout = "1" }) end,
      ['client:call_tool: option "timeout": expected seconds, 0 or more, got -1'] =
        function() client:call_tool("x", {}, { timeout = -1 }) end,
      ['client:list_tools: option "cancel": expected an mcp.canceller()'] =
        function() client:list_tools { cancel = {} } end,
      ["client:list_tools: expected a table of options, got string"] =
        function() client:list_tools "x" end,
      ["client:read_resource: uri: expected a string, got number"] =
        function() client:read_resource(5) end,
      ["client:get_prompt: arguments: name: expected a string, got number"] =
        function() client:get_prompt("greet", { name = 5 }) end,
      ["client:get_prompt: arguments: expected a table with names, got array"] =
        function() client:get_prompt("greet", { "x" }) end,
      ["client:complete: expected { prompt = name } or { resource = template }"] =
        function() client:complete("greet", "name", "") end,
      ["client:complete: argument: expected a string, got nil"] =
        function() client:complete({ prompt = "greet" }) end,
      ["client:complete: text: expected a string, got nil"] =
        function() client:complete({ prompt = "greet" }, "name") end,
      ["client:subscribe: expected a function, got nil"] = function() client:subscribe "r" end,
      ["client:unsubscribe: uri: expected a string, got nil"] =
        function() client:unsubscribe() end,
      ['client:set_log_level: expected a level such as "info", got "loud"'] =
        function() client:set_log_level "loud" end,
      ['client:set_log_level: expected a level such as "info", got nil'] =
        function() client:set_log_level() end,
      ["client:roots_changed: needs the option roots"] = function() client:roots_changed() end,
      ["client:request: method: expected a string, got nil"] = function() client:request() end,
      ["client:notify: method: expected a string, got nil"] = function() client:notify() end,
    } do
      local ok, text = pcall(fn)
      assert.is_false(ok, words)
      assert.matches("^spec/mcp/client/verbs_spec.lua:%d+: ", text)
      assert.matches(words, text, 1, true)
    end
  end)
end)
