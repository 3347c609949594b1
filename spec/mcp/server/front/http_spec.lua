-- SPDX-License-Identifier: MIT
-- The front of Streamable HTTP without HTTP: real exchanges of a memory pair, with the header
-- fields and the kinds GET and DELETE put in by hand. Sockets are spec/transport's business.
local core = require "mcp.core"
local helper = require "spec.helper"
local http = require "mcp.server.front.http"
local mcp = require "mcp"

local MODERN = "2026-07-28"

-- A client of the front. `ask` gives { result, error, status, headers }.
local function client_of(app)
  local receive = http.receiver(app)
  local fields, last = {}, nil

  -- The exchange, with its answer's header fields written down.
  local function watching(x, headers)
    return setmetatable({}, { __index = function(_, name)
      if name == "set_header" then
        return function(_, field, text) headers[field] = text end
      end
      return function(_, ...) return x[name](x, ...) end
    end })
  end

  local peer = helper.peer(function(x, _, kind, id, method, params, meta, claim, capabilities,
    client, level, token)
    local mine, came = { headers = {} }, fields
    last = mine
    if kind == "request" and (method == "GET" or method == "DELETE") then
      kind, id, method, params = method:lower(), nil, nil, nil
    end
    local result, err = receive(watching(x, mine.headers), nil, kind, id, method, params, meta,
      claim, capabilities, client, level, token, came.version, came.method, came.name,
      came.session)
    mine.done, mine.result, mine.error = true, result, err
    -- A result that is JSON already, as it is read.
    if type(result) == "userdata" then mine.result = core.decode(core.encode(result)) end
    mine.status = err and (err.status or 200) or math.type(result) == "integer" and result or 200
    if math.type(result) == "integer" then return {} end
    return result, err
  end)

  local client = { peer = peer }

  -- Sends without waiting; gives what will hold the answer.
  function client.start(message, with)
    fields, last = with or {}, nil
    peer:send(message)
    helper.wait_until(function() return last end, "the message to arrive")
    return last
  end

  function client.ask(message, with)
    local answer = client.start(message, with)
    helper.wait_until(function() return answer.done end, "an answer")
    peer.lines = {}
    peer:rest_of_messages()
    return answer
  end

  local id = 0
  function client.request(method, params, with)
    id = id + 1
    return client.ask({ jsonrpc = "2.0", id = id, method = method, params = params }, with)
  end

  function client.initialize(revision)
    local answer = client.request("initialize", { protocolVersion = revision or "2025-11-25",
      capabilities = {}, clientInfo = { name = "c", version = "1" } })
    return answer.headers["Mcp-Session-Id"], answer
  end

  function client.modern(method, params, with, meta)
    local body = { _meta = meta or helper.envelope() }
    for key, member in pairs(params or {}) do body[key] = member end
    local fields_of = { version = MODERN, method = method }
    for key, member in pairs(with or {}) do fields_of[key] = member end
    for key, member in pairs(fields_of) do if member == "absent" then fields_of[key] = nil end end
    return client.request(method, body, fields_of)
  end

  return client
end

