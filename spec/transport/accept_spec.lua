-- SPDX-License-Identifier: MIT
-- accept_spec.lua: a POST is answered in what its Accept takes, wherever that is possible; 406 only
-- where it is not (HL-06, RFC 9110 12.5.1).
local core = require "mcp.core"
local support = require "spec.support"

local BOTH = "application/json, text/event-stream"
local JSON = { "application/json", "application/*", "application/json;q=0.5, text/event-stream;q=0",
  "APPLICATION/JSON", "application/json, text/plain", "text/html, application/json;q=0.1" }
local EVENTS = { "text/event-stream", "text/*", "TEXT/EVENT-STREAM", "text/event-stream, text/html",
  "application/json;q=0, text/event-stream" }
local EITHER = { false, "*/*", BOTH, "application/*, text/*", "text/html, */*;q=0.1",
  "text/event-stream, application/json", "application/json\r\nAccept: text/event-stream" }
local NEITHER = { "text/html", "*/*;q=0", "application/xml, text/plain", "",
  "application/json;q=0, text/event-stream;q=0" }

local server

local function call(accept, tool, arguments)
  local client <close> = support.client(server)
  local fields = { ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "tools/call",
    ["Mcp-Name"] = tool, Accept = accept }
  return client:ask(support.request("POST", fields, support.call_body(1, tool, arguments)))
end

local function text_of(message) return message.result.content[1].text end

describe("Accept", function()
  setup(function() server = support.http() end)
  teardown(support.stop_all)
  after_each(function() assert.is_true(support.alive(server)) end)

  it("of JSON alone gets JSON, also from a handler that tells of its progress", function()
    for _, accept in ipairs(JSON) do
      assert.equal("in", text_of(call(accept, "echo", { text = "in" }).json), accept)
      local answer = call(accept, "steps", { count = 3 })
      assert.equal("application/json", answer.fields["content-type"], accept)
      assert.equal("done", text_of(answer.json))
    end
  end)

  it("of event streams alone gets one, with the answer for its event", function()
    for _, accept in ipairs(EVENTS) do
      local answer = call(accept, "echo", { text = "in" })
      assert.equal(200, answer.status, accept)
      assert.equal("text/event-stream", answer.fields["content-type"])
      assert.equal(1, #answer.events)
      assert.equal("in", text_of(answer.events[1]))
      local steps = call(accept, "steps", { count = 2 })
      assert.equal(3, #steps.events)
    end
  end)

  it("of both, of anything, or none at all gets what suits the answer", function()
    for _, accept in ipairs(EITHER) do
      assert.equal("application/json",
        call(accept, "echo", { text = "in" }).fields["content-type"], tostring(accept))
      assert.equal("text/event-stream", call(accept, "steps", { count = 1 }).fields["content-type"])
    end
  end)

  it("of neither gets 406, which says what came", function()
    for _, accept in ipairs(NEITHER) do
      local answer = call(accept, "echo", { text = "in" })
      assert.equal(406, answer.status, accept)
      assert.is_truthy(answer.body:find("application/json or text/event-stream", 1, true))
    end
    assert.is_truthy(call("text/html", "echo", {}).body:find('got "text/html"', 1, true))
  end)

  it("of event streams alone gets errors by their status all the same", function()
    local client <close> = support.client(server)
    local answer = client:ask(support.request("POST", { Accept = "text/event-stream" }, "{"))
    assert.equal(400, answer.status)
    assert.equal(-32700, answer.json.error.code)
    local body = support.modern_body(1, "no/such")
    answer = client:ask(support.request("POST", { Accept = "text/event-stream",
      ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "no/such" }, body))
    local message = answer.json or answer.events[1]
    assert.equal(-32601, message.error.code)
  end)

  it("of event streams alone over HTTP/1.0 gets one that ends with the connection", function()
    local client <close> = support.client(server)
    local text = support.call(1, "echo", { text = "old" }, { Accept = "text/event-stream" })
    client:send((text:gsub("HTTP/1.1", "HTTP/1.0", 1)))
    local head = client:head()
    assert.equal("text/event-stream", head.fields["content-type"])
    assert.is_truthy(client:rest():find('"old"', 1, true))
  end)

  it("of JSON alone is answered in a session, which keeps no stream for it", function()
    local client <close> = support.client(server)
    local sid = client:initialize()
    for i = 1, 3 do
      local body = support.legacy_body(i, "tools/call", { name = "steps",
        arguments = { count = 3 }, _meta = { progressToken = "p" } })
      local answer = client:ask(support.legacy(sid, body, { Accept = "application/json" }))
      assert.equal("done", text_of(answer.json))
      body = support.legacy_body(i, "tools/call", { name = "echo", arguments = { text = "x" } })
      answer = client:ask(support.legacy(sid, body, { Accept = "text/event-stream" }))
      assert.equal("x", text_of(answer.events[1]))
    end
  end)

  it("of JSON alone cannot listen: 406", function()
    local client <close> = support.client(server)
    local answer = client:ask(support.request("GET", { Accept = "application/json" }))
    assert.equal(406, answer.status)
    assert.is_truthy(answer.body:find("expected text/event-stream", 1, true))
    local body = support.modern_body(1, "subscriptions/listen",
      { notifications = { toolsListChanged = true } })
    answer = client:ask(support.request("POST", { Accept = "application/json",
      ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "subscriptions/listen" }, body))
    assert.equal(406, answer.status)
    assert.is_truthy(answer.json.error.message:find("text/event-stream", 1, true))
  end)

  it("of JSON alone: a question fails at once, and says why", function()
    local asker = support.http("", { script = [==[
      local mcp = require "mcp"
      local app = mcp.server { name = "spec" }
      app:tool "ask" (function(_, ctx)
        local answer, text, code = ctx:elicit("Who?", { name = "string" })
        return answer and "answered" or tostring(code)
      end)
      app:tool "echo" { input = { text = "string" } } (function(a) return a.text end)
      app:run(load("return " .. os.getenv "SPEC_OPTIONS")())
    ]==] })
    local client <close> = support.client(asker)
    local body = support.legacy_body(0, "initialize", { protocolVersion = "2025-11-25",
      capabilities = { elicitation = core.decode "{}" },
      clientInfo = { name = "spec", version = "1" } })
    local sid = client:ask(support.request("POST", nil, body)).fields["mcp-session-id"]
    client:ask(support.legacy(sid, '{"jsonrpc":"2.0","method":"notifications/initialized"}'))
    local answer = client:ask(support.legacy(sid, support.legacy_body(1, "tools/call",
      { name = "ask", arguments = core.decode "{}" }), { Accept = "application/json" }))
    assert.equal("ENOSTREAM", text_of(answer.json))
  end)
end)
