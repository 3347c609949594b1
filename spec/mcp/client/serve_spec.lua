-- SPDX-License-Identifier: MIT
-- serve_spec.lua: lua/mcp/client/serve.lua: what a server asks of a client, and what it gets.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"
local value = require "mcp.value"

-- Has a server with sessions ask; the answer as it came.
local function ask(options, method, params, revision)
  local client, far = scripted.connect(scripted.legacy(nil, revision), options)
  far:request("q", method, params)
  local answer = helper.wait_until(function()
    for _, message in ipairs(far.got) do
      if message.id == "q" then return message end
    end
  end, "the answer")
  client:close()
  return helper.plain(answer)
end

local FORM = { type = "object", required = value.array { "name" }, properties = {
  name = { type = "string", minLength = 1 },
  age = { type = "integer", minimum = 0, default = 30 },
  mail = { type = "string", format = "email" },
  colour = { type = "string", enum = value.array { "red", "blue" }, default = "red" },
  news = { type = "boolean", default = true },
  days = { type = "array", items = { type = "string", enum = value.array { "mo", "tu" } },
    default = value.array { "mo" } },
} }

local function elicit(answer, why, schema)
  local got
  local reply
  local log = helper.logged(function()
    reply = ask({ on_elicit = function(text, form)
      got = { text, form }
      if type(answer) == "function" then return answer() end
      return answer, why
    end }, "elicitation/create", { message = "Who?", requestedSchema = schema or FORM })
  end)
  return reply, log, got
end