describe("the HTTP front", function()
  local app, client, closed

  before_each(function()
    app, closed = mcp.server "spec", 0
    app:tool "echo" (function() return "ok" end)
    app:tool "wait" (function(_, ctx)
      local _ <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
      ctx:sleep(30)
      return "x"
    end)
    app:tool "yield" (function() coroutine.yield() end)
    app:resource "a:b" (function() return "text" end)
    client = client_of(app)
  end)
  after_each(function()
    app.sessions:clear()
    helper.leftovers()
  end)

  local function refused(answer, status, code)
    assert.is_table(answer.error, "nothing was refused")
    assert.same({ status, code }, { answer.status, answer.error.code })
    assert.is_string(answer.error.message)
    return answer.error
  end

  describe("sessions", function()
    it("begin with initialize, which alone carries the id (HL-50)", function()
      local sid, answer = client.initialize()
      assert.matches("^[%w_-]+$", sid)
      assert.equal("2025-11-25", answer.result.protocolVersion)
      local other = client.request("ping", nil, { session = sid })
      assert.same({}, other.result)
      assert.is_nil(next(other.headers))
      assert.not_equal(sid, (client.initialize()))
      assert.equal(2, app.sessions.count)
    end)

    it("a missing id is 400, an unknown one 404 (HL-53, HL-54)", function()
      refused(client.request "ping", 400, -32600)
      assert.equal(404, refused(client.request("ping", nil, { session = "nosuch" }), 404, -32001)
        .status)
      refused(client.request("GET", nil, {}), 400, -32600)
      refused(client.request("GET", nil, { session = "nosuch" }), 404, -32001)
      refused(client.request("DELETE", nil, { session = "nosuch" }), 404, -32001)
    end)

    it("an id that came twice is 400", function()
      refused(client.request("ping", nil, { session = false }), 400, -32600)
      refused(client.request("DELETE", nil, { session = false }), 400, -32600)
    end)

    it("initialize with a live id is 400, with a dead one begins anew (HL-59)", function()
      local sid = client.initialize()
      local params = { protocolVersion = "2025-11-25" }
      refused(client.request("initialize", params, { session = sid }), 400, -32600)
      local answer = client.request("initialize", params, { session = "dead" })
      assert.is_string(answer.headers["Mcp-Session-Id"])
      assert.not_equal("dead", answer.headers["Mcp-Session-Id"])
    end)

    it("an initialize that fails opens none", function()
      for _, params in ipairs { {}, { protocolVersion = 5 }, { protocolVersion = mcp.null } } do
        local answer = client.request("initialize", params)
        assert.equal(-32602, answer.error.code)
        assert.is_nil(answer.headers["Mcp-Session-Id"])
      end
      assert.equal(0, app.sessions.count)
    end)

    it("initialize as a notification opens none", function()
      refused(client.ask { jsonrpc = "2.0", method = "initialize",
        params = { protocolVersion = "2025-11-25" } }, 400, -32600)
      assert.equal(0, app.sessions.count)
    end)

    it("end with DELETE, which cancels what runs (HL-56, SEC-42)", function()
      local sid = client.initialize()
      local answer = client.start({ jsonrpc = "2.0", id = "w", method = "tools/call",
        params = { name = "wait" } }, { session = sid })
      assert.equal(200, client.request("DELETE", nil, { session = sid }).status)
      helper.wait_until(function() return answer.done end)
      assert.equal(1, closed)
      refused(client.request("ping", nil, { session = sid }), 404, -32001)
      refused(client.request("DELETE", nil, { session = sid }), 404, -32001)
    end)

    it("notifications and responses are accepted with 202 (HL-11)", function()
      local sid = client.initialize()
      for _, message in ipairs { { method = "notifications/initialized" },
        { method = "notifications/nosuch" }, { id = 1, result = {} },
        { id = 1, error = { code = 1, message = "x" } } } do
        message.jsonrpc = "2.0"
        assert.equal(202, client.ask(message, { session = sid }).status)
      end
      assert.is_truthy(app.sessions.by_id[sid].initialized)
      refused(client.ask { jsonrpc = "2.0", method = "notifications/initialized" }, 400, -32600)
    end)

    it("cancel across connections (HL-27)", function()
      local sid, other = (client.initialize()), (client.initialize())
      local answer = client.start({ jsonrpc = "2.0", id = 7, method = "tools/call",
        params = { name = "wait" } }, { session = sid })
      local function cancel(id, session)
        client.ask({ jsonrpc = "2.0", method = "notifications/cancelled",
          params = { requestId = id } }, { session = session })
        helper.settle()
      end
      cancel(7, other)
      cancel("7", sid)
      assert.equal(0, closed)
      cancel(7, sid)
      assert.equal(1, closed)
      assert.is_true(answer.done)
      assert.is_true(app.sessions.by_id[sid].running:is_empty())
    end)

    it("an id under way is refused there, and free in another session", function()
      local sid, other = (client.initialize()), (client.initialize())
      local second = client_of(app)
      local call = { jsonrpc = "2.0", id = "same", method = "tools/call",
        params = { name = "wait" } }
      client.start(call, { session = sid })
      refused(second.ask(call, { session = sid }), 400, -32600)
      second.start(call, { session = other })
      assert.equal(2, core.task_count())
      app.sessions:clear()
      helper.settle()
      assert.equal(2, closed)
    end)

    it("an id is free again when its handler died (it yielded by itself)", function()
      local sid = client.initialize()
      for _ = 1, 2 do
        local answer = client.start({ jsonrpc = "2.0", id = "y", method = "tools/call",
          params = { name = "yield" } }, { session = sid })
        helper.settle()
        assert.is_nil(answer.error)
      end
      assert.is_true(app.sessions.by_id[sid].running:is_empty())
    end)

    it("that are too many are refused with 503", function()
      app = mcp.server { name = "spec", sessions = { max = 1 } }
      app:tool "wait" (function(_, ctx) ctx:sleep(30) end)
      client = client_of(app)
      local sid = client.initialize()
      client.start({ jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "wait" } },
        { session = sid })
      local _, answer = client_of(app).initialize()
      refused(answer, 503, -32000)
    end)

    it("errors of dispatched requests are 200 (1.9)", function()
      local sid = client.initialize()
      refused(client.request("nosuch", nil, { session = sid }), 200, -32601)
      refused(client.request("tools/call", { name = "nosuch" }, { session = sid }), 200, -32602)
    end)
  end)

  describe("the version header of a session", function()
    it("that is unknown or malformed is 400 (HL-62)", function()
      local sid = client.initialize()
      for _, version in ipairs { "1999-01-01", "latest", "" } do
        refused(client.request("ping", nil, { session = sid, version = version }), 400, -32600)
        refused(client.request("GET", nil, { session = sid, version = version }), 400, -32600)
        refused(client.request("DELETE", nil, { session = sid, version = version }), 400, -32600)
      end
    end)

    it("that is another of ours is let through, the session's counts (HL-61, HL-63)", function()
      app:tool "revision" (function(_, ctx) return ctx.revision.name end)
      local sid = client.initialize "2025-06-18"
      for _, version in ipairs { "2025-11-25", "2024-11-05", "2025-06-18" } do
        local answer = client.request("tools/call", { name = "revision" },
          { session = sid, version = version })
        assert.equal("2025-06-18", answer.result.content[1].text)
      end
      assert.is_table(client.request("ping", nil, { session = sid }).result)
    end)

    it("that came twice is refused (HM-27)", function()
      local sid = client.initialize()
      refused(client.request("ping", nil, { session = sid, version = false }), 400, -32020)
    end)
  end)

  describe("the standalone stream", function()
    it("is one for a session: a second is 409 (HL-36, T-33)", function()
      local sid = client.initialize()
      client.start({ jsonrpc = "2.0", id = "g", method = "GET" }, { session = sid })
      refused(client.request("GET", nil, { session = sid }), 409, -32600)
      local stream = app.sessions.by_id[sid].stream
      assert.is_true(stream:is_open())
      client.request("DELETE", nil, { session = sid })
      assert.is_false(stream:is_open())
    end)

    it("can be opened again once it is gone", function()
      local sid = client.initialize()
      local one = app.sessions.by_id[sid]
      local second = client_of(app)
      second.start({ jsonrpc = "2.0", id = "g", method = "GET" }, { session = sid })
      local first = one.stream
      assert.is_true(first:is_open())
      second.peer:close()
      helper.settle()
      assert.is_false(first:is_open())
      assert.is_false(one.closed or false)
      client.start({ jsonrpc = "2.0", id = "h", method = "GET" }, { session = sid })
      local again = one.stream
      assert.is_true(again:is_open())
      app.sessions:clear()
      assert.is_false(again:is_open())
    end)
  end)

  describe("batches", function()
    local function batch(...) return core.encode(mcp.array { ... }) end
    local PING = { jsonrpc = "2.0", id = "p", method = "ping" }
    local NOTE = { jsonrpc = "2.0", method = "notifications/initialized" }

    it("belong to 2025-03-26 (HL-09, T-32)", function()
      local sid = client.initialize "2025-03-26"
      local answer = client.ask(batch(PING, NOTE, { jsonrpc = "2.0", id = 5, method = "nosuch" },
        { jsonrpc = "2.0", id = 6 }, { jsonrpc = "2.0", id = 7, result = {} },
        { jsonrpc = "2.0", id = 8, method = "initialize", params = {} }, 5), { session = sid })
      local got = {}
      for i, one in ipairs(answer.result) do
        got[i] = (core.encode(one.id)) .. " " .. (one.error and one.error.code or "ok")
      end
      assert.same({ '"p" ok', "5 -32601", "6 -32600", "8 -32600", "null -32600" }, got)
      assert.is_truthy(app.sessions.by_id[sid].initialized)
    end)

    it("without a request is 202", function()
      local sid = client.initialize "2025-03-26"
      assert.equal(202, client.ask(batch(NOTE, NOTE), { session = sid }).status)
      assert.equal(202, client.ask(batch { jsonrpc = "2.0", id = 1, result = {} },
        { session = sid }).status)
    end)

    it("are refused by every other revision (HL-10)", function()
      for _, revision in ipairs { "2024-11-05", "2025-06-18", "2025-11-25" } do
        refused(client.ask(batch(PING), { session = (client.initialize(revision)) }), 400, -32600)
      end
    end)

    it("empty, too long, with an envelope, or with a modern header are refused", function()
      local sid = client.initialize "2025-03-26"
      refused(client.ask("[]", { session = sid }), 400, -32600)
      local many = mcp.array {}
      for i = 1, 33 do many[i] = { jsonrpc = "2.0", id = i, method = "ping" } end
      refused(client.ask(core.encode(many), { session = sid }), 400, -32600)
      refused(client.ask(batch(PING, { jsonrpc = "2.0", id = 1, method = "tools/list",
        params = { _meta = helper.envelope() } }), { session = sid }), 400, -32600)
      refused(client.ask(batch(PING), { session = sid, version = MODERN }), 400, -32600)
      refused(client.ask(batch(PING), { version = MODERN }), 400, -32600)
    end)

    it("without a session are 400", function()
      refused(client.ask(batch(PING)), 400, -32600)
    end)
  end)

  describe("the modern ladder (3.3, conformance server-stateless)", function()
    it("serves without a session, and ignores one (HM-04)", function()
      local sid = client.initialize()
      for _, session in ipairs { "absent", sid, "nosuch", false } do
        local answer = client.modern("tools/call", { name = "echo" },
          { name = "echo", session = session })
        assert.equal("ok", answer.result.content[1].text)
        assert.is_nil(next(answer.headers))
      end
    end)

    it("row 1: the version header must be there and the same (HM-21)", function()
      refused(client.modern("tools/list", nil, { version = "absent" }), 400, -32020)
      refused(client.modern("tools/list", nil, { version = "2025-11-25" }), 400, -32020)
      refused(client.modern("tools/list", nil, { version = false }), 400, -32020)
    end)

    it("row 2: the version must be served (HM-22), after row 1, before rows 3 and 4", function()
      local function meta(version)
        return helper.envelope { [helper.PREFIX .. "protocolVersion"] = version }
      end
      local err = refused(client.modern("tools/list", nil, { version = "v999.0.0" },
        meta "v999.0.0"), 400, -32022)
      assert.equal("v999.0.0", err.data.requested)
      assert.equal(MODERN, err.data.supported[1])
      refused(client.modern("tools/list", nil, { version = MODERN }, meta "v999.0.0"), 400, -32020)
      refused(client.modern("tools/list", nil, { version = "2027-01-01", method = "absent" },
        { [helper.PREFIX .. "protocolVersion"] = "2027-01-01" }), 400, -32022)
    end)

    it("row 3: the envelope must be whole (HM-61), before row 4", function()
      local bad = {
        { clientCapabilities = false }, { clientCapabilities = 5 },
        { clientCapabilities = mcp.array { 1 } },
        { clientInfo = 5 }, { logLevel = "loud" }, { logLevel = 5 },
      }
      for i, members in ipairs(bad) do
        local meta = helper.envelope()
        for name, member in pairs(members) do
          meta[helper.PREFIX .. name] = member or nil
        end
        local answer = client.modern("tools/list", nil, { method = "absent" }, meta)
        assert.equal(-32602, answer.error.code, "case " .. i)
        assert.equal(400, answer.status)
      end
      refused(client.request("tools/list", { _meta = {} }, { version = MODERN }), 400, -32602)
      refused(client.request("tools/list", nil, { version = MODERN }), 400, -32602)
    end)

    it("row 4: Mcp-Method must be the method (HM-25), case and all (HM-26)", function()
      for _, method in ipairs { "absent", "tools/call", "Tools/List", "", false } do
        refused(client.modern("tools/list", nil, { method = method }), 400, -32020)
      end
    end)

    it("row 4: Mcp-Name must be the name or URI (HM-24)", function()
      for _, name in ipairs { "absent", "Echo", "wait", "=?base64?d2FpdA==?=", false } do
        refused(client.modern("tools/call", { name = "echo" }, { name = name }), 400, -32020)
      end
      refused(client.modern("resources/read", { uri = "a:b" }, { name = "a:c" }), 400, -32020)
      assert.equal("text",
        client.modern("resources/read", { uri = "a:b" }, { name = "a:b" }).result.contents[1].text)
    end)

    it("row 4: what a header cannot carry comes in Base64 (HM-31, HM-33)", function()
      app:prompt "pü" (function() return "umlaut" end)
      assert.equal("umlaut", client.modern("prompts/get", { name = "pü" },
        { name = "=?base64?cMO8?=" }).result.messages[1].content.text)
      assert.equal("ok", client.modern("tools/call", { name = "echo" },
        { name = "=?base64?ZWNobw==?=" }).result.content[1].text)
      for _, bad in ipairs { "=?base64?cMO8=?=", "=?base64?cMO!?=", "=?base64?ZWNobw?=",
        "=?base64?/w==?=", "=?BASE64?cMO8?=", "=?base64?cMO8", "cMO8?=", "=?base64?cMO9?=",
        "=?base64?ZWNobx==?=" } do
        refused(client.modern("prompts/get", { name = "pü" }, { name = bad }), 400, -32020)
      end
      -- A name that looks like that stands for what it means.
      app:prompt "=?base64?cMO8?=" (function() return "none" end)
      refused(client.modern("prompts/get", { name = "=?base64?cMO8?=" },
        { name = "=?base64?cMO8?=" }), 400, -32020)
    end)

    it("row 4 before row 5: an unknown method with a wrong header is -32020", function()
      refused(client.modern("nosuch", nil, { method = "other" }), 400, -32020)
    end)

    it("row 5: unknown and removed methods are 404 / -32601 (HM-60)", function()
      for _, method in ipairs { "initialize", "ping", "logging/setLevel", "resources/subscribe",
        "resources/unsubscribe", "unknown/method", "prompts/list" } do
        local answer = client.modern(method)
        assert.is_table(answer.error, method)
        refused(answer, 404, -32601)
      end
    end)

    it("errors after dispatch are 200 (HM-62, T-20)", function()
      refused(client.modern("tools/call", { name = "nosuch" }, { name = "nosuch" }), 200, -32602)
      refused(client.modern("resources/read", { uri = "no:such" }, { name = "no:such" }), 200,
        -32602)
      refused(client.modern("tools/call", {}), 200, -32602)
    end)

    it("a name that is no string is the handler's to refuse", function()
      refused(client.modern("tools/call", { name = 5 }, { name = "absent" }), 200, -32602)
    end)

    it("a capability that is needed and undeclared is 400 / -32021 (HM-61)", function()
      app:tool "needs" (function(_, ctx) ctx:require_capability { sampling = {} } end)
      local err = refused(client.modern("tools/call", { name = "needs" }, { name = "needs" }), 400,
        -32021)
      assert.same({ sampling = {} }, err.data.requiredCapabilities)
    end)

    it("server/discover is answered", function()
      local result = client.modern("server/discover").result
      assert.same({ MODERN, "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05" },
        helper.plain(result.supportedVersions))
      assert.is_table(result.capabilities.tools)
    end)

    it("notifications are dropped with 202, responses refused (HM-06, HM-07, T-26)", function()
      assert.equal(202, client.ask({ jsonrpc = "2.0", method = "notifications/x",
        params = { _meta = helper.envelope() } }, { version = MODERN }).status)
      assert.equal(202, client.ask({ jsonrpc = "2.0", method = "notifications/x" },
        { version = MODERN }).status)
      refused(client.ask({ jsonrpc = "2.0", id = 1, result = {} }, { version = MODERN }), 400,
        -32600)
    end)

    it("an initialize without envelope under a modern header is -32020", function()
      refused(client.request("initialize", { protocolVersion = MODERN }, { version = MODERN }), 400,
        -32020)
      assert.equal(0, app.sessions.count)
    end)

    it("opens no session whatever it does", function()
      client.modern "tools/list"
      client.modern "initialize"
      assert.equal(0, app.sessions.count)
    end)

    it("a lost connection cancels (HM-70, T-30)", function()
      local other = client_of(app)
      other.start({ jsonrpc = "2.0", id = 1, method = "tools/call",
        params = { name = "wait", _meta = helper.envelope() } },
        { version = MODERN, method = "tools/call", name = "wait" })
      other.peer:close()
      helper.settle()
      assert.equal(1, closed)
    end)
  end)

  it("a lost connection does not cancel in a session (HL-27)", function()
    local sid = client.initialize()
    local other = client_of(app)
    other.start({ jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "wait" } },
      { session = sid })
    other.peer:close()
    helper.settle()
    assert.equal(0, closed)
    assert.equal(1, core.task_count())
    -- The explicit cancellation still reaches it, and so does the end of the session.
    client.ask({ jsonrpc = "2.0", method = "notifications/cancelled", params = { requestId = 1 } },
      { session = sid })
    helper.settle()
    assert.equal(1, closed)
  end)
end)
