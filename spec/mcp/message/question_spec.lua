-- SPDX-License-Identifier: MIT
local helper = require "spec.helper"
local mcp = require "mcp"
local protocol = require "mcp.protocol"

local function facts(name) return protocol.revision(name) end
local NEW, OLD, OLDEST = facts "2025-11-25", facts "2025-06-18", facts "2024-11-05"
local MODERN = facts "2026-07-28"

local FORM = mcp.elicit("Who?", { name = "string" })
local PAGE = mcp.elicit_url("Please log in", "https://example.org/login?x=1")

describe("mcp.elicit", function()
  it("is refused where it is written", function()
    for _, case in ipairs {
      { function() mcp.elicit() end, "mcp.elicit: text: expected a string, got nil" },
      { function() mcp.elicit("", {}) end, "mcp.elicit: text: expected a string, got an empty" },
      { function() mcp.elicit("x") end, "mcp.elicit: schema: expected a table, got nothing" },
      { function() mcp.elicit_url("x", "page") end,
        "mcp.elicit_url: url: expected an address such as" },
      { function() mcp.elicit_url("x", "file:///etc/passwd") end, "mcp.elicit_url: url:" },
      { function() mcp.elicit_url("x", "javascript:alert(1)") end, "mcp.elicit_url: url:" },
      { function() mcp.roots {} end, "mcp.roots: expected no argument" },
    } do
      local ok, message = pcall(case[1])
      assert.is_false(ok)
      assert.matches("question_spec.lua:%d+: ", message)
      assert.matches(case[2], message, 1, true)
    end
  end)

  it("that looks like asking for a secret is warned of, once for each kind (SEC-67)", function()
    local log = helper.logged(function()
      assert.is_true(mcp.elicit("?", { new_PassWord = "string", api_key = "string" }) ~= nil)
      mcp.elicit("?", { password2 = "string" })
      mcp.elicit("?", { name = "string", pass = "string" })
    end)
    assert.equal(2, select(2, log:gsub("a secret belongs on a page", "")), log)
    assert.matches('a form asks for "new_PassWord"', log, 1, true)
    assert.matches('a form asks for "api_key"', log, 1, true)
  end)

  it("says its mode only where there are modes (T-81, 4.13)", function()
    local method, params = FORM:request(NEW)
    assert.equal("elicitation/create", method)
    assert.equal("form", params.mode)
    assert.is_nil(select(2, FORM:request(OLD)).mode)
    assert.equal("form", select(2, FORM:request(MODERN)).mode)
  end)

  it("of a page has an id in the one revision that knows it", function()
    local _, params = PAGE:request(NEW)
    assert.equal("url", params.mode)
    assert.equal("https://example.org/login?x=1", params.url)
    assert.matches("^[%w_-]+$", params.elicitationId)
    assert.not_equal(params.elicitationId, select(2, PAGE:request(NEW)).elicitationId)
    assert.is_nil(select(2, PAGE:request(MODERN)).elicitationId)
  end)

  it("is offered as declared: {} means forms only (T-57)", function()
    for _, case in ipairs {
      -- revision, capability, form, page
      { NEW, {}, true, false }, { NEW, { form = {} }, true, false },
      { NEW, { url = {} }, false, true }, { NEW, { form = {}, url = {} }, true, true },
      { NEW, nil, false, false }, { NEW, mcp.null, false, false }, { NEW, true, false, false },
      { OLD, {}, true, false }, { OLD, { form = {}, url = {} }, true, false },
      { OLDEST, {}, false, false }, { MODERN, {}, true, false },
      { MODERN, { url = {} }, false, true },
    } do
      local capabilities = { elicitation = case[2] }
      assert.equal(case[3], FORM:is_offered(case[1], capabilities))
      assert.equal(case[4], PAGE:is_offered(case[1], capabilities))
    end
  end)

  it("reads accept, decline and cancel, and nothing else", function()
    assert.same({ action = "accept", content = { name = "Ada" } },
      helper.plain(FORM:read(NEW, { action = "accept", content = { name = "Ada" } })))
    assert.same({ action = "decline" }, FORM:read(NEW, { action = "decline", content = { x = 1 } }))
    assert.same({ action = "cancel" }, FORM:read(NEW, { action = "cancel" }))
    assert.same({ action = "accept" }, PAGE:read(NEW, { action = "accept", content = { x = 1 } }))
    for _, bad in ipairs { 12345, "x", true, mcp.null, mcp.array {}, {}, { action = "yes" },
      { action = "accept" }, { action = "accept", content = mcp.null },
      { action = "accept", content = {} }, { action = "accept", content = { name = 5 } } } do
      assert.is_nil((FORM:read(NEW, bad)))
    end
  end)
end)

