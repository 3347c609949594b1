-- SPDX-License-Identifier: MIT
-- Asking the client from straight-line handlers, the same in both eras (protocol 3.10, 4.12-4.15).
local core = require "mcp.core"
local helper = require "spec.helper"
local live = require "mcp.server.ask.live"
local mcp = require "mcp"
local replay = require "mcp.server.ask.replay"

local MODERN = "2026-07-28"
local BOTH = { "2025-11-25", MODERN }
local ALL = { elicitation = { form = {}, url = {} }, sampling = { tools = {}, context = {} },
  roots = {} }
local SECRET = ("s"):rep(32)

local function accept(content) return { action = "accept", content = content } end

local function model(text)
  return { role = "assistant", model = "m", stopReason = "endTurn",
    content = { type = "text", text = text } }
end

-- An app with one tool "t".
local function app_with(handler, options)
  options = options or {}
  options.name = "spec"
  local app = mcp.server(options)
  app:tool "t" (handler)
  return app
end

local function envelope(capabilities)
  return helper.envelope { [helper.PREFIX .. "clientCapabilities"] = capabilities or ALL }
end

-- One request of the stateless era.
local function round(peer, params, capabilities, method)
  local with = {}
  for key, member in pairs(params) do with[key] = member end
  with._meta = envelope(capabilities)
  if not method then with.name = with.name or "t" end
  return peer:request(method or "tools/call", with)
end

-- A call driven to its end: `answer(key, request)` says what the client says. Gives the last
-- response and what was asked, in order.
local drive = {}

