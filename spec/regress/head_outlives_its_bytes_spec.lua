-- SPDX-License-Identifier: MIT
-- head_outlives_its_bytes_spec.lua: views into bytes that were given back. A second head that timed
-- out was answered by the header fields of the request before it, whose buffer was gone. Each
-- decoder forgets what it was fed, and what it said about a head, when those bytes go.
local http = require "codecs.http"
local pull = require "spec.wire.http_pull"
local support = require "spec.support"

-- Larger than what a decoder keeps of a head (MCP_HTTP_HEAD_KEPT).
local LARGE = ("x"):rep(6000)

local function is_empty(head)
  assert.equal(0, #head.headers)
  assert.equal("", head.path .. head.target .. head.query .. head.host .. head.method_name)
end

describe("a head", function()
  it("is empty before the first message, and from the first byte of the next on", function()
    for _, size in ipairs { 0, 10, #LARGE } do
      local decoder = http.new()
      is_empty(decoder:head())
      decoder:feed("GET /a?b HTTP/1.1\r\nHost: localhost\r\nX-Large: " .. LARGE:sub(1, size)
        .. "\r\n\r\n")
      assert.equal("start", (decoder:next()))
      assert.equal("end", (decoder:next()))
      -- Until another message begins the answer may still look at it.
      assert.equal(2, #decoder:head().headers)
      assert.equal("more", (decoder:next()))
      assert.equal("/a", decoder:head().path)
      decoder:feed "P"
      assert.equal("more", (decoder:next()))
      is_empty(decoder:head())
    end
  end)

  it("is empty after an interim answer, while the final one comes", function()
    local decoder = http.new(true)
    decoder:feed("HTTP/1.1 103 Early Hints\r\nLink: " .. LARGE .. "\r\n\r\nH")
    assert.equal("more", (decoder:next()))
    is_empty(decoder:head())
    assert.equal(0, decoder:head().status)
  end)

  it("says the same of many messages on one decoder", function()
    local one = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nX-Large: " .. LARGE
      .. "\r\n\r\n{}"
    local result = pull.decode(one:rep(3), { step = 7 })
    assert.equal(3, #result)
    for i = 1, 3 do assert.equal("{}", result[i].body) end
  end)
end)

describe("the answer to a head that never ends", function()
  local server
  setup(function()
    server = support.http [[limits = { head_timeout = 1, body_timeout = 1 },
      security = { allowed_origins = { "https://app.example" } }]]
    server.shares = true
  end)
  teardown(support.stop_all)
  after_each(function() assert.is_true(support.alive(server)) end)

  local function late(second)
    local client <close> = support.client(server)
    client:send(support.call(1, "echo", { text = "first" },
      { Origin = "https://app.example", ["X-Large"] = LARGE }))
    local first = client:answer()
    assert.equal("https://app.example", first.fields["access-control-allow-origin"])
    client:send(second)
    local answer = client:answer()
    assert.equal(408, answer.status)
    return answer
  end

  it("says nothing of the request before it", function()
    for _, second in ipairs { "P", "POST /mcp HTTP/1.1\r\nHost: 127.0" } do
      assert.is_nil(late(second).fields["access-control-allow-origin"])
    end
  end)

  it("says what its own head asks for once that is there", function()
    local fields = { Origin = "https://app.example", ["Content-Type"] = "application/json",
      ["Content-Length"] = "9" }
    local answer = late(support.request("POST", fields) .. "{")
    assert.equal("https://app.example", answer.fields["access-control-allow-origin"])
    fields.Origin = false
    answer = late(support.request("POST", fields) .. "{")
    assert.is_nil(answer.fields["access-control-allow-origin"])
  end)
end)
