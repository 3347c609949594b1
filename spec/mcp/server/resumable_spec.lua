-- SPDX-License-Identifier: MIT
-- The channel between a handler and whoever reads its stream, without any socket: exchanges are
-- tables that write down what they are told.
local channel = require "mcp.server.resumable"
local core = require "mcp.core"
local event_store = require "mcp.event_store"
local helper = require "spec.helper"
local revisions = require "mcp.protocol.revisions"

local function facts(name)
  for _, one in ipairs(revisions) do
    if one.name == name then return one end
  end
end

-- An exchange that is open until it is lost.
local Fake = {}
Fake.__index = Fake

local function exchange(id)
  return setmetatable({ told = {}, open = true, raw = id and core.raw(id) }, Fake)
end

function Fake:id() return self.raw end
function Fake:is_open() return self.open end
function Fake:can_stream() return self.open end
function Fake:is_cancelled() return self.gone or false, self.gone end
function Fake:open_stream()
  self.streaming = true
  return true
end
function Fake:keep()
  self.kept = self.open
  return self.open
end
function Fake:release() self.open = false end
function Fake:cancel()
  self.cancelled, self.gone = true, "ECANCELED"
end
Fake.header = function(_, name) return "field " .. name end
function Fake:event(text, id, retry, last, late)
  if self.gone and not (last or late) then return nil, "gone", self.gone end
  if not self.open then return nil, "closed", "ECLOSED" end
  if self.full and not last then return nil, "full", "EBUSY" end
  if text then
    self.told[#self.told + 1] = ("%s %s%s"):format(id and id:match "%d+_%d+$" or "-",
      text == "" and "(empty)" or text, retry and " retry " .. retry or "")
  end
  if last then
    self.open, self.ended = false, true
  end
  return true
end

local function notice(params)
  return '{"jsonrpc":"2.0","method":"m"' .. (params and ',"params":' .. params or "") .. "}"
end

