-- SPDX-License-Identifier: MIT
-- core.channel: frames between two ends, and to a child.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("a channel", function()
  local near, far

  before_each(function() near, far = assert(core.channel_pair()) end)

  after_each(function()
    near:close()
    far:close()
    near, far = nil, nil
    collectgarbage()
    helper.settle()
    helper.leftovers()
  end)

  it("carries frames of any bytes, in order, and keeps them apart", function()
    local large = ("\0\255x"):rep(1 << 20)
    assert.is_true(near:send("a", "", "b"))
    assert.is_true(near:send())
    assert.is_true(near:send(large, "end"))
    assert.equal("ab", far:receive())
    assert.equal("", far:receive())
    assert.is_true(large .. "end" == far:receive())
    assert.is_true(far:send "back")
    assert.equal("back", near:receive())
  end)

  it("keeps many small frames apart, however they arrive", function()
    for i = 1, 20000 do assert.is_true(near:send(("%d"):format(i))) end
    for i = 1, 20000 do assert.equal(("%d"):format(i), far:receive()) end
  end)

  it("ends after what was sent", function()
    near:send "last"
    near:close()
    assert.equal("last", far:receive())
    assert.same({ nil, n = 1 }, table.pack(far:receive()))
    assert.is_false(far:is_open())
    assert.same({ nil, "closed", "ECLOSED" }, { near:send "x" })
    assert.same({ nil, "closed", "ECLOSED" }, { near:receive() })
  end)

  it("ends a wait when it is closed here", function()
    local got
    core.spawn(function() got = table.pack(far:receive()) end)
    far:close()
    helper.wait_until(function() return got end)
    assert.same({ nil, "closed", "ECLOSED", n = 3 }, got)
  end)

  it("is received from by one task at a time, and lets go of a cancelled one", function()
    local waiter = core.waiter()
    local got
    waiter:spawn(function() got = table.pack(far:receive()) end)
    assert.has_error(function() far:receive() end, "another task receives from it already")
    waiter:cancel()
    helper.wait_until(function() return got end)
    assert.equal("ECANCELED", got[3])
    near:send "x"
    assert.equal("x", far:receive())
  end)

  it("holds at most its queue for an end that does not read", function()
    local text, sent, code = ("x"):rep(1 << 20), 0, nil
    while not code and sent < 64 do
      local _, _, problem = near:send(text)
      code, sent = problem, sent + 1
    end
    assert.equal("EBUSY", code)
    assert.is_true(sent > 16 and sent < 24, sent)
    for _ = 1, sent - 1 do assert.equal(#text, #far:receive()) end
    assert.is_true(near:send "again")
    assert.equal("again", far:receive())
  end)

  it("has room for small frames where large ones are refused", function()
    local large, small, sent, count = ("x"):rep(1 << 20), ("y"):rep(1 << 16), 0, 0
    while sent < 64 and near:send(large) do sent = sent + 1 end
    while count < 1000 and near:send(small) do count = count + 1 end
    -- At least 4 MiB, and what one frame of the largest size would take.
    assert.is_true(count > 64 and count < 400, count)
    assert.equal("EBUSY", select(3, near:send(small .. "z")))
    for _ = 1, sent do assert.equal(#large, #far:receive()) end
    for _ = 1, count do assert.equal(small, far:receive()) end
    assert.is_true(near:send(large))
  end)

  it("refuses frames that are too long, here and from the other side", function()
    assert.same({ nil, "larger than its limit", "ETOOBIG" },
      { near:send(("x"):rep(17 << 20), "y") })
    -- What writes no frames: a head of four "x" would be a length of 1.9 GiB.
    local process <close>, channel = assert(core.process { command = "sh",
      args = { "-c", "echo xxxxxxxx >&3" }, channel = true })
    assert.same({ nil, "larger than its limit", "ETOOBIG" }, { channel:receive() })
    channel:close()
    assert(process:wait(helper.LIMIT))
  end)

  it("leads to a child, which inherits it after the sockets", function()
    local socket <close> = assert(core.open_socket { host = "127.0.0.1" })
    local process <close>, channel = assert(core.process { command = os.getenv "LUA" or "lua5.4",
      args = { "-e", [[
        local core = require "mcp.core"
        local list = assert(core.inherited(true))
        assert(#list == 2 and os.getenv "LISTEN_FDS" == nil)
        local channel = assert(core.channel(list[2].socket))
        while true do
          local frame = channel:receive()
          if not frame then break end
          channel:send(list[1].name, ":", tostring(list[1].socket:port()), ":", frame)
        end
      ]] }, env = { LISTEN_FDS = "2", LISTEN_FDNAMES = "http:hub", LISTEN_PID = false },
      sockets = { socket }, channel = true, stderr = "inherit" })
    channel:send "x"
    assert.equal(("http:%d:x"):format(socket:port()), channel:receive())
    channel:close()
    assert.same({ code = 0 }, process:wait(helper.LIMIT))
  end)

  it("ends with the child", function()
    local process <close>, channel = assert(core.process { command = "true", channel = true })
    assert.same({ code = 0 }, process:wait(helper.LIMIT))
    assert.same({ nil, n = 1 }, table.pack(channel:receive()))
    channel:close()
  end)

  it("is not there when the child could not be started", function()
    local process, text, code = core.process { command = "/no/such/program", channel = true }
    assert.is_nil(process)
    assert.is_string(text)
    assert.equal("ENOENT", code)
  end)

  it("waits outside tasks too", function()
    mcp.spawn(function()
      core.sleep(0.01)
      near:send "later"
    end)
    assert.equal("later", far:receive())
  end)
end)
