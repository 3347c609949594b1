-- SPDX-License-Identifier: MIT
-- A head that repeats the one before it is not read again; what differs in any byte is.
local pull = require "spec.wire.http_pull"

local BODY = '{"a":1}'
local HEAD = "POST /mcp HTTP/1.1\r\nHost: a.example\r\nContent-Length: 7\r\nAccept: x\r\n\r\n"
local ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX: y\r\n\r\n"

local function repeated(result)
  local list = {}
  for i, message in ipairs(result) do list[i] = message.head.repeated end
  return list
end

-- What a decoder says that reads `first` and `second`, and what two say that read one each.
local function compare(first, second, options)
  local both = pull.decode(first .. second, options)
  local before, other = pull.decode(first, options), pull.decode(second, options)
  local expected = { pull.messages(before), pull.messages(other) }
  if expected[2] == "" then expected[2] = nil end
  assert.equal(table.concat(expected, "\n"), pull.messages(both), second)
  assert.same({ other.code, other.why, other.finish }, { both.code, both.why, both.finish }, second)
  return both
end

describe("a head that is sent again", function()
  it("is taken as read", function()
    for _, step in ipairs { 1000, #HEAD + #BODY } do
      local result = pull.decode((HEAD .. BODY):rep(3), { step = step })
      assert.same({ false, true, true }, repeated(result))
      for _, message in ipairs(result) do assert.equal(BODY, message.body) end
    end
    assert.same({ false, true }, repeated(compare(ANSWER .. BODY, ANSWER .. BODY,
      { responses = true })))
  end)

  it("is read where it comes in pieces", function()
    for step = 1, #HEAD do
      local result = pull.decode((HEAD .. BODY):rep(3), { step = step })
      assert.equal(3, #result)
      for _, message in ipairs(result) do
        assert.same({ BODY, 7, true }, { message.body, message.head.content_length, message.ended })
      end
    end
  end)

  it("may have another length", function()
    local function of(length)
      return (HEAD:gsub("7", length)) .. ("b"):rep(tonumber(length) or 0)
    end
    local result = pull.decode(of "7" .. of "9" .. of "1" .. of "7", { step = 1 << 20 })
    assert.same({ false, true, true, true }, repeated(result))
    for i, length in ipairs { 7, 9, 1, 7 } do
      local message = result[i]
      assert.same({ length, length }, { message.head.content_length, #message.body })
      assert.same({ "Content-Length", tostring(length) }, message.head.headers[2])
    end
    -- Nor is one that is longer, or none.
    assert.same({ false, false, false }, repeated(pull.decode(of "7" .. of "12" .. of "7")))
    for _, other in ipairs { "0", "-", "+", " ", "x", "\0" } do
      local both = compare(of "7", of(other))
      assert.is_not_true(both[2] and both[2].head.repeated)
    end
  end)

  it("is another one where any byte differs", function()
    for _, case in ipairs { { HEAD }, { ANSWER, { responses = true } } } do
      local head, options = case[1], case[2]
      for at = 1, #head do
        for byte in ("\0\t\n\r 09:Aa_\127"):gmatch "." do
          local other = head:sub(1, at - 1) .. byte .. head:sub(at + 1)
          if other ~= head then
            local both = compare(head .. BODY, other .. BODY, options)
            if both[2] and both[2].head.repeated then
              assert.matches("Content%-Length: [09]\r\n", other)
            end
          end
        end
      end
    end
  end)

  it("is read again after what cannot be repeated", function()
    local get = "GET /mcp HTTP/1.1\r\nHost: a.example\r\n\r\n"
    local chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "3\r\nabc\r\n0\r\n\r\n"
    local empty = (HEAD:gsub("7", "0"))
    local upgrade = (HEAD:gsub("Accept: x", "Connection: upgrade\r\nUpgrade: websocket"))
    for _, message in ipairs { get, chunked, empty, upgrade .. BODY } do
      assert.same({ false, false }, repeated(compare(message, message)))
      -- What lies between makes the first head no longer the one before.
      assert.same({ false, false, false },
        repeated(pull.decode(HEAD .. BODY .. message .. HEAD .. BODY)))
    end
    local interim = "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"
    assert.same({ false, false, true },
      repeated(pull.decode(ANSWER .. BODY .. interim .. ANSWER .. BODY .. ANSWER .. BODY,
        { responses = true })))
  end)

  it("ends a connection that closes after it", function()
    local last = HEAD:gsub("Accept: x", "Connection: close")
    assert.equal("EHTTP", pull.decode((last .. BODY):rep(2)).code)
  end)
end)