describe("mcp.sample", function()
  local function params(given, revision)
    given.max_tokens = given.max_tokens or 100
    return helper.plain(select(2, mcp.sample(given):request(revision or NEW)))
  end

  it("takes all that the protocol has (4.12)", function()
    assert.same({
      messages = { { role = "user", content = { type = "text", text = "Hi" } } },
      maxTokens = 100, systemPrompt = "Be brief", temperature = 0.5, stopSequences = { "END" },
      modelPreferences = { hints = { { name = "claude" }, { name = "x" } }, costPriority = 0.1,
        speedPriority = 0.2, intelligencePriority = 1 },
      tools = { { name = "t", description = "d", inputSchema = { type = "object",
        properties = { a = { type = "number" } }, required = { "a" },
        additionalProperties = false } } },
      toolChoice = { mode = "required" }, includeContext = "none", metadata = { x = 1 },
    }, params {
      messages = "Hi", system_prompt = "Be brief", temperature = 0.5, stop_sequences = { "END" },
      model_preferences = { hints = { "claude", { name = "x" } }, cost_priority = 0.1,
        speed_priority = 0.2, intelligence_priority = 1 },
      tools = { { name = "t", description = "d", input = { a = "number" } } },
      tool_choice = "required", include_context = "none", metadata = { x = 1 },
    })
  end)

  it("takes messages in all their forms", function()
    local text = { type = "text", text = "Hi" }
    for _, messages in ipairs { "Hi", { "Hi" }, { mcp.user "Hi" }, mcp.user "Hi", mcp.text "Hi",
      { { role = "user", content = "Hi" } }, { { role = "user", content = mcp.text "Hi" } },
      { { role = "user", content = { text } } } } do
      if getmetatable(messages) and messages.type then messages = { messages } end
      assert.same({ { role = "user", content = text } }, params({ messages = messages }).messages)
    end
  end)

  it("puts one block into each message of the revisions that know no more", function()
    local two = { { role = "user", content = { "a", mcp.audio "b" } } }
    assert.equal(2, #params({ messages = two }).messages[1].content)
    assert.equal(2, #params({ messages = two }, OLD).messages)
    assert.equal("text", params({ messages = two }, OLDEST).messages[2].content.type)
  end)

  it("is refused where it is written", function()
    local use = { type = "tool_use", id = "1", name = "t", input = {} }
    local result = { type = "tool_result", toolUseId = "1", content = {} }
    for _, case in ipairs {
      { { messages = "x" }, "max_tokens: expected an integer" },
      { { messages = "x", max_tokens = 0 }, "max_tokens: expected an integer" },
      { { messages = "x", max_tokens = 1.5 }, "max_tokens: expected an integer" },
      { { max_tokens = 1 }, "messages: expected a string or a list, got nil" },
      { { max_tokens = 1, messages = {} }, "messages: expected at least one" },
      { { max_tokens = 1, messages = { { role = "system", content = "x" } } }, "messages[1]:" },
      { { max_tokens = 1, messages = { 5 } }, "messages[1]:" },
      { { max_tokens = 1, messages = "x", maxTokens = 5 }, 'did you mean "max_tokens"?' },
      { { max_tokens = 1, messages = "x", temperature = "hot" }, 'option "temperature": expected' },
      { { max_tokens = 1, messages = "x", tool_choice = "any" }, "tool_choice:" },
      { { max_tokens = 1, messages = "x", tools = {} }, "tools: expected at least one" },
      { { max_tokens = 1, messages = "x", tools = { { name = "t", schema = {} } } }, "tools[1]:" },
      { { max_tokens = 1, messages = "x", model_preferences = { cost_priority = 2 } },
        "cost_priority: expected a number from 0 to 1" },
      -- T: every use is answered in the next message, by nothing but answers
      { { max_tokens = 1, messages = { { role = "assistant", content = use } } }, "at the end" },
      { { max_tokens = 1, messages = { { role = "assistant", content = use }, "x" } },
        "messages[2]: expected a tool_result for each" },
      { { max_tokens = 1, messages = { { role = "user", content = result } } },
        "messages[1]: tool_result: expected a tool_use" },
      { { max_tokens = 1, messages = { { role = "assistant", content = use },
        { role = "user", content = { result, "and" } } } }, "expected nothing but tool_result" },
    } do
      local ok, message = pcall(mcp.sample, case[1])
      assert.is_false(ok)
      assert.matches(case[2], message, 1, true)
    end
    assert.is_table(mcp.sample { max_tokens = 1, messages = { "x",
      { role = "assistant", content = { "so", use } }, { role = "user", content = result } } })
    -- One answer is enough for an id that comes twice; what is no tool_use needs none.
    assert.is_table(mcp.sample { max_tokens = 1, messages = {
      { role = "assistant", content = { use, use } }, { role = "user", content = result } } })
    assert.is_table(mcp.sample { max_tokens = 1,
      messages = { { role = "user", content = { type = "text", text = "x", id = "2" } } } })
  end)

  it("with tools needs sampling.tools, with a context sampling.context", function()
    local plain = mcp.sample { messages = "x", max_tokens = 1 }
    local tools = mcp.sample { messages = "x", max_tokens = 1, tools = { { name = "t" } } }
    local context = mcp.sample { messages = "x", max_tokens = 1, include_context = "allServers" }
    local none = mcp.sample { messages = "x", max_tokens = 1, include_context = "none" }
    for _, case in ipairs {
      { NEW, {}, true, false, false }, { NEW, { tools = {} }, true, true, false },
      { NEW, { context = {} }, true, false, true }, { NEW, nil, false, false, false },
      { OLD, { tools = {} }, true, false, true }, { MODERN, {}, true, false, false },
    } do
      local capabilities = { sampling = case[2] }
      assert.equal(case[3], plain:is_offered(case[1], capabilities))
      assert.equal(case[4], tools:is_offered(case[1], capabilities))
      assert.equal(case[5], context:is_offered(case[1], capabilities))
      assert.equal(case[3], none:is_offered(case[1], capabilities))
    end
    assert.same({ sampling = { tools = {} } }, tools:needs(NEW))
  end)

  it("reads a message of a model, and nothing else", function()
    local good = { role = "assistant", model = "m", content = { type = "text", text = "x" },
      stopReason = "endTurn", more = 1 }
    local sample = mcp.sample { messages = "x", max_tokens = 1 }
    assert.equal(good, sample:read(NEW, good))
    for _, key in ipairs { "role", "model", "content" } do
      local bad = {}
      for name, member in pairs(good) do bad[name] = member end
      for _, odd in ipairs { 5, mcp.null, {}, "" } do
        if not (key == "model" and odd == "") and not (key == "content" and odd == "") then
          bad[key] = odd
          assert.is_nil((sample:read(NEW, bad)))
        end
      end
      bad[key] = nil
      assert.is_nil((sample:read(NEW, bad)))
    end
  end)
end)

describe("mcp.roots", function()
  it("reads a list of URIs, an empty one too", function()
    local roots = mcp.roots()
    assert.is_table(roots:read(NEW, { roots = mcp.array {} }))
    assert.is_table(roots:read(NEW, { roots = { { uri = "file:///x", name = "x" } } }))
    for _, bad in ipairs { 5, {}, { roots = 5 }, { roots = { x = 1 } }, { roots = { { uri = 5 } } },
      { roots = { "file:///x" } } } do
      assert.is_nil((roots:read(NEW, bad)))
    end
  end)
end)
