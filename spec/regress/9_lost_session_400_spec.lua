-- SPDX-License-Identifier: MIT
-- A server that was restarted does not know a session any more. It should say 404; many say 400
-- with an error about the session. The client initializes again, once.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"
local value = require "mcp.value"

-- What servers say, as JSON-RPC errors, other JSON, and text.
local LOST = {
  '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":'
    .. '"Bad Request: No valid session ID provided"}}',
  '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":'
    .. '"Bad Request: Server not initialized"}}',
  '{"jsonrpc":"2.0","id":%d,"error":{"code":-32001,"message":"Session not found"}}',
  '{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":'
    .. '"Bad Request: Missing session ID"}}',
  '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Invalid or expired session"}}',
  '{"error":"Unknown session"}',
  "Invalid session ID",
  "Bad Request: session has been terminated\n",
}

-- What 400 means otherwise.
local OTHER = {
  '{"jsonrpc":"2.0","id":%d,"error":{"code":-32602,"message":"session_id: unknown session"}}',
  '{"jsonrpc":"2.0","id":%d,"error":{"code":-32600,"message":"Bad Request: malformed"}}',
  '{"jsonrpc":"2.0","id":%d,"error":{"code":-32601,"message":"no method session/invalid"}}',
  "<html>session expired</html>",
  "Bad Request",
  "",
}

-- A server of sessions that forgets them when it is told to, and then says `body`.
local function start(body)
  local self = { initialized = 0, called = 0, current = nil }
  self.server = raw_server.start(function(request, c)
    local message, sid = request.message, request.fields["mcp-session-id"]
    if request.method ~= "POST" then return 405 end
    if message.method == "server/discover" then return 404 end
    if message.method == "initialize" then
      self.initialized = self.initialized + 1
      self.current = "s" .. self.initialized
      return c:json(200, { jsonrpc = "2.0", id = message.id, result = {
        protocolVersion = "2025-11-25", capabilities = { tools = {} },
        serverInfo = { name = "x", version = "1" } } }, { ["Mcp-Session-Id"] = self.current })
    end
    if sid ~= self.current or self.never and message.id then
      local text = body:gsub("%%d", tostring(message.id or "null"))
      local kind = text:find "^{" and "application/json" or text:find "^<" and "text/html"
        or "text/plain"
      return c:answer(400, { ["Content-Type"] = kind }, text)
    end
    if not message.id then return 202 end
    self.called = self.called + 1
    return c:json(200, { jsonrpc = "2.0", id = message.id, result = { content = value.array {} } })
  end)
  return self
end

local function connect(self)
  return assert(mcp.connect(self.server.url, { era = "legacy" }))
end

describe("a session that is lost, answered with 400", function()
  after_each(helper.leftovers)

  it("is begun anew once, and the call goes out again", function()
    for _, body in ipairs(LOST) do
      local self = start(body)
      local server <close> = self.server -- luacheck: ignore
      local client <close> = connect(self)
      assert(client:call_tool "t")
      self.current = nil
      assert(client:call_tool "t")
      assert.equal(2, self.initialized, body)
      assert.equal(2, self.called)
      -- All calls that find out share one new session.
      self.current = nil
      local got = mcp.all {
        function() return client:call_tool "t" end, function() return client:call_tool "t" end,
        function() return client:list_tools() or true end,
      }
      assert.is_truthy(got[1] and got[2])
      assert.equal(3, self.initialized)
    end
  end)

  it("twice in a row is an error that says why, and no circle", function()
    local self = start(LOST[1])
    local server <close> = self.server -- luacheck: ignore
    local client <close> = connect(self)
    assert(client:call_tool "t")
    self.never = true
    local result, text, code = client:call_tool "t"
    assert.is_nil(result)
    assert.equal("ESESSION", code)
    assert.matches("No valid session ID provided", text, 1, true)
    assert.equal(2, self.initialized)
  end)

  it("is not what any other 400 means", function()
    for _, body in ipairs(OTHER) do
      local self = start(body)
      local server <close> = self.server -- luacheck: ignore
      local client <close> = connect(self)
      assert(client:call_tool "t")
      self.never = true
      assert.is_nil((client:call_tool "t"))
      assert.equal(1, self.initialized, body)
    end
  end)

  it("says nothing where there was no session", function()
    local server <close> = raw_server.start(function(request, c)
      if request.method ~= "POST" then return 405 end
      if request.message.method == "initialize" then
        return c:json(200, { jsonrpc = "2.0", id = request.message.id, result = {
          protocolVersion = "2025-11-25", capabilities = {},
          serverInfo = { name = "x", version = "1" } } })
      end
      if not request.message.id then return 202 end
      return c:answer(400, { ["Content-Type"] = "text/plain" }, "Invalid session ID")
    end)
    local client <close> = assert(mcp.connect(server.url, { era = "legacy" }))
    local _, text, code = client:call_tool "t"
    assert.equal("EHTTP400", code)
    -- What the server says is passed on.
    assert.matches("Invalid session ID", text, 1, true)
    assert.is_true(core.now() > 0)
  end)
end)
