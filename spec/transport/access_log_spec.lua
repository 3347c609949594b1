-- SPDX-License-Identifier: MIT
-- A line for each HTTP request: what is in it, when the file is opened again, and what happens to
-- lines that nothing reads.
local core = require "mcp.core"
local fetch = require "mcp.fetch"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw = require "codecs.raw"
local support = require "spec.support"

local ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

describe("the access log", function()
  local app, listening, path

  before_each(function()
    path = os.tmpname()
    app = mcp.server "spec"
    app:tool "ok" { input = { text = "string?" } } (function() return "fine" end)
    app:tool "fails" (function() error("as asked", 0) end)
    app:tool "slow" { timeout = 0.05 } (function(_, ctx) ctx:sleep(60) end)
    app:tool "long" (function(_, ctx) ctx:sleep(60) end)
  end)
  after_each(function()
    if listening then listening:close() end
    listening = nil
    os.remove(path)
    os.remove(path .. ".1")
    helper.leftovers()
  end)

  local function listen(options, log)
    options = options or {}
    options.http, options.quiet = "127.0.0.1:0", true
    options.access_log = log or { file = path, format = "json" }
    listening = app:listen(options)
    return listening.urls[1]
  end

  local function text_of(from)
    local file <close> = assert(io.open(from or path))
    return file:read "a"
  end

  -- The objects of the file, once there are so many.
  local function lines(count, from)
    local out
    helper.wait_until(function()
      out = {}
      for line in text_of(from):gmatch "([^\n]*)\n" do out[#out + 1] = assert(core.decode(line)) end
      return #out >= count
    end, count .. " lines")
    assert.equal(count, #out)
    return out
  end

  local function call(url, name, fields, meta, arguments)
    local headers = { Accept = "application/json, text/event-stream",
      ["MCP-Protocol-Version"] = "2026-07-28", ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = name }
    for key, text in pairs(fields or {}) do headers[key] = text end
    return fetch.post(url, { headers = headers, timeout = 5, json = { jsonrpc = "2.0", id = 1,
      method = "tools/call", params = { name = name, arguments = arguments or {},
        _meta = helper.envelope(meta) } } })
  end

  it("says what came, from where, how it ended and what it was about", function()
    local url = listen()
    local answer = assert(call(url, "ok", nil, { traceparent = ("00-%s-%s-01"):format(ID, SPAN) },
      { text = "secret" }))
    local line = lines(1)[1]
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", line.time)
    assert.is_true(line.ms > 0 and line.ms < 5000)
    assert.is_true(line.bytes > #answer.body)
    line.time, line.ms, line.bytes = nil, nil, nil
    assert.same({ remote = "127.0.0.1", method = "POST", path = "/mcp", status = 200,
      rpc = "tools/call", tool = "ok", outcome = "ok", era = "stateless", trace_id = ID }, line)
    assert.is_nil(text_of():find("secret", 1, true))
  end)

  it("says how requests failed", function()
    local url = listen()
    helper.logged(function()
      call(url, "fails")
      call(url, "none")
      call(url, "slow")
      fetch.get((url:gsub("/mcp$", "/other?key=secret")))
      fetch.get("http://evil.example/mcp", { proxy = url:match "^http://[^/]+" })
    end)
    local list, shown = lines(5), {}
    for i, line in ipairs(list) do
      shown[i] = ("%s %s %s %d %s"):format(line.method, line.path, line.tool, line.status,
        line.outcome)
    end
    assert.same({ "POST /mcp fails 200 failed", "POST /mcp none 200 error -32602",
      "POST /mcp slow 200 timed_out", "GET /other nil 404 nil", "GET /mcp nil 421 nil" }, shown)
  end)

  it("has a line for each of the same requests on one connection, and for no request", function()
    local url = listen()
    local pool <close> = core.http_pool {}
    for _ = 1, 5 do
      assert(fetch.post(url, { pool = pool, headers = {
        Accept = "application/json, text/event-stream", ["MCP-Protocol-Version"] = "2026-07-28",
        ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = "ok" }, json = { jsonrpc = "2.0", id = 1,
        method = "tools/call", params = { name = "ok", _meta = helper.envelope() } } }))
    end
    local socket = assert(raw.connect(listening.port))
    socket:send "NO REQUEST\r\n\r\n"
    local list = lines(6)
    for i = 1, 5 do assert.same({ "ok", "ok" }, { list[i].tool, list[i].outcome }) end
    assert.same({ "-", "-", 400 }, { list[6].method, list[6].path, list[6].status })
    socket:close()
  end)

  it("says that a client went away, and what it had asked for", function()
    local url = listen()
    assert.is_nil(fetch.post(url, { timeout = 0.1, headers = {
      Accept = "application/json, text/event-stream", ["MCP-Protocol-Version"] = "2026-07-28",
      ["Mcp-Method"] = "tools/call", ["Mcp-Name"] = "long" }, json = { jsonrpc = "2.0", id = 1,
      method = "tools/call", params = { name = "long", _meta = helper.envelope() } } }))
    local line = lines(1)[1]
    assert.same({ 0, 0, "long", "cancelled" }, { line.status, line.bytes, line.tool,
      line.outcome })
  end)

  it("sees sessions and the handshake of a WebSocket", function()
    local url = listen()
    local client = assert(mcp.connect(url, { revision = "2025-11-25" }))
    assert(client:call_tool "ok")
    client:close()
    local socket = assert(mcp.connect((url:gsub("^http", "ws"))))
    assert(socket:call_tool "ok")
    socket:close()
    helper.wait_until(function() return text_of():find('"status":101', 1, true) end, "101")
    local eras = {}
    for line in text_of():gmatch "[^\n]+" do
      local read = assert(core.decode(line))
      if read.tool then eras[#eras + 1] = read.method .. " " .. read.era end
    end
    assert.same({ "POST session", "WEBSOCKET stateless" }, eras)
  end)

  -- The lines of one method, once there are so many of them.
  local function lines_by(method, count)
    local out
    helper.wait_until(function()
      out = {}
      for line in text_of():gmatch "([^\n]*)\n" do
        local read = assert(core.decode(line))
        if read.method == method then out[#out + 1] = read end
      end
      return #out >= count
    end, ("%d lines of %s"):format(count, method))
    assert.equal(count, #out)
    return out
  end

  it("has a line for each request over a WebSocket, and none for other messages", function()
    local began = false
    app:tool "endless" (function(_, ctx)
      began = true
      ctx:sleep(60)
    end)
    local url = listen()
    local socket = assert(mcp.connect((url:gsub("^http", "ws")), { era = "legacy" }))
    assert(socket:call_tool("ok", { text = "secret" }))
    helper.logged(function()
      socket:call_tool "fails"
      socket:call_tool "none"
      socket:call_tool "slow"
    end)
    core.spawn(function() socket:call_tool "endless" end)
    helper.wait_until(function() return began end, "the call")
    socket:close()
    local list, shown = lines_by("WEBSOCKET", 6), {}
    for i, line in ipairs(list) do
      shown[i] = ("%s %s %s %s %s"):format(line.rpc, line.tool or "-", line.outcome,
        line.era or "-", line.status)
    end
    assert.same({ "initialize - ok - 200", "tools/call ok ok session 200",
      "tools/call fails failed session 200", "tools/call none error -32602 session 200",
      "tools/call slow timed_out session 200" }, table.move(shown, 1, 5, 1, {}))
    assert.matches("^tools/call endless cancelled", shown[6])
    assert.equal(0, list[6].status)
    assert.equal(0, list[6].bytes)
    for i = 1, 5 do
      assert.same({ "127.0.0.1", "/mcp" }, { list[i].remote, list[i].path })
      assert.is_true(list[i].bytes > 20 and list[i].ms > 0 and list[i].ms < 60000)
    end
    assert.is_true(list[5].ms >= 45)
    assert.is_nil(text_of():find("secret", 1, true))
  end)

  it("counts the bytes of an answer and of what was sent before it", function()
    app:tool "steps" (function(_, ctx)
      for i = 1, 3 do ctx:progress(i, 3, ("x"):rep(100)) end
      return ("y"):rep(1000)
    end)
    local url = listen()
    local socket = assert(mcp.connect((url:gsub("^http", "ws")), { era = "legacy" }))
    assert(socket:call_tool("steps", {}, { on_progress = function() end }))
    socket:close()
    local bytes = lines_by("WEBSOCKET", 2)[2].bytes
    assert.is_true(bytes > 1300 and bytes < 2000, bytes)
  end)

  it("has a line for each request of HTTP+SSE beside that of its POST", function()
    local url = listen()
    local client = assert(mcp.connect { url = url, type = "sse" })
    assert(client:call_tool "ok")
    client:close()
    local list = lines_by("SSE", 2)
    assert.same({ "tools/call", "ok", "ok", 200, "/mcp" }, { list[2].rpc, list[2].tool,
      list[2].outcome, list[2].status, list[2].path })
    helper.wait_until(function() return text_of():find('"method":"GET"', 1, true) end, "the stream")
    for _, line in ipairs(lines_by("POST", 3)) do
      assert.same({ "/mcp/message", 202 }, { line.path, line.status })
      assert.is_nil(line.rpc)
    end
  end)

  it("has lines of a WebSocket as text, with the subject of its token", function()
    app = mcp.server { name = "spec", auth = { authorization_servers = { "https://a.example" },
      verify = function() return { subject = "anna", client = "c", scopes = {} } end } }
    app:tool "ok" (function() return "fine" end)
    local url = listen(nil, path)
    local socket = assert(mcp.connect((url:gsub("^http", "ws")), { era = "legacy",
      headers = { Authorization = "Bearer t" } }))
    assert(socket:call_tool "ok")
    socket:close()
    helper.wait_until(function() return text_of():find("tool=ok", 1, true) end, "a line")
    assert.matches('\ntime=%S+Z remote=127%.0%.0%.1 method=WEBSOCKET path="/mcp" status=200 '
      .. "bytes=%d+ ms=[%d.]+ rpc=tools/call tool=ok outcome=ok era=session principal=anna\n",
      text_of())
    assert.is_nil(text_of():find("Bearer", 1, true))
  end)

  it("names the subject of the token", function()
    app = mcp.server { name = "spec", auth = { authorization_servers = { "https://a.example" },
      verify = function() return { subject = "anna", client = "c", scopes = {} } end } }
    app:tool "ok" (function() return "fine" end)
    local url = listen()
    call(url, "ok", { Authorization = "Bearer t" })
    call(url, "ok")
    local list = lines(2)
    assert.same({ "anna", 200 }, { list[1].principal, list[1].status })
    assert.same({ nil, 401 }, { list[2].principal, list[2].status })
    assert.is_nil(text_of():find("Bearer", 1, true))
  end)

  it("is key=value as text, in quotes where that is needed", function()
    local url = listen(nil, path)
    call(url, 'a "b" c')
    helper.wait_until(function() return text_of():find "\n" end, "a line")
    assert.matches('^time=%S+Z remote=127%.0%.0%.1 method=POST path="/mcp" status=200 bytes=%d+ '
      .. 'ms=[%d.]+ rpc=tools/call tool="a \\"b\\" c" outcome="error %-32602" era=stateless\n$',
      text_of())
  end)

  it("cuts a path and names of any length", function()
    local url = listen()
    fetch.get((url:gsub("/mcp$", "/" .. ("p"):rep(2000))))
    call(url, ("n"):rep(2000))
    local list = lines(2)
    assert.equal("/" .. ("p"):rep(255) .. "...", list[1].path)
    assert.equal(("n"):rep(128) .. "...", list[2].tool)
    for first, kept in pairs(listening.access.kept) do
      for second in pairs(kept) do assert.is_true(#first + #second <= 128) end
    end
    for i = 1, 300 do call(url, "n" .. i) end
    lines(302)
    assert.is_true(listening.access.count <= 256)
  end)

  it("leaves out what is too long", function()
    listen()
    app:tool "note" (function(_, ctx)
      core.access_note(ctx.exchange, (',"x":"%s"'):format(("x"):rep(1000)))
      return ""
    end)
    call(listening.urls[1], "note")
    assert.equal("ok", lines(1)[1].outcome)
  end)

  it("is opened again where the file was renamed", function()
    local url = listen()
    call(url, "ok")
    lines(1)
    assert(os.rename(path, path .. ".1"))
    call(url, "ok")
    lines(2, path .. ".1")
    assert(listening.access.file:reopen())
    call(url, "ok")
    lines(1)
    lines(2, path .. ".1")
  end)

  it("is opened again at SIGHUP, and the server goes on", function()
    local server = support.http(("access_log = %q"):format(path), { env = { "MCP_LOG=notice" } })
    local url = ("http://127.0.0.1:%d/mcp"):format(server.port)
    assert(call(url, "echo"))
    assert(os.rename(path, path .. ".1"))
    server.process:kill "HUP"
    server:wait_said "access log opened again: "
    assert(call(url, "echo"))
    helper.wait_until(function() return text_of():find("tool=echo", 1, true) end, "a line")
    server.process:kill "TERM"
    assert.same({ "exit", 0 }, { server:wait_end() })
    support.stop_all()
  end)

  it("keeps what a pipe does not take, and counts what is lost", function()
    os.remove(path)
    assert(os.execute("mkfifo " .. path))
    local reader <close> = assert(io.open(path, "r+"))
    listen()
    local socket = assert(raw.connect(listening.port))
    local request = ("GET /%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):format(("p"):rep(255))
    local asked = 0
    helper.wait_until(function()
      if asked < 4000 then
        socket:send(request:rep(20))
        asked = asked + 20
      end
      socket:receive()
      return listening.access.file:dropped() > 0
    end, "a line that is lost", support.LIMIT * 3)
    socket:close()
    -- What was kept is whole.
    for _ = 1, 10 do assert(core.decode(reader:read "l")) end
  end)

  it("says what is wrong with the option", function()
    local function refused(words, options)
      options.http = options.http ~= false and "127.0.0.1:0" or nil
      local ok, text = pcall(app.listen, app, options)
      assert.is_false(ok)
      assert.is_truthy(text:find(words, 1, true), text)
    end
    refused("access_log: standard output carries the messages of this server",
      { access_log = "-", stdio = true })
    refused("access_log: cannot open /nonexistent/x: ", { access_log = "/nonexistent/x" })
    refused('access_log: unknown option "fil", did you mean "file"?',
      { access_log = { fil = "x" } })
    refused('format: expected "text" or "json", got "xml"',
      { access_log = { file = path, format = "xml" } })
    refused("access_log: expected the path of a file", { access_log = "" })
    refused("access_log: needs http, unix, sse or websocket", { access_log = path, http = false,
      stdio = true })
  end)
end)
