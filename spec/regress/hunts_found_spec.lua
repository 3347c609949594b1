-- SPDX-License-Identifier: MIT
-- What the hunts found and ordinary builds can show.
local core = require "mcp.core"
local mcp = require "mcp"
local peers = require "codecs.peer"

-- Turns the loop until `done()`, for a second at most.
local function turn(done)
  for _ = 1, 100 do
    if done() then return true end
    core.step(0.01)
  end
  return false
end

describe("found by a hunt:", function()
  it("a connection closes though its peer has stopped reading", function()
    local host, wire = core.memory_pair(function() return {} end)
    wire:pause(true)
    assert(wire:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n')
    core.step(0)
    host:close()
    -- Waiting for it to read, the loop turned for ever within one step.
    assert.is_true(turn(function() return host:is_gone() end))
    wire:close()
  end)

  it("what was sent before the end comes before the end", function()
    local host, wire = core.memory_pair(function() return {} end)
    assert(wire:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n')
    core.step(0)
    host:close()
    assert.is_true(turn(function() return not wire:is_open() end))
    assert.equal('{"jsonrpc":"2.0","id":1,"result":{}}\n', wire:take())
    wire:close()
  end)

  it("a wait for tasks ends when they do, however they do", function()
    local waiter = core.waiter()
    waiter:spawn(function() coroutine.yield() end) -- not ours: its task is closed
    waiter:spawn(function() error("uncaught", 0) end)
    waiter:spawn(function() mcp.sleep(0.001) end)
    assert.is_true(waiter:wait(1))
    assert.is_true(core.waiter():wait(0.001) == nil)
  end)

  it("a half-written notice is no part of the answer", function()
    local receiver = function(x)
      assert(not pcall(x.send, x, "m", { deep = { print } }))
      return { ok = true }
    end
    local host, wire = core.memory_pair(receiver)
    assert(wire:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n')
    core.step(0)
    core.step(0)
    assert.equal('{"jsonrpc":"2.0","id":1,"result":{"ok":true}}\n', wire:take())
    host:close()
    wire:close()
  end)

  it("Connection: close is kept where the body is no message (RFC 9112 9.6)", function()
    for _, body in ipairs { "{", "7" } do
      local host = assert(core.listen_http({ host = "127.0.0.1", port = 0 },
        function() return {} end))
      local peer <close> = assert(peers.connect(host:port()))
      peer:send(("POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: */*\r\n"
        .. "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
      local text, closed
      assert.is_true(turn(function()
        text, closed = peer:receive()
        return closed
      end))
      assert.matches("^HTTP/1%.1 400 ", text)
      host:close()
      assert.is_true(turn(function() return host:is_gone() end))
    end
  end)
end)
