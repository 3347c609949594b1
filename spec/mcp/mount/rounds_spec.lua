-- SPDX-License-Identifier: MIT
-- Questions of a mounted server to a client that answers them by repeating its call.
local helper = require "spec.helper"
local link = require "mcp.mount.link"
local mcp = require "mcp"
local mount = require "mcp.mount"
local request = require "mcp.client.request"
local rounds = require "mcp.mount.rounds"
local scripted = require "spec.scripted"

describe("a question to a client of the stateless era", function()
  local behind, front, ended, finished

  before_each(function()
    behind, ended, finished = mcp.server "behind", 0, 0
    behind:tool "asks" { input = { text = "string?" } } (function(_, ctx)
      local over <close> = setmetatable({}, { __close = function() ended = ended + 1 end }) -- luacheck: ignore
      local answer, reason = ctx:elicit("Name?", { name = "string" })
      if answer then finished = finished + 1 end
      return answer and answer.name or reason
    end)
    front = mcp.server "front"
  end)
  after_each(function()
    for _, each in ipairs(front:mounted()) do front:unmount(each.name) end
    mcp.sleep(0.02)
    scripted.leftovers()
  end)

  -- A client that gets questions as results, and the way to send it an answer.
  local function connect()
    local client = assert(mcp.connect(front, { era = "modern", on_elicit = function() end }))
    return client, function(more)
      local params = { name = "gh_asks", arguments = {} }
      for key, member in pairs(more or {}) do params[key] = member end
      return request.run(client, "tools/call", params, {}, { rounds = false })
    end
  end

  for _, era in ipairs { "legacy", "modern" } do
    it(("ends the call, which goes on with the answer (%s)"):format(era), function()
      front:mount("gh", behind, { era = era })
      local client, call = connect()
      local asked = assert(call())
      assert.equal("input_required", asked.resultType)
      local key, item = next(asked.inputRequests)
      assert.same({ "elicitation/create", "Name?" }, { item.method, item.params.message })
      assert.equal(era == "modern" and "input_1" or "gh/1", key)
      assert.is_nil(asked.requestState:find("legacy", 1, true))
      -- Without the answer it is asked again.
      local again = assert(call { requestState = asked.requestState, inputResponses = {} })
      assert.equal("input_required", again.resultType)
      local answer = { [key] = { action = "accept", content = { name = "Ann" } } }
      -- For these arguments only.
      local _, text = call { requestState = asked.requestState, inputResponses = answer,
        arguments = { text = "other" } }
      assert.matches("Invalid or expired requestState", text)
      key = next(again.inputRequests)
      local result = assert(call { requestState = again.requestState,
        inputResponses = { [key] = answer[next(answer)] } })
      assert.equal("Ann", result.content[1].text)
      assert.equal(1, finished)
      client:close()
    end)
  end

  it("is what 2025-11-25 has an error for: pages that must be visited first", function()
    local visits, accepts = {}, true
    behind:tool "paged" (function()
      if visits[2] then return "in" end
      error(mcp.error(-32042, "Log in first", { elicitations = {
        { mode = "url", message = "Log in", url = "https://a.example/", elicitationId = "1" },
        { mode = "url", message = "Agree", url = "https://b.example/", elicitationId = "2" },
      } }))
    end)
    front:mount("gh", behind, { era = "legacy" })
    local function open(more)
      local options = { on_elicit_url = function(_, url)
        if accepts then visits[#visits + 1] = url end
        return accepts
      end }
      for name, option in pairs(more) do options[name] = option end
      return assert(mcp.connect(front, options))
    end
    local modern <close> = open { era = "modern" }
    local legacy <close> = open { era = "legacy" }
    local _, text, code = legacy:call_tool "gh_paged"
    assert.same({ "Log in first", -32042 }, { text, code })
    accepts = false
    assert.matches("was not visited", (select(2, modern:call_tool "gh_paged")))
    accepts = true
    assert.equal("in", assert(modern:call_tool "gh_paged").content[1].text)
    table.sort(visits)
    assert.same({ "https://a.example/", "https://b.example/" }, visits)
    -- The revision has no such error.
    visits = {}
    local quiet <close> = assert(mcp.connect(front, { era = "modern" }))
    local forms <close> = assert(mcp.connect(front, { era = "modern",
      on_elicit = function() return nil, "decline" end }))
    for _, client in ipairs { quiet, forms } do
      assert.equal(-32021, (select(3, client:call_tool "gh_paged")))
    end
  end)

  it("of a call that nobody goes on with ends in time, and there are only so many", function()
    local most, time = rounds.MAX, rounds.TIME
    rounds.MAX = 2
    front:mount("gh", behind, { era = "legacy" })
    local client, call = connect()
    local together = link.TOGETHER
    link.TOGETHER = -1
    local first = assert(call())
    assert.equal("input_required", assert(call()).resultType)
    local _, text, code = call()
    assert.same({ "Busy: 2 calls wait for answers", -32000 }, { text, code })
    rounds.TIME = 0.001
    mcp.sleep(0.01)
    assert.equal("input_required", assert(call()).resultType)
    helper.wait_until(function() return ended >= 2 end, "the end of the calls")
    rounds.TIME = time
    _, text = call { requestState = first.requestState, inputResponses = {} }
    assert.matches("Invalid or expired requestState", text)
    client:close()
    front:unmount "gh"
    helper.wait_until(function() return ended >= 3 end, "the end of the last call")
    rounds.MAX, link.TOGETHER = most, together
  end)

  it("that comes when the client has gone away ends the call", function()
    front:mount("gh", behind, { era = "legacy" })
    behind:tool "slow" (function(_, ctx)
      local over <close> = setmetatable({}, { __close = function() ended = ended + 1 end }) -- luacheck: ignore
      ctx:sleep(60)
    end)
    local client <close>, stop = connect(), mcp.canceller()
    mcp.spawn(function()
      mcp.sleep(0.02)
      stop:cancel()
    end)
    assert.equal("ECANCELED", (select(3, client:call_tool("gh_slow", {}, { cancel = stop }))))
    helper.wait_until(function() return ended == 1 end, "the end of the call")
  end)

  it("is not asked if the client cannot be asked", function()
    for _, era in ipairs { "legacy", "modern" } do
      front:mount("gh", behind, { era = era })
      local client <close> = assert(mcp.connect(front, { era = "modern" }))
      local result, text
      helper.logged(function() result, text = client:call_tool "gh_asks" end)
      assert.matches(era == "legacy" and "Client capability required: elicitation"
        or "Client capability required", result and result.content[1].text or text, 1, true)
      front:unmount "gh"
    end
  end)

  it("that has no answer is answered with an error alone, in a batch, too", function()
    local answers
    local transport = scripted.transport(scripted.legacy(function(far, message)
      if message.method == "tools/list" then
        far:result(message.id, { tools = { { name = "asks", inputSchema = { type = "object" } } } })
      elseif message.method == "tools/call" then
        far.call = message.id
        far:send '[{"jsonrpc":"2.0","id":"q","method":"roots/list"}]'
      elseif not message.method then
        answers = message
        far:result(far.call, { content = { { type = "text", text = "called" } } })
      end
    end, "2025-03-26"))
    mount.reach(front, "gh", function(options)
      local client = scripted.keep(mcp.session(transport, options))
      assert(client:initialize())
      return client
    end, { described = "scripted" })
    local function is_error(code, text)
      assert.same({ { jsonrpc = "2.0", id = "q", error = { code = code, message = text } } },
        helper.plain(answers))
    end
    local lacking <close> = assert(mcp.connect(front, { era = "modern", on_elicit = print }))
    assert.equal("called", assert(lacking:call_tool "asks").content[1].text)
    is_error(-32600, "Client capability required: roots/list")
    -- One that goes away with the question.
    local time = rounds.TIME
    answers, rounds.TIME = nil, 0.001
    local silent <close> = assert(mcp.connect(front, { era = "modern", roots = { "file:///a" } }))
    local asked = request.run(silent, "tools/call", { name = "asks", arguments = {} }, {},
      { rounds = false })
    pcall(helper.wait_until, function() return answers end)
    rounds.TIME = time
    assert.equal("input_required", assert(asked).resultType)
    is_error(-32603, "the client has not answered")
  end)
end)