drive["2025-11-25"] = function(app, answer, capabilities, params, method)
  local peer = helper.connect(app)
  peer:initialize("2025-11-25", capabilities or ALL)
  peer:send { jsonrpc = "2.0", id = "call", method = method or "tools/call",
    params = params or { name = "t" } }
  local asked = {}
  while true do
    local message = peer:receive()
    if message.id == "call" then return message, asked end
    if message.method and message.id then
      asked[#asked + 1] = message.method
      peer:send { jsonrpc = "2.0", id = message.id, result = answer(message) }
    end
  end
end

drive[MODERN] = function(app, answer, capabilities, params, method)
  local asked, given, state = {}, nil, nil
  for _ = 1, 20 do
    -- Another connection each time: nothing is kept but what the client carries.
    local peer = helper.connect(app)
    local with = { inputResponses = given, requestState = state }
    for key, member in pairs(params or {}) do with[key] = member end
    local response = round(peer, with, capabilities, method)
    peer:close()
    local result = response.result
    if not result or result.resultType ~= "input_required" then return response, asked end
    given, state = {}, result.requestState
    local keys = {}
    for key in pairs(result.inputRequests) do keys[#keys + 1] = key end
    table.sort(keys)
    for _, key in ipairs(keys) do
      asked[#asked + 1] = result.inputRequests[key].method
      given[key] = answer(result.inputRequests[key])
    end
  end
  error "it never ends"
end

local function text_of(response)
  if not response.result then error(core.encode(response), 2) end
  return response.result.content[1].text
end

describe("asking", function()
  after_each(helper.leftovers)

  for _, era in ipairs(BOTH) do
    describe("in " .. era, function()
      it("two questions in a row (T-80)", function()
        local runs = 0
        local app = app_with(function(_, ctx)
          runs = runs + 1
          local who = ctx:elicit("Who?", { name = "string" })
          local once = ctx:once("n", function() return { runs } end)
          local old = ctx:elicit("How old?", { age = "integer" })
          return ("%s %d %s"):format(who.name, old.age, once[1] == runs or once[1])
        end)
        local response, asked = drive[era](app, function(request)
          return accept(request.params.message == "Who?" and { name = "Ada" } or { age = 36 })
        end)
        assert.equal(era == MODERN and "Ada 36 2" or "Ada 36 true", text_of(response))
        assert.same({ "elicitation/create", "elicitation/create" }, asked)
        assert.equal(era == MODERN and 3 or 1, runs)
      end)

      it("three at once", function()
        local app = app_with(function(_, ctx)
          local answers = ctx:ask {
            user = mcp.elicit("Who?", { name = "string" }),
            model = mcp.sample { messages = "Hi", max_tokens = 10 },
            roots = mcp.roots(),
          }
          return ("%s %s %s %s"):format(answers.user.action, answers.user.content.name,
            answers.model.content.text, answers.roots.roots[1].uri)
        end)
        local response, asked = drive[era](app, function(request)
          if request.method == "roots/list" then return { roots = { { uri = "file:///x" } } } end
          if request.method == "sampling/createMessage" then
            assert.equal(10, request.params.maxTokens)
            return model "Hello"
          end
          return accept { name = "Ada" }
        end)
        table.sort(asked)
        assert.equal("accept Ada Hello file:///x", text_of(response))
        assert.same({ "elicitation/create", "roots/list", "sampling/createMessage" }, asked)
      end)

      it("gives nil and why not when the user declines or cancels", function()
        for _, action in ipairs { "decline", "cancel" } do
          local app = app_with(function(_, ctx)
            local form, why = ctx:elicit("Who?", { name = "string" })
            local page, too = ctx:elicit_url("Log in", "https://example.org/")
            return ("%s %s %s %s"):format(form, why, page, too)
          end)
          assert.equal(("nil %s nil %s"):format(action, action),
            text_of(drive[era](app, function() return { action = action } end)))
        end
      end)

      it("a page, a model and the roots, one by one", function()
        local app = app_with(function(_, ctx)
          local page = ctx:elicit_url("Log in", "https://example.org/")
          local answer = ctx:sample { messages = "Hi", max_tokens = 1, tools = { { name = "x" } } }
          return ("%s %s %d"):format(page, answer.model, #ctx:roots())
        end)
        local response = drive[era](app, function(request)
          if request.method == "roots/list" then return { roots = mcp.array {} } end
          if request.params.mode == "url" then
            assert.equal("https://example.org/", request.params.url)
            return { action = "accept" }
          end
          return model "x"
        end)
        assert.equal("true m 0", text_of(response))
      end)

      it("from a prompt and from a resource", function()
        local app = mcp.server "spec"
        app:prompt "p" (function(_, ctx) return ctx:elicit("?", { x = "string" }).x end)
        app:resource "x://{n}" (function(vars, ctx)
          return vars.n .. ctx:elicit("?", { x = "string" }).x
        end)
        local function answer() return accept { x = "yes" } end
        local got = drive[era](app, answer, nil, { name = "p" }, "prompts/get")
        assert.equal("yes", got.result.messages[1].content.text)
        got = drive[era](app, answer, nil, { uri = "x://1" }, "resources/read")
        assert.equal("1yes", got.result.contents[1].text)
      end)

      it("nowhere else (T-86)", function()
        local app = mcp.server "spec"
        local message
        app:resource "x://{n}" {
          list = function(ctx)
            message = select(2, pcall(ctx.roots, ctx))
            return {}
          end,
        } (function() return "" end)
        drive[era](app, error, nil, {}, "resources/list")
        assert.matches("ctx:roots: a handler of resources/list cannot ask", message, 1, true)
      end)

      it("raises what is wrong with a question where it is asked", function()
        for _, case in ipairs {
          { function(ctx) ctx:elicit("?", { a = "string[]" }) end, "ctx:elicit: schema: \"a\"" },
          { function(ctx) ctx:elicit("?", {}, { ky = "x" }) end, 'did you mean "key"?' },
          { function(ctx) ctx:elicit("?", {}, { key = 5 }) end, 'option "key": expected a string' },
          { function(ctx) ctx:sample { messages = "x" } end, "ctx:sample: max_tokens" },
          { function(ctx) ctx:elicit("\xff", {}) end, "ctx:elicit: cannot be JSON: message" },
          { function(ctx)
            ctx:sample { messages = "x", max_tokens = 1, metadata = { print } }
          end, "ctx:sample: cannot be JSON: metadata" },
          { function(ctx) ctx:ask { mcp.roots() } end, "ctx:ask: names expected as keys" },
          { function(ctx) ctx:ask { x = 5 } end, 'ctx:ask: "x": expected mcp.elicit' },
          { function(ctx) ctx:ask(mcp.roots()) end, "ctx:ask: expected a table of questions" },
          { function(ctx) ctx:once("x", function() return print end) end,
            'ctx:once: "x": JSON cannot carry' },
          { function(ctx) ctx:once("x", 5) end, "ctx:once: expected a function" },
          { function(ctx) ctx:roots { timeout = -1 } end, "timeout: expected seconds" },
        } do
          local message
          drive[era](app_with(function(_, ctx)
            message = select(2, pcall(case[1], ctx))
            return "x"
          end), error)
          assert.matches("init_spec.lua:%d+: ", message)
          assert.matches(case[2], message, 1, true)
        end
      end)

      it("no key twice in one call", function()
        local app = app_with(function(_, ctx)
          ctx:roots { key = "x" }
          return (select(2, pcall(ctx.roots, ctx, { key = "x" })))
        end)
        assert.matches('"x" has been asked already', text_of(drive[era](app,
          function() return { roots = mcp.array {} } end)), 1, true)
      end)

      it("once is once, whatever it returns", function()
        local calls = 0
        local app = app_with(function(_, ctx)
          local seen = {}
          for i, one in ipairs { 1, 1.5, "x", false, { a = { 1 } }, mcp.array {} } do
            seen[i] = ctx:once("k" .. i, function()
              calls = calls + 1
              return one
            end)
          end
          assert(ctx:once("nil", function() calls = calls + 1 end) == nil)
          ctx:roots()
          return core.encode(seen, true)
        end)
        assert.equal('[1,1.5,"x",false,{"a":[1]},[]]', text_of(drive[era](app,
          function() return { roots = mcp.array {} } end)))
        assert.equal(7, calls)
      end)

      it("without the capability is an error that names it (SEC-53)", function()
        for _, case in ipairs {
          { function(ctx) ctx:elicit("?", {}) end, {}, "elicitation.form",
            { elicitation = { form = {} } } },
          { function(ctx) ctx:elicit("?", {}) end, { elicitation = { url = {} } },
            "elicitation.form", { elicitation = { form = {} } } },
          { function(ctx) ctx:elicit_url("?", "https://x.org") end, { elicitation = {} },
            "elicitation.url", { elicitation = { url = {} } } },
          { function(ctx) ctx:sample { messages = "x", max_tokens = 1 } end, { roots = {} },
            "sampling", { sampling = {} } },
          { function(ctx) ctx:sample { messages = "x", max_tokens = 1,
            tools = { { name = "t" } } } end, { sampling = {} }, "sampling.tools",
            { sampling = { tools = {} } } },
          { function(ctx) ctx:roots() end, { sampling = {} }, "roots", { roots = {} } },
          { function(ctx) ctx:ask { a = mcp.roots(), b = mcp.elicit("?", {}) } end,
            { sampling = {} }, "elicitation.form, roots",
            { roots = {}, elicitation = { form = {} } } },
        } do
          local app, response, asked = app_with(function(_, ctx) case[1](ctx) end), nil, nil
          helper.logged(function() response, asked = drive[era](app, error, case[2]) end)
          local text = "Client capability required: " .. case[3]
          assert.same({}, asked)
          if era == MODERN then
            assert.equal(-32021, response.error.code)
            assert.equal(text, response.error.message)
            assert.same({ requiredCapabilities = case[4] }, helper.plain(response.error.data))
          else
            assert.is_true(response.result.isError)
            assert.equal(text, text_of(response))
          end
        end
      end)

      it("a missing capability can be caught", function()
        local app = app_with(function(_, ctx)
          return pcall(ctx.roots, ctx) and "asked" or "done without"
        end)
        assert.equal("done without", text_of(drive[era](app, error, {})))
      end)

      it("of a prompt without the capability is an error of the protocol", function()
        local app = mcp.server "spec"
        app:prompt "p" (function(_, ctx) return ctx:elicit("?", {}) end)
        local response = drive[era](app, error, {}, { name = "p" }, "prompts/get")
        assert.equal(era == MODERN and -32021 or -32600, response.error.code)
      end)

      it("in a task of its own", function()
        local app = app_with(function(_, ctx)
          local both = mcp.all {
            a = function() return ctx:elicit("?", { x = "string" }, { key = "a" }).x end,
            b = function() return ctx:elicit("?", { x = "string" }, { key = "b" }).x end,
          }
          return both.a .. both.b
        end)
        assert.equal("yy", text_of(drive[era](app, function() return accept { x = "y" } end)))
      end)
    end)
  end

  describe("in a session", function()
    local function session(handler, capabilities, revision)
      local peer = helper.connect(app_with(handler))
      peer:initialize(revision or "2025-11-25", capabilities or ALL)
      return peer
    end

    local function call(peer, id)
      peer:send { jsonrpc = "2.0", id = id or "call", method = "tools/call",
        params = { name = "t" } }
    end

    it("ids are counted, and answers may come in any order", function()
      local peer = session(function(_, ctx)
        return ctx:elicit("?", { x = "string" }).x
      end)
      call(peer, "a")
      call(peer, "b")
      local first, second = peer:receive(), peer:receive()
      assert.equal(1, first.id)
      assert.equal(2, second.id)
      peer:send { jsonrpc = "2.0", id = 2, result = accept { x = "for b" } }
      assert.equal("for b", text_of(peer:response "b"))
      peer:send { jsonrpc = "2.0", id = 1, result = accept { x = "for a" } }
      assert.equal("for a", text_of(peer:response "a"))
    end)

    it("an answer to nothing is dropped, as is the second one", function()
      local peer = session(function(_, ctx) return ctx:elicit("?", { x = "string" }).x end)
      peer:send { jsonrpc = "2.0", id = 1, result = accept { x = "early" } }
      call(peer)
      peer:receive()
      for _, id in ipairs { 0, 2, "2", 1.5, -1 } do
        peer:send { jsonrpc = "2.0", id = id, result = accept { x = "wrong" } }
      end
      helper.settle()
      peer:send { jsonrpc = "2.0", id = 1, result = accept { x = "right" } }
      peer:send { jsonrpc = "2.0", id = 1, result = accept { x = "late" } }
      while true do
        local message = peer:receive()
        if message.id == "call" then
          assert.equal("right", text_of(message))
          break
        end
      end
      assert.is_table(peer:request("ping").result)
    end)

    it("an error becomes nil, its message and its code; -1 is the user's no (4.12)", function()
      local peer = session(function(_, ctx)
        local answer, message, code = ctx:sample { messages = "x", max_tokens = 1 }
        return ("%s %s %s"):format(answer, message, code)
      end)
      for _, case in ipairs {
        { { code = -1, message = "User rejected" }, "nil User rejected -1" },
        { { code = -32602, message = "odd" }, "nil odd -32602" },
      } do
        call(peer)
        peer:send { jsonrpc = "2.0", id = peer:receive().id, error = case[1] }
        assert.equal(case[2], text_of(peer:response "call"))
      end
    end)

    it("an answer that does not fit is none", function()
      local peer = session(function(_, ctx)
        local answer, message, code = ctx:elicit("?", { x = "integer" })
        return ("%s %s %s"):format(answer, message, code)
      end)
      for _, bad in ipairs { accept { x = "text" }, accept(), accept {}, { action = "maybe" }, {},
        12345, helper.null } do
        call(peer)
        peer:send { jsonrpc = "2.0", id = peer:receive().id, result = bad }
        assert.matches("^nil the client's answer is not what was asked for: .* %-32602$",
          text_of(peer:response "call"))
      end
    end)

    it("a deadline ends the wait and takes the question back (IO-44)", function()
      local peer = session(function(_, ctx)
        local answer, message, code = ctx:elicit("?", {}, { timeout = 0.01 })
        return ("%s %s %s"):format(answer, message, code)
      end)
      call(peer)
      local asked = peer:receive()
      local told = peer:receive()
      assert.equal("notifications/cancelled", told.method)
      assert.equal(asked.id, told.params.requestId)
      assert.equal("nil timed out ETIMEDOUT", text_of(peer:response "call"))
      -- Too late.
      peer:send { jsonrpc = "2.0", id = asked.id, result = accept {} }
      peer:silent()
    end)

    it("one of several that fails takes the others back", function()
      local peer = session(function(_, ctx)
        local answers, message, code = ctx:ask {
          a = mcp.roots(), b = mcp.elicit("?", {}),
          c = mcp.sample { messages = "x", max_tokens = 1 },
        }
        return ("%s %s %s"):format(answers, message, code)
      end)
      call(peer)
      local ids = {}
      for i = 1, 3 do ids[i] = peer:receive().id end
      peer:send { jsonrpc = "2.0", id = ids[2], result = accept {} }
      peer:send { jsonrpc = "2.0", id = ids[1], error = { code = -1, message = "no" } }
      local told = peer:receive()
      assert.equal("notifications/cancelled", told.method)
      assert.equal(ids[3], told.params.requestId)
      assert.equal("nil no -1", text_of(peer:response "call"))
    end)

    it("cancelling the call cancels its question", function()
      local ended, code
      local peer = session(function(_, ctx)
        local _ <close> = setmetatable({}, { __close = function() ended = true end })
        code = select(3, ctx:elicit("?", {}))
        return "x"
      end)
      call(peer)
      local asked = peer:receive()
      peer:notify("notifications/cancelled", { requestId = "call" })
      local told = peer:receive()
      assert.equal("notifications/cancelled", told.method)
      assert.equal(asked.id, told.params.requestId)
      assert.equal("ECANCELED", code)
      assert.is_true(ended)
      peer:silent()
    end)

    it("cancelling ends questions of a call's own tasks, too", function()
      local peer = session(function(_, ctx)
        mcp.all { function() return ctx:elicit("?", {}) end }
        return "x"
      end)
      call(peer)
      peer:receive()
      peer:notify("notifications/cancelled", { requestId = "call" })
      helper.wait_until(function() return core.task_count() == 0 end, "the tasks to end")
    end)

    it("the end of the connection ends the wait", function()
      local code
      local peer = session(function(_, ctx) code = select(3, ctx:elicit("?", {})) end)
      call(peer)
      peer:receive()
      peer:close()
      helper.wait_until(function() return core.task_count() == 0 end, "the handler to end")
      assert.equal("ECANCELED", code)
    end)

    it("at most 64 questions are open in a session", function()
      assert.equal(64, live.MAX)
      local peer = session(function(_, ctx)
        local many = {}
        for i = 1, 65 do many["q" .. i] = mcp.roots() end
        local none, message, code = ctx:ask(many)
        if none or code ~= "EBUSY" then return tostring(code) end
        many.q65 = nil
        local answers = ctx:ask(many)
        if not answers then return "cancelled" end
        return message .. ", " .. answers.q64.roots[1].uri
      end)
      call(peer)
      for _ = 1, 64 do
        local asked = peer:receive()
        assert.equal("roots/list", asked.method)
        peer:send { jsonrpc = "2.0", id = asked.id, result = { roots = { { uri = "file:///x" } } } }
      end
      assert.equal("0 questions are open in this session, at most 64 are allowed, file:///x",
        text_of(peer:response "call"))
      -- None of them counts any more.
      call(peer)
      assert.equal("roots/list", peer:receive().method)
      peer:notify("notifications/cancelled", { requestId = "call" })
    end)

    it("of 2025-06-18 has no mode and no page; before it there are no forms", function()
      local peer = session(function(_, ctx)
        ctx:elicit("?", { x = mcp.string { default = "d" } })
        return ctx:elicit_url("?", "https://x.org")
      end, { elicitation = {} }, "2025-06-18")
      call(peer)
      local asked = peer:receive()
      assert.same({ message = "?", requestedSchema = { type = "object",
        properties = { x = { type = "string" } } } }, helper.plain(asked.params))
      peer:send { jsonrpc = "2.0", id = asked.id, result = accept { x = "y" } }
      helper.logged(function()
        assert.equal("Client capability required: elicitation.url", text_of(peer:response "call"))
      end)
      for _, revision in ipairs { "2024-11-05", "2025-03-26" } do
        peer = session(function(_, ctx) ctx:elicit("?", {}) end, { elicitation = {} }, revision)
        helper.logged(function()
          call(peer)
          assert.equal("Client capability required: elicitation.form",
            text_of(peer:response "call"))
        end)
      end
    end)

    it("answers may come in a batch, where there are batches (2025-03-26)", function()
      local peer = session(function(_, ctx)
        local answers = ctx:ask { a = mcp.roots(), b = mcp.roots() }
        return answers.a.roots[1].uri .. answers.b.roots[1].uri
      end, ALL, "2025-03-26")
      call(peer)
      local a, b = peer:receive(), peer:receive()
      peer:send(core.encode(mcp.array {
        { jsonrpc = "2.0", id = b.id, result = { roots = { { uri = "file:///b" } } } },
        { jsonrpc = "2.0", id = a.id, result = { roots = { { uri = "file:///a" } } } },
      }))
      assert.equal("file:///afile:///b", text_of(peer:response "call"))
    end)
  end)

  describe("in rounds", function()
    local function name_tool(options)
      return app_with(function(_, ctx)
        local content, why = ctx:elicit("Who?", { name = "string" }, { key = "user_name" })
        return content and "Hello, " .. content.name or "nobody: " .. why
      end, options)
    end

    local function connect(app) return helper.connect(app) end

    it("the result is input_required, with the questions and a state", function()
      local response, line = round(connect(name_tool()), {})
      local result = response.result
      assert.equal("input_required", result.resultType)
      assert.same({ user_name = { method = "elicitation/create", params = { mode = "form",
        message = "Who?", requestedSchema = { type = "object", required = { "name" },
          properties = { name = { type = "string" } } } } } }, helper.plain(result.inputRequests))
      assert.matches("^v1%.[%w_-]+%.[%w_-]+$", result.requestState)
      assert.equal("spec", result._meta[helper.PREFIX .. "serverInfo"].name)
      assert.is_nil(result.content)
      assert.is_nil(line:find("ttlMs", 1, true))
    end)

    it("nothing is written but the result: no request (IO-60)", function()
      local app = app_with(function(_, ctx)
        ctx:ask { who = mcp.elicit("Who?", { name = "string" }), where = mcp.roots(),
          model = mcp.sample { messages = "Hi", max_tokens = 1 } }
      end)
      local peer = connect(app)
      assert.equal("input_required", round(peer, {}).result.resultType)
      assert.same({}, peer.notices)
      peer:silent()
    end)

    it("answers alone will do while there is nothing to remember; unknown keys are ignored",
      function()
        local response = round(connect(name_tool()), { inputResponses = {
          user_name = accept { name = "Alice" }, other = 5, another = accept {} } })
        assert.equal("complete", response.result.resultType)
        assert.equal("Hello, Alice", text_of(response))
      end)

    it("what has no answer, or a wrong one, is asked again and never completes", function()
      local peer = connect(name_tool())
      for _, given in ipairs { {}, { wrong = accept { name = "x" } }, { user_name = 12345 },
        { user_name = helper.null }, { user_name = accept {} }, { user_name = accept { name = 5 } },
        { user_name = { action = "maybe" } }, { user_name = mcp.array {} } } do
        local response = round(peer, { inputResponses = given })
        assert.equal("input_required", response.result.resultType)
        assert.is_table(response.result.inputRequests.user_name)
      end
      for _, odd in ipairs { 5, "x", mcp.array { 1 }, true } do
        local response = round(peer, { inputResponses = odd })
        assert.equal(-32602, response.error.code)
        assert.matches("inputResponses: expected an object", response.error.message, 1, true)
      end
    end)

    it("answers to what was never asked, and names of metamethods, are data (SEC-51)", function()
      local peer = connect(name_tool())
      local odd = { action = "accept", content = { name = "Eve", __index = { 1 }, __gc = "x" } }
      local response = round(peer, { inputResponses = { __index = odd, __gc = odd,
        __metatable = 5, __close = helper.null } })
      assert.equal("input_required", response.result.resultType)
      -- Of what was asked the handler gets what it asked for, and nothing else.
      response = round(peer, { inputResponses = { user_name = odd, __gc = odd } })
      assert.equal("Hello, Eve", text_of(response))
      local deep = {}
      for _ = 1, 60 do deep = { deep } end
      response = round(peer, { inputResponses = { user_name = accept { name = deep } } })
      assert.equal("input_required", response.result.resultType)
      -- A tool that asks nothing is not disturbed.
      peer = connect(app_with(function(args) return tostring(getmetatable(args)) end))
      assert.equal("nil", text_of(round(peer, { inputResponses = { a = odd },
        arguments = { __index = { a = 1 }, __name = "x" } })))
    end)

    it("only what is missing is asked again, the rest is remembered", function()
      local app = app_with(function(_, ctx)
        local got = ctx:ask { a = mcp.roots(), b = mcp.roots(), c = mcp.roots() }
        return got.a.roots[1].uri .. got.b.roots[1].uri .. got.c.roots[1].uri
      end)
      local peer = connect(app)
      local function roots(uri) return { roots = { { uri = uri } } } end
      local first = round(peer, {}).result
      local second = round(peer, { requestState = first.requestState,
        inputResponses = { a = roots "1", c = 5 } }).result
      assert.is_nil(second.inputRequests.a)
      assert.is_table(second.inputRequests.b)
      assert.is_table(second.inputRequests.c)
      local third = round(peer, { requestState = second.requestState,
        -- The answer of an earlier round stands.
        inputResponses = { a = roots "evil", b = roots "2", c = roots "3" } })
      assert.equal("123", text_of(third))
    end)

    it("a handler that catches the end of its run ends all the same, and is asked no more",
      function()
        local after, closed = 0, 0
        local app = app_with(function(_, ctx)
          local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
          for i = 1, 3 do
            local ok, err = pcall(ctx.elicit, ctx, "?", { x = "string" }, { key = "k" .. i })
            if not ok then
              after = after + 1
              assert.matches("The call ends here", tostring(err), 1, true)
            end
          end
          return "swallowed"
        end)
        local response = round(connect(app), {})
        assert.equal("input_required", response.result.resultType)
        assert.same({ "k1" }, { next(helper.plain(response.result.inputRequests)), nil })
        assert.equal(3, after)
        assert.equal(1, closed)
      end)

    it("its <close> variables run, and nothing of it is left or logged", function()
      local closed = 0
      local app = app_with(function(_, ctx)
        local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
        ctx:roots()
      end)
      local log = helper.logged(function() round(connect(app), {}) end)
      assert.equal(1, closed)
      assert.equal("", log)
    end)

    it("a tool's own result is left as it is", function()
      local app = app_with(function()
        return { content = { mcp.text "x" }, _meta = { ["my.org/x"] = 1 } }
      end)
      local result = round(connect(app), {}).result
      assert.equal("complete", result.resultType)
      assert.equal(1, result._meta["my.org/x"])
    end)

    it("arguments never see answers or state", function()
      local seen
      local app = mcp.server "spec"
      app:tool "t" { input_schema = { type = "object" } } (function(args, ctx)
        seen = args
        ctx:roots()
        return "x"
      end)
      local peer = connect(app)
      local state = round(peer, { arguments = { a = 1 } }).result.requestState
      round(peer, { arguments = { a = 1 }, requestState = state, inputResponses = {
        input_1 = { roots = mcp.array {} } } })
      assert.same({ a = 1 }, helper.plain(seen))
    end)

    it("a handler may change its arguments before it asks", function()
      local app = mcp.server "spec"
      app:tool "t" { input = { a = "integer", b = mcp.integer { default = 7 } } } (
        function(args, ctx)
          args.a, args.c = args.a + 1, {}
          ctx:roots()
          return args.a + args.b
        end)
      local response = drive[MODERN](app, function() return { roots = mcp.array {} } end, nil,
        { name = "t", arguments = { a = 1 } })
      assert.equal("9", text_of(response))
    end)

    it("ends after ten rounds", function()
      assert.equal(10, replay.ROUNDS)
      local response, asked = drive[MODERN](app_with(function(_, ctx)
        while true do ctx:elicit("Again?", {}) end
      end), function() return accept {} end)
      assert.equal(10, #asked)
      assert.equal(-32602, response.error.code)
      assert.matches("after 10 rounds", response.error.message, 1, true)
    end)

    it("refuses to send along more than 16 KiB", function()
      local response = round(connect(app_with(function(_, ctx)
        ctx:once("x", function() return ("x"):rep(20000) end)
        ctx:roots()
      end)), {})
      assert.equal(-32603, response.error.code)
      assert.matches("too large to be sent along", response.error.message, 1, true)
    end)

    it("a client that declares nothing costs nothing", function()
      local seen
      local peer = connect(app_with(function(_, ctx)
        seen = rawget(ctx, "asking")
        return "x"
      end))
      peer:modern("tools/call", { name = "t" })
      assert.is_false(seen)
    end)

    it("other methods do not look at answers or state", function()
      local app = name_tool()
      local response = connect(app):modern("tools/list", { requestState = "junk",
        inputResponses = 5 })
      assert.is_table(response.result.tools)
    end)

    describe("a state", function()
      local TEXT = "Invalid or expired requestState"

      local function two_tools(options)
        options = options or {}
        options.name = options.name or "spec"
        local app = mcp.server(options)
        for _, name in ipairs { "t", "u" } do
          app:tool(name) { input_schema = { type = "object" } } (function(_, ctx)
            local content = ctx:elicit("?", { x = "string" })
            return content and content.x or "none"
          end)
        end
        app:prompt "t" (function(_, ctx) return ctx:elicit("?", { x = "string" }).x end)
        return app
      end

      local RETRY = { input_1 = accept { x = "done" } }

      local function retry(app, state, more, capabilities, method)
        local peer <close> = connect(app)
        local params = { requestState = state, inputResponses = RETRY }
        for key, member in pairs(more or {}) do params[key] = member end
        return round(peer, params, capabilities, method)
      end

      local function refused(response)
        assert.is_nil(response.result)
        assert.equal(-32602, response.error.code)
        assert.equal(TEXT, response.error.message)
        assert.is_nil(response.error.data)
      end

      it("changed in any byte is refused, and never asked again for (T-82, SEC-50)", function()
        local app = two_tools()
        local peer = connect(app)
        local state = round(peer, {}).result.requestState
        for i = 1, #state do
          local byte = state:byte(i)
          local other = string.char(byte == 0x41 and 0x42 or 0x41)
          refused(round(peer, { inputResponses = RETRY,
            requestState = state:sub(1, i - 1) .. other .. state:sub(i + 1) }))
        end
        for _, odd in ipairs { state .. "-TAMPERED", state .. "A", state:sub(1, -2), "", "x",
          ("A"):rep(20000), 5, true } do
          refused(round(peer, { inputResponses = RETRY, requestState = odd }))
        end
        assert.equal("done", text_of(retry(app, state)))
      end)

      it("is for the same tool, arguments, method and server (T-91)", function()
        local app = two_tools { state_keys = { SECRET } }
        local first = round(connect(app), { arguments = { a = { 1, 2 }, b = "x" } }).result
        local state = first.requestState
        assert.equal("done", text_of(retry(app, state, { arguments = { b = "x", a = { 1, 2 } } })))
        refused(retry(app, state))
        refused(retry(app, state, { arguments = { a = { 2, 1 }, b = "x" } }))
        refused(retry(app, state, { arguments = { a = { 1, 2 }, b = "x", c = 1 } }))
        refused(retry(app, state, { arguments = { a = { 1, 2 }, b = "x" }, name = "u" }))
        refused(retry(app, state, { name = "t" }, nil, "prompts/get"))
        local other = two_tools { state_keys = { SECRET }, name = "another" }
        refused(retry(other, state, { arguments = { a = { 1, 2 }, b = "x" } }))
      end)

      it("is for the same person (SEC-57)", function()
        local app = two_tools()
        local state = round(connect(app), {}).result.requestState
        local context = require "mcp.server.context"
        local new = context.new
        finally(function() context.new = new end)
        context.new = function(...)
          local ctx = new(...)
          rawset(ctx, "auth", { subject = "mallory" })
          return ctx
        end
        refused(retry(app, state))
        local mine = round(connect(app), {}).result.requestState
        assert.equal("done", text_of(retry(app, mine)))
        context.new = new
        refused(retry(app, mine))
      end)

      it("ends with its time", function()
        local app = two_tools { state_ttl = 5 }
        local state = round(connect(app), {}).result.requestState
        local real = os.time
        finally(function() os.time = real end) -- luacheck: ignore 122
        assert.equal("done", text_of(retry(app, state)))
        os.time = function() return real() + 6 end -- luacheck: ignore 122
        refused(retry(app, state))
      end)

      it("of another key is refused; of a known one it is served", function()
        local a, b = ("a"):rep(32), ("b"):rep(32)
        local old, both = two_tools { state_keys = { a } }, two_tools { state_keys = { b, a } }
        local state = round(connect(old), {}).result.requestState
        assert.equal("done", text_of(retry(both, state)))
        refused(retry(two_tools { state_keys = { b } }, state))
        refused(retry(two_tools(), state))
      end)

      it("needs secrets that are none to guess", function()
        for _, case in ipairs {
          { { name = "x", state_keys = { "short" } },
            "state_keys[1]: expected a secret of 32 bytes" },
          { { name = "x", state_keys = {} }, "state_keys: expected at least one" },
          { { name = "x", state_ttl = 0 }, "state_ttl: expected seconds" },
          { { name = "x", state_keys = "x" }, '"state_keys": expected a table' },
        } do
          local ok, message = pcall(function() mcp.server(case[1]) end)
          assert.is_false(ok)
          assert.matches("init_spec.lua:%d+: ", message)
          assert.matches(case[2], message, 1, true)
        end
      end)
    end)
  end)

  describe("in two processes", function()
    after_each(helper.remove_files)

    local SCRIPT = [[
      local mcp = require "mcp"
      local app = mcp.server { name = "spec", state_keys = { os.getenv "SPEC_KEY" } }
      app:tool "t" (function(_, ctx)
        local pid = ctx:once("first", function() return os.getenv "SPEC_WHO" end)
        local who = ctx:elicit("Who?", { name = "string" })
        local old = ctx:elicit("How old?", { age = "integer" })
        return ("%s %d %s %s"):format(who.name, old.age, pid, os.getenv "SPEC_WHO")
      end)
      app:run { stdio = true }
    ]]

    it("the second serves what the first has asked, by the key alone", function()
      local path, answers, given, state = helper.file(SCRIPT, ".lua"), {
        input_1 = accept { name = "Ada" }, input_2 = accept { age = 36 } }, nil, nil
      local response
      for i, key in ipairs { SECRET, SECRET, SECRET, ("x"):rep(32) } do
        local line = core.encode { jsonrpc = "2.0", id = i, method = "tools/call", params = {
          name = "t", inputResponses = given, requestState = state, _meta = envelope() } }
        local output = helper.shell(("printf '%%s\\n' %s | env -u LUA_PATH -u LUA_CPATH "
          .. "SPEC_KEY=%s SPEC_WHO=process%d %s run %s"):format(helper.quote(line), key, i,
          helper.quote(helper.program()), helper.quote(path)))
        response = assert(core.decode(output))
        local result = response.result
        if result and result.resultType == "input_required" then
          state, given = result.requestState, {}
          for name in pairs(result.inputRequests) do given[name] = answers[name] end
        elseif i == 3 then
          assert.equal("Ada 36 process1 process3", text_of(response))
        end
      end
      assert.equal("Invalid or expired requestState", response.error.message)
    end)
  end)
end)
