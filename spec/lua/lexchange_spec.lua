-- SPDX-License-Identifier: MIT
-- lexchange_spec.lua: src/lua/lexchange.c, and src/lua/lmemory.c that carries it here: what a
-- handler is given, what becomes of what it returns, and the userdata after its end.
local core = require "mcp.core"

local host, peer

local function open(receive) host, peer = core.memory_pair(receive) end

-- The messages that have come, at least `count`.
local function take(count)
  local text, out, turns = peer:take(), {}, 0
  while select(2, text:gsub("\n", "")) < count do
    -- A step that finds nothing to wait for is over at once.
    turns = core.step(5) and 0 or turns + 1
    assert(turns < 10, "nothing comes any more")
    text = text .. peer:take()
  end
  for line in text:gmatch "([^\n]*)\n" do out[#out + 1] = assert(core.decode(line)) end
  return table.unpack(out)
end

local function ask(text)
  peer:send(text .. "\n")
  return take(1)
end

describe("an exchange", function()
  after_each(function()
    if host then
      host:close()
      while not host:is_gone() do core.step(5) end
      host, peer = nil, nil
    end
    assert.equal(0, core.task_count())
  end)

  it("is answered by what the handler returns", function()
    open(function(_, _, kind, id, method, params)
      return { kind = kind, id = id, method = method, params = params }
    end)
    assert.same({ jsonrpc = "2.0", id = 7, result = { kind = "request", id = "7", method = "m",
      params = { a = 1 } } }, ask '{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":1}}')
    -- Ids that are equal are equal here, and different ones different.
    assert.equal('"7', ask('{"jsonrpc":"2.0","id":"7","method":"m"}').result.id)
    assert.equal('"7', ask('{"jsonrpc":"2.0","id":"\\u0037","method":"m"}').result.id)
  end)

  it("is answered by an error: nil and a table", function()
    open(function() return nil, { code = -5, message = "no", data = { "d" } } end)
    local answer = ask '{"jsonrpc":"2.0","id":1,"method":"m"}'
    assert.same({ code = -5, message = "no", data = { "d" } }, answer.error)
  end)

  it("is answered although the handler returned what JSON cannot carry, or nothing", function()
    local cyclic = {}
    cyclic.again = cyclic
    local given
    open(function() return given end)
    for _, value in ipairs { { f = print }, 0 / 0, cyclic, "\xff", { 1, x = 2 },
      coroutine.create(print) } do
      given = value
      assert.equal(-32603, ask('{"jsonrpc":"2.0","id":1,"method":"m"}').error.code)
    end
    given = nil
    assert.equal(-32603, ask('{"jsonrpc":"2.0","id":1,"method":"m"}').error.code)
    given = { works = true }
    assert.same(given, ask('{"jsonrpc":"2.0","id":2,"method":"m"}').result)
  end)

  it("is answered although the handler raised, whatever it raised (SEC-100)", function()
    local given
    open(function() error(given) end)
    for _, value in ipairs { "text", {}, 5, print } do
      given = value
      local answer = ask '{"jsonrpc":"2.0","id":1,"method":"m"}'
      assert.same({ code = -32603, message = "Internal error" }, answer.error)
    end
  end)

  it("sends before its answer, in order", function()
    open(function(x)
      assert.is_true(x:send("n/1", { i = 1 }))
      core.sleep(0.001)
      assert.is_true(x:send("n/2"))
      assert.is_true(x:send("r", { q = 1 }, 99))
      return {}
    end)
    peer:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n'
    assert.same({ { jsonrpc = "2.0", method = "n/1", params = { i = 1 } },
      { jsonrpc = "2.0", method = "n/2" },
      { jsonrpc = "2.0", id = 99, method = "r", params = { q = 1 } },
      { jsonrpc = "2.0", id = 1, result = {} } }, { take(4) })
  end)

  it("raises what it cannot send, and sends the next all the same", function()
    open(function(x)
      local ok, text = pcall(x.send, x, "n", { f = print })
      assert.is_true(x:send "good")
      return { ok = ok, text = text }
    end)
    peer:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n'
    local first, answer = take(2)
    assert.equal("good", first.method)
    assert.is_false(answer.result.ok)
    assert.matches("params cannot be JSON", answer.result.text)
  end)

  it("that is over is dead: nothing of it can do harm (T-90)", function()
    local kept
    open(function(x)
      kept = x
      return {}
    end)
    ask '{"jsonrpc":"2.0","id":1,"method":"m"}'
    assert.is_false(kept:is_open())
    assert.is_true(kept:is_cancelled())
    assert.equal("ECLOSED", select(3, kept:send "n"))
    assert.equal("ECLOSED", select(3, kept:hold()))
    assert.equal("ECLOSED", select(3, kept:open_stream()))
    kept:cancel()
    kept:release()
    kept:survive()
    kept:set_header("a", "b")
    assert.is_nil(kept:header "a")
    assert.same({}, kept:headers())
    assert.equal("memory", kept:transport())
    assert.equal("mcp.exchange (memory, over)", tostring(kept))
    assert.equal("", peer:take())
  end)

  it("may be dropped by its handler: it is answered, and collected", function()
    open(function() return {} end)
    for i = 1, 2000 do
      peer:send(('{"jsonrpc":"2.0","id":%d,"method":"m"}\n'):format(i))
      if i % 100 == 0 then collectgarbage() end
    end
    assert.equal(2000, select("#", take(2000)))
  end)

  it("is held until somebody lets go", function()
    local held
    open(function(x)
      held = x
      assert.is_true(x:hold())
      return { released = true }
    end)
    peer:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n'
    while not held do core.step(5) end
    assert.equal("", peer:take())
    held:release()
    assert.same({ released = true }, take(1).result)
  end)

  it("cancelled is over without an answer", function()
    local held
    open(function(x)
      held = x
      if x:hold() then return { held = true } end
      return { cancelled = x:is_cancelled() }
    end)
    peer:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n'
    while not held do core.step(5) end
    held:cancel()
    assert.is_false(held:is_open())
    core.step(0)
    assert.equal("", peer:take())
  end)

  describe("that is kept", function()
    local kept

    -- A receiver that keeps the first request and answers all others.
    local function keep_one()
      kept = nil
      open(function(x)
        if kept then return { other = true } end
        kept = x
        assert.is_true(x:keep())
        return { "nobody's answer" }
      end)
      peer:send '{"jsonrpc":"2.0","id":"\\u0041","method":"m"}\n'
      while not kept do core.step(5) end
      assert.equal("", peer:take())
    end

    it("stays open without a task, held by nobody, and is answered later", function()
      keep_one()
      assert.equal(0, core.task_count())
      collectgarbage()
      collectgarbage()
      assert.is_true(kept:is_open())
      assert.is_false(kept:is_cancelled())
      assert.equal('"\\u0041"', core.encode(kept:id()))
      assert.is_true(kept:send("n", { a = 1 }))
      assert.same({ a = 1 }, take(1).params)
      assert.same({ other = true }, ask('{"jsonrpc":"2.0","id":2,"method":"m"}').result)
      assert.is_true(kept:finish { done = true })
      assert.same({ done = true }, take(1).result)
      assert.is_false(kept:is_open())
      assert.is_true(kept:is_cancelled())
      assert.is_nil(kept:id())
      assert.equal("ECLOSED", select(3, kept:finish {}))
      assert.equal("ECLOSED", select(3, kept:send "n"))
      assert.equal("ECLOSED", select(3, kept:keep()))
    end)

    it("can be answered by an error, also one that it did not expect", function()
      keep_one()
      kept:finish(nil, { code = -5, message = "no" })
      assert.same({ code = -5, message = "no" }, take(1).error)
      keep_one()
      kept:finish { f = print }
      assert.equal(-32603, take(1).error.code)
      assert.is_false(kept:is_open())
    end)

    it("ends without an answer when it is released or cancelled, by whomever", function()
      for _, way in ipairs { "release", "cancel" } do
        keep_one()
        kept[way](kept)
        kept[way](kept)
        assert.is_false(kept:is_open())
        kept:cut()
        core.step(0)
        assert.equal("", peer:take())
      end
    end)

    it("is found by its id, on the same connection only", function()
      keep_one()
      local first, first_host, first_peer = kept, host, peer
      open(function(x)
        if not kept then
          kept = x
          x:keep()
        else
          x:cancel_other "A"
          x:cancel_other(1)
        end
      end)
      kept = nil
      peer:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n'
      while not kept do core.step(5) end
      peer:send '{"jsonrpc":"2.0","method":"n"}\n'
      core.step(0)
      core.step(0)
      assert.is_false(kept:is_open())
      assert.is_true(first:is_open())
      first:release()
      first_host:close()
      first_peer:close()
    end)

    it("is cut, where there is no connection to end, by an error", function()
      keep_one()
      kept:cut()
      assert.equal(-32000, take(1).error.code)
      assert.is_false(kept:is_open())
    end)

    it("goes with its connection", function()
      keep_one()
      host:close()
      core.step(0)
      assert.is_false(kept:is_open())
      assert.equal("ECLOSED", select(3, kept:send "n"))
    end)

    it("takes no more than a mebibyte that is not read", function()
      keep_one()
      peer:pause(true)
      local text, sent = ("x"):rep(1000), 0
      while true do
        local ok, _, code = kept:send("n", { text })
        if not ok then
          assert.equal("EBUSY", code)
          break
        end
        sent = sent + 1
      end
      assert.is_true(sent > 900 and sent < 1100, sent .. " were taken")
      assert.is_true(kept:is_open())
      peer:pause(false)
      while core.step(0) and #peer:take() > 0 do end
      assert.is_true(kept:send("n", { text }))
    end)

    it("cannot be kept by another task, nor finished before it is", function()
      local wrong, early
      open(function(x)
        core.spawn(function() wrong = { pcall(x.keep, x) } end)
        early = { pcall(x.finish, x, {}) }
        return {}
      end)
      ask '{"jsonrpc":"2.0","id":1,"method":"m"}'
      assert.matches("only its own handler", wrong[2])
      assert.matches("not a kept exchange", early[2])
    end)
  end)

  it("waits while its peer does not read, and goes on when it does", function()
    local sent, done = 0, false
    open(function(x)
      for i = 1, 3000 do
        assert.is_true(x:send("n", { i = i, text = ("x"):rep(1000) }))
        sent = i
      end
      done = true
      return {}
    end)
    peer:pause(true)
    peer:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n'
    for _ = 1, 20 do core.step(0) end
    assert.is_true(sent > 0 and sent < 1000, sent)
    assert.is_false(done)
    peer:pause(false)
    local messages = { take(3001) }
    assert.equal(3001, #messages)
    for i = 1, 3000 do assert.equal(i, messages[i].params.i) end
  end)

  it("that waits so is cancelled with its connection", function()
    local code
    open(function(x)
      repeat
        local ok, _, why = x:send("n", { text = ("x"):rep(1000) })
        code = why
      until not ok
    end)
    peer:pause(true)
    peer:send '{"jsonrpc":"2.0","id":1,"method":"m"}\n'
    for _ = 1, 20 do core.step(0) end
    assert.equal(1, core.task_count())
    assert.is_nil(code)
    host:close()
    while not host:is_gone() do core.step(5) end
    assert.equal("ECANCELED", code)
  end)

  it("has events over HTTP only, of one line each", function()
    local over
    open(function(x)
      over = x
      assert.error_matches(function() x:event("text", "id") end, "this transport has no events")
      assert.error_matches(function() x:event("two\nlines", "id") end,
        "#1 to 'event' %(expected one line")
      assert.error_matches(function() x:event("text", "i\rd") end,
        "#2 to 'event' %(expected one line")
      assert.error_matches(function() x:event("text", "i\0d") end,
        "#2 to 'event' %(expected one line")
      assert.error_matches(function() x:event(nil, "id") end, "#1 to 'event' %(expected a string")
      return { fine = true }
    end)
    assert.is_true(ask '{"jsonrpc":"2.0","id":1,"method":"m"}'.result.fine)
    local ok, _, code = over:event("text", "id")
    assert.same({ nil, "ECLOSED" }, { ok, code })
  end)

  it("knows its connection's own table", function()
    open(function(_, link)
      link.count = (link.count or 0) + 1
      return { count = link.count }
    end)
    for i = 1, 3 do
      assert.equal(i, ask('{"jsonrpc":"2.0","id":1,"method":"m"}').result.count)
    end
  end)

  it("of a notification wants no answer, even if it fails", function()
    local count = 0
    open(function(_, _, kind)
      if kind == "request" then return { count = count } end
      count = count + 1
      if count == 2 then error "this line is expected" end
      if count == 3 then return nil, { code = 1, message = "x" } end
      return { ignored = true }
    end)
    peer:send(('{"jsonrpc":"2.0","method":"n"}\n'):rep(3))
    assert.same({ jsonrpc = "2.0", id = 1, result = { count = 3 } },
      ask '{"jsonrpc":"2.0","id":1,"method":"m"}')
  end)
end)
