-- SPDX-License-Identifier: MIT
-- What a client may leave out of the answer to a form: its content where no field is required, and
-- fields that have a default. Questions that it cannot be asked at all are not the handler's fault.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("a form", function()
  local app
  before_each(function() app = mcp.server "spec" end)
  after_each(helper.leftovers)

  -- What the handler of a call gets when the client answers a form so.
  local function filled(revision, schema, answer)
    local got = {}
    app:tool "asks" (function(_, ctx)
      got.content, got.why = ctx:elicit("Please", schema)
      return "done"
    end)
    local peer = helper.connect(app)
    if revision == "2026-07-28" then
      local meta = { [helper.PREFIX .. "clientCapabilities"] = { elicitation = {} } }
      local result = peer:modern("tools/call", { name = "asks" }, meta).result
      result = peer:modern("tools/call", { name = "asks", requestState = result.requestState,
        inputResponses = { input_1 = answer } }, meta).result
      assert.equal("complete", result.resultType)
    else
      peer:initialize(revision, { elicitation = {} })
      peer:send { jsonrpc = "2.0", id = 9, method = "tools/call", params = { name = "asks" } }
      local question = peer:receive()
      peer:send { jsonrpc = "2.0", id = question.id, result = answer }
      assert.equal("done", peer:response(9).result.content[1].text)
    end
    assert(got.content, got.why)
    return got.content
  end

  for _, revision in ipairs { "2025-06-18", "2025-11-25", "2026-07-28" } do
    describe("asked of a client of " .. revision, function()
      it("is accepted without content where no field is required", function()
        assert.same({}, filled(revision, { name = "string?" }, { action = "accept" }))
      end)

      it("is accepted with content null", function()
        assert.same({}, filled(revision, { name = "string?", yes = "boolean?" },
          { action = "accept", content = mcp.null }))
      end)

      it("gets its defaults: numbers, strings, choices and booleans", function()
        local schema = { days = mcp.integer { default = 30 }, name = mcp.string { default = "x" },
          color = mcp.enum { "red", "blue", default = "blue" },
          yes = mcp.boolean { default = true }, share = mcp.number { default = 0.5 } }
        local all = { days = 30, name = "x", color = "blue", yes = true, share = 0.5 }
        for _, answer in ipairs { { action = "accept" }, { action = "accept", content = {} },
          { action = "accept", content = { days = mcp.null } } } do
          local content = filled(revision, schema, answer)
          assert.same(all, content)
          assert.equal("integer", math.type(content.days))
          app:remove("tool", "asks")
        end
        local content = filled(revision, schema,
          { action = "accept", content = { yes = false, days = 2 } })
        assert.is_false(content.yes)
        assert.equal(2, content.days)
        assert.equal("x", content.name)
      end)

      it("with a required field is still refused without it", function()
        local form = require "mcp.message.question_form"
        local schema = assert(form.read { name = "string" })
        local content, message = form.check(schema, {}, schema)
        assert.is_nil(content)
        assert.matches('"name" is missing', message, 1, true)
      end)
    end)
  end
end)

describe("a question to a client without the capability", function()
  after_each(helper.leftovers)

  local ASKS = {
    elicit = function(ctx) return ctx:elicit("Name?", { name = "string" }) end,
    elicit_url = function(ctx) return ctx:elicit_url("Sign in", "https://example.org/") end,
    sample = function(ctx) return ctx:sample { messages = "hi", max_tokens = 5 } end,
    roots = function(ctx) return ctx:roots() end,
    ask = function(ctx) return ctx:ask { a = mcp.elicit("Name?", { name = "string" }) } end,
    require_capability = function(ctx) return ctx:require_capability { sampling = {} } end,
  }
  local CAPABILITY = { elicit = "elicitation.form", elicit_url = "elicitation.url",
    sample = "sampling", roots = "roots", ask = "elicitation.form",
    require_capability = "sampling" }

  for _, revision in ipairs { "2024-11-05", "2025-11-25", "2026-07-28" } do
    for name, fn in pairs(ASKS) do
      it(("is one line at info: ctx:%s, %s"):format(name, revision), function()
        local app = mcp.server "spec"
        app:tool "asks" (function(_, ctx) return fn(ctx) end)
        app:prompt "also" (function(_, ctx) return fn(ctx) end)
        local peer = helper.open(app, revision)
        local text = "Client capability required: " .. CAPABILITY[name]
        local result, err
        local log = helper.logged(function() result, err = peer:call "asks" end)
        assert.equal(('info: tool "asks": %s'):format(text), log)
        if result then
          assert.is_true(result.isError)
          assert.equal(text, result.content[1].text)
        else
          assert.equal(text, err.message)
        end
        local response
        log = helper.logged(function()
          local ask = peer.era and peer.modern or peer.request
          response = ask(peer, "prompts/get", { name = "also" })
        end)
        assert.equal(text, response.error.message)
        assert.matches("^info: [^\n]*Client capability required[^\n]*$", log)
      end)
    end
  end

  it("of a revision that has no such form is one line, too", function()
    local app = mcp.server "spec"
    app:tool "asks" (function(_, ctx)
      return ctx:elicit("Which?", { which = mcp.list { mcp.enum { "a", "b" } } })
    end)
    local peer = helper.connect(app)
    peer:initialize("2025-06-18", { elicitation = {} })
    local result
    local log = helper.logged(function() result = peer:call "asks" end)
    assert.is_true(result.isError)
    assert.matches("protocol revision 2025-06-18 has no choice of several values",
      result.content[1].text, 1, true)
    assert.matches('^info: tool "asks": ctx:elicit: [^\n]*$', log)
  end)

  it("can be caught by the handler, which goes on", function()
    local app = mcp.server "spec"
    app:tool "asks" (function(_, ctx)
      local ok, err = pcall(ctx.roots, ctx)
      return ("%s %s"):format(ok, tostring(err))
    end)
    local peer = helper.open(app)
    assert.equal("false mcp.error -32600: Client capability required: roots",
      peer:call "asks".content[1].text)
    assert.is_function(core.log)
  end)
end)
