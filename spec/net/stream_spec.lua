-- SPDX-License-Identifier: MIT
-- stream_spec.lua: src/net/stream.c, over sockets and over memory (src/net/memory.c), with nothing
-- above it.
local account = require "codecs.account"
local patience = require "spec.patience"
local stream = require "codecs.stream"

local MIB = 1 << 20

for _, kind in ipairs { "sockets", "memory" } do
  describe("a stream over " .. kind, function()
    local loop, held

    before_each(function()
      held = stream.held()
      loop = stream.loop()
    end)
    after_each(function()
      loop:close()
      assert.equal(held, (stream.held()))
    end)

    local function wait(condition, what)
      return patience(condition, what, function() loop:step(0.01) end)
    end

    local function settle() for _ = 1, 20 do loop:step(0) end end

    local function pair()
      local a, b
      if kind == "memory" then
        a, b = loop:pair()
      else
        b = assert(loop:connect(loop:listen()))
        a = wait(function() return loop:accept() end, "a connection")
      end
      assert(a:start())
      assert(b:start())
      return a, b
    end

    local function received(s, count)
      wait(function() return s:facts().received >= count end, count .. " bytes")
      return s:take()
    end

    it("carries bytes both ways, in order", function()
      local a, b = pair()
      assert(a:send "one ")
      assert(a:send "two")
      assert(b:send "back")
      assert.equal("one two", received(b, 7))
      assert.equal("back", received(a, 4))
    end)

    it("queues what is not taken, tells when the queue is empty, and loses nothing", function()
      local a, b = pair()
      b:pause(true)
      local parts = {}
      for i = 1, 64 do
        parts[i] = (string.char(64 + i % 26)):rep(MIB // 4)
        assert(a:send(parts[i]))
      end
      settle()
      assert.is_true(a:facts().queued > MIB)
      assert.equal(0, a:facts().drains)
      b:pause(false)
      assert.is_true(received(b, 16 * MIB) == table.concat(parts))
      wait(function() return a:facts().queued == 0 end, "an empty queue")
      assert.equal(1, a:facts().drains)
    end)

    it("queues no more than its share of the memory limit", function()
      local a, b = pair()
      local begun = account.account()
      b:pause(true)
      local piece, sent = ("x"):rep(MIB), 0
      local why
      repeat
        local ok
        ok, why = a:send(piece)
        sent = ok and sent + 1 or sent
      until not ok
      assert.equal("EBUDGET", why)
      -- An eighth of 256 MiB, in bytes held. What the system holds is not counted.
      assert.is_true(sent >= 16 and a:facts().queued <= 32 * MIB)
      assert.is_true(account.account() - begun <= 32 * MIB)
      a:close()
      b:close()
      settle()
      assert.equal(0, (account.account()))
    end)

    it("refuses to queue more than 64 MiB, and takes bytes again after that", function()
      account.set_limit(2048 * MIB)
      local _ <close> = setmetatable({}, { __close = function() account.set_limit(256 * MIB) end })
      local a, b = pair()
      b:pause(true)
      local piece, sent = ("x"):rep(4 * MIB), 0
      while sent < 100 * MIB and a:send(piece) do sent = sent + #piece end
      local queued = a:facts().queued
      -- Records are counted, and memory keeps it all in one block, which doubles.
      local most = kind == "memory" and 128 or 69
      assert.is_true(queued > 64 * MIB and queued <= most * MIB, queued)
      assert.same({ nil, "EBUSY" }, { a:send "y" })
      b:pause(false)
      wait(function() return b:facts().received == sent end, "all of it")
      assert(a:send "z")
      wait(function() return b:facts().received == sent + 1 end, "more")
      assert.equal("z", b:take():sub(-1))
    end)

    it("reads nothing while it is paused, and goes on where it was", function()
      local a, b = pair()
      b:pause(true)
      b:pause(true)
      assert(a:send "later")
      settle()
      assert.equal(0, b:facts().received)
      b:pause(false)
      assert.equal("later", received(b, 5))
      -- The end waits as well.
      b:pause(true)
      a:close(true)
      settle()
      assert.is_falsy(b:facts().ended)
      b:pause(false)
      wait(function() return b:facts().ended end, "the end")
      -- Reading on has nothing more to tell.
      b:pause(true)
      b:pause(false)
      settle()
      assert.equal("", b:facts().code)
    end)

    it("ends once for the other side, which may still have been sent all", function()
      local a, b = pair()
      b:pause(true)
      local bytes = ("x"):rep(8 * MIB)
      assert(a:send(bytes))
      a:close(true)
      assert.is_falsy(a:facts().closed and a:facts().queued > 0)
      b:pause(false)
      wait(function() return b:facts().ended end, "the end")
      assert.is_true(b:take() == bytes)
      assert.equal("", b:facts().code)
      wait(function() return a:facts().closed end, "the close")
      b:close()
      wait(function() return b:facts().closed end, "the close")
    end)

    -- Over memory what was sent lies at the other end already.
    it("closed without flushing drops what a socket has not taken, flushing or not", function()
      for _, flush_first in ipairs { false, true } do
        local a, b = pair()
        b:pause(true)
        assert(a:send(("x"):rep(16 * MIB)))
        if flush_first then
          a:close(true)
          settle()
          assert.equal(kind == "memory", a:facts().closed)
        end
        a:close(false)
        wait(function() return a:facts().closed end, "the close")
        b:pause(false)
        wait(function() return b:facts().ended end, "the end")
        assert.equal(kind == "memory", b:facts().received == 16 * MIB)
        b:close()
        settle()
      end
    end)

    it("without a reader at the other side fails to write, and says why", function()
      local a, b = pair()
      b:close()
      wait(function() return b:facts().closed end, "the close")
      wait(function() return a:facts().ended end, "the end")
      local code = wait(function() return select(2, a:send(("x"):rep(MIB))) end, "an error")
      assert.is_true(code == "EGONE" or kind == "sockets" and (code == "EPIPE"
        or code == "ECONNRESET"), code)
      a:close(true)
      wait(function() return a:facts().closed end, "the close")
    end)
  end)
end
