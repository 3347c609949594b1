-- SPDX-License-Identifier: MIT
-- A bridge or a server may take server/discover for the beginning of a session, and refuse
-- initialize after it. The client starts again without the probe: on a fresh connection, with a
-- fresh child.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local probe = require "mcp.client.probe"
local raw_server = require "spec.raw_server"
local value = require "mcp.value"

local RESULT = { protocolVersion = "2025-11-25", capabilities = { tools = {} },
  serverInfo = { name = "bridge", version = "1" } }

describe("a probe that costs a session", function()
  before_each(probe.forget)
  after_each(function()
    helper.remove_files()
    helper.leftovers()
  end)

  it("over HTTP is left out the second time, on a connection of its own", function()
    for _, refusal in ipairs { { 400, { code = -32600, message = "Server already initialized" } },
      { 200, { code = -32600, message = "Server already initialized" } },
      { 400, false }, { 409, false } } do
      probe.forget()
      local methods, spoilt = {}, setmetatable({}, { __mode = "k" })
      local server <close> = raw_server.start(function(request, c)
        if request.method ~= "POST" then return 405 end
        local message = request.message
        methods[#methods + 1] = message.method
        if message.method == "server/discover" then
          spoilt[c] = true
          return c:json(200, { jsonrpc = "2.0", id = message.id,
            error = { code = -32601, message = "Method not found" } })
        elseif message.method == "initialize" and spoilt[c] then
          if not refusal[2] then return refusal[1] end
          return c:json(refusal[1], { jsonrpc = "2.0", id = message.id, error = refusal[2] })
        elseif message.method == "initialize" then
          return c:json(200, { jsonrpc = "2.0", id = message.id, result = RESULT })
        end
        return message.id and c:json(200, { jsonrpc = "2.0", id = message.id,
          result = { content = value.array {} } }) or 202
      end)
      local client <close> = assert(mcp.connect(server.url, { stream = false }))
      assert.equal("2025-11-25", client.revision)
      assert(client:call_tool "t")
      assert.same({ "server/discover", "initialize", "initialize", "notifications/initialized",
        "tools/call" }, methods)
      -- It is known from now on.
      local again <close> = assert(mcp.connect(server.url, { stream = false })) -- luacheck: ignore
      assert.equal("initialize", methods[6])
    end
  end)

  it("over HTTP is tried once: what is refused then is refused", function()
    local count = 0
    local server <close> = raw_server.start(function(request, c)
      if request.method ~= "POST" then return 405 end
      if request.message.method == "initialize" then count = count + 1 end
      return c:json(400, { jsonrpc = "2.0", id = request.message.id,
        error = { code = -32600, message = "never" } })
    end)
    local client, text = mcp.connect(server.url)
    assert.is_nil(client)
    assert.matches("never", text, 1, true)
    assert.equal(2, count)
  end)

  it("is not what 404 and 405 mean: there the older transport is tried", function()
    for _, status in ipairs { 404, 405 } do
      probe.forget()
      local count = 0
      local server <close> = raw_server.start(function(request)
        if request.method == "POST" and request.message.method == "initialize" then
          count = count + 1
        end
        return status
      end)
      assert.is_nil((mcp.connect(server.url)))
      assert.equal(1, count)
    end
  end)

  -- A child that takes the first message for the beginning of its session.
  local CHILD = [==[
    while read -r line; do
      case $line in
        *'"server/discover"'*)
          spoilt=1
          echo '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"not initialized"}}' ;;
        *'"initialize"'*)
          if [ -n "$spoilt" ]; then %s
          else
            id=$(printf '%%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
            printf '{"jsonrpc":"2.0","id":%%s,"result":{"protocolVersion":"2025-11-25",' "$id"
            echo '"capabilities":{},"serverInfo":{"name":"x","version":"1"}}}'
          fi ;;
      esac
    done]==]

  it("over stdio is left out the second time, with another child", function()
    for name, refusal in pairs {
      ["an error"] = [[id=$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
        echo '{"jsonrpc":"2.0","id":'$id',"error":{"code":-32600,"message":"initialized"}}']],
      ["its end"] = "exit 1",
      ["garbage"] = [[id=$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
        echo '{"jsonrpc":"2.0","id":'$id',"result":{"x":NaN}}']],
    } do
      local text = CHILD:format((refusal))
      local client
      helper.logged(function()
        client = assert(mcp.connect({ command = "sh", args = { "-c", text, name } }))
      end)
      assert.equal("2025-11-25", client.revision, name)
      -- It is known from now on.
      local again
      helper.logged(function()
        again = assert(mcp.connect({ command = "sh", args = { "-c", text, name } }))
      end)
      client:close()
      again:close()
    end
  end)

  it("is not left out where only the stateless era is wanted", function()
    local client, _, code
    helper.logged(function()
      client, _, code = mcp.connect({ command = "sh", args = { "-c", CHILD:format "exit 1" } },
        { era = "modern" })
    end)
    assert.is_nil(client)
    assert.equal("EREVISION", code)
    assert.is_true(core.now() > 0)
  end)
end)
