-- SPDX-License-Identifier: MIT
-- gather_spec.lua: src/net/gather.c under src/net/stream.c: answers that are written together at
-- the end of a pass over the sockets.
local patience = require "spec.patience"
local stream = require "codecs.stream"

local KIB = 1 << 10

describe("what is sent soon", function()
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

  -- The accepted end, which answers, and the other.
  local function pair()
    local other = assert(loop:connect(loop:listen()))
    local here = wait(function() return loop:accept() end, "a connection")
    assert(here:start())
    assert(other:start())
    return here, other
  end

  local function received(s, count)
    wait(function() return s:facts().received >= count end, count .. " bytes")
    return s:take()
  end

  it("waits until all that is ready has been read", function()
    local a, to_a = pair()
    local b, to_b = pair()
    a:answer("", "of a")
    b:answer("", "of b")
    a:watch(to_b)
    b:watch(to_a)
    assert(to_a:send "?")
    assert(to_b:send "?")
    assert.equal("of a", received(to_a, 4))
    assert.equal("of b", received(to_b, 4))
    assert.is_false(a:facts().saw_answer)
    assert.is_false(b:facts().saw_answer)
  end)

  it("does not wait for one after another that holds the loop", function()
    local here, other, saw = {}, {}, false
    for i = 1, 3 do here[i], other[i] = pair() end
    for i = 1, 3 do
      here[i]:answer("hold", "answer")
      here[i]:watch(other[i % 3 + 1])
    end
    for i = 1, 3 do assert(other[i]:send "?") end
    for i = 1, 3 do
      received(other[i], 6)
      saw = saw or here[i]:facts().saw_answer
    end
    -- Whatever their order, one of them comes after the one that it watches.
    assert.is_true(saw)
  end)

  it("goes to each of more than fit in one pass", function()
    local here, other = {}, {}
    for i = 1, 80 do
      here[i], other[i] = pair()
      here[i]:answer("", ("answer %02d"):format(i))
    end
    for _ = 1, 3 do
      for i = 1, 80 do assert(other[i]:send "?") end
      for i = 1, 80 do assert.equal(("answer %02d"):format(i), received(other[i], 9)) end
    end
  end)

  it("stays in order with what is sent at once", function()
    local here, other = pair()
    here:answer("", "1", "2", "3", "", "4", "5", "", "6")
    for _ = 1, 3 do
      assert(other:send "?")
      assert.equal("123456", received(other, 6))
    end
  end)

  it("may be larger than the place for it", function()
    local here, other = pair()
    local pieces = {}
    for i = 1, 9, 2 do
      pieces[i] = (tostring(i)):rep(i * 3 * KIB)
      pieces[i + 1] = ""
    end
    here:answer("", table.unpack(pieces))
    for _ = 1, 3 do
      assert(other:send "?")
      assert.is_true(table.concat(pieces) == received(other, #table.concat(pieces)))
    end
  end)

  it("goes out before the stream is closed, flushing or not", function()
    for _, how in ipairs { "flush", "close" } do
      local here, other = pair()
      here:answer(how, "last words")
      assert(other:send "?")
      wait(function() return other:facts().ended end, "the end")
      assert.equal("last words", other:take())
      assert.equal("", other:facts().code)
    end
  end)

  it("waits in the queue for a peer that does not read, in order", function()
    local here, other = pair()
    local text = ("x"):rep(4 * KIB)
    here:answer("", text, "<", ">")
    other:pause(true)
    local sent = 0
    while here:facts().queued == 0 and sent < 20000 do
      assert(other:send "?")
      sent = sent + 1
      loop:step(0)
    end
    assert.is_true(here:facts().queued > 0)
    for _ = 1, 5 do assert(other:send "?") end
    sent = sent + 5
    other:pause(false)
    -- Bytes that come in one piece are answered once.
    wait(function() return here:facts().received == sent and here:facts().queued == 0 end, "all")
    local size = here:facts().pieces * (#text + 2)
    assert.is_true(received(other, size) == (text .. "<>"):rep(here:facts().pieces))
  end)

  it("ends the stream once if it cannot be written", function()
    for _ = 1, 20 do
      local here, other = pair()
      here:answer("", "too late")
      other:pause(true)
      assert(here:send "unread, so the system resets the connection")
      assert(other:send "?")
      other:close(false)
      wait(function() return here:facts().ended end, "the end")
      here:close(true)
      wait(function() return here:facts().closed end, "the close")
    end
  end)
end)
