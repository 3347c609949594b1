-- SPDX-License-Identifier: MIT
-- Questions over Streamable HTTP: out on the stream of the call, back by a POST of its own.
local core = require "mcp.core"
local support = require "spec.support"

local SCRIPT = [==[
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
local app = mcp.server { name = "spec" }
app:tool "ask" (function(_, ctx)
  local _ <close> = setmetatable({}, { __close = function() io.stderr:write "closed ask\n" end })
  local form, why, code = ctx:elicit("Who?", { name = "string" })
  io.stderr:write("answered ", tostring(form and form.name), " ", tostring(code), "\n")
  return form and "Hello, " .. form.name or ("nobody: %s %s"):format(why, code)
end)
app:run(options)
]==]

describe("a question over HTTP", function()
  local server

  setup(function() server = support.http(nil, { script = SCRIPT }) end)
  teardown(support.stop_all)

  -- A session of a client that can be asked; closes its connection.
  local function open_session()
    local client <close> = support.client(server)
    local body = support.legacy_body(0, "initialize", { protocolVersion = "2025-11-25",
      capabilities = { elicitation = {} }, clientInfo = { name = "spec", version = "1" } })
    local sid = client:ask(support.request("POST", nil, body)).fields["mcp-session-id"]
    -- Before this nobody may be asked anything (IO-41).
    local ready = '{"jsonrpc":"2.0","method":"notifications/initialized"}'
    assert.equal(202, client:ask(support.legacy(sid, ready)).status)
    return sid
  end

  local function post(sid, message)
    local client <close> = support.client(server)
    message.jsonrpc = "2.0"
    return client:ask(support.legacy(sid, core.encode(message)))
  end

  local function begin(client, sid)
    client:send(support.legacy(sid, support.legacy_body(1, "tools/call",
      { name = "ask", arguments = {} })))
    local head = client:head()
    assert.equal("text/event-stream", head.fields["content-type"])
    return client:event()
  end

  it("goes out on the call's stream; the answer comes by another POST, which gets 202 (HL-28)",
    function()
      local sid = open_session()
      local client <close> = support.client(server)
      local asked = begin(client, sid)
      assert.equal("elicitation/create", asked.method)
      local other = open_session()
      -- Somebody else's session has no such question.
      assert.equal(202, post(other, { id = asked.id,
        result = { action = "accept", content = { name = "Mallory" } } }).status)
      assert.equal(202, post(sid, { id = asked.id,
        result = { action = "accept", content = { name = "Ada" } } }).status)
      assert.equal("Hello, Ada", client:event().result.content[1].text)
      assert.is_nil((client:event()))
    end)

  it("ends with its session", function()
    local sid = open_session()
    local client <close> = support.client(server)
    begin(client, sid)
    local from = #server:told()
    local other <close> = support.client(server)
    assert.equal(200, other:ask(support.request("DELETE", { ["Mcp-Session-Id"] = sid })).status)
    server:wait_said("answered nil ECANCELED", from)
    server:wait_said("closed ask", from)
    assert.equal("notifications/cancelled", client:event().method)
    assert.is_nil((client:event()))
  end)

  it("is answered even when its stream is gone (HL-27)", function()
    local sid = open_session()
    local client = support.client(server)
    local asked = begin(client, sid)
    local from = #server:told()
    client:close()
    assert.equal(202, post(sid, { id = asked.id,
      result = { action = "accept", content = { name = "Ada" } } }).status)
    server:wait_said("answered Ada nil", from)
  end)

  local function modern(capabilities, params, through)
    local own <close> = support.client(server)
    local client = through or own
    params = params or {}
    params.name, params.arguments = "ask", {}
    local body = support.modern_body(1, "tools/call", params,
      { ["io.modelcontextprotocol/clientCapabilities"] = capabilities })
    return client:ask(support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
      ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = "ask" }, body))
  end

  it("without sessions is a plain answer: input_required", function()
    local answer = modern { elicitation = {} }
    assert.equal(200, answer.status)
    assert.equal("application/json", answer.fields["content-type"])
    assert.equal("input_required", answer.json.result.resultType)
  end)

  it("of two conversations that interleave on one connection, and change it (HM-74)", function()
    local can = { elicitation = {} }
    local shared <close> = support.client(server)
    local first = modern(can, nil, shared).json.result
    local second = modern(can, nil, shared).json.result
    local function reply(result, name, through)
      local key = assert(next(result.inputRequests))
      local answer = modern(can, { requestState = result.requestState,
        inputResponses = { [key] = { action = "accept", content = { name = name } } } }, through)
      return answer.json.result.content[1].text
    end
    assert.equal("Hello, Grace", reply(second, "Grace", shared))
    assert.equal("Hello, Ada", reply(first, "Ada"))
  end)

  it("without the capability is 400 (-32021)", function()
    local answer = modern {}
    assert.equal(400, answer.status)
    assert.equal(-32021, answer.json.error.code)
    assert.is_table(answer.json.error.data.requiredCapabilities.elicitation)
  end)
end)
