-- SPDX-License-Identifier: MIT
-- http_call_spec.lua: src/transport/http_call.c and http_pool.c, against scripted servers, correct
-- and faulty ones, and against our own.
local core = require "mcp.core"
local helper = require "spec.helper"
local raw_server = require "spec.raw_server"
local system = require "codecs.system"

-- Times that something must not take, and that something does take. In seconds.
local LIMIT, SHORT = require("spec.pace").limit(5), 0.05

local pool, server
local function open(options) pool = core.http_pool(options or {}) end

-- The handler's answer, if it returns one; what sending returned is none.
local function serve(handler)
  server = raw_server.start(function(...)
    local status, fields, body = handler(...)
    if math.type(status) then return status, fields, body end
  end)
end

local function ask(options)
  local all = { host = "127.0.0.1", port = server.port, timeout = LIMIT }
  for name, value in pairs(options or {}) do all[name] = value end
  return pool:request(all)
end

local function failed(code, words, response, text, told)
  assert.is_nil(response)
  assert.equal(code, told, text)
  assert.is_truthy(text:find(words, 1, true), text)
end

local function raises(words, fn)
  local ok, message = pcall(fn)
  assert.is_false(ok)
  assert.is_truthy(message:find(words, 1, true), message)
end

local function wait_until(condition, what) return helper.wait_until(condition, what, LIMIT) end

