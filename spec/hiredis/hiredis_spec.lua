-- SPDX-License-Identifier: MIT
-- The module mcp.hiredis: commands as bytes, and answers as values, however they are cut.
local found, hiredis = pcall(require, "mcp.hiredis")

if not found then
  describe("mcp.hiredis", function()
    it("is tried where it was built", function()
      pending "hiredis is not installed: scripts/deps"
    end)
  end)
  return
end

-- Everything that comes of some bytes, fed in pieces of `size`.
local function read(bytes, size)
  local reader <close> = hiredis.reader()
  local out = {}
  for i = 1, #bytes, size do
    reader:feed(bytes:sub(i, i + size - 1))
    while true do
      local answer = table.pack(reader:next())
      if answer[1] == nil then
        if answer[2] then
          out[#out + 1] = { "broken", answer[2] }
          return out
        end
        break
      end
      out[#out + 1] = { answer[1], answer[2] }
    end
  end
  return out
end

describe("mcp.hiredis", function()
  it("writes commands of strings and integers", function()
    assert.equal("*3\r\n$3\r\nSET\r\n$4\r\nk\0\r\n\r\n$2\r\n-7\r\n",
      hiredis.command("SET", "k\0\r\n", -7))
    assert.equal("*2\r\n$4\r\nPING\r\n$0\r\n\r\n", hiredis.command("PING", ""))
    assert.has_error(function() hiredis.command() end)
    assert.has_error(function() hiredis.command("GET", {}) end)
    assert.has_error(function() hiredis.command(table.unpack({}, 1, 65)) end)
    assert.matches("^%d+%.%d+%.%d+$", hiredis.version)
  end)

  it("reads answers, whole and in pieces", function()
    local bytes = "+OK\r\n:-42\r\n:9223372036854775807\r\n$-1\r\n$0\r\n\r\n$6\r\na\r\n\0bc\r\n"
      .. "-WRONGTYPE no\r\n*-1\r\n*0\r\n*4\r\n$1\r\nx\r\n$-1\r\n:7\r\n*2\r\n+a\r\n*1\r\n:1\r\n"
    local want = { { "value", "OK" }, { "value", -42 }, { "value", math.maxinteger }, { "value" },
      { "value", "" }, { "value", "a\r\n\0bc" }, { "error", "WRONGTYPE no" }, { "value" },
      { "value", {} }, { "value", { "x", false, 7, { "a", { 1 } } } } }
    for _, size in ipairs { #bytes, 1, 2, 3, 7 } do assert.same(want, read(bytes, size)) end
  end)

  it("reads a large value", function()
    local value = ("x"):rep(5 << 20)
    local bytes = ("$%d\r\n%s\r\n:1\r\n"):format(#value, value)
    local answers = read(bytes, 65536)
    assert.is_true(answers[1][2] == value)
    assert.same({ "value", 1 }, answers[2])
  end)

  it("refuses other protocols", function()
    for _, bytes in ipairs { "HTTP/1.1 400 Bad Request\r\n", "SSH-2.0-OpenSSH\r\n", ":x\r\n",
      "*2147483648\r\n", "$-2\r\n", "$x\r\n", (("*1\r\n"):rep(20)) } do
      local answers = read(bytes, #bytes)
      assert.equal("broken", answers[#answers] and answers[#answers][1], bytes)
      assert.is_string(answers[#answers][2])
    end
  end)

  it("is closed once", function()
    local reader = hiredis.reader()
    reader:feed "*2\r\n+half"
    reader:close()
    reader:close()
    assert.has_error(function() reader:next() end)
    assert.has_error(function() reader:feed "x" end)
  end)
end)
