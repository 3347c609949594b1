-- SPDX-License-Identifier: MIT
-- Against a server that says what it is told to, right or wrong. What a whole Client makes of a
-- real one is in spec/mcp/client/http_spec.lua.
local core = require "mcp.core"
local endpoint = require "mcp.client.transport.endpoint"
local helper = require "spec.helper"
local http = require "mcp.client.transport.http"
local incoming = require "mcp.client.transport.incoming"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"
local value = require "mcp.value"

local LEGACY, MODERN = "2025-11-25", "2026-07-28"

-- A transport, and what its peer was told.
local function open(server, options)
  local transport = http.new(server.url or server, options)
  local told = { notices = {}, served = {}, forgotten = 0 }
  transport:open {
    notice = function(method, params) table.insert(told.notices, { method, params }) end,
    serve = function(method, params)
      table.insert(told.served, method)
      if told.serve then return told.serve(method, params) end
      return {}
    end,
    forgotten = function() told.forgotten = told.forgotten + 1 end,
  }
  return transport, told
end

local function result(id, text)
  return { jsonrpc = "2.0", id = id, result = { text = text or "ok" } }
end

local function modern(more)
  local call = { era = "modern", revision = MODERN }
  for key, member in pairs(more or {}) do call[key] = member end
  return call
end

-- A transport in a session whose stream the server refuses.
local function session(server, options)
  local transport, told = open(server, options)
  transport.sid = "s1"
  transport:settle("legacy", LEGACY)
  return transport, told
end

-- Runs the handler as a server and gives it to fn.
local function with(handler, fn)
  local server <close> = raw_server.start(handler)
  return fn(server)
end

-- Constants of a module, smaller while fn runs.
local function quick(constants, fn)
  local kept = {}
  for name, number in pairs(constants) do kept[name], http[name] = http[name], number end
  local ok, why = pcall(fn)
  for name, number in pairs(kept) do http[name] = number end
  if not ok then error(why, 0) end
end

