-- SPDX-License-Identifier: MIT
-- duplex_spec.lua: lua/mcp/client/transport/duplex.lua: answers and who waits for them, whatever
-- the server sends.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"
local value = require "mcp.value"

local function call_of(seconds)
  local deadline = core.now() + (seconds or helper.LIMIT)
  return { left = function() return deadline - core.now() end }
end

-- A transport that is open, its peer's log, and its far end.
local function open(script, options, era)
  local transport = scripted.transport(script, options)
  local log = { notices = {}, served = {}, lost = {} }
  assert(transport:open {
    serve = function(method, params)
      log.served[#log.served + 1] = { method, params }
      if method == "fail" then return nil, { code = -5, message = "failed" } end
      return { served = method }
    end,
    notice = function(method, params) log.notices[#log.notices + 1] = { method, params } end,
    lost = function(...) log.lost[#log.lost + 1] = { ... } end,
  })
  if era then transport:settle(era == "2026-07-28" and "modern" or "legacy", era) end
  return transport, log, transport.far
end

local function settled(transport)
  transport:close()
  helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
end

describe("a duplex transport", function()
  after_each(scripted.leftovers)

  it("is not open before it is opened, and not after it is closed", function()
    local transport = scripted.transport(function() end)
    assert.equal("mcp.transport (scripted, not opened)", tostring(transport))
    assert.same({ nil, "scripted: closed", "ECLOSED" },
      { transport:request(1, "m", nil, call_of()) })
    assert.same({ nil, "scripted: closed", "ECLOSED" }, { transport:notify "m" })
    assert(transport:open { serve = print, notice = print, lost = print })
    assert.equal("mcp.transport (scripted, open)", tostring(transport))
    settled(transport)
    assert.equal("mcp.transport (scripted, closed)", tostring(transport))
    assert.same({ nil, "scripted: closed", "ECLOSED" }, { transport:notify "m" })
    assert.is_nil((transport:open {}))
    transport:close()
  end)

  it("finds who waits by the id, in whatever order answers come", function()
    local held = {}
    local transport = open(function(far, message)
      held[#held + 1] = message
      if #held < 3 then return end
      for i = 3, 1, -1 do far:result(held[i].id, { at = held[i].method }) end
    end)
    local got = mcp.all {
      function() return transport:request(7, "one", nil, call_of()) end,
      function() return transport:request(8, "two", nil, call_of()) end,
      function() return transport:request(9, "three", nil, call_of()) end,
    }
    assert.same({ "one", "two", "three" }, { got[1].result.at, got[2].result.at, got[3].result.at })
    settled(transport)
  end)

  it("takes the slot of an answered request again, and only that of such a one", function()
    local transport = open(function(far, message)
      if message.method == "late" then return end
      if message.method == "twice" then far:result(message.id, {}) end
      if message.method == "error" then return far:error(message.id, -1, "no") end
      if message.method == "m" then far:result(message.id, { at = message.id }) end
    end)
    local function ask(id, method, seconds)
      local call = call_of(seconds)
      local reply, _, code = transport:request(id, method, nil, call)
      assert.is_nil(next(transport.link.pending))
      return reply and (reply.error and reply.error.code or reply.result.at) or code, call
    end
    local first = ask(1, "m")
    local spare = transport.link.spare
    assert.equal(1, first)
    assert.is_table(spare)
    assert.equal("ETIMEDOUT", (ask(2, "late", 0.05)))
    assert.is_false(transport.link.spare)
    for id = 3, 5 do assert.equal(id, (ask(id, "m"))) end
    assert.equal(-1, (ask(6, "error")))
    local answered, call = ask(7, "m")
    assert.equal(7, answered)
    -- What is answered cannot be cancelled any more, whatever its slot is doing now.
    mcp.all {
      function() assert.equal(8, (ask(8, "m"))) end,
      function() transport:cancel(call, "too late") end,
    }
    settled(transport)
  end)

  it("drops answers with wrong, unknown, foreign ids, and second answers (IO-64, T-64)", function()
    local transport
    local log = helper.logged(function()
      transport = open(function(far, message)
        for _, id in ipairs { '"2"', "2", "true", "null", "[1]", "{}", '""' } do
          far:send(('{"jsonrpc":"2.0","id":%s,"result":{"wrong":true}}'):format(id))
        end
        far:send '{"jsonrpc":"2.0","result":{"wrong":true}}'
        far:result(message.id, { right = true })
        far:result(message.id, { twice = true })
        far:error(message.id, -1, "thrice")
      end)
      local reply = transport:request(1, "m", nil, call_of())
      assert.same({ right = true }, helper.plain(reply.result))
      helper.settle()
      settled(transport)
    end)
    assert.matches("unexpected answer (id 2)", log, 1, true)
  end)

  it("skips garbage without a word to the server, and goes on (IO-08)", function()
    local transport, _, far
    helper.logged(function()
      transport, _, far = open(function(end_, message)
        if message.method ~= "m" then return end
        for _, text in ipairs { "hello!", "", "\r", "{", "[]", "[1,2]", "null", "5", '"x"', "{}",
          '{"jsonrpc":"1.0","id":2,"result":{}}', '{"jsonrpc":"2.0","id":2}',
          '{"jsonrpc":"2.0","id":2,"result":{},"error":{"code":1,"message":""}}',
          '{"jsonrpc":"2.0","id":1,"method":5}', '{"jsonrpc":"2.0","id":2,"error":"no"}',
          '\xff\xfe', '{"a":1,"a":2}', ("["):rep(5000) } do
          end_:send(text)
        end
        end_:result(message.id, { fine = true })
      end)
      assert.is_true(transport:request(1, "m", nil, call_of()).result.fine)
      assert(transport:notify "done")
      helper.wait_until(function() return far:all("done")[1] end, "the last message")
    end)
    -- Neither complaints nor answers: two messages are all we have said.
    assert.equal(2, #far.got)
    settled(transport)
  end)

  it("takes an error without an id for the one that waits, if there is one only (T-35)", function()
    local transport = open(function(far, message)
      if message.method ~= "one" then return end
      far:send '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}'
    end)
    assert.equal(-32700, transport:request(1, "one", nil, call_of()).error.code)
    local got = mcp.all {
      function() return select(3, transport:request(2, "two", nil, call_of(0.05))) end,
      function() return select(3, transport:request(3, "one", nil, call_of(0.05))) end,
    }
    assert.same({ "ETIMEDOUT", "ETIMEDOUT" }, got)
    settled(transport)
  end)

  it("gives up when the time is over, tells the server, ignores what comes late (4.2)", function()
    local transport, _, far
    helper.logged(function()
      transport, _, far = open(function(end_, message)
        if message.method == "notifications/cancelled" then
          end_:result(message.params.requestId, { late = true })
        end
      end)
      local reply, text, code = transport:request(4, "slow", nil, call_of(0.02))
      assert.same({ nil, "no answer in time", "ETIMEDOUT" }, { reply, text, code })
      helper.wait_until(function() return far:all("notifications/cancelled")[1] end)
      assert.same({ requestId = 4, reason = "The request timed out" },
        helper.plain(far:all("notifications/cancelled")[1].params))
    end)
    assert.is_nil(next(transport.link.pending))
    settled(transport)
  end)

  it("without memory for a message fails the request and keeps the connection", function()
    local transport, log = open(function(far, message) far:result(message.id, {}) end)
    local real = transport.link.sender
    transport.link.sender = { send = function() return nil, "out of memory", "ENOMEM" end }
    assert.same({ nil, "out of memory", "ENOMEM" },
      { transport:request(1, "m", nil, call_of()) })
    transport.link.sender = real
    assert.same({}, log.lost)
    assert.is_nil(next(transport.link.pending))
    assert.is_table(transport:request(2, "m", nil, call_of()).result)
    settled(transport)
  end)

  it("says of an id that became a string which request it answers", function()
    local transport = open(function(far, message)
      far:send(('{"jsonrpc":"2.0","id":"%d","result":{}}\n'):format(message.id))
    end)
    local _, text, code = transport:request(7, "m", nil, call_of())
    assert.equal("scripted: invalid response from the server: id: expected the number 7, got the "
      .. 'string "7"', text)
    assert.equal("ERPC", code)
    settled(transport)
  end)

  it("waits on while the time grows", function()
    local transport = open(function(far, message)
      core.sleep(0.1)
      far:result(message.id, {})
    end)
    local left = { 0.02, 0.02, 0.02, 5 }
    local asked = 0
    local reply = transport:request(1, "m", nil, { left = function()
      asked = asked + 1
      return left[asked] or 5
    end })
    assert.is_table(reply)
    assert.is_true(asked >= 4)
    settled(transport)
  end)

  it("ends a request that is cancelled, and does not cancel initialize (IO-42)", function()
    local transport, _, far = open(function() end)
    for i, silent in ipairs { false, true } do
      local call = call_of()
      call.silent = silent
      core.spawn(function() transport:cancel(call, "enough") end)
      core.spawn(function()
        core.sleep(0.005)
        transport:cancel(call, "enough")
        transport:cancel(call, "twice")
      end)
      assert.same({ nil, "enough", "ECANCELED" }, { transport:request(i, "m", nil, call) })
    end
    assert(transport:notify "done")
    helper.wait_until(function() return far:all("done")[1] end)
    local told = far:all "notifications/cancelled"
    assert.equal(1, #told)
    assert.same({ requestId = 1, reason = "enough" }, helper.plain(told[1].params))
    settled(transport)
  end)

  it("tells the server when the task that waited is cancelled or closed", function()
    local transport, _, far = open(function() end)
    local tasks, code = core.waiter(), nil
    tasks:spawn(function()
      code = select(3, transport:request(1, "m", nil, call_of()))
      -- Waits again, and is closed here.
      transport:request(2, "m", nil, call_of())
    end)
    helper.wait_until(function() return far:all("m")[1] end)
    tasks:cancel()
    helper.wait_until(function() return #far:all("notifications/cancelled") == 2 end)
    assert.equal("ECANCELED", code)
    assert.is_nil(next(transport.link.pending))
    settled(transport)
  end)

  it("fails all that wait when the connection goes, with the reason", function()
    local transport, log, far = open(function(end_, message)
      if message.method == "two" then end_:close() end
    end)
    local got = mcp.all {
      function() return { transport:request(1, "one", nil, call_of()) } end,
      function() return { transport:request(2, "two", nil, call_of()) } end,
    }
    for i = 1, 2 do
      assert.is_nil(got[i][1])
      assert.matches("^scripted: connection lost: ", got[i][2])
      assert.equal("EGONE", got[i][3])
    end
    assert.equal(1, #log.lost)
    assert.equal("EGONE", log.lost[1][2])
    assert.equal("EGONE", select(3, transport:request(3, "m", nil, call_of())))
    assert.equal("EGONE", select(3, transport:notify "m"))
    assert.is_true(far.ended or not far.wire:is_open())
    -- And again, by a new connection.
    assert(transport:open { serve = print, notice = print, lost = function() end })
    assert.equal(2, #transport.fars)
    assert(transport:notify "hello")
    helper.wait_until(function() return transport.far:all("hello")[1] end)
    settled(transport)
  end)

  it("closed by us it fails them with ECLOSED, and tells nobody that it is lost", function()
    local transport, log = open(function() end)
    core.spawn(function()
      core.sleep(0.005)
      transport:close()
    end)
    local _, text, code = transport:request(1, "m", nil, call_of())
    assert.same({ "scripted: the client was closed", "ECLOSED" }, { text, code })
    settled(transport)
    assert.equal(0, #log.lost)
  end)

  it("a message over the limit ends the connection: whose answer it was nobody knows", function()
    helper.logged(function()
      local transport = open(function(far, message)
        far:result(message.id, { text = ("x"):rep(2000) })
      end, { message_limit = 1000 })
      local _, text, code = transport:request(1, "m", nil, call_of())
      assert.equal("ETOOBIG", code)
      assert.matches("larger than its limit", text, 1, true)
      settled(transport)
    end)
  end)

  it("stops to send when a MiB is not read, with what a buffer has to grow", function()
    local transport, _, far = open(function() end)
    local sent, text = 0, ("x"):rep(4000)
    far.wire:pause(true)
    local tasks = core.waiter()
    tasks:spawn(function()
      while transport:notify("m", { text = text }) do sent = sent + #text end
    end)
    core.sleep(0.1)
    local first = sent
    core.sleep(0.05)
    assert.equal(first, sent)
    assert.is_true(first >= 512 << 10 and first <= (1 << 20) + (64 << 10), first)
    far.wire:pause(false)
    helper.wait_until(function() return sent > first end, "the rest to be sent")
    tasks:cancel()
    settled(transport)
  end)

  it("goes on when the server reads again", function()
    local transport, _, far = open(function(end_, message)
      if message.method == "big" then end_:result(message.id, { size = #message.params.text }) end
    end)
    far.wire:pause(true)
    core.spawn(function()
      core.sleep(0.03)
      far.wire:pause(false)
    end)
    local text = ("x"):rep(700000)
    local sizes = mcp.all {
      function() return transport:request(1, "big", { text = text }, call_of()).result.size end,
      function() return transport:request(2, "big", { text = text }, call_of()).result.size end,
      function() return transport:request(3, "big", { text = text }, call_of()).result.size end,
    }
    assert.same({ 700000, 700000, 700000 }, sizes)
    far.wire:pause(true)
    for i = 4, 5 do
      core.spawn(function() transport:request(i, "big", { text = text }, call_of()) end)
    end
    assert.same({ nil, "the server does not read", "ETIMEDOUT" },
      { transport:request(6, "m", nil, call_of(0.03)) })
    far.wire:pause(false)
    settled(transport)
  end)

  describe("in a session", function()
    it("serves requests of the server, byte for byte under their ids", function()
      local transport, log, far = open(function() end, nil, "2025-11-25")
      for _, id in ipairs { '"a"', "17", '"17"', "1e3", "9007199254740993" } do
        far:send(('{"jsonrpc":"2.0","id":%s,"method":"x",'
          .. '"params":{"_meta":{"k":1},"y":2}}'):format(id))
      end
      far:send '{"jsonrpc":"2.0","id":5,"method":"fail"}'
      helper.wait_until(function() return #far.raw == 6 end)
      assert.equal('{"jsonrpc":"2.0","id":"a","result":{"served":"x"}}', far.raw[1])
      assert.equal('{"jsonrpc":"2.0","id":1e3,"result":{"served":"x"}}', far.raw[4])
      assert.equal('{"jsonrpc":"2.0","id":9007199254740993,"result":{"served":"x"}}', far.raw[5])
      assert.same({ code = -5, message = "failed" }, helper.plain(far.got[6].error))
      assert.same({ _meta = { k = 1 }, y = 2 }, helper.plain(log.served[1][2]))
      settled(transport)
    end)

    it("takes batches where the revision has them, and only there (IO-02)", function()
      for _, revision in ipairs { "2025-03-26", "2025-11-25" } do
        helper.logged(function()
          local transport, log, far = open(function(end_, message)
            if message.method ~= "m" then return end
            end_:send(('[{"jsonrpc":"2.0","id":%d,"result":{"ok":true}},'
              .. '{"jsonrpc":"2.0","method":"n","params":{"a":1}},'
              .. '{"jsonrpc":"2.0","id":"s","method":"x"}]'):format(message.id))
          end, nil, revision)
          local reply, _, code = transport:request(1, "m", nil, call_of(0.05))
          if revision == "2025-03-26" then
            assert.is_true(reply.result.ok)
            assert.same({ { "n", { a = 1 } } }, helper.plain(log.notices))
            helper.wait_until(function() return #far.got == 2 end)
            assert.same({ { jsonrpc = "2.0", id = "s", result = { served = "x" } } },
              helper.plain(far.got[2]))
          else
            assert.equal("ETIMEDOUT", code)
            assert.equal(0, #log.notices + #log.served)
          end
          settled(transport)
        end)
      end
    end)

    it("a server may take a request back", function()
      local transport = scripted.transport(function() end)
      local code
      assert(transport:open {
        serve = function()
          code = select(3, core.sleep(5))
          return {}
        end,
        notice = print, lost = print,
      })
      transport:settle("legacy", "2025-11-25")
      transport.far:request("q", "slow")
      helper.wait_until(function() return core.task_count() > 1 end)
      transport.far:notify("notifications/cancelled", { requestId = "q" })
      helper.wait_until(function() return code end)
      assert.equal("ECANCELED", code)
      helper.settle()
      assert.equal(0, #transport.far.got)
      settled(transport)
    end)
  end)

  describe("without sessions", function()
    it("neither serves nor answers requests of the server (IO-60, IO-61)", function()
      helper.logged(function()
        local transport, log, far = open(function() end, nil, "2026-07-28")
        for i = 1, 100 do far:request(i, "ping") end
        far:notify("n", { _meta = { k = value.null } })
        helper.wait_until(function() return log.notices[1] end)
        assert(transport:notify "done")
        helper.wait_until(function() return far:all("done")[1] end)
        assert.equal(1, #far.got)
        assert.equal(0, #log.served)
        settled(transport)
      end)
    end)

    it("a server ends a listening by taking it back, with an id of its type (7.6)", function()
      local transport = open(function(far, message)
        far:notify("notifications/cancelled", { requestId = tostring(message.id) })
        far:notify("notifications/cancelled", {})
        far:notify "notifications/cancelled"
        if message.method == "listen" then
          far:notify("notifications/cancelled", { requestId = message.id })
        else
          far:result(message.id, {})
        end
      end, nil, "2026-07-28")
      assert.same({ nil, "the server ended the subscription", "EGONE" },
        { transport:request(1, "listen", nil, call_of()) })
      assert.is_table((transport:request(2, "m", nil, call_of())))
      settled(transport)
    end)
  end)

  it("who is dropped closes the connection", function()
    local transport, _, far = open(function() end)
    assert.is_true(far.wire:is_open())
    assert.is_table(transport)
    transport = nil -- luacheck: ignore
    helper.wait_until(function()
      collectgarbage()
      return not far.wire:is_open()
    end, "the end of the connection")
    helper.wait_until(function() return core.task_count() == 0 end)
  end)
end)