describe("a channel", function()
  local app, one, x

  before_each(function()
    app = { event_store = event_store.new() }
    one = { id = "s", revision = facts "2025-11-25", running = { replace = function(self, a, b)
      self.replaced = { a, b }
    end } }
    x = exchange(7)
  end)

  local function of(given) return channel.of(app, one, given or x) end

  -- What the store has after the first event.
  local function stored(way)
    local list = {}
    app.event_store:replay("s", way.id .. "_1", function(id, text)
      list[#list + 1] = id:match "%d+_%d+$" .. " " .. (text == "" and "(empty)" or text)
    end)
    return list
  end

  it("is one for a request, stands in for it, and hands on what it does not do", function()
    local way = of()
    assert.equal(way, of())
    assert.same({ x, way }, one.running.replaced)
    assert.equal("field accept", way:header "accept")
    assert.is_nil(way.nonsense)
    assert.is_true(way:is_open())
    assert.is_false((way:is_cancelled()))
    assert.is_not_equal(way.id, of(exchange(8)).id)
  end)

  it("that was never used leaves the answer to the usual way", function()
    local way, result, err = of(), {}, {}
    local a, b = way:finish(result, err)
    assert.equal(result, a)
    assert.equal(err, b)
    assert.same({}, x.told)
    assert.is_nil(next(one.streams.calls))
    assert.equal(0, app.event_store.bytes)
  end)

  it("primes, keeps and sends, and ends with the answer", function()
    local way = of()
    assert.is_true(way:send("m", { a = 1 }))
    assert.is_true(way:send "m")
    assert.is_nil(way:finish { ok = true })
    assert.same({ "1_1 (empty)", "1_2 " .. notice '{"a":1}', "1_3 " .. notice(),
      '1_4 {"jsonrpc":"2.0","id":7,"result":{"ok":true}}' }, x.told)
    assert.is_true(x.ended)
    assert.same({ table.unpack(x.told, 2) }, stored(way))
    assert.same({ {}, {} }, { one.streams.calls, one.streams.live })
  end)

  it("sends questions with their number, and what cannot be JSON raises", function()
    local way = of()
    way:send("m", nil, 3)
    assert.equal('1_2 {"jsonrpc":"2.0","id":3,"method":"m"}', x.told[2])
    assert.error_matches(function() way:send("m", { f = print }) end,
      "^m: params cannot be JSON: ")
  end)

  it("goes on when the connection is lost: the rest is in the store (HL-27)", function()
    local way = of()
    way:send "m"
    x.open = false
    assert.is_true(way:send "m")
    assert.is_false(way:is_open())
    way:finish({ n = 1 })
    assert.same({ "1_2 " .. notice(), "1_3 " .. notice(),
      '1_4 {"jsonrpc":"2.0","id":7,"result":{"n":1}}' }, stored(way))
    assert.equal(2, #x.told)
  end)

  it("does not begin without a connection: nobody could know of it", function()
    x.open = false
    local way = of()
    local ok, _, code = way:send "m"
    assert.same({ nil, "ECLOSED" }, { ok, code })
    assert.equal(0, app.event_store.bytes)
  end)

  it("does not wait for who does not read: the response ends, the rest is kept", function()
    local way = of()
    way:send "m"
    x.full = true
    assert.is_true(way:send("m", {}))
    assert.is_true(x.ended)
    assert.equal("1_3 " .. notice "{}", stored(way)[2])
  end)

  it("tells a cancelled handler so, and takes questions back all the same", function()
    local way = of()
    way:send("m", nil, 1)
    way:cancel()
    assert.is_true(x.cancelled)
    local ok, _, code = way:send "m"
    assert.same({ nil, "ECLOSED" }, { ok, code })
    assert.is_true(way:send("m", nil, nil, true))
    assert.equal("- " .. notice(), x.told[#x.told])
    local result = {}
    assert.equal(result, (way:finish(result)))
    assert.equal(1, #stored(way))
  end)

  it("answers with the error where there is one, where the result cannot be JSON, or time is up",
    function()
      local last
      local function ended(id, ...)
        x = exchange(id)
        local way = of()
        way:send "m"
        if last then x.gone = last end
        way:finish(...)
        return x.told[#x.told]:match " (.*)$"
      end
      assert.equal('{"jsonrpc":"2.0","id":"a","error":{"code":-1,"message":"no"}}',
        ended("a", nil, { code = -1, message = "no", status = 400 }))
      local log = helper.logged(function()
        assert.matches("Internal error: the result cannot be JSON", ended(1, { f = print }))
      end)
      assert.matches("cannot be JSON", log)
      assert.matches("was left without a result", ended(2, nil))
      last = "ETIMEDOUT"
      assert.matches('"code":%-32001', ended(3, {}))
      last = "ECANCELED" -- the server closes: nothing more is said
      assert.equal(notice(), ended(4, {}))
    end)

  it("answers with what is given in place of what cannot be JSON", function()
    local function ended(result, err, mend)
      x = exchange(1)
      local way = of()
      way:send "m"
      way:finish(result, err, mend, "its argument")
      return core.decode((x.told[#x.told]:match " (.*)$"))
    end
    local seen
    local function mend(...)
      seen = table.pack(...)
      return { mended = true }
    end
    assert.same({ mended = true }, ended({ f = print }, nil, mend).result)
    assert.same({ "its argument", "f: function" }, { seen[1], seen[2] })
    assert.is_nil(seen[3])
    local err = { code = 1, message = "m", data = { "\xff" } }
    assert.same({ mended = true }, ended(nil, err, mend).result)
    assert.same({ "its argument", "data[1]: not valid UTF-8 at byte 1", err },
      { seen[1], seen[2], seen[3] })
    -- One that is no better gets the last word of the channel.
    local answer
    helper.logged(function()
      answer = ended({ f = print }, nil, function() return { g = print } end)
    end)
    assert.equal(-32603, answer.error.code)
    assert.matches("the result cannot be JSON: g: function", answer.error.message, 1, true)
    seen = nil
    assert.same({ fine = 1 }, ended({ fine = 1 }, nil, mend).result)
    assert.is_nil(seen)
    -- What was not begun is given back, with that.
    x = exchange(2)
    assert.same({ "a", "b", "c", "d" }, { of():finish("a", "b", "c", "d") })
  end)

  it("closes early with an id and a time, once for all", function()
    local way = of()
    assert.is_true(way:close_stream(0.5))
    assert.same({ "1_1 (empty) retry 500" }, x.told)
    assert.is_true(x.ended)
    assert.is_true(way:close_stream())
    way:send "m"
    assert.same({ "1_2 " .. notice() }, stored(way))
  end)

  it("closes early with a second if the handler says no time", function()
    assert.is_true(of():close_stream())
    assert.same({ "1_1 (empty) retry 1000" }, x.told)
  end)

  it("does not prime nor close for clients that do not know it (T-31)", function()
    one.revision = facts "2025-06-18"
    local way = of()
    assert.is_false(way:close_stream())
    way:send "m"
    assert.same({ "1_1 " .. notice() }, x.told)
    assert.is_true(x.open)
  end)

  describe("that is resumed", function()
    it("replays, then goes on; another one takes over", function()
      local way = of()
      for i = 1, 2 do way:send("m", { i = i }) end
      x.open = false
      way:send("m", { i = 3 })
      local y, z = exchange(), exchange()
      assert.equal(200, (channel.resume(one, y, way.id .. "_2")))
      assert.is_true(y.kept)
      way:send("m", { i = 4 })
      assert.equal(200, (channel.resume(one, z, way.id .. "_5")))
      assert.is_false(y.open)
      way:finish {}
      assert.same({ "1_3 " .. notice '{"i":2}', "1_4 " .. notice '{"i":3}',
        "1_5 " .. notice '{"i":4}' }, y.told)
      assert.same({ '1_6 {"jsonrpc":"2.0","id":7,"result":{}}' }, z.told)
      assert.is_true(z.ended)
    end)

    it("from another while it is replayed leaves it to the latter", function()
      local way = of()
      for i = 1, 3 do way:send("m", { i = i }) end
      x.open = false
      local y, z = exchange(), exchange()
      y.event = function(self, ...)
        Fake.event(self, ...)
        -- While this one is not read, the client has given it up.
        if not z.kept then channel.resume(one, z, way.id .. "_1") end
        return true
      end
      assert.equal(200, (channel.resume(one, y, way.id .. "_1")))
      assert.equal(1, #y.told)
      assert.is_nil(y.kept)
      assert.equal(3, #z.told)
      way:send "m"
      assert.equal(4, #z.told)
    end)

    it("sends what comes while it is replayed, once and in order", function()
      local way = of()
      way:send("m", { i = 1 })
      x.open = false
      local y, more = exchange(), 5
      y.event = function(self, ...)
        more = more - 1
        if more > 0 then way:send("m", { more = more }) end
        if more == 0 then way:finish {} end
        return Fake.event(self, ...)
      end
      assert.equal(200, (channel.resume(one, y, way.id .. "_1")))
      assert.equal(6, #y.told)
      for i, line in ipairs(y.told) do assert.equal("1_" .. i + 1, line:match "^%S+") end
      assert.is_nil(y.kept) -- the answer was the last
    end)

    it("from what is not kept is refused (HL-43)", function()
      local y = exchange()
      for _, last in ipairs { "1_1", false } do
        local status, err = channel.resume(one, y, last)
        assert.is_nil(status)
        assert.equal(400, err.status)
      end
      local way = of()
      way:send "m"
      assert.equal(400, select(2, channel.resume(one, y, way.id .. "_9")).status)
      assert.same({}, y.told)
      assert.is_nil(y.streaming)
    end)
  end)

  it("ends with its session", function()
    local way = of()
    way:send "m"
    x.open = false
    local y = exchange()
    channel.resume(one, y, way.id .. "_1")
    one.closed = true
    channel.close(one)
    assert.is_false(y.open)
    assert.is_true(x.cancelled)
    way:finish {} -- the handler has not heard of it yet
    assert.equal(0, app.event_store.bytes)
    assert.is_nil(one.streams)
  end)
end)