describe("Streamable HTTP, from the client's side", function()
  after_each(helper.leftovers)

  describe("a request", function()
    it("is a POST of its own that takes both types (HL-05, HM-05)", function()
      with(function(request, c) c:json(200, result(request.message.id)) end, function(server)
        local t <close> = open(server)
        local reply = assert(t:request(7, "tools/list", { cursor = "x" }, modern()))
        assert.equal("ok", reply.result.text)
        local request = server.requests[1]
        assert.equal("POST", request.method)
        assert.equal("/mcp", request.target)
        assert.equal("application/json, text/event-stream", request.fields.accept)
        assert.equal("application/json", request.fields["content-type"])
        assert.equal(("127.0.0.1:%d"):format(server.port), request.fields.host)
        assert.same({ jsonrpc = "2.0", id = 7, method = "tools/list", params = { cursor = "x" } },
          helper.plain(request.message))
      end)
    end)

    it("takes again what an answered one had, and only that of such a one", function()
      local hang = true
      with(function(request, c)
        local message = request.message
        if message.method == "late" then return hang and c:wait_end() end
        if message.method == "error" then
          return c:json(200, { jsonrpc = "2.0", id = message.id,
            error = { code = -1, message = "no" } })
        end
        c:json(200, result(message.id, message.method))
      end, function(server)
        local t <close> = open(server)
        local function ask(id, method)
          local ends = core.now() + (method == "late" and 0.05 or helper.LIMIT)
          local reply, _, code = t:request(id, method, nil, modern {
            left = function() return ends - core.now() end })
          return reply and (reply.error and reply.error.code or reply.result.text) or code
        end
        assert.equal("one", ask(1, "one"))
        local spare = t.spare
        assert.is_table(spare)
        assert.equal("ETIMEDOUT", ask(2, "late"))
        assert.is_false(t.spare)
        assert.equal("two", ask(3, "two"))
        assert.not_equal(spare, t.spare)
        assert.equal(-1, ask(4, "error"))
        assert.same({ "a", "b" }, mcp.all {
          function() return ask(5, "a") end,
          function() return ask(6, "b") end,
        })
        assert.is_nil(next(t.running))
        hang = false
      end)
    end)

    it("says in fields what it is, without a session (HM-20 to HM-24)", function()
      with(function(request, c) c:json(200, result(request.message.id)) end, function(server)
        local t <close> = open(server, { headers = { ["X-Team"] = "blue" } })
        t:settle("modern", MODERN)
        assert(t:request(1, "tools/call", { name = "añadir" }, modern {
          headers = { { "Mcp-Param-Region", "eu" } } }))
        assert(t:request(2, "resources/read", { uri = "file:///a%20b" }, modern()))
        local first, second = server.requests[1].fields, server.requests[2].fields
        assert.equal(MODERN, first["mcp-protocol-version"])
        assert.equal("tools/call", first["mcp-method"])
        assert.equal("=?base64?YcOxYWRpcg==?=", first["mcp-name"])
        assert.equal("eu", first["mcp-param-region"])
        assert.equal("blue", first["x-team"])
        assert.is_nil(first["mcp-session-id"])
        assert.equal("file:///a%20b", second["mcp-name"])
        assert.is_nil(second["mcp-param-region"])
      end)
    end)

    it("has its own fields, however many were sent before, and with another revision", function()
      quick({ KEPT = 3, KEPT_NAME = 8 }, function()
        with(function(request, c) c:json(200, result(request.message.id)) end, function(server)
          local t <close> = open(server)
          t:settle("modern", MODERN)
          local names, id = { "a", "b", "a", "c", "d", "a", "much longer", "much longer still" }, 0
          local function ask(name, more)
            id = id + 1
            assert(t:request(id, "tools/call", { name = name }, modern(more)))
            local fields = server.requests[id].fields
            return ("%s %s %s %s"):format(fields["mcp-method"], fields["mcp-name"],
              fields["mcp-protocol-version"], fields["mcp-param-x"])
          end
          for _, name in ipairs(names) do
            assert.equal(("tools/call %s %s nil"):format(name, MODERN), ask(name))
          end
          assert.equal(("tools/call a %s y"):format(MODERN),
            ask("a", { headers = { { "Mcp-Param-X", "y" } } }))
          assert.equal(("tools/call a %s nil"):format(MODERN), ask "a")
          assert.equal("tools/call a 2027-01-01 nil", ask("a", { revision = "2027-01-01" }))
          assert.equal(("tools/call a %s nil"):format(MODERN), ask "a")
          assert(t:request(20, "prompts/get", { name = "a" }, modern()))
          assert.equal("prompts/get", server.requests[id + 1].fields["mcp-method"])
          assert.is_true(t.kept.count <= 3)
        end)
      end)
    end)

    it("carries another session when it has one", function()
      with(function(request, c) c:json(200, result(request.message.id)) end, function(server)
        local t <close> = session(server, { terminate_on_close = false })
        for i, sid in ipairs { "s1", "s1", "s2" } do
          t.sid = sid
          assert(t:request(i, "tools/call", { name = "a" }))
          assert.equal(sid, server.requests[i].fields["mcp-session-id"])
        end
      end)
    end)

    it("carries the session from initialize on, which carries nothing (HL-50, HL-52, HL-60)",
      function()
        with(function(request, c)
          local message = request.message
          if request.method == "GET" then
            c:answer(405)
          elseif not message or not message.id then
            c:answer(202)
          else
            c:json(200, result(message.id),
              { ["Mcp-Session-Id"] = message.method == "initialize" and "abc~1" or "other" })
          end
        end, function(server)
          local t = open(server)
          -- What a probe has said is nothing that a session may begin with (T-09).
          assert(t:request(1, "server/discover", nil, modern()))
          assert(t:request(2, "initialize", {}, { era = "legacy", revision = LEGACY }))
          t:settle("legacy", LEGACY)
          assert(t:notify "notifications/initialized")
          assert(t:request(3, "tools/list"))
          t:close()
          local seen = server.requests
          assert.equal("POST POST POST GET POST DELETE", (function()
            local methods = {}
            for i, request in ipairs(seen) do methods[i] = request.method end
            return table.concat(methods, " ")
          end)())
          assert.is_nil(seen[2].fields["mcp-protocol-version"])
          assert.is_nil(seen[2].fields["mcp-session-id"])
          assert.is_nil(seen[2].fields["mcp-method"])
          for i = 3, 6 do
            assert.equal("abc~1", seen[i].fields["mcp-session-id"], i)
            assert.equal(LEGACY, seen[i].fields["mcp-protocol-version"], i)
            assert.is_nil(seen[i].fields["mcp-method"])
          end
          assert.equal("text/event-stream", seen[4].fields.accept)
        end)
      end)

    it("refuses an id of a session that no field can carry (HL-51)", function()
      for _, sid in ipairs { "a b", "é", ("x"):rep(http.SESSION_ID + 1), "a\tb" } do
        with(function(request, c)
          c:json(200, result(request.message.id), { ["Mcp-Session-Id"] = sid })
        end, function(server)
          local t <close> = open(server)
          local reply, text, code = t:request(1, "initialize", {}, {})
          assert.is_nil(reply)
          assert.matches("not valid in a header", text, 1, true)
          assert.equal("EHTTP", code)
          assert.is_nil(t.sid)
        end)
      end
    end)
  end)

  describe("an answer", function()
    -- What the transport makes of an answer to request 1 in a session.
    local function answered(answer, era, options)
      local reply, text, code, told
      with(function(_, c) answer(c) end, function(server)
        local t
        t, told = open(server, options)
        local close <close> = t -- luacheck: ignore
        if era ~= "modern" then t:settle("legacy", LEGACY) end
        reply, text, code = t:request(1, "tools/list", nil, era == "modern" and modern() or nil)
      end)
      return reply, text, code, told
    end

    it("is JSON or events as its type says, and nothing else does (HL-12, HM-08)", function()
      local as = { ["application/json"] = true, ["Application/JSON; charset=utf-8"] = true }
      for kind in pairs(as) do
        local reply = assert(answered(function(c)
          c:answer(200, { ["Content-Type"] = kind }, core.encode(result(1)))
        end))
        assert.equal("ok", reply.result.text)
      end
      for _, kind in ipairs { "text/html", "text/plain", "application/jsonl",
        "text/event-streams" } do
        local reply, text, code = answered(function(c)
          c:answer(200, { ["Content-Type"] = kind }, core.encode(result(1)))
        end)
        assert.is_nil(reply)
        assert.matches("expected JSON or an event stream, got " .. kind, text, 1, true)
        assert.equal("EHTTP", code)
      end
      local _, text = answered(function(c) c:answer(200, {}, core.encode(result(1))) end)
      assert.matches("something without a content type", text, 1, true)
    end)

    it("of refusal is quoted in its first line, if that is text", function()
      local function said(kind, body)
        local _, text = answered(function(c) c:answer(418, { ["Content-Type"] = kind }, body) end)
        return text:match "%(status 418%)(.*)$"
      end
      assert.equal(": no coffee", said("text/plain", "no coffee"))
      assert.equal(": no coffee", said("text/plain; charset=utf-8", "\r\n no coffee\r\nsecond"))
      assert.equal(": a b", said("text/plain", "a\tb"))
      for _, nothing in ipairs { "", "\n \n", "\xff\xfe", "good until\xc3(" } do
        assert.equal("", said("text/plain", nothing))
      end
      assert.equal("", said("text/html", "no coffee"))
      assert.equal(": " .. ("x"):rep(endpoint.REFUSAL_TEXT),
        said("text/plain", ("x"):rep(endpoint.REFUSAL_TEXT)))
      -- A character of two bytes is not cut in half.
      assert.equal(": x" .. ("\u{e4}"):rep((endpoint.REFUSAL_TEXT - 1) // 2),
        said("text/plain", "x" .. ("\u{e4}"):rep(endpoint.REFUSAL_TEXT)))
    end)

    it("is not 202: that is for what needs none", function()
      local reply, text, code = answered(function(c) c:answer(202) end)
      assert.is_nil(reply)
      assert.matches("treated tools/list as a notification", text, 1, true)
      assert.equal("EHTTP", code)
    end)

    it("may come in an array with others (2025-03-26)", function()
      local reply, _, _, told = answered(function(c)
        c:json(200, { { jsonrpc = "2.0", method = "notifications/message", params = {} },
          result(1, "mine") })
      end)
      assert.equal("mine", reply.result.text)
      assert.equal("notifications/message", told.notices[1][1])
    end)

    it("to another request is none", function()
      helper.logged(function()
        local reply, text, code = answered(function(c) c:json(200, result(2)) end)
        assert.is_nil(reply)
        assert.matches("the response to tools/list does not contain its answer", text, 1, true)
        assert.equal("ERPC", code)
        for _, wrong in ipairs { "[]", "7", "null", '"x"',
          '{"jsonrpc":"1.0","id":1,"result":{}}' } do
          reply, _, code = answered(function(c) c:json(200, wrong) end)
          assert.is_nil(reply)
          assert.equal("ERPC", code)
        end
      end)
    end)

    it("has a result or an error, and those have their shape", function()
      local reply = assert(answered(function(c)
        c:json(200, { jsonrpc = "2.0", id = 1,
          error = { code = -5, message = "no", data = { 1 } } })
      end))
      assert.same({ code = -5, message = "no", data = { 1 } }, helper.plain(reply.error))
      for _, body in ipairs { '{"jsonrpc":"2.0","id":1}', '{"jsonrpc":"2.0","id":1,"error":"no"}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":"x","message":"no"}}',
        '{"jsonrpc":"2.0","id":1,"error":{"code":1}}' } do
        local none, _, code = answered(function(c) c:json(200, body) end)
        assert.is_nil(none)
        assert.equal("ERPC", code)
      end
    end)

    it("that is not JSON fails the call, and says where", function()
      local reply, text, code = answered(function(c) c:json(200, '{"jsonrpc":') end)
      assert.is_nil(reply)
      assert.matches("^http://127.0.0.1:%d+/mcp: ", text)
      assert.equal("EJSON", code)
    end)

    it("has a limit, as JSON and as an event", function()
      local big = result(1, ("x"):rep(5000))
      local reply, _, code = answered(function(c) c:json(200, big) end, "legacy",
        { limits = { message = 4096 } })
      assert.is_nil(reply)
      assert.equal("ETOOBIG", code)
      reply, _, code = answered(function(c)
        c:stream()
        c:event(big, "1")
        c:wait_end()
      end, "legacy", { limits = { message = 4096 } })
      assert.is_nil(reply)
      assert.equal("ETOOBIG", code)
      assert(answered(function(c) c:json(200, big) end))
    end)

    it("of a status tells it (1.9)", function()
      for _, status in ipairs { 400, 404, 405, 406, 413, 415, 429, 500, 503 } do
        local reply, text, code = answered(function(c)
          c:answer(status, { ["Content-Type"] = "text/html" }, "<p>no</p>")
        end)
        assert.is_nil(reply)
        assert.matches(("status %d"):format(status), text, 1, true)
        assert.equal("EHTTP" .. status, code)
      end
      local _, text = answered(function(c) c:answer(401) end)
      assert.matches("requires authorization", text, 1, true)
    end)

    it("of a status with an error in it is that error, but not of a failure (HM-60, HM-61)",
      function()
        local body = { jsonrpc = "2.0", id = 1, error = { code = -32601, message = "none" } }
        local reply = assert(answered(function(c) c:json(404, body) end, "modern"))
        assert.equal(-32601, reply.error.code)
        assert.equal(404, reply.status)
        assert.is_false(reply.unasked)
        body.id = value.null
        reply = assert(answered(function(c) c:json(400, body) end, "modern"))
        assert.is_true(reply.unasked)
        for _, status in ipairs { 401, 403, 429, 500, 503 } do
          local none, text, code = answered(function(c) c:json(status, body) end, "modern")
          assert.is_nil(none)
          assert.equal("EHTTP" .. status, code)
          assert.matches(": none$", text)
        end
      end)
  end)

  describe("an event stream", function()
    it("brings notices, then the answer; comments, names and empty data are passed over (HL-26)",
      function()
        with(function(_, c)
          c:stream()
          c:send ": hello\n\n"
          c:event "id: 0\ndata:"
          c:event "event: endpoint\ndata: /x"
          c:event "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/a\"}"
          c:event { jsonrpc = "2.0", method = "notifications/b", params = { n = 1 } }
          c:event(result(1))
          c:wait_end()
        end, function(server)
          local t, told = session(server)
          local close <close> = t -- luacheck: ignore
          assert.equal("ok", assert(t:request(1, "x")).result.text)
          assert.same({ { "notifications/a" }, { "notifications/b", { n = 1 } } },
            helper.plain(told.notices))
          t.sid = nil
        end)
      end)

    it("may hold requests of the server, which are answered by POST (HL-28)", function()
      with(function(request, c)
        local message = request.message
        if message.method then
          c:stream()
          c:event { jsonrpc = "2.0", id = "q-1", method = "roots/list" }
          -- The answer comes by another connection.
          local server = c.server
          raw_server.wait(function() return server.answer end)
          c:event(result(1, server.answer))
        else
          c.server.answer = core.encode(message, true)
          c:answer(202)
        end
      end, function(server)
        local real = server.handler
        server.handler = function(request, c, nth)
          c.server = server
          return real(request, c, nth)
        end
        local t, told = session(server)
        local close <close> = t -- luacheck: ignore
        told.serve = function() return { roots = value.array {} } end
        local reply = assert(t:request(1, "x"))
        assert.equal('{"id":"q-1","jsonrpc":"2.0","result":{"roots":[]}}', reply.result.text)
        assert.equal("s1", server.requests[2].fields["mcp-session-id"])
        t.sid = nil
      end)
    end)

    it("may hold none without a session (HM-06, HM-63)", function()
      local log = helper.logged(function()
        with(function(_, c)
          c:stream()
          c:event { jsonrpc = "2.0", id = 9, method = "roots/list" }
          c:event(result(1))
        end, function(server)
          local t, told = open(server)
          local close <close> = t -- luacheck: ignore
          assert(t:request(1, "x", nil, modern()))
          assert.same({}, told.served)
          assert.equal(1, #server.requests)
        end)
      end)
      assert.matches("ignored request roots/list of the server", log, 1, true)
    end)

    it("answers what fails here with an error, and what is too much with Busy", function()
      local answers = {}
      with(function(request, c)
        local message = request.message
        if not message then return c:answer(200) end
        if not message.method then
          answers[#answers + 1] = message
          return c:answer(202)
        end
        c:stream()
        -- One that fails, those that are served, and one too many.
        for i = 1, incoming.SERVING + 1 do
          c:event { jsonrpc = "2.0", id = i, method = "ping" }
        end
        raw_server.wait(function() return answers[1] end)
        c:event(result("all"))
      end, function(server)
        local t, told = session(server)
        local close <close> = t -- luacheck: ignore
        local gate = core.waiter()
        told.serve = function(_, _)
          if #told.served == 1 then error "as told" end
          while not gate:is_woken() do core.sleep(0.001) end
          return { n = 1 }
        end
        local log = helper.logged(function()
          core.spawn(function()
            raw_server.wait(function() return #answers >= 2 end)
            gate:wake()
          end)
          assert(t:request("all", "x"))
          helper.wait_until(function() return #answers == incoming.SERVING + 1 end)
        end)
        assert.matches("as told", log, 1, true)
        local codes, fine = {}, 0
        for _, answer in ipairs(answers) do
          if answer.error then codes[answer.error.code] = answer.error.message end
          fine = fine + (answer.result and 1 or 0)
        end
        assert.equal("Internal error", codes[-32603])
        assert.matches("Busy", codes[-32000], 1, true)
        assert.equal(incoming.SERVING - 1, fine)
        t.sid = nil
      end)
    end)

    it("ends the serving of what the server gives up (4.2)", function()
      local answered = 0
      with(function(request, c)
        if not request.message.method then
          answered = answered + 1
          return c:answer(202)
        end
        c:stream()
        c:event { jsonrpc = "2.0", id = 5, method = "sampling/createMessage" }
        c:event { jsonrpc = "2.0", method = "notifications/cancelled",
          params = { requestId = 5, reason = "late" } }
        c:event(result(1))
      end, function(server)
        local t, told = session(server)
        local close <close> = t -- luacheck: ignore
        local woken
        told.serve = function()
          woken = table.pack(core.sleep(60))
          return {}
        end
        assert(t:request(1, "x"))
        helper.wait_until(function() return woken end, "the end of the wait")
        assert.equal("ECANCELED", woken[3])
        helper.settle()
        assert.equal(0, answered)
        t.sid = nil
      end)
    end)

    it("that ends without the answer fails, without a session (HM-69)", function()
      with(function(_, c)
        c:stream()
        c:event({ jsonrpc = "2.0", method = "notifications/a" }, "7")
        c:close()
      end, function(server)
        local t <close> = open(server)
        local reply, text, code = t:request(1, "x", nil, modern())
        assert.is_nil(reply)
        assert.matches("the stream ended before the answer came", text, 1, true)
        assert.equal("EGONE", code)
        assert.equal(1, #server.requests)
      end)
    end)

    it("whose connection is lost names the server once; no TLS where it has answered", function()
      with(function(request, c)
        local id = request.message.id
        if id == 1 then return c:json(200, result(1)) end
        if id == 2 then
          c:send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            .. "Transfer-Encoding: chunked\r\n\r\n20\r\n: begun\n")
        end
        c:close()
      end, function(server)
        local t <close> = open(server)
        assert(t:request(1, "x", nil, modern()))
        for id, wanted in ipairs { false, "in the middle of the body",
          "before the response head arrived" } do
          if wanted then
            local _, text, code = t:request(id, "tools/call", nil, modern())
            assert.equal("EGONE", code)
            assert.matches(wanted, text, 1, true)
            assert.equal(1, select(2, text:gsub("http://", "")), text)
            assert.is_nil(text:find("TLS", 1, true))
          end
        end
      end)
    end)

    it("that is cut in the middle of an event brings nothing of that", function()
      with(function(_, c)
        c:stream()
        c:send("data: " .. core.encode(result(1)) .. "\n")
        c:close()
      end, function(server)
        local t <close> = open(server)
        local reply, _, code = t:request(1, "x", nil, modern())
        assert.is_nil(reply)
        assert.equal("EGONE", code)
      end)
    end)
  end)

  describe("a stream that broke", function()
    -- A server whose first answer is a stream that ends after `first`; what it gets then.
    local function broken(first, again, fn, options)
      with(function(request, c)
        if request.method == "POST" then
          c:stream()
          first(c)
          c.ended_at = core.now()
          return c:close()
        elseif request.method == "DELETE" then
          return c:answer(200)
        end
        request.at = core.now()
        again(c, request)
      end, function(server)
        local t, told = session(server, options)
        local close <close> = t -- luacheck: ignore
        fn(t, server, told)
        t.sid = nil
      end)
    end

    it("is resumed from the last event, after the server's pause (HL-25, HL-41)", function()
      local ended
      broken(function(c)
        c:event "id: e-1\nretry: 120\ndata:"
        ended = core.now()
      end, function(c)
        c:stream()
        c:event { jsonrpc = "2.0", method = "notifications/a" }
        c:event(result(1, "late"))
      end, function(t, server, told)
        local reply = assert(t:request(1, "x"))
        assert.equal("late", reply.result.text)
        assert.equal("notifications/a", told.notices[1][1])
        local get = server.requests[2]
        assert.equal("GET", get.method)
        assert.equal("e-1", get.fields["last-event-id"])
        assert.equal("s1", get.fields["mcp-session-id"])
        assert.equal("text/event-stream", get.fields.accept)
        local pause = get.at - ended
        assert.is_true(pause >= 0.119, pause)
      end)
    end)

    it("may break again, and goes on from where it was", function()
      local count = 0
      broken(function(c) c:event "id: 0\nretry: 1\ndata:" end, function(c, request)
        assert.equal(tostring(count), request.fields["last-event-id"])
        count = count + 1
        c:stream()
        if count == 9 then
          c:event(result(1))
        else
          c:event({ jsonrpc = "2.0", method = "notifications/a" }, tostring(count))
        end
        c:close()
      end, function(t, _, told)
        -- More often than the limit: what brings something new is no failure.
        assert.is_true(9 > http.RESUMES)
        assert(t:request(1, "x"))
        assert.equal(8, #told.notices)
      end)
    end)

    it("is given up after so many attempts in a row", function()
      quick({ BACKOFF = 0.001 }, function()
        broken(function(c) c:event "id: 0\nretry: 1\ndata:" end,
          function(c) c:answer(503) end, function(t, server)
            local reply, text, code = t:request(1, "x")
            assert.is_nil(reply)
            assert.equal(1 + http.RESUMES, #server.requests)
            assert.matches("gave up after 5 attempts", text, 1, true)
            assert.equal("EGONE", code)
          end)
        broken(function(c) c:event "id: 0\ndata:" end,
          function(c) c:reset() end, function(t, server)
            assert.is_nil((t:request(1, "x")))
            assert.is_true(#server.requests <= 1 + 2 * 2)
          end, { limits = { resumes = 2 } })
      end)
    end)

    it("is tried again where the server may answer later", function()
      for _, status in ipairs { 409, 429, 500, 503 } do
        broken(function(c) c:event "id: 0\nretry: 1\ndata:" end,
          function(c) c:answer(status) end, function(t, server)
            assert.equal("EGONE", (select(3, t:request(1, "x"))))
            assert.equal(3, #server.requests)
          end, { limits = { resumes = 2 } })
      end
    end)

    it("waits longer each time, the server's pause being the least", function()
      local at = {}
      quick({ BACKOFF = 0.01, BACKOFF_MAX = 0.04 }, function()
        broken(function(c) c:event "id: 0\ndata:" end, function(c, request)
          at[#at + 1] = request.at
          c:answer(503)
        end, function(t) t:request(1, "x") end)
      end)
      assert.equal(http.RESUMES, #at)
      for i, least in ipairs { 0.019, 0.039, 0.039, 0.039 } do
        assert.is_true(at[i + 1] - at[i] >= least, i)
      end
    end)

    it("is not resumed where the server refuses, or names no event", function()
      for _, status in ipairs { 400, 404, 405, 499 } do
        broken(function(c) c:event "id: 0\nretry: 1\ndata:" end,
          function(c) c:answer(status) end, function(t, server)
            local reply, text, code = t:request(1, "x")
            assert.is_nil(reply)
            assert.matches(("could not be resumed (status %d)"):format(status), text, 1, true)
            assert.equal("EHTTP" .. status, code)
            assert.equal(2, #server.requests)
          end)
      end
      -- None, or one that no field can carry.
      for _, id in ipairs { "", "id: a\tb\n", "id: a\1b\n", "id: \127\n",
        "id: " .. ("x"):rep(http.EVENT_ID + 1) .. "\n" } do
        broken(function(c) c:event(id .. "retry: 1\ndata:") end, error, function(t, server)
          local reply, _, code = t:request(1, "x")
          assert.is_nil(reply)
          assert.equal("EGONE", code)
          assert.equal(1, #server.requests)
        end)
      end
    end)

    it("makes nobody wait for ever, whatever it says", function()
      local real, waited = core.sleep, nil
      broken(function(c) c:event "id: 0\nretry: 86400000\ndata:" end, function(c)
        c:stream()
        c:event(result(1))
      end, function(t)
        core.sleep = function(seconds)
          if seconds < 10 then return real(seconds) end
          waited = seconds
          return true
        end
        local ok, why = pcall(t.request, t, 1, "x")
        core.sleep = real
        assert(ok, why)
      end)
      assert.equal(http.RETRY_MAX, waited)
    end)
  end)

  describe("the standalone stream", function()
    -- Opens a session on a server whose GETs are answered by `get`.
    local function listening(get, fn, options)
      with(function(request, c, nth)
        if request.method == "GET" then
          get(c, request, nth)
        elseif request.method == "DELETE" then
          c:answer(200)
        elseif request.message.id then
          c:json(200, result(request.message.id), { ["Mcp-Session-Id"] = "s1" })
        else
          c:answer(202)
        end
      end, function(server)
        local t, told = open(server, options)
        local close <close> = t -- luacheck: ignore
        assert(t:request(1, "initialize", {}, {}))
        t:settle("legacy", LEGACY)
        assert(t:notify "notifications/initialized")
        fn(t, server, told)
      end)
    end

    local function gets(server)
      local count = 0
      for _, request in ipairs(server.requests) do
        if request.method == "GET" then count = count + 1 end
      end
      return count
    end

    it("is open once connecting is done, and brings what belongs to no request (HL-30)", function()
      listening(function(c)
        c:stream()
        c:event { jsonrpc = "2.0", method = "notifications/a" }
        c:wait_end()
      end, function(t, _, told)
        assert.is_true(t.ear.open)
        helper.wait_until(function() return told.notices[1] end)
      end)
    end)

    it("may not exist, and nobody minds or asks again (HL-37)", function()
      for _, status in ipairs { 405, 404, 400, 401 } do
        listening(function(c) c:answer(status) end, function(t, server)
          assert(t:request(2, "x"))
          assert.equal("s1", t.sid)
          assert.equal(1, gets(server))
          assert.is_true(t.ear.refused)
        end)
      end
    end)

    it("may be unwanted", function()
      listening(error, function(t, server)
        assert(t:request(2, "x"))
        assert.equal(0, gets(server))
      end, { stream = false })
    end)

    it("is opened again when it ends, from the last event on (HL-38)", function()
      quick({ BACKOFF = 0.005 }, function()
        local lasts = {}
        listening(function(c, request)
          lasts[#lasts + 1] = request.fields["last-event-id"] or "none"
          c:stream()
          c:event({ jsonrpc = "2.0", method = "notifications/a" }, "e" .. #lasts)
          if #lasts >= 3 then return c:wait_end() end
          c:close()
        end, function(_, _, told)
          helper.wait_until(function() return #told.notices == 3 end)
          assert.same({ "none", "e1", "e2" }, lasts)
        end)
      end)
    end)

    it("is opened without the last event where the server does not have that any more", function()
      for _, status in ipairs { 400, 404 } do
        quick({ BACKOFF = 0.005 }, function()
          local lasts = {}
          listening(function(c, request)
            lasts[#lasts + 1] = request.fields["last-event-id"] or "none"
            if request.fields["last-event-id"] then return c:answer(status) end
            c:stream()
            c:event({ jsonrpc = "2.0", method = "notifications/a" }, "e" .. #lasts)
            if #lasts >= 3 then return c:wait_end() end
            c:close()
          end, function(t, _, told)
            helper.wait_until(function() return #told.notices == 2 end)
            assert.same({ "none", "e1", "none" }, lasts)
            assert.is_nil(t.ear.refused)
          end)
        end)
      end
    end)

    it("is given up after so many attempts in a row, until the server answers again", function()
      quick({ BACKOFF = 0.001, BACKOFF_MAX = 0.002, LISTENS = 3 }, function()
        listening(function(c) c:answer(503) end, function(t, server)
          helper.wait_until(function() return t.ear.ended end)
          assert.equal(4, gets(server))
          assert(t:request(2, "x"))
          helper.wait_until(function() return gets(server) > 4 end)
        end)
      end)
    end)

    it("delays connecting by no more than a moment where its head does not come", function()
      local began = core.now()
      listening(function(c) c:wait_end() end, function(t)
        assert.is_false(t.ear.open)
        assert.is_true(core.now() - began < 2)
      end)
    end)
  end)

  describe("a session that the server has forgotten", function()
    it("is told once, whoever finds out (HL-55)", function()
      with(function(_, c) c:answer(404) end, function(server)
        local t, told = session(server)
        local close <close> = t -- luacheck: ignore
        local codes = {}
        local all = core.waiter()
        for i = 1, 3 do
          all:spawn(function() codes[i] = select(3, t:request(i, "x")) end)
        end
        all:wait()
        assert.same({ "ESESSION", "ESESSION", "ESESSION" }, codes)
        assert.equal(1, told.forgotten)
        assert.is_nil(t.sid)
      end)
    end)

    it("is no session where there was none: 404 is a status then", function()
      with(function(_, c) c:answer(404) end, function(server)
        local t, told = open(server)
        local close <close> = t -- luacheck: ignore
        t:settle("legacy", LEGACY)
        assert.equal("EHTTP404", (select(3, t:request(1, "x"))))
        assert.equal("EHTTP404", (select(3, t:request(1, "x", nil, modern()))))
        assert.equal(0, told.forgotten)
      end)
    end)
  end)

  describe("cancelling", function()
    -- A server that never answers; fn gets the transport while request 1 is under way.
    local function hanging(call, fn)
      local gone = {}
      with(function(request, c)
        if request.message and request.message.id then
          if request.message.method == "stream" then c:stream() end
          c:wait_end()
          gone[request.message.method] = true
        else
          c:answer(202)
        end
      end, function(server)
        local t = open(server)
        t:settle(call.era, call.revision)
        for _, method in ipairs { "stream", "silent" } do
          local given = {}
          for key, member in pairs(call) do given[key] = member end
          local answer
          core.spawn(function() answer = table.pack(t:request(method, method, nil, given)) end)
          helper.wait_until(function() return server.requests[#server.requests]
            and (server.requests[#server.requests].message or {}).id == method end)
          fn(t, given, server)
          helper.wait_until(function() return answer and gone[method] end)
          assert.is_nil(answer[1])
          assert.equal("ECANCELED", answer[3])
        end
        t:close()
        gone.messages = server:messages()
      end)
      return gone.messages
    end

    it("closes the response, without a session, and says nothing more (HM-71)", function()
      local messages = hanging(modern(), function(t, call) t:cancel(call, "enough") end)
      assert.equal(2, #messages)
    end)

    it("tells a session (4.2)", function()
      local count = 0
      local messages = hanging({ era = "legacy", revision = LEGACY }, function(t, call, server)
        t:cancel(call, "enough")
        count = count + 1
        helper.wait_until(function()
          local told = 0
          for _, message in ipairs(server:messages()) do
            if message.method == "notifications/cancelled" then told = told + 1 end
          end
          return told == count
        end)
      end)
      local told = {}
      for _, message in ipairs(messages) do
        if message.method == "notifications/cancelled" then
          told[message.params.requestId] = message.params.reason
        end
      end
      assert.same({ stream = "enough", silent = "enough" }, told)
    end)

    it("of a request that is over does nothing", function()
      with(function(request, c) c:json(200, result(request.message.id)) end, function(server)
        local t <close> = open(server)
        local call = modern()
        assert(t:request(1, "x", nil, call))
        t:cancel(call)
        t:cancel {}
        helper.settle()
        assert.equal(1, #server.requests)
      end)
    end)

    it("is what the end of its time does", function()
      with(function(_, c) c:wait_end() end, function(server)
        local t <close> = open(server)
        local deadline, asked = core.now() + 0.03, 0
        local reply, text, code = t:request(1, "x", nil, modern { left = function()
          asked = asked + 1
          -- It grows once, as by progress.
          if asked == 2 then deadline = deadline + 0.02 end
          return deadline - core.now()
        end })
        assert.is_nil(reply)
        assert.same({ "no answer in time", "ETIMEDOUT" }, { text, code })
        assert.is_true(core.now() >= deadline)
      end)
    end)

    it("of the task that waits is cancelling", function()
      with(function(request, c)
        if not request.message.id then return c:answer(202) end
        c:wait_end()
      end, function(server)
        local t, _ = session(server)
        local close <close> = t -- luacheck: ignore
        local waiter, code = core.waiter(), nil
        waiter:spawn(function() code = select(3, t:request(1, "x")) end)
        helper.wait_until(function() return server.requests[1] end)
        waiter:cancel()
        waiter:wait()
        assert.equal("ECANCELED", code)
        helper.wait_until(function() return server.requests[2] end)
        assert.equal("notifications/cancelled", server.requests[2].message.method)
        t.sid = nil
      end)
    end)
  end)

  describe("closing", function()
    it("ends what is under way, and the session with it (HL-56)", function()
      with(function(request, c)
        if request.method == "DELETE" then return c:answer(405) end
        c:wait_end()
      end, function(server)
        local t = session(server)
        local code
        core.spawn(function() code = select(3, t:request(1, "x")) end)
        helper.wait_until(function() return server.requests[1] end)
        t:close()
        t:close()
        assert.equal("ECLOSED", code)
        assert.equal("DELETE", server.requests[2].method)
        assert.equal("s1", server.requests[2].fields["mcp-session-id"])
        assert.equal("ECLOSED", (select(3, t:request(2, "x"))))
        assert.equal("ECLOSED", (select(3, t:notify "x")))
      end)
    end)

    it("leaves the session to the server if told so", function()
      with(function(request, c) c:json(200, result(request.message.id)) end, function(server)
        local t = session(server, { terminate_on_close = false })
        assert(t:request(1, "x"))
        t:close()
        local late <close> = session(server)
        assert(late:request(2, "x"))
        for _, request in ipairs(server.requests) do assert.equal("POST", request.method) end
        late.sid = nil
      end)
    end)

    it("waits so long for it, and no longer", function()
      with(function(_, c) c:wait_end() end, function(server)
        local t = session(server)
        local began = core.now()
        t:close(0.02)
        assert.is_true(core.now() - began < 1)
      end)
    end)
  end)

  describe("redirects", function()
    it("are followed within the origin, if they keep the request (307, 308)", function()
      for _, status in ipairs { 307, 308 } do
        with(function(request, c)
          if request.target == "/mcp" then return c:answer(status, { Location = "/mcp/" }) end
          c:json(200, result(request.message.id, request.target))
        end, function(server)
          local t <close> = open(server, { headers = { Authorization = "Bearer x" } })
          assert.equal("/mcp/", assert(t:request(1, "x", nil, modern())).result.text)
          assert.equal("Bearer x", server.requests[2].fields.authorization)
          assert.equal(server.requests[1].body, server.requests[2].body)
        end)
      end
    end)

    it("are not followed elsewhere, nor as another method, nor for ever", function()
      local cases = {
        { 307, "http://127.0.0.1:1/mcp", "only redirects within the origin" },
        { 308, "https://127.0.0.1/mcp", "only redirects within the origin" },
        { 307, "//elsewhere/mcp", "only redirects within the origin" },
        { 301, "/other", "only 307 and 308" }, { 302, "/other", "only 307 and 308" },
        { 303, "/other", "only 307 and 308" }, { 307, nil, "the redirect has no Location header" },
        { 307, "/mcp", "more than 3 redirects" }, { 307, "http://[", "%[" },
      }
      for _, case in ipairs(cases) do
        with(function(_, c) c:answer(case[1], { Location = case[2] }) end, function(server)
          local t <close> = open(server)
          local reply, text, code = t:request(1, "x", nil, modern())
          assert.is_nil(reply)
          assert.matches(case[3], text)
          assert.equal("EHTTP" .. case[1], code)
          assert.equal(case[2] == "/mcp" and endpoint.REDIRECTS + 1 or 1, #server.requests)
        end)
      end
    end)
  end)

  describe("a provider", function()
    -- One that has token 1 and gets the next when it is challenged.
    local function provider(most)
      return {
        token = 1, facts = {},
        headers = function(self, request)
          self.asked = request
          return { { "Authorization", "Bearer " .. self.token } }
        end,
        challenged = function(self, facts)
          self.facts[#self.facts + 1] = facts
          if self.token >= (most or 9) then return nil, "no more tokens", "EAUTH" end
          self.token = self.token + 1
          return true
        end,
      }
    end

    it("goes along with every request, and is told of 401 and 403", function()
      local accepted = "Bearer 3"
      with(function(request, c)
        if request.fields.authorization == accepted then
          return c:json(200, result(request.message.id))
        end
        c:answer(request.fields.authorization == "Bearer 1" and 401 or 403,
          { ["WWW-Authenticate"] = 'Bearer scope="x"' }, "no")
      end, function(server)
        local auth = provider()
        local t <close> = open(server, { auth = auth })
        assert(t:request(1, "x", nil, modern()))
        assert.equal(3, #server.requests)
        assert.same({ 401, 403 }, { auth.facts[1].status, auth.facts[2].status })
        assert.equal('Bearer scope="x"', auth.facts[1].header "WWW-Authenticate")
        assert.equal(server.url, auth.facts[1].url)
        assert.equal("POST", auth.facts[1].method)
        assert.same({ url = server.url, method = "POST" }, auth.asked)
        -- One connection carried it all.
        assert.equal(1, server.accepted)
      end)
    end)

    it("is told so often, and may give up", function()
      with(function(_, c) c:answer(401) end, function(server)
        local auth = provider()
        local t <close> = open(server, { auth = auth })
        local reply, _, code = t:request(1, "x", nil, modern())
        assert.is_nil(reply)
        assert.equal("EHTTP401", code)
        -- A token, a nonce in its proof (RFC 9449 9), more scopes and a new nonce by then.
        assert.equal(4, endpoint.CHALLENGES)
        assert.equal(4, #auth.facts)
        assert.same({ { "Authorization", "Bearer 2" } }, auth.facts[2].sent)
        assert.equal(auth.facts[1].memory, auth.facts[4].memory)
        t:request(2, "x", nil, modern())
        assert.not_equal(auth.facts[1].memory, auth.facts[5].memory)
        auth = provider(1)
        local other <close> = open(server, { auth = auth })
        assert.same({ "no more tokens", "EAUTH" },
          { select(2, other:request(1, "x", nil, modern())) })
      end)
    end)

    it("may have nothing to give", function()
      with(error, function(server)
        local nothing = { headers = function() return nil, "none", "EAUTH" end }
        local t <close> = open(server, { auth = nothing })
        assert.same({ "none", "EAUTH" }, { select(2, t:request(1, "x", nil, modern())) })
        assert.equal(0, #server.requests)
      end)
    end)
  end)

  describe("options", function()
    local function refusal(address, options)
      local ok, why = pcall(http.new, address, options)
      assert.is_false(ok)
      return why
    end

    it("are checked, and the nearest is named", function()
      local url = "http://127.0.0.1:1/mcp"
      assert.matches('unknown option "header", did you mean "headers"',
        refusal(url, { header = {} }))
      assert.matches('"headers": expected a table, got string', refusal(url, { headers = "x" }))
      assert.matches("Host is set by the transport: leave it out",
        refusal(url, { headers = { Host = "x" } }))
      assert.matches('limits: unknown option "mesage", did you mean "message"',
        refusal(url, { limits = { mesage = 1 } }))
      assert.matches("limits: message: expected a number",
        refusal(url, { limits = { message = -1 } }))
      assert.matches('method: expected "POST"', refusal(url, { method = "PUT" }))
      assert.matches("expected a provider", refusal(url, { auth = {} }))
      assert.matches("give one of the two", refusal(url, { headers = { authorization = "x" },
        auth = { headers = error } }))
      assert.matches("got nil", refusal())
      assert.matches("expected an http, https or unix address", refusal "ws://127.0.0.1/mcp")
      assert.matches("a user or password", refusal "http://me:secret@127.0.0.1/mcp")
      local t <close> = http.new(url, { method = "POST", -- luacheck: ignore
        headers = { ["Content-Type"] = "application/json", ["User-Agent"] = "MCP-Client/1.0" } })
    end)

    it("name themselves", function()
      local t <close> = http.new("http://127.0.0.1:1/mcp?x=1")
      assert.equal("mcp.streamable_http_client (http://127.0.0.1:1/mcp?x=1)", tostring(t))
      assert.equal("http", t.name)
      local u <close> = http.new "unix:/tmp/nobody.sock"
      assert.equal("unix", u.name)
      assert.equal("/mcp", u.endpoint.url.target)
    end)
  end)

  it("says who is not there", function()
    local server = raw_server.start(error)
    server:close()
    local t <close> = open(server)
    local reply, text, code = t:request(1, "x", nil, modern())
    assert.is_nil(reply)
    assert.matches(server.url, text, 1, true)
    assert.equal("ECONNREFUSED", code)
  end)

  it("does not send a call twice, and a list it does, when a kept connection is dead (T-36)",
    function()
      local count = { ["tools/call"] = 0, ["tools/list"] = 0 }
      with(function(request, c)
        local method = request.message.method
        count[method] = count[method] + 1
        -- Every second one is taken, and its connection ends.
        if count[method] == 2 then return c:reset() end
        c:json(200, result(request.message.id))
      end, function(server)
        local t <close> = open(server)
        assert(t:request(1, "tools/list", nil, modern()))
        assert(t:request(2, "tools/list", nil, modern()))
        assert.equal(3, count["tools/list"])
        assert(t:request(3, "tools/call", { name = "x" }, modern()))
        assert.is_nil((t:request(4, "tools/call", { name = "x" }, modern())))
        assert.equal(2, count["tools/call"])
      end)
    end)

  it("calls although a stream that lasts holds a connection (HM-72)", function()
    for _, standing in ipairs { "GET", "subscriptions/listen" } do
      with(function(request, c)
        if request.method ~= "GET" and request.message.method ~= standing then
          return c:json(200, result(request.message.id))
        end
        c:stream()
        c:event { jsonrpc = "2.0", method = "notifications/a" }
        c:wait_end()
      end, function(server)
        local t, told = open(server, { limits = { connections = 1 } })
        local close <close> = t -- luacheck: ignore
        if standing == "GET" then
          t.sid = "s1"
          t:settle("legacy", LEGACY)
          t:notify "notifications/initialized"
        else
          core.spawn(t.request, t, 1, standing, nil, modern())
        end
        helper.wait_until(function() return told.notices[1] end, "the stream")
        local reply
        core.spawn(function() reply = t:request(2, "x", nil, modern()) end)
        helper.wait_until(function() return reply end, "the answer beside " .. standing)
        t.sid = nil
      end)
    end
  end)

  it("takes a head that is too large for a failure of the call alone (T-37)", function()
    with(function(request, c)
      local long = #(request.fields["mcp-name"] or "") > 100
      if long then return c:answer(431, { Connection = "close" }) end
      c:json(200, result(request.message.id))
    end, function(server)
      local t <close> = open(server)
      local _, text, code = t:request(1, "resources/read", { uri = "a:" .. ("x"):rep(200) },
        modern())
      assert.equal("EHTTP431", code)
      assert.matches("431", text, 1, true)
      assert(t:request(2, "resources/read", { uri = "a:b" }, modern()))
    end)
  end)

  it("answers the server although all connections are taken", function()
    local answered = false
    with(function(request, c)
      if not request.message.method then
        answered = true
        return c:answer(202)
      end
      c:stream()
      c:event { jsonrpc = "2.0", id = request.message.id, method = "ping" }
      raw_server.wait(function() return answered end)
      c:event(result(request.message.id))
    end, function(server)
      local t = session(server, { limits = { connections = 2 } })
      local close <close> = t -- luacheck: ignore
      local all, done = core.waiter(), 0
      for i = 1, 2 do
        all:spawn(function()
          if t:request(i, "x") then done = done + 1 end
        end)
      end
      all:wait(helper.LIMIT)
      assert.equal(2, done)
      t.sid = nil
    end)
  end)
end)