-- Runs functions side by side, and waits for all of them.
local function all(functions)
  local waiter, failures = core.waiter(), {}
  for i, fn in ipairs(functions) do
    waiter:spawn(function()
      local ok, err = xpcall(fn, debug.traceback)
      if not ok then failures[#failures + 1] = i .. ": " .. tostring(err) end
    end)
  end
  assert(waiter:wait(LIMIT))
  assert.equal("", table.concat(failures, "\n"))
end

local function finish()
  if pool then pool:close() end
  if server then server:close() end
  pool, server = nil, nil
  collectgarbage()
  helper.settle()
end

describe("http_call", function()
  after_each(function()
    finish()
    helper.leftovers()
  end)

  describe("a request", function()
    it("goes out whole, and its answer is read", function()
      open()
      serve(function() return 201, { ["X-A"] = "b", ["Content-Type"] = "application/json" },
        '{"a":[1,2.5,null,"x"]}' end)
      local response = assert(ask { method = "POST", target = "/mcp?x=1", body = "hello",
        headers = { { "Accept", "a/b" }, { "accept-language", "de" } } })
      assert.equal("POST /mcp?x=1 HTTP/1.1\r\nHost: 127.0.0.1:" .. server.port .. "\r\n"
        .. "Accept: a/b\r\naccept-language: de\r\nAccept-Encoding: identity\r\n"
        .. "User-Agent: luamcp/" .. core.version .. "\r\n"
        .. "Content-Length: 5\r\n", server.requests[1].head)
      assert.equal("hello", server.requests[1].body)
      assert.equal(201, response.status)
      assert.equal("b", response:header "x-a")
      assert.is_nil(response:header "x-b")
      assert.same({ ["x-a"] = "b", ["content-type"] = "application/json",
        ["content-length"] = "22" }, response:headers())
      local value = assert(response:json())
      assert.same({ 1, 2.5, core.null, "x" }, helper.plain(value.a))
      raises("its body has been read", function() response:read() end)
    end)

    it("says who we are only if nobody else does", function()
      open()
      serve(function() return 200 end)
      assert(ask { headers = { { "user-agent", "me/1" } } })
      assert.equal("me/1", server.requests[1].fields["user-agent"])
    end)

    it("from inside a task waits without holding up others", function()
      open()
      serve(function()
        core.sleep(SHORT)
        return 200, nil, "x"
      end)
      local order = {}
      all {
        function()
          assert.equal("x", assert(ask()):read())
          order[#order + 1] = "asked"
        end,
        function() order[#order + 1] = "other" end,
      }
      assert.same({ "other", "asked" }, order)
    end)

    it("joins fields that come twice", function()
      open()
      serve(function(_, connection)
        connection:send "HTTP/1.1 401 No\r\nWWW-Authenticate: A x\r\nwww-authenticate: B\r\n"
        connection:send "Empty:\r\nContent-Length: 0\r\n\r\n"
      end)
      local response = assert(ask())
      assert.equal("A x, B", response:header "WWW-Authenticate")
      assert.equal("", response:header "empty")
      assert.same({ ["www-authenticate"] = "A x, B", empty = "", ["content-length"] = "0" },
        response:headers())
    end)

    it("may be HEAD, or be answered with nothing", function()
      open()
      serve(function(request, connection)
        if request.method == "HEAD" then
          connection:send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
        elseif request.target == "/204" then
          connection:send "HTTP/1.1 204 None\r\n\r\n"
        else
          connection:send "HTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\n"
        end
      end)
      for _, options in ipairs { { method = "HEAD" }, { target = "/204" }, { target = "/304" } } do
        assert.equal("", assert(ask(options)):read())
      end
      assert.equal(1, server.accepted)
    end)

    it("passes over interim answers, and not over any number of them", function()
      open()
      serve(function(request, connection)
        local count = request.target == "/few" and 8 or 9
        connection:send(("HTTP/1.1 103 Early\r\nA: b\r\n\r\n"):rep(count)
          .. "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
      end)
      assert.equal("x", assert(ask { target = "/few" }):read())
      failed("EHTTP", "too many interim responses", ask { target = "/many" })
    end)

    it("refuses what could become more than one, before anything is sent (HM-36)", function()
      open()
      serve(function() return 200 end)
      for words, options in pairs {
        ["a field value holds a control"] = { headers = { { "X", "a\r\nY: b" } } },
        ["a field name is not a token"] = { headers = { { "X: y\r\nZ", "a" } } },
        ["the target contains a byte"] = { target = "/ HTTP/1.1\r\nX: y" },
        ["the target does not begin"] = { target = "http://other/" },
        ["the method"] = { method = "GET / HTTP/1.1\r\nX: y\r\n" },
        ["reserved header field"] = { headers = { { "Content-Length", "7" } } },
      } do
        failed("EHTTP", words, ask(options))
      end
      local _, text = ask { headers = { { "X-Secret", "secret\n" } } }
      assert.is_truthy(text:find("X-Secret", 1, true))
      assert.is_nil(text:find("secret\n", 1, true))
      helper.settle()
      assert.equal(0, server.accepted)
      failed("EHTTP", "the host", pool:request { host = "a b", port = 80 })
    end)

    it("that is misused raises", function()
      open()
      local function wrong(text, options)
        raises(text, function() pool:request(options) end)
      end
      wrong("table expected", nil)
      wrong("expected host and port, or unix", { host = "a" })
      wrong('unknown option "hots"', { hots = "a" })
      wrong("port: expected an integer from 1 to 65535", { host = "a", port = 0 })
      wrong("port: expected an integer from 1 to 65535", { host = "a", port = "x" })
      wrong("host: expected a string, got number", { host = 7, port = 1 })
      wrong("host: contains a zero byte", { host = "a\0b", port = 1 })
      wrong("tls: expected a client's TLS context", { host = "a", port = 1, tls = true })
      wrong('expected "public" or "loopback"', { host = "a", port = 1, only = "private" })
      wrong("timeout: expected seconds", { host = "a", port = 1, timeout = "soon" })
      wrong("timeout: expected seconds, 0 or more", { host = "a", port = 1, timeout = -1 })
      wrong("expected { name, value } at 2",
        { host = "a", port = 1, headers = { { "A", "b" }, { "C" } } })
      wrong("headers: expected a table", { host = "a", port = 1, headers = "A: b" })
      for _, bad in ipairs { { connections = 0 }, { connections = 1.5 }, { idle_timeout = -1 },
        { idle_timeout = "x" }, { conections = 1 } } do
        assert.is_false(pcall(core.http_pool, bad))
      end
      assert.is_false(pcall(core.http_pool, 7))
    end)

    it("is not made in a coroutine of somebody's own inside a handler", function()
      open()
      serve(function() return 200 end)
      local ok, message
      core.spawn(function()
        ok, message = coroutine.resume(coroutine.create(function() ask() end))
      end)
      assert.is_false(ok)
      assert.is_truthy(message:find("cannot wait in a coroutine of your own", 1, true))
      helper.settle()
      assert.same({ 0, 0, 0 }, { pool:connections() })
    end)

    it("that cannot connect says so", function()
      open()
      serve(function() return 200 end)
      local port = server.port
      server:close()
      local response, text, code = pool:request { host = "127.0.0.1", port = port }
      failed("ECONNREFUSED", ("127.0.0.1:%d: connection refused"):format(port), response, text,
        code)
    end)
  end)

  describe("kept connections", function()
    -- Ends all connections of the server without a turn of the loop: the pool cannot know of it.
    local function end_silently(how)
      for connection in pairs(server.connections) do
        if not connection.gone then how(connection) end
      end
    end

    it("that the server has ended are not used, whatever the request is", function()
      for name, how in pairs {
        closed = function(c) c:close() end,
        reset = function(c) c:reset() end,
        ["unasked bytes"] = function(c) c.socket:send "HTTP/1.1 408 Request Timeout\r\n\r\n" end,
      } do
        for _, idempotent in ipairs { false, true, "unsaid" } do
          open()
          serve(function() return 200, {}, "ok" end)
          local function post()
            local response, text = ask { method = "POST", body = "x",
              idempotent = idempotent ~= "unsaid" and idempotent or nil }
            assert.equal("ok", assert(response, name .. ": " .. tostring(text)):read())
          end
          all { function()
            post()
            end_silently(how)
            post()
            assert.equal(2, server.accepted, name)
            assert.equal(2, #server.requests, "nothing went out twice")
          end }
          finish()
        end
      end
    end)

    it("that the server has ended make room for others, all of them", function()
      open { connections = 3 }
      serve(function() return 200, {}, "ok" end)
      local function three()
        local function one() assert.equal("ok", assert(ask { method = "POST", idempotent = false })
          :read()) end
        all { one, one, one }
      end
      three()
      assert.equal(3, server.accepted)
      end_silently(function(c) c:close() end)
      three()
      assert.equal(6, #server.requests)
      assert.equal(6, server.accepted)
      local opened = pool:connections()
      assert.equal(3, opened)
    end)

    it("that the server has not ended are used again", function()
      open()
      serve(function() return 200, {}, "ok" end)
      for _ = 1, 5 do assert(ask { method = "POST", idempotent = false }):read() end
      assert.equal(1, server.accepted)
    end)

    it("serve a hundred requests with one", function()
      open()
      serve(function(request) return 200, nil, request.target end)
      for i = 1, 100 do
        assert.equal("/" .. i, assert(ask { target = "/" .. i }):read())
      end
      assert.equal(1, server.accepted)
      assert.same({ 1, 1, 0 }, { pool:connections() })
    end)

    it("are given back by a whole body that nobody reads", function()
      open()
      serve(function() return 200, nil, ("x"):rep(1000) end)
      local kept = {}
      for i = 1, 20 do
        kept[i] = assert(ask())
        wait_until(function() return select(2, pool:connections()) == 1 end)
      end
      assert.equal(1, server.accepted)
      assert.equal(1000, #kept[7]:read())
    end)

    it("are not shared by what differs in where it leads", function()
      open()
      serve(function() return 200 end)
      assert(ask())
      failed("ENOTPUBLIC", "not public", ask { only = "public" })
      assert(ask { only = "loopback" })
      assert(ask { server_name = "other" })
      assert.equal(3, server.accepted)
    end)

    it("are closed when they were idle for long enough", function()
      open { idle_timeout = SHORT }
      serve(function() return 200 end)
      assert(ask())
      assert.same({ 1, 1, 0 }, { pool:connections() })
      wait_until(function() return pool:connections() == 0 end)
      wait_until(function() return next(server.connections) == nil end)
      assert(ask())
      assert.equal(2, server.accepted)
    end)

    for what, head in pairs {
      ["Connection: close"] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
      ["HTTP/1.0"] = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    } do
      it("are none after " .. what, function()
        open()
        serve(function(_, connection) connection:send(head) end)
        for i = 1, 3 do
          assert.equal("x", assert(ask()):read())
          assert.equal(0, (pool:connections()))
          assert.equal(i, server.accepted)
        end
      end)
    end

    it("are closed by words that nobody asked for", function()
      open()
      serve(function(_, connection)
        connection:answer(200)
        core.sleep(SHORT / 2)
        connection:send "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
      end)
      assert.equal("", assert(ask()):read())
      wait_until(function() return pool:connections() == 0 end)
      assert.equal("", assert(ask()):read())
    end)

    it("are closed by words behind the answer", function()
      open()
      serve(function(_, connection)
        connection:send "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n"
      end)
      for _ = 1, 2 do
        assert.equal("x", assert(ask()):read())
        assert.equal(0, (pool:connections()))
      end
    end)

    it("may end at any moment, and nothing is lost", function()
      -- The race: the server closes as soon as it has answered, and we may have sent by then.
      open()
      serve(function(request, connection)
        connection:answer(200, nil, request.body)
        connection:close()
      end)
      for i = 1, 100 do
        assert.equal("n" .. i, assert(ask { method = "POST", body = "n" .. i }):read())
      end
      assert.equal(100, #server.requests)
    end)

    for _, way in ipairs { "close", "reset" } do
      it("that end (" .. way .. ") before a byte came are replaced, once", function()
        open()
        local answered, dropped = {}, 0
        serve(function(request, connection)
          -- The second request of each connection finds nobody.
          connection.count = (connection.count or 0) + 1
          if connection.count == 2 then
            dropped = dropped + 1
            connection[way](connection)
            return
          end
          answered[#answered + 1] = request.body
          return 200, nil, request.body
        end)
        for i = 1, 20 do
          assert.equal("n" .. i, assert(ask { method = "POST", body = "n" .. i }):read())
        end
        assert.equal(20, #answered)
        assert.is_true(dropped >= 9, dropped .. " were dropped")
      end)
    end

    local function second(options, handler)
      open()
      serve(function(request, connection, nth)
        if nth == 1 then return 200 end
        return handler(request, connection, nth)
      end)
      assert.equal("", assert(ask()):read())
      return ask(options)
    end

    it("are not replaced twice", function()
      failed("EGONE", "before the response head arrived", second({ method = "POST", body = "x" },
        function(_, connection) connection:close() end))
      assert.equal(3, #server.requests)
    end)

    it("are not replaced when a byte of the answer came", function()
      failed("EGONE", "before the response head arrived", second(nil, function(_, connection)
        connection:send "H"
        connection:close()
      end))
      assert.equal(2, #server.requests)
    end)

    it("are not replaced for what must not be sent twice", function()
      failed("EGONE", "before the response head arrived",
        second({ method = "POST", idempotent = false },
        function(_, connection) connection:close() end))
      assert.equal(2, #server.requests)
    end)

    it("are not replaced for a POST that the server may have worked on", function()
      open()
      local counts = {}
      serve(function(request, connection)
        local count = (counts[request.body] or 0) + 1
        counts[request.body] = count
        if count ~= 2 then return 200 end
        core.sleep(1.1)
        connection:close()
      end)
      local function twice(idempotent)
        local options = { method = "POST", body = tostring(idempotent), idempotent = idempotent,
          -- So that each keeps to a connection of its own.
          server_name = tostring(idempotent) }
        assert.equal(200, assert(ask(options)).status)
        return ask(options)
      end
      all {
        function()
          failed("EGONE", "before the response head arrived", twice(nil))
          assert.equal(2, counts["nil"])
        end,
        -- But for one that means the same sent twice.
        function()
          assert.equal(200, assert(twice(true)).status)
          assert.equal(3, counts["true"])
        end,
      }
    end)

    it("that were new are not replaced", function()
      open()
      serve(function(_, connection) connection:close() end)
      failed("EGONE", "before the response head arrived", ask())
      assert.equal(1, #server.requests)
    end)
  end)

  describe("connections to one origin", function()
    it("are no more than allowed; who comes later waits, in order", function()
      open { connections = 2 }
      local most, now, order = 0, 0, {}
      serve(function(request)
        now = now + 1
        most = math.max(most, now)
        core.sleep(0.005)
        now = now - 1
        order[#order + 1] = request.target
        return 200
      end)
      local calls = {}
      for i = 1, 8 do calls[i] = function() assert(ask { target = "/" .. i }) end end
      local saw
      calls[9] = function() saw = { pool:connections() } end
      all(calls)
      assert.same({ 2, 0, 6 }, saw)
      assert.equal(2, most)
      assert.equal(2, server.accepted)
      table.sort(order)
      assert.equal("/1/2/3/4/5/6/7/8", table.concat(order))
      assert.same({ 2, 2, 0 }, { pool:connections() })
    end)

    it("are waited for only so long", function()
      open { connections = 1 }
      serve(function(_, connection)
        connection:stream()
        connection:wait_end()
      end)
      local first <close> = assert(ask())
      failed("ETIMEDOUT", "no connection became free", ask { timeout = SHORT })
      first:close()
      wait_until(function() return pool:connections() == 0 end)
      assert(ask()):close()
    end)

    it("become free by an answer that is given up, or cancelled", function()
      open { connections = 1 }
      serve(function(request, connection)
        if request.target == "/free" then return 200 end
        connection:stream()
        connection:wait_end()
      end)
      local waiter = core.waiter()
      waiter:spawn(function() assert(ask()):event() end)
      wait_until(function() return server.requests[1] end)
      local free
      all {
        function() free = assert(ask { target = "/free" }).status end,
        function()
          core.sleep(0.01)
          waiter:cancel()
        end,
      }
      assert.equal(200, free)
    end)
  end)

  describe("time", function()
    it("until the head is there is limited", function()
      open()
      serve(function(_, connection)
        connection:send "HTTP/1.1 200 OK\r\n"
        connection:wait_end()
      end)
      failed("ETIMEDOUT", "no response head arrived", ask { timeout = SHORT })
      assert.equal(0, (pool:connections()))
      all { function() failed("ETIMEDOUT", "no response head", ask { timeout = SHORT }) end }
    end)

    it("between two pieces of a body is limited", function()
      open { body_timeout = SHORT }
      serve(function(_, connection)
        connection:answer(200, { ["Content-Length"] = "9" }, "abc")
        for _ = 1, 3 do
          core.sleep(SHORT / 2)
          connection:send "d"
        end
        connection:wait_end()
      end)
      local response = assert(ask())
      local body, text, code = response:read()
      failed("ETIMEDOUT", "waiting for the response body", body, text, code)
      -- All three had come in time.
      response:close()
    end)

    it("of a body may be over, and it can be read all the same later", function()
      open()
      serve(function(_, connection)
        connection:answer(200, { ["Content-Length"] = "6" }, "abc")
        core.sleep(2 * SHORT)
        connection:send "def"
      end)
      local response = assert(ask())
      failed("ETIMEDOUT", "timed out", response:read(nil, SHORT / 5))
      failed("ETIMEDOUT", "timed out", response:read(nil, 0))
      assert.equal("abcdef", response:read(nil, LIMIT))
    end)

    it("of an event may be over, and it comes all the same later", function()
      open()
      serve(function(_, connection)
        connection:stream()
        connection:send "data: {\"a\":"
        core.sleep(2 * SHORT)
        connection:send "1}\n\n"
        connection:wait_end()
      end)
      local response <close> = assert(ask())
      failed("ETIMEDOUT", "timed out", response:event(SHORT / 5))
      local event, value = response:event(LIMIT)
      assert.same({}, event)
      assert.same({ a = 1 }, value)
    end)
  end)

  describe("a body", function()
    it("comes by length, in chunks, or until the end", function()
      open()
      serve(function(request, connection)
        local way = request.target
        if way == "/length" then return 200, nil, ("x"):rep(300000) end
        if way == "/chunks" then
          connection:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
          for _ = 1, 30 do connection:send("2710\r\n" .. ("x"):rep(10000) .. "\r\n") end
          connection:send "0\r\nX: y\r\n\r\n"
        else
          connection:send("HTTP/1.1 200 OK\r\n\r\n" .. ("x"):rep(300000))
          connection:close()
        end
      end)
      for _, way in ipairs { "/length", "/chunks", "/end" } do
        assert.equal(300000, #assert(ask { target = way }):read())
      end
    end)

    it("over the limit is refused, known before or not", function()
      open()
      serve(function(request, connection)
        if request.target == "/length" then return 200, nil, ("x"):rep(1001) end
        connection:send("HTTP/1.1 200 OK\r\n\r\n" .. ("x"):rep(1001))
        connection:wait_end()
      end)
      for _, way in ipairs { "/length", "/end" } do
        local response = assert(ask { target = way })
        failed("ETOOBIG", "response body", response:read(1000))
        -- Its head stays.
        assert.equal(200, response.status)
        assert.is_table(response:headers())
      end
      local response = assert(ask { target = "/length" })
      assert.equal(1001, #response:read(1001))
      wait_until(function() return pool:connections() == 1 end)
    end)

    it("is limited to 4 MiB if nothing is said", function()
      open()
      serve(function(_, connection)
        connection:send "HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n"
        connection:wait_end()
      end)
      failed("ETOOBIG", "response body", assert(ask()):read())
    end)

    it("that is cut is told", function()
      open()
      serve(function(request, connection)
        if request.target == "/length" then
          connection:answer(200, { ["Content-Length"] = "10" }, "abc")
        else
          connection:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        end
        connection[request.body == "reset" and "reset" or "close"](connection)
      end)
      for _, way in ipairs { "/length", "/chunks" } do
        failed("EGONE", "in the middle of the body", assert(ask { target = way }):read())
        local response, text, code = ask { target = way, body = "reset" }
        if response then response, text, code = response:read() end
        assert.is_nil(response)
        -- libuv takes a reset right behind data for an end.
        assert.is_true(code == "ECONNRESET" or code == "EGONE", text)
      end
    end)

    it("that is no JSON is told", function()
      open()
      serve(function(request) return 200, nil, request.body end)
      failed("EJSON", "at byte", assert(ask { body = "<html>" }):json())
      failed("EDUPLICATE", "at byte", assert(ask { body = '{"a":1,"a":2}' }):json())
      failed("EUTF8", "at byte", assert(ask { body = '"\xff"' }):json())
      assert.equal(core.null, (assert(ask { body = "null" }):json()))
      -- More tokens than lie on the stack.
      assert.equal(5000, #assert(ask { body = "[" .. ("1,"):rep(4999) .. "1]" }):json())
    end)

    it("that nobody reads is not taken from the socket beyond the mark", function()
      open()
      local sent, open_end = 0, nil
      serve(function(_, connection)
        connection:send "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        local piece = ("data: " .. ("x"):rep(65530) .. "\n\n"):rep(4)
        for _ = 1, 160 do
          if not connection:send(piece) then return end
          sent = sent + #piece
        end
        open_end = true
        connection:close()
      end)
      local response <close> = assert(ask())
      local before
      wait_until(function()
        local same = before == sent and sent > 0
        before = sent
        for _ = 1, 20 do core.step(0.002) end
        return same and before == sent
      end, "the server to be held up")
      assert.is_true(sent < 24 << 20, sent .. " bytes were taken")
      assert.is_nil(open_end)
      -- It goes on as it is read, and none is missing.
      local count = 0
      for _ in function() return (response:event(LIMIT)) end do count = count + 1 end
      assert.equal(640, count)
      assert.is_true(open_end)
    end)

    it("may be answered before it was sent", function()
      open()
      serve(function() return 200 end)
      -- A listener that reads the head only.
      local early = require "codecs.raw".listen(0)
      local waiter = core.waiter()
      waiter:spawn(function()
        local socket
        repeat
          socket = early:accept()
          core.sleep(0.001)
        until socket
        local bytes = ""
        repeat
          bytes = bytes .. socket:receive()
          core.sleep(0.001)
        until bytes:find("\r\n\r\n", 1, true)
        socket:send "HTTP/1.1 413 Too large\r\nContent-Length: 2\r\n\r\nno"
        while not select(2, socket:receive()) do core.sleep(0.001) end
        socket:close()
      end)
      local response = assert(pool:request { host = "127.0.0.1", port = early:port(),
        method = "POST", body = ("x"):rep(16 << 20), timeout = LIMIT })
      assert.equal(413, response.status)
      assert.equal("no", response:read())
      -- What is half sent is no connection to keep.
      wait_until(function() return pool:connections() == 0 end)
      assert(waiter:wait(LIMIT))
      early:close()
    end)
  end)

  describe("events", function()
    local function stream(text, options)
      open()
      serve(function(_, connection)
        connection:send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" .. text)
        connection:close()
      end)
      return assert(ask(options))
    end

    it("come one by one, messages decoded", function()
      local response = stream("\xEF\xBB\xBF: hello\n\nid: 7\nretry: 2000\ndata:\n\n"
        .. "event: message\rid: 8\rdata: {\"a\":\rdata: 1}\r\r"
        .. "event: endpoint\r\ndata: /messages?x\r\n\r\n"
        .. "data: null\n\nid\ndata: 2\n\nid: a\0b\nretry: 1x\ndata: 3\n\ndata: {\"cut\":1}\n")
      assert.same({ { id = "7", retry = 2000 } }, { response:event() })
      local event, value = response:event()
      assert.same({ id = "8" }, event)
      assert.same({ a = 1 }, value)
      assert.same({ { event = "endpoint", data = "/messages?x" } }, { response:event() })
      assert.same({ {}, core.null }, { response:event() })
      assert.same({ { id = "" }, 2 }, { response:event() })
      assert.same({ {}, 3 }, { response:event() })
      assert.same({}, { response:event() })
      assert.same({}, { response:event() })
    end)

    it("that are no JSON stay text", function()
      local response = stream "data: <html>\n\nid: 1\ndata: {\"a\":1,\"a\":2}\n\n"
      local event, value, text = response:event()
      assert.same({ data = "<html>" }, event)
      assert.is_nil(value)
      assert.is_truthy(text:find("at byte", 1, true))
      event, value, text = response:event()
      assert.same({ id = "1", data = '{"a":1,"a":2}' }, event)
      assert.is_nil(value)
      assert.is_string(text)
      assert.same({}, { response:event() })
    end)

    it("are limited each", function()
      local response = stream("data: 1\n\ndata: " .. ("2"):rep(1000) .. "\n\n",
        { event_limit = 900 })
      assert.same({ {}, 1 }, { response:event() })
      failed("ETOOBIG", "event", response:event())
      failed("ETOOBIG", "event", response:event())
      finish()
      response = stream("data: " .. ("x"):rep(5 << 20) .. "\n\n")
      failed("ETOOBIG", "event", response:event(LIMIT))
    end)

    it("are UTF-8", function()
      failed("EUTF8", "event", stream("data: \xff\n\n"):event())
    end)

    it("that came before the end of a cut stream are handed over", function()
      open()
      serve(function(_, connection)
        connection:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection:send "12\r\ndata: 1\n\ndata: 2\n\n\r\n"
        connection:close()
      end)
      local response = assert(ask())
      assert.same({ {}, 1 }, { response:event() })
      assert.same({ {}, 2 }, { response:event() })
      failed("EGONE", "in the middle of the body", response:event())
    end)

    it("come in whatever pieces", function()
      open()
      local text = "id: 1\r\ndata: {\"a\":\r\ndata: [1]}\r\n\r\nevent: x\ndata: y\n\n"
      serve(function(_, connection)
        connection:stream()
        for i = 1, #text do
          connection:send(text:sub(i, i))
          if i % 9 == 0 then core.sleep(0) end
        end
        connection:close()
      end)
      local response = assert(ask())
      local event, value = response:event(LIMIT)
      assert.same({ id = "1" }, event)
      assert.same({ 1 }, helper.plain(value.a))
      assert.same({ { event = "x", data = "y" } }, { response:event(LIMIT) })
      assert.same({}, { response:event(LIMIT) })
    end)

    it("and a whole body are one or the other", function()
      local response = stream "data: 1\n\n"
      response:event()
      raises("its body is being read as events", function() response:read() end)
    end)
  end)

  describe("a server that is not one", function()
    for what, answer in pairs {
      ["two lengths"] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
      ["length and chunks"] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
        .. "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ["a folded field"] = "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
      ["a bare LF"] = "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
      ["a NUL"] = "HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n",
      ["no HTTP"] = "SSH-2.0-OpenSSH_9\r\n",
      ["another protocol"] = "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    } do
      it("is left: " .. what, function()
        open()
        serve(function(_, connection) connection:send(answer) end)
        failed("EHTTP", ("127.0.0.1:%d: not a valid HTTP/1.1 message ("):format(server.port),
          ask())
        assert.equal(0, (pool:connections()))
        wait_until(function() return next(server.connections) == nil end)
      end)
    end

    it("may send a head only so long", function()
      open()
      serve(function() return 200, { ["X-Long"] = ("x"):rep(1000) } end)
      assert(ask { head_limit = 1200 })
      failed("EHEADERS", "header section too long", ask { head_limit = 900 })
      finish()
      open()
      serve(function() return 200, { ["X-Long"] = ("x"):rep(32768) } end)
      failed("EHEADERS", "header section too long", ask())
      assert(ask { head_limit = 65536 })
    end)

    it("cannot put a chunk's trailer among the fields", function()
      open()
      serve(function(_, connection)
        connection:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
          .. "Mcp-Session-Id: stolen\r\n\r\n")
      end)
      local response = assert(ask())
      assert.equal("x", response:read())
      assert.is_nil(response:header "mcp-session-id")
    end)
  end)

  describe("giving up", function()
    local function hang(_, connection)
      if connection.server_streams then connection:stream() end
      connection:wait_end()
    end

    for _, wait in ipairs { "request", "read", "event" } do
      it("by a cancelled " .. wait .. " ends its connection", function()
        open()
        serve(function(_, connection)
          if wait ~= "request" then connection:stream() end
          connection:wait_end()
        end)
        local waiter, result = core.waiter(), nil
        waiter:spawn(function()
          local response = wait ~= "request" and assert(ask())
          if response then
            result = table.pack(response[wait](response))
          else
            result = table.pack(ask())
          end
        end)
        wait_until(function() return server.requests[1] end)
        core.sleep(0.01)
        assert.is_nil(result)
        waiter:cancel()
        assert.equal("ECANCELED", result[3])
        wait_until(function() return next(server.connections) == nil end, "the server to see it")
        assert.equal(0, (pool:connections()))
      end)
    end

    it("by closing the pool ends all that waits", function()
      open { connections = 1 }
      serve(hang)
      local told = {}
      local waiter = core.waiter()
      for _ = 1, 3 do
        waiter:spawn(function()
          local _, _, code = ask()
          told[#told + 1] = code
        end)
      end
      wait_until(function() return server.requests[1] end)
      pool:close()
      assert(waiter:wait(LIMIT))
      assert.same({ "ECLOSED", "ECLOSED", "ECLOSED" }, told)
      assert.equal("ECLOSED", select(3, ask()))
      pool:close()
      wait_until(function() return next(server.connections) == nil end)
    end)

    it("by closing a response wakes who waits for it", function()
      open()
      serve(function(_, connection)
        connection:stream()
        connection:wait_end()
      end)
      local response = assert(ask())
      local waiter, code = core.waiter(), nil
      waiter:spawn(function() code = select(3, response:event()) end)
      assert.has_error(function() response:event() end,
        "another method of this response is waiting")
      response:close()
      response:close()
      assert(waiter:wait(LIMIT))
      assert.equal("ECLOSED", code)
      assert.equal(200, response.status)
      raises("closed response", function() response:header "x" end)
    end)

    it("by forgetting an answer closes its connection", function()
      open()
      serve(function(_, connection)
        connection:stream()
        connection:wait_end()
      end)
      assert(ask())
      assert.equal(1, (pool:connections()))
      collectgarbage()
      assert.equal(0, (pool:connections()))
    end)

    it("leaves neither descriptors nor memory behind", function()
      local function round()
        open { connections = 3 }
        serve(function(request, connection)
          local way = request.target
          if way == "/json" then return 200, nil, '{"a":1}' end
          if way == "/close" then return connection:close() end
          if way == "/bad" then return connection:send "nonsense\r\n" end
          if way == "/hang" then return connection:wait_end() end
          connection:stream()
          connection:event { a = 1 }
          if way == "/stream" then return connection:wait_end() end
          connection:close()
        end)
        local calls = {}
        for i = 1, 6 do
          calls[i] = function()
            for _, way in ipairs { "/json", "/close", "/bad", "/hang", "/stream", "/end" } do
              local response = ask { target = way, timeout = 0.02 }
              if response and way == "/json" then response:json() end
              if response and way ~= "/json" then response:event(0.01) end
            end
          end
        end
        all(calls)
        finish()
        for _ = 1, 3 do collectgarbage() end
        helper.settle()
      end
      round()
      local descriptors, memory = system.fd_count "self", collectgarbage "count"
      for _ = 1, 3 do round() end
      assert.equal(descriptors, system.fd_count "self")
      assert.is_true(collectgarbage "count" < memory + 64,
        ("%.0f KiB more"):format(collectgarbage "count" - memory))
    end)
  end)
end)

describe("http_client and our own server", function()
  local support = require "spec.support"
  local own

  lazy_setup(function() own = support.http() end)
  lazy_teardown(function() support.stop_all() end)
  after_each(function()
    finish()
    helper.leftovers()
  end)

  local function call(tool, arguments)
    return pool:request { host = "127.0.0.1", port = own.port, method = "POST", target = "/mcp",
      timeout = LIMIT, body = support.call_body(1, tool, arguments), headers = {
        { "Content-Type", "application/json" },
        { "Accept", "application/json, text/event-stream" },
        { "MCP-Protocol-Version", support.MODERN }, { "Mcp-Method", "tools/call" },
        { "Mcp-Name", tool } } }
  end

  it("talk, in JSON and in streams, over one connection", function()
    open()
    for i = 1, 20 do
      local message = assert(assert(call("echo", { text = "n" .. i })):json())
      assert.equal("n" .. i, message.result.content[1].text)
      local response = assert(call("steps", { count = 3 }))
      assert.equal("text/event-stream", response:header "content-type")
      local methods = {}
      for event, value in function() return response:event(LIMIT) end do
        assert.is_nil(event.data)
        methods[#methods + 1] = value.method or value.result.content[1].text
      end
      assert.same({ "notifications/progress", "notifications/progress",
        "notifications/progress", "done" }, methods)
    end
    assert.same({ 1, 1, 0 }, { pool:connections() })
  end)

  it("talk side by side, and are back where they were", function()
    local before = own:fd_count()
    open { connections = 16 }
    local calls, right = {}, 0
    for task = 1, 16 do
      calls[task] = function()
        for i = 1, 20 do
          local text = task .. "/" .. i
          local message = assert(assert(call("echo", { text = text })):json())
          if message.result.content[1].text == text then right = right + 1 end
        end
      end
    end
    all(calls)
    assert.equal(320, right)
    local count, idle = pool:connections()
    assert.is_true(count <= 16 and count == idle)
    finish()
    own:wait_fd_count(before)
  end)

  it("agree on what a cancelled request is", function()
    open()
    local waiter = core.waiter()
    waiter:spawn(function() call("sleep", { seconds = 60, name = "client" }) end)
    -- What it says comes by no way that the loop knows of.
    local deadline = core.now() + LIMIT
    while not own:told():find("began client", 1, true) do
      assert.is_true(core.now() < deadline)
      core.sleep(0.005)
    end
    waiter:cancel()
    own:wait_said "woke client ECANCELED"
  end)
end)

describe("http_client over TLS and socket files", function()
  local certificate = require "codecs.certificate"
  local fetch = require "mcp.fetch"
  local tls = require "mcp.tls"

  local ca = certificate.make { name = "Spec CA", ca = true }
  local own = certificate.make { issuer = ca, names = "DNS:localhost,IP:127.0.0.1", serial = 2 }
  local trusted = assert(tls.client { ca = ca.cert })
  local host

  -- A server of ours in this process.
  local function listen(options)
    local app = require "mcp".server "spec"
    options.path = "/mcp"
    host = assert(core.listen_http(options, require("mcp.server.front.http").receiver(app)))
  end

  after_each(function()
    if host then host:close() end
    host = nil
    finish()
    helper.leftovers()
    helper.remove_files()
  end)

  local function get(options)
    local wanted = { host = "localhost", port = host:port(), tls = trusted, target = "/none",
      timeout = LIMIT }
    for name, value in pairs(options or {}) do wanted[name] = value end
    return pool:request(wanted)
  end

  it("keeps connections of TLS", function()
    open()
    listen { host = "127.0.0.1", port = 0,
      tls = assert(tls.server { cert = own.cert, key = own.key }) }
    for _ = 1, 10 do assert.is_string(assert(get()):read()) end
    assert.same({ 1, 1, 0 }, { pool:connections() })
    assert.equal(1, host:connections())
    -- The name that is asked for is the name that must be shown.
    assert(get { host = "127.0.0.1", server_name = "localhost" })
    failed("ETLSHOST", "another host name", get { server_name = "other.example" })
    failed("ETLSISSUER", "unknown issuer", get { tls = assert(tls.client {}) })
    local response, text, code = get { tls = assert(tls.client { ca = own.cert }) }
    assert.is_nil(response)
    assert.is_truthy(code:find "^ETLS", text)
    -- And who speaks without TLS hears nothing.
    local _, _, plain = pool:request { host = "127.0.0.1", port = host:port(), timeout = LIMIT }
    assert.is_string(plain)
    raises("expected a client's TLS context, got a server's", function()
      get { tls = assert(tls.server { cert = own.cert, key = own.key }) }
    end)
  end)

  it("is what fetch takes for https, with a context or options", function()
    listen { host = "127.0.0.1", port = 0,
      tls = assert(tls.server { cert = own.cert, key = own.key }) }
    local address = ("https://localhost:%d/none"):format(host:port())
    assert.equal(404, assert(fetch.get(address, { tls = trusted })).status)
    assert.equal(404, assert(fetch.get(address, { tls = { ca = ca.cert } })).status)
    failed("ETLSISSUER", "unknown issuer", fetch.get(address))
  end)

  describe("and a body until the end of the connection (RFC 9112 9.8)", function()
    -- OpenSSL's own server, and its port.
    local function start(...)
      local cert, key = helper.file(own.cert), helper.file(own.key)
      for try = 1, 20 do
        local port = 20000 + (system.now() * 1000 // 1 + try * 977) % 20000 // 1 | 0
        local child = system.spawn { "openssl", "s_server", "-accept", "127.0.0.1:" .. port,
          "-cert", cert, "-key", key, ... }
        local said = ""
        repeat
          local piece = child:read(LIMIT)
          said = said .. (piece or "")
        until not piece or said:find "ACCEPT"
        if said:find "ACCEPT" then return child, port end
        child:close()
      end
      error "openssl s_server does not start"
    end

    it("is whole when TLS has said so", function()
      open()
      local child, port = start "-www"
      local response = assert(pool:request { host = "127.0.0.1", port = port, tls = trusted,
        timeout = LIMIT })
      assert.is_nil(response:header "content-length")
      assert.is_truthy(response:read(nil, LIMIT):find "</[Hh][Tt][Mm][Ll]>")
      child:close()
    end)

    it("is cut when it has not", function()
      open()
      local child, port = start()
      local waiter, events, said = core.waiter(), {}, ""
      waiter:spawn(function()
        local response <close> = assert(pool:request { host = "127.0.0.1", port = port,
          tls = trusted, timeout = LIMIT })
        events[1] = table.pack(response:event(LIMIT))
        events[2] = table.pack(response:event(LIMIT))
      end)
      local function turn_until(condition)
        local deadline = core.now() + LIMIT
        while not condition() do
          assert.is_true(core.now() < deadline)
          core.sleep(0.005)
        end
      end
      turn_until(function()
        said = said .. (child:read(0) or "")
        return said:find("GET / HTTP/1.1", 1, true)
      end)
      child:write "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
      turn_until(function() return events[1] end)
      assert.equal(1, events[1][2])
      child:kill "KILL"
      assert(waiter:wait(LIMIT))
      failed("ETLSCUT", "closed without a TLS close_notify", table.unpack(events[2], 1, 3))
      child:close()
    end)
  end)

  it("goes to a socket file", function()
    open()
    local path = os.tmpname()
    os.remove(path)
    listen { unix = path }
    for _ = 1, 3 do
      local response = assert(pool:request { unix = path, target = "/none", timeout = LIMIT })
      assert.equal(404, response.status)
      response:read()
    end
    assert.same({ 1, 1, 0 }, { pool:connections() })
    assert.equal(404, assert(fetch.get("unix:" .. path .. ":/none")).status)
    failed("ENOENT", path .. "x: ", pool:request { unix = path .. "x", timeout = LIMIT })
  end)
end)
