-- SPDX-License-Identifier: MIT
-- input_required_spec.lua: lua/mcp/client/input_required.lua: calls that the server ends with
-- questions (4.15).
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local rounds = require "mcp.client.input_required"
local scripted = require "spec.scripted"
local value = require "mcp.value"

local function elicitation(text)
  return { method = "elicitation/create", params = { mode = "form", message = text,
    requestedSchema = { type = "object", properties = { name = { type = "string" } } } } }
end

local function done(text)
  return { resultType = "complete", content = value.array { mcp.text(text) } }
end

-- A client whose server answers tools/call, prompts/get and resources/read by a list of results,
-- or by a function of the message and its number.
local function connect(results, options)
  local count = 0
  return scripted.connect(scripted.modern(function(far, message)
    if not message.id then return end
    count = count + 1
    far:result(message.id, type(results) == "function" and results(message, count)
      or results[count])
  end), options)
end

local function input(requests, state)
  return { resultType = "input_required", inputRequests = requests, requestState = state }
end

local function name_of(text) return { name = text } end

describe("a call that is ended with questions", function()
  after_each(scripted.leftovers)

  it("is made again with the answers, and the state byte for byte", function()
    local state = "v1.\"\\/\1\xe2\x80\xa8 \u{10FFFF}==" .. ("x"):rep(5000)
    local client, far = connect({ input({ who = elicitation "Who?" }, state), done "Ada" },
      { on_elicit = name_of })
    local result = assert(client:call_tool("hello", { a = 1 }, { meta = { k = "v" } }))
    assert.equal("Ada", result.content[1].text)
    local first, second = far.got[2], far.got[3]
    assert.is_not_equal(first.id, second.id)
    assert.equal(state, second.params.requestState)
    assert.same({ who = { action = "accept", content = { name = "Who?" } } },
      helper.plain(second.params.inputResponses))
    -- The rest is as it was, the envelope whole.
    assert.same({ a = 1 }, helper.plain(second.params.arguments))
    assert.equal("hello", second.params.name)
    assert.same(helper.plain(first.params._meta), helper.plain(second.params._meta))
    assert.is_nil(first.params.requestState)
  end)

  it("sends no state where there was none, and only this round's answers", function()
    local client, far = connect({ input({ a = elicitation "A" }, "one"),
      input { b = elicitation "B" }, input(nil, "three"), done "end" }, { on_elicit = name_of })
    assert(client:call_tool "x")
    local sent = {}
    for i = 2, #far.got do
      local params = far.got[i].params
      local keys = {}
      for key in pairs(params.inputResponses or {}) do keys[#keys + 1] = key end
      sent[#sent + 1] = ("%s:%s"):format(params.requestState or "-", table.concat(keys, ","))
    end
    assert.same({ "-:", "one:a", "-:b", "three:" }, sent)
  end)

  it("may be the reading of a resource or the filling of a prompt", function()
    local client = connect({ input { a = elicitation "A" },
      { resultType = "complete", contents = value.array { { uri = "u", text = "t" } } },
      input { a = elicitation "A" }, { resultType = "complete", messages = value.array {} } },
      { on_elicit = name_of })
    assert.equal("t", assert(client:read_resource "u").contents[1].text)
    assert.is_table(client:get_prompt "p")
  end)

  it("answers several questions side by side", function()
    local open, most = 0, 0
    local client, far = connect({ input { a = elicitation "A", b = elicitation "B",
      c = { method = "roots/list" }, d = { method = "sampling/createMessage", params = {
        maxTokens = 1, messages = value.array { { role = "user", content = mcp.text "Hi" } } } } },
      done "end" }, { roots = { "/r" }, on_sample = function() return "Hello" end,
        on_elicit = function(text)
          open = open + 1
          most = math.max(most, open)
          mcp.sleep(0.01)
          open = open - 1
          return { name = text }
        end })
    assert(client:call_tool "x")
    assert.equal(2, most)
    local answers = helper.plain(far.got[3].params.inputResponses)
    assert.same({ name = "B" }, answers.b.content)
    assert.same({ { uri = "file:///r" } }, answers.c.roots)
    assert.equal("Hello", answers.d.content.text)
  end)

  it("ends when one is not answered, and the others with it", function()
    local other
    local client, far = connect({ input { a = elicitation "A",
      s = { method = "sampling/createMessage", params = { maxTokens = 1,
        messages = value.array { { role = "user", content = mcp.text "Hi" } } } } } },
      { on_elicit = function()
        other = select(3, mcp.sleep(5))
        return {}
      end, on_sample = function()
        mcp.sleep(0.005)
        return nil, "no, thanks"
      end })
    local result, text, code = client:call_tool "x"
    assert.same({ nil, 'tools/call: could not answer the server\'s question "s": no, thanks', -1 },
      { result, text, code })
    helper.wait_until(function() return other end)
    assert.equal("ECANCELED", other)
    assert.equal(2, #far.got)
  end)

  it("is not answered what was not offered (SEC-53)", function()
    for method, code in pairs { ["elicitation/create"] = -32601, ["roots/list"] = -32601,
      ["tools/call"] = "ERPC", ["nothing"] = "ERPC" } do
      local client = connect { input { a = { method = method, params = { message = "" } } } }
      assert.equal(code, select(3, client:call_tool "x"), method)
      client:close()
    end
  end)

  it("has so many rounds and no more (SEC-54)", function()
    local function endless() return input({ a = elicitation "again" }, "s") end
    local client, far = connect(endless, { on_elicit = name_of })
    local result, text, code = client:call_tool "x"
    assert.same({ nil,
      "tools/call: the server asked more than 10 times: raise limits.rounds if it should",
      "ETOOBIG" }, { result, text, code })
    assert.equal(10, rounds.MAX)
    assert.equal(1 + rounds.MAX + 1, #far.got)
    client:close()
    client, far = connect(endless, { on_elicit = name_of, limits = { rounds = 2 } })
    assert.equal("ETOOBIG", select(3, client:call_tool "x"))
    assert.equal(1 + 2 + 1, #far.got)
  end)

  it("waits a little where there is nothing but a state", function()
    local client = connect({ input(nil, "a"), input(nil, "b"), done "end" })
    local began = core.now()
    assert(client:call_tool "x")
    assert.is_true(core.now() - began >= 0.14)
  end)

  it("knows results that are none (ERPC)", function()
    for _, result in ipairs { { resultType = "input_required" }, { resultType = "task" },
      { resultType = 5 }, { resultType = value.null }, input(value.array { 1 }), input "x",
      input { a = 5 }, input { a = {} }, input { a = { method = "roots/list", params = 5 } },
      { resultType = "input_required", inputRequests = value.null } } do
      local client = connect({ result }, { roots = { "/r" } })
      assert.equal("ERPC", select(3, client:call_tool "x"))
      client:close()
    end
    local many = {}
    for i = 1, rounds.QUESTIONS + 1 do many["q" .. i] = { method = "roots/list" } end
    assert.equal("ERPC", select(3, connect({ input(many) }, { roots = {} }):call_tool "x"))
    -- Elsewhere nothing may be asked.
    assert.equal("ERPC", select(3, connect({ input { a = elicitation "A" } },
      { on_elicit = name_of }):list_tools()))
  end)

  it("reads a missing resultType as complete (T-51), and in a session looks at none", function()
    local client = connect { { content = value.array { mcp.text "x" } } }
    assert.equal("x", assert(client:call_tool "x").content[1].text)
    client:close()
    client = scripted.connect(scripted.legacy(function(far, message)
      far:result(message.id, { resultType = "input_required", content = value.array {} })
    end))
    assert.is_table(client:call_tool "x")
  end)

  it("may have a type of its own where an extension was declared (4.18)", function()
    local extended = { capabilities = { extensions = { ["org.example/x"] = {} } } }
    local client = connect({ { resultType = "task", taskId = "1" }, { resultType = "other" } },
      extended)
    assert.equal("1", assert(client:call_tool "x").taskId)
    assert.equal("other", assert(client:request "y").resultType)
    client:close()
    client = connect({ { resultType = "other" } }, { capabilities = { extensions = {} } })
    assert.equal("ERPC", select(3, client:request "y"))
  end)

  it("ends when it is given up in the middle of a question", function()
    local stop, answered = mcp.canceller(), nil
    local client = connect({ input { a = elicitation "A" } }, { on_elicit = function()
      stop:cancel "enough"
      answered = select(3, mcp.sleep(5))
      return {}
    end })
    assert.same({ nil, "tools/call: enough", "ECANCELED" },
      { table.unpack({ client:call_tool("x", {}, { cancel = stop }) }, 1, 3) })
    helper.wait_until(function() return answered end)
    assert.equal("ECANCELED", answered)
    assert.same({}, stop.ends)
  end)

  it("goes through several rounds with our own server", function()
    local app = mcp.server "own"
    app:tool "talk" (function(_, ctx)
      local first = ctx:elicit("first", { name = "string" }).name
      local second = ctx:elicit("second", { name = "string" }).name
      local answers = ctx:ask { a = mcp.elicit("third", { name = "string" }), b = mcp.roots() }
      return ("%s %s %s %d"):format(first, second, answers.a.content.name, #answers.b.roots)
    end)
    for _, revision in ipairs { "2025-06-18", "2025-11-25", "2026-07-28" } do
      local client <close> = assert(mcp.connect(app, { revision = revision, on_elicit = name_of,
        roots = { "/a", "/b" } }))
      assert.equal("first second third 2", assert(client:call_tool "talk").content[1].text)
    end
  end)
end)
