-- SPDX-License-Identifier: MIT
-- A connection as bytes: core.connect_stream.
local core = require "mcp.core"
local helper = require "spec.helper"
local raw = require "codecs.raw"

describe("a connection as bytes", function()
  local listener, far

  before_each(function() listener = assert(raw.listen(0)) end)

  after_each(function()
    if far then far:close() end
    listener:close()
    far = nil
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
  end)

  local function connect()
    local stream = assert(core.connect_stream { host = "127.0.0.1", port = listener:port() })
    helper.wait_until(function()
      far = listener:accept()
      return far
    end, "the connection")
    return stream
  end

  local function received()
    local text = ""
    helper.wait_until(function()
      text = text .. (far:receive())
      return text ~= "" and core.timeout() ~= 0
    end, "bytes")
    return text
  end

  it("carries bytes both ways, and ends", function()
    local stream <close> = connect()
    assert.same({ true, n = 1 }, table.pack(stream:send "a\0\r\n"))
    assert.equal("a\0\r\n", received())
    far:send "one"
    assert.equal("one", stream:receive())
    local got
    core.spawn(function() got = table.pack(stream:receive()) end)
    assert.is_nil(got)
    far:send "two"
    helper.wait_until(function() return got end, "bytes")
    assert.same({ "two", n = 1 }, got)
    far:close()
    assert.same({ nil, n = 1 }, table.pack(stream:receive()))
    assert.same({ nil, n = 1 }, table.pack(stream:receive()))
  end)

  it("ends a wait when it is closed", function()
    local stream = connect()
    local got
    core.spawn(function() got = table.pack(stream:receive()) end)
    stream:close()
    stream:close()
    helper.wait_until(function() return got end, "the end")
    assert.same({ nil, "closed", "ECLOSED", n = 3 }, got)
    assert.same({ nil, "closed", "ECLOSED" }, { stream:send "x" })
    assert.same({ nil, "closed", "ECLOSED" }, { stream:receive() })
    helper.wait_until(function() return select(2, far:receive()) end, "the end of the other side")
  end)

  it("has one receiver", function()
    local stream <close> = connect()
    core.spawn(function() stream:receive() end)
    local ok, text = pcall(stream.receive, stream)
    assert.is_false(ok)
    assert.matches("another task receives from it already", text)
  end)

  it("says why it cannot connect", function()
    local port = listener:port()
    listener:close()
    local stream, text, code = core.connect_stream { host = "127.0.0.1", port = port }
    assert.same({ nil, "connection refused", "ECONNREFUSED" }, { stream, text, code })
    stream, text, code = core.connect_stream { unix = "/nonexistent/socket" }
    assert.same({ nil, "no such file or directory", "ENOENT" }, { stream, text, code })
    assert.has_error(function() core.connect_stream {} end)
    assert.has_error(function() core.connect_stream { host = "a\0b", port = 1 } end)
    assert.has_error(function() core.connect_stream { host = "localhost", port = 1, tls = 1 } end)
    listener = assert(raw.listen(0))
  end)

  it("stops reading at 1 MiB until that is received", function()
    local stream <close> = connect()
    local sent, chunk = 0, ("x"):rep(65536)
    -- What the systems on both sides keep comes on top.
    while true do
      local n = far:send(chunk)
      if not n or n == 0 then break end
      sent = sent + n
      core.step(0)
      if sent > 64 << 20 then break end
    end
    assert.is_true(sent < 32 << 20, tostring(sent))
    local bytes = stream:receive()
    assert.is_true(#bytes >= 1 << 20 and #bytes < (1 << 20) + 200000, tostring(#bytes))
    local got = #bytes
    while got < sent do got = got + #stream:receive() end
    assert.equal(sent, got)
  end)

  it("keeps 16 MiB for a side that does not read, and no more", function()
    local stream <close> = connect()
    local piece, count = ("x"):rep(1 << 20), 0
    local ok, text, code
    repeat
      ok, text, code = stream:send(piece)
      count = count + 1
    until not ok or count > 60
    assert.same({ "too many at once", "EBUSY" }, { text, code })
    assert.is_true(count > 16, tostring(count))
  end)

  it("is closed when it is collected", function()
    connect()
    helper.wait_until(function()
      collectgarbage()
      return select(2, far:receive())
    end, "the end")
  end)

  it("is given up with the task that connects", function()
    local waiter = core.waiter()
    waiter:spawn(function() core.connect_stream { host = "192.0.2.1", port = 9, timeout = 30 } end)
    waiter:cancel()
    helper.wait_until(function() return core.task_count() == 0 end, "the end of the task")
  end)
end)