describe("a server that asks a client", function()
  after_each(scripted.leftovers)

  it("ping, at once (IO-43), and for what there is not (T-87)", function()
    assert.same({}, ask({}, "ping").result)
    for _, method in ipairs { "nothing/there", "roots/list", "sampling/createMessage",
      "elicitation/create", "tools/call" } do
      assert.equal(-32601, ask({}, method, {}).error.code, method)
    end
  end)

  describe("for its user's answer", function()
    it("gets what was filled in, and defaults for what was not (4.13)", function()
      local reply, _, got = elicit { name = "Ada" }
      assert.same({ action = "accept", content = { name = "Ada", age = 30, colour = "red",
        news = true, days = { "mo" } } }, reply.result)
      assert.equal("Who?", got[1])
      assert.equal("integer", got[2].properties.age.type)
      reply = elicit { name = "Ada", age = 36, news = false, days = {}, mail = "a@b.org" }
      assert.same({ name = "Ada", age = 36, colour = "red", news = false, days = {},
        mail = "a@b.org" }, reply.result.content)
    end)

    it("gets an empty list as one", function()
      local client, far = scripted.connect(scripted.legacy(),
        { on_elicit = function() return { days = {} } end })
      far:request("q", "elicitation/create", { message = "", requestedSchema = { type = "object",
        properties = { days = FORM.properties.days } } })
      helper.wait_until(function() return #far.raw >= 4 end)
      assert.matches('"content":{"days":[]}', far.raw[#far.raw], 1, true)
      client:close()
    end)

    it("gets defaults alone for true", function()
      local form = { type = "object", properties = { age = FORM.properties.age } }
      assert.same({ age = 30 }, elicit(true, nil, form).result.content)
    end)

    it("hears that there is none", function()
      assert.same({ action = "decline" }, elicit(nil, "decline").result)
      assert.same({ action = "cancel" }, elicit(nil, "cancel").result)
      assert.same({ action = "cancel" }, elicit(nil).result)
      assert.same({ action = "cancel" }, elicit(false).result)
    end)

    it("gets nothing that does not fit; the log says what", function()
      for answer, words in pairs {
        [{}] = '"name"', [{ name = "" }] = "at least 1", [{ name = "A", age = "x" }] = '"age"',
        [{ name = "A", age = -1 }] = "at least 0", [{ name = "A", colour = "green" }] = '"colour"',
        [{ name = "A", mail = "no" }] = '"mail"', [{ name = "A", days = { "we" } }] = "days",
        [{ name = "A", nam = "B" }] = 'did you mean "name"', [5] = "a table of answers",
        ["Ada"] = "a table of answers", [{ "Ada" }] = "a table of answers",
      } do
        local reply, log = elicit(answer)
        assert.same({ code = -32603, message = "Internal error" }, reply.error, words)
        assert.matches(words, log, 1, true)
      end
    end)

    it("hears of no error of the program but that there is one", function()
      local reply, log = elicit(function() error "my secret" end)
      assert.same({ code = -32603, message = "Internal error" }, reply.error)
      assert.matches("my secret", log, 1, true)
      assert.matches("traceback", log, 1, true)
      -- Unless it is meant for it.
      reply = elicit(function() error(mcp.error(-5, "told", { a = 1 })) end)
      assert.same({ code = -5, message = "told", data = { a = 1 } }, reply.error)
    end)

    it("has to ask with a form that is one", function()
      for _, schema in ipairs { value.array { 1 }, "x", { type = "string" }, value.null,
        { type = "object", properties = 5 }, { type = "object", properties = { a = 5 } },
        { type = "object", properties = { a = { type = "nothing" } } },
        { type = "object", properties = { a = { ["$ref"] = "http://localhost/x" } } } } do
        assert.equal(-32602, elicit({}, nil, schema).error.code)
      end
      assert.equal(-32602, ask({ on_elicit = print }, "elicitation/create",
        { requestedSchema = FORM }).error.code)
    end)

    it("may use words of schemas that a form need not have (T-59)", function()
      local form = { type = "object",
        properties = { zip = { type = "string", pattern = "^\\d+$" } } }
      assert.same({ zip = "12" }, elicit({ zip = "12" }, nil, form).result.content)
      assert.equal(-32603, elicit({ zip = "x" }, nil, form).error.code)
    end)

    it("hears that a mode is not offered (-32602), or that nothing is", function()
      local url = { mode = "url", message = "Go", url = "https://example.org/x" }
      assert.equal(-32602, ask({ on_elicit = print }, "elicitation/create", url).error.code)
      assert.equal(-32602, ask({ on_elicit_url = print }, "elicitation/create",
        { message = "Who?", requestedSchema = FORM }).error.code)
      assert.equal(-32602, ask({ on_elicit = print }, "elicitation/create",
        { mode = "voice", message = "Who?", requestedSchema = FORM }).error.code)
    end)
  end)

  describe("to send its user to a page", function()
    local function send(url, answer, why)
      local got
      local reply = ask({ on_elicit_url = function(...)
        got = table.pack(...)
        return answer, why
      end }, "elicitation/create",
        { mode = "url", message = "Go", url = url, elicitationId = "e1" })
      return reply, got
    end

    it("hears whether they went", function()
      local reply, got = send("https://example.org/x?y=1", true)
      assert.same({ action = "accept" }, reply.result)
      assert.same({ "Go", "https://example.org/x?y=1", "e1" }, { table.unpack(got, 1, 3) })
      assert.same({ action = "decline" }, send("https://example.org/", nil, "decline").result)
      assert.same({ action = "cancel" }, send("http://127.0.0.1:80/", false).result)
      assert.same({ action = "accept" }, send("http://localhost:8000/a", true).result)
    end)

    it("can name none that is not safe (SEC-66)", function()
      for _, url in ipairs { "http://example.org/", "javascript:alert(1)", "file:///etc/passwd",
        "https://", "https:///x", "https://user@example.org/", "https://a\nb/", "http://127.1.x/",
        "http://localhost.evil.org/", "http://127.0.0.1@evil.org/", "ftp://x/", "", " https://x/",
        "https://ex\xc3\xa4mple.org/" } do
        local reply, got = send(url, true)
        assert.equal(-32602, reply.error.code, url)
        assert.is_nil(got)
      end
      assert.equal(-32602, send(5, true).error.code)
    end)

    it("is warned of where its name may look like another (SEC-66)", function()
      local log = helper.logged(function()
        assert.same({ action = "accept" }, send("https://a.XN--80ak6aa92e.com/x", true).result)
        -- What a shell would make of it is nobody's business: none is started.
        local _, got = send("https://example.org/$(id);x=`id`#xn--", true)
        assert.equal("https://example.org/$(id);x=`id`#xn--", got[2])
      end)
      assert.equal(1, select(2, log:gsub("Punycode", "")), log)
      assert.matches("a Punycode name: https://a.XN--80ak6aa92e.com/x", log, 1, true)
    end)

    it("says when it is done there", function()
      local done
      local client, far = scripted.connect(scripted.legacy(), {
        on_elicit_url = print, on_elicit_complete = function(id) done = id end })
      far:notify("notifications/elicitation/complete", { elicitationId = 5 })
      far:notify "notifications/elicitation/complete"
      far:notify("notifications/elicitation/complete", { elicitationId = "e1" })
      helper.wait_until(function() return done end)
      assert.equal("e1", done)
      client:close()
    end)
  end)

  describe("for what its model says", function()
    local MESSAGES = value.array { { role = "user", content = { type = "text", text = "Hi" } } }

    local function sample(answer, params, options, revision)
      params = params or { messages = MESSAGES, maxTokens = 10 }
      options = options or {}
      local got
      options.on_sample = function(given)
        got = given
        if type(answer) == "function" then return answer() end
        return answer
      end
      local reply
      local log = helper.logged(function()
        reply = ask(options, "sampling/createMessage", params, revision)
      end)
      return reply, got, log
    end

    it("gets it, from a text or as the protocol has it", function()
      local reply, got = sample "Hello"
      assert.same({ role = "assistant", model = "unknown",
        content = { type = "text", text = "Hello" } }, reply.result)
      assert.equal(10, got.maxTokens)
      assert.equal("Hi", got.messages[1].content.text)
      reply = sample { content = "Hello", model = "m", stop_reason = "endTurn" }
      assert.same({ role = "assistant", model = "m", stopReason = "endTurn",
        content = { type = "text", text = "Hello" } }, reply.result)
      reply = sample(mcp.image("png", "image/png"))
      assert.equal("image", reply.result.content.type)
      reply = sample { model = "m", content = { mcp.text "a", mcp.text "b" } }
      assert.equal(2, #reply.result.content)
    end)

    it("gets one block where the revision knows only one", function()
      local reply = sample({ content = { mcp.text "a" } }, nil, nil, "2025-06-18")
      assert.equal("a", reply.result.content.text)
      reply = sample({ content = { mcp.text "a", mcp.text "b" } }, nil, nil, "2025-06-18")
      assert.equal(-32603, reply.error.code)
    end)

    it("hears that a person said no (-1), and of no error but that there is one", function()
      assert.same({ code = -1, message = "User rejected sampling request" }, sample(false).error)
      assert.equal("too long", sample(function() return nil, "too long" end).error.message)
      for _, bad in ipairs { 5, true, {}, { content = 5 }, { content = {} },
        { content = "x", stop_reason = 5 } } do
        local reply, _, log = sample(bad)
        assert.same({ code = -32603, message = "Internal error" }, reply.error)
        assert.is_true(#log > 0)
      end
    end)

    it("gives tools only where they are offered", function()
      local params = { messages = MESSAGES, maxTokens = 1, tools = value.array {} }
      assert.equal(-32602, sample("x", params).error.code)
      assert.is_nil(sample("x", params, { sampling = { tools = true } }).error)
      params = { messages = MESSAGES, maxTokens = 1, toolChoice = { mode = "auto" } }
      assert.equal(-32602, sample("x", params).error.code)
    end)

    it("has to ask properly, answers to tools included (4.12)", function()
      local use = { role = "assistant",
        content = { type = "tool_use", id = "1", name = "t", input = {} } }
      local result = { role = "user", content = value.array {
        { type = "tool_result", toolUseId = "1", content = value.array {} } } }
      local both = { role = "user", content = value.array { result.content[1],
        { type = "text", text = "and" } } }
      for _, messages in ipairs { value.array {}, 5, { a = 1 }, value.array { 5 },
        value.array { { role = "user" } },
        value.array { { role = "me", content = { type = "text" } } },
        value.array { use }, value.array { result }, value.array { use, both },
        value.array { use, MESSAGES[1] },
        value.array { { role = "user", content = value.array { 5 } } } } do
        assert.equal(-32602, sample("x", { messages = messages, maxTokens = 1 }).error.code)
      end
      assert.is_nil(sample("x", { messages = value.array { use, result }, maxTokens = 1 }).error)
      for _, most in ipairs { "x", 1.5, value.null } do
        assert.equal(-32602, sample("x", { messages = MESSAGES, maxTokens = most }).error.code)
      end
    end)
  end)

  describe("for its folders", function()
    it("gets them, paths as addresses (4.14)", function()
      local reply = ask({ roots = { "/home/me/a b#c?%/\xc3\xa4", "file:///x",
        { uri = "/y", name = "Y" } } }, "roots/list")
      assert.same({ { uri = "file:///home/me/a%20b%23c%3F%25/%C3%A4" }, { uri = "file:///x" },
        { uri = "file:///y", name = "Y" } }, reply.result.roots)
      assert.same({}, ask({ roots = {} }, "roots/list").result.roots)
    end)

    it("gets those of the moment, and hears when there are others", function()
      local list = { "/a" }
      local client, far = scripted.connect(scripted.legacy(),
        { roots = function() return list end })
      list = { "/b", "/c" }
      assert(client:roots_changed())
      far:request("q", "roots/list")
      helper.wait_until(function() return #far.got == 5 end)
      assert.equal("notifications/roots/list_changed", far.got[4].method)
      assert.equal("file:///c", far.got[5].result.roots[2].uri)
      client:close()
    end)

    it("hears of no mistake but that there is one", function()
      for _, bad in ipairs { { "relative" }, { 5 }, { { name = "x" } }, 5 } do
        local reply
        local log = helper.logged(function()
          reply = ask({ roots = function() return bad end }, "roots/list")
        end)
        assert.equal(-32603, reply.error.code)
        assert.is_true(#log > 0)
      end
    end)
  end)

  it("stops the clock of the call it belongs to", function()
    local app = mcp.server "own"
    app:tool "ask" (function(_, ctx) return ctx:elicit("Who?", { name = "string" }).name end)
    for _, revision in ipairs { "2025-11-25", "2026-07-28" } do
      local client <close> = assert(mcp.connect(app, { revision = revision, timeout = 0.05,
        probe_timeout = 5, on_elicit = function()
          mcp.sleep(0.12)
          return { name = "Ada" }
        end }))
      assert.equal("Ada", assert(client:call_tool "ask").content[1].text)
    end
  end)

  it("does not stop that clock with what no callback answers", function()
    -- Asks without end, from the call on.
    local script = scripted.legacy(function(far, message)
      if message.method ~= "tools/call" then return end
      for i = 1, 400 do
        far:request("s" .. i, "sampling/createMessage", { maxTokens = 1 })
        far:request("r" .. i, "roots/list")
        far:request("e" .. i, "elicitation/create", { message = "?", requestedSchema = 5 })
        if not mcp.sleep(0.005) then return end
      end
    end)
    local calls = 0
    local client = scripted.connect(script, { timeout = 0.2, on_elicit = function()
      calls = calls + 1
    end })
    local since = core.now()
    local result, _, code = client:call_tool("any", {})
    local took = core.now() - since
    client:close()
    assert.is_nil(result)
    assert.equal("ETIMEDOUT", code)
    assert.equal(0, calls)
    assert.is_true(took < 1.5, took)
  end)

  it("says which call the question belongs to, where that can be known", function()
    local app = mcp.server "asking"
    app:tool "ask" (function(_, ctx)
      ctx:log("info", "asking")
      ctx:sleep(0.02)
      local answer = ctx:elicit("Name?", { name = "string" })
      return answer and answer.name or "nobody"
    end)
    local listening = app:listen { http = "127.0.0.1:0", quiet = true }
    for _, case in ipairs { { app, "legacy" }, { app, "modern" },
      { listening.urls[1], "legacy" }, { listening.urls[1], "modern" } } do
      local logged = {}
      local client <close> = assert(mcp.connect(case[1], { era = case[2], log_level = "info",
        on_log = function(_, _, _, call) logged[#logged + 1] = call and call.context or "none" end,
        on_elicit = function(_, _, _, call)
          return { name = call and ("%s %s %s"):format(call.method, call.name, call.context)
            or "unknown" }
        end }))
      local function outcome(context)
        return client:call_tool("ask", {}, { context = context }).content[1].text
      end
      assert.equal("tools/call ask one", outcome "one")
      assert.same("one", logged[1])
      local two, three
      mcp.all { function() two = outcome "two" return true end,
        function() three = outcome "three" return true end }
      -- A session over one connection does not tell them apart.
      local known = not (case[1] == app and case[2] == "legacy")
      assert.same(known and { "tools/call ask two", "tools/call ask three" }
        or { "unknown", "unknown" }, { two, three })
    end
    listening:close()
  end)
end)
