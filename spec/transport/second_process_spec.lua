-- SPDX-License-Identifier: MIT
-- A call of several rounds over HTTP whose rounds reach different processes: they share a key and
-- nothing else. Over lines the same is spec/mcp/server/ask/init_spec.lua's.
local support = require "spec.support"

local KEY, OTHER_KEY = ("k"):rep(32), ("o"):rep(32)
local CAN = { ["io.modelcontextprotocol/clientCapabilities"] = { elicitation = {} } }

local SCRIPT = [==[
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
local app = mcp.server { name = "spec", state_keys = { os.getenv "STATE_KEY" } }
local who = os.getenv "SPEC_WHO"
app:tool "order" { input = { item = "string" } } (function(a, ctx)
  local began_at = ctx:once("began", function()
    io.stderr:write "ran once\n"
    return who
  end)
  local form = ctx:elicit("How many?", { count = "integer" })
  return ("%d %s, begun at %s, done at %s"):format(form.count, a.item, began_at, who)
end)
app:run(options)
]==]

describe("a call of several rounds", function()
  local one

  local function start(who, key)
    return support.http(nil, { script = SCRIPT,
      env = { "STATE_KEY=" .. key, "SPEC_WHO=" .. who } })
  end

  -- One round, on a connection of its own.
  local function round(server, id, more)
    local client <close> = support.client(server)
    local params = { name = "order", arguments = { item = "tea" } }
    for name, value in pairs(more or {}) do params[name] = value end
    return client:ask(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
      ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = "order" },
      support.modern_body(id, "tools/call", params, CAN)))
  end

  -- What the client sends with its retry.
  local function retry_of(asked)
    assert.equal("input_required", asked.json.result.resultType, asked.body)
    local key, question = next(asked.json.result.inputRequests)
    assert.equal("How many?", question.params.message)
    return { requestState = assert(asked.json.result.requestState),
      inputResponses = { [key] = { action = "accept", content = { count = 3 } } } }
  end

  before_each(function() one = start("A", KEY) end)
  after_each(support.stop_all)

  it("is ended by a second process that has the key, and by no request to the first (T-82)",
    function()
      local two = start("B", KEY)
      assert.not_equal(one.port, two.port)
      local retry = retry_of(round(one, 1))
      -- The first is not even there any more.
      one.process:kill()
      assert.same({ "exit", 0 }, { one:wait_end() })
      local done = round(two, 2, retry)
      assert.equal(200, done.status)
      assert.equal("complete", done.json.result.resultType, done.body)
      assert.equal(2, done.json.id)
      assert.equal("3 tea, begun at A, done at B", done.json.result.content[1].text)
      assert.is_nil(two:told():find("ran once", 1, true))
    end)

  it("is refused by a process of another key, and still served by one that has it", function()
    local stranger = start("C", OTHER_KEY)
    local retry = retry_of(round(one, 1))
    local refused = round(stranger, 2, retry).json
    assert.is_nil(refused.result)
    assert.equal(-32602, refused.error.code)
    assert.equal("Invalid or expired requestState", refused.error.message)
    assert.is_nil(stranger:told():find("ran once", 1, true))
    assert.equal("3 tea, begun at A, done at A",
      round(one, 3, retry).json.result.content[1].text)
  end)
end)
