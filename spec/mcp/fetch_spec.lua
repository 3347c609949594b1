-- SPDX-License-Identifier: MIT
-- Whole exchanges: bodies out and in, limits, redirects and what they may not carry along.
local core = require "mcp.core"
local fetch = require "mcp.fetch"
local folder = require "codecs.folder"
local helper = require "spec.helper"
local mcp = require "mcp"
local raw = require "codecs.raw"
local raw_server = require "spec.raw_server"

local servers = {}

local function serve(handler)
  local server = raw_server.start(function(...)
    local status, fields, body = handler(...)
    if math.type(status) then return status, fields, body end
  end)
  servers[#servers + 1] = server
  server.at = ("http://127.0.0.1:%d"):format(server.port)
  return server
end

local function failed(code, words, answer, text, told)
  assert.is_nil(answer)
  assert.equal(code, told, text)
  assert.is_truthy(text:find(words, 1, true), text)
end

local function raises(words, fn)
  local ok, message = pcall(fn)
  assert.is_false(ok)
  assert.is_truthy(message:find(words, 1, true), message)
  assert.is_truthy(message:find("fetch_spec.lua", 1, true), "not at whose line: " .. message)
end

describe("fetch", function()
  after_each(function()
    for _, server in ipairs(servers) do server:close() end
    servers = {}
    helper.leftovers()
  end)

  it("gets an answer, whatever its status", function()
    local server = serve(function(request)
      if request.target == "/none" then return 404, { ["Content-Type"] = "text/plain" }, "no" end
      return 200, { ["Content-Type"] = "application/json" }, '{"a":[1]}'
    end)
    local answer = assert(fetch.get(server.at .. "/x?y=1#z"))
    assert.equal(200, answer.status)
    assert.equal("application/json", answer.headers["content-type"])
    assert.equal('{"a":[1]}', answer.body)
    assert.same({ 1 }, helper.plain(answer:json().a))
    assert.equal(server.at .. "/x?y=1", answer.url)
    assert.equal("GET", server.requests[1].method)
    assert.equal("/x?y=1", server.requests[1].target)
    assert.equal("*/*", server.requests[1].fields.accept)
    answer = assert(fetch.get(server.at .. "/none"))
    assert.equal(404, answer.status)
    local value, text, code = answer:json()
    failed("EJSON", "at byte", value, text, code)
    -- Nothing is kept that nobody asked to keep.
    helper.wait_until(function() return next(server.connections) == nil end)
  end)

  it("sends text, forms and JSON", function()
    local server = serve(function() return 200 end)
    assert(fetch.post(server.at, { body = "raw" }))
    assert(fetch.post(server.at, { form = { b = "x y", a = "1&2" } }))
    assert(fetch.request(server.at, { json = { a = { 1 } } }))
    assert(fetch.post(server.at, { json = core.null, headers = {
      ["content-type"] = "application/x+json", Accept = "*/*" } }))
    assert(fetch.request(server.at, { method = "DELETE" }))
    assert(fetch.post(server.at))
    local function said(i)
      local request = server.requests[i]
      return { request.method, request.fields["content-type"] or "", request.body }
    end
    assert.same({ "POST", "", "raw" }, said(1))
    assert.same({ "POST", "application/x-www-form-urlencoded", "a=1%262&b=x+y" }, said(2))
    assert.same({ "POST", "application/json", '{"a":[1]}' }, said(3))
    assert.same({ "POST", "application/x+json", "null" }, said(4))
    assert.equal("*/*", server.requests[4].fields.accept)
    assert.same({ "DELETE", "", "" }, said(5))
    assert.same({ "POST", "", "" }, said(6))
    assert.equal("0", server.requests[6].fields["content-length"])
  end)

  it("takes fields by name or as a list, and refuses what could be more", function()
    local server = serve(function() return 200 end)
    assert(fetch.get(server.at, { headers = { { "X-A", "1" }, { "X-B", "2" } } }))
    assert(fetch.get(server.at, { headers = { ["X-A"] = "1", ["X-B"] = "2" } }))
    for i = 1, 2 do
      assert.equal("1", server.requests[i].fields["x-a"])
      assert.equal("2", server.requests[i].fields["x-b"])
    end
    failed("EHTTP", "control character", fetch.get(server.at, { headers = { A = "b\r\nC: d" } }))
  end)

  it("keeps connections only in a pool that it was given", function()
    local server = serve(function() return 200 end)
    local pool <close> = core.http_pool()
    for _ = 1, 3 do assert(fetch.get(server.at, { pool = pool })) end
    assert.equal(1, server.accepted)
    assert.same({ 1, 1, 0 }, { pool:connections() })
  end)

  it("is limited in size and time", function()
    local server = serve(function(request, connection)
      if request.target == "/big" then return 200, nil, ("x"):rep((1 << 20) + 1) end
      if request.target == "/slow" then return connection:wait_end() end
      connection:answer(200, { ["Content-Length"] = "9" }, "x")
      connection:wait_end()
    end)
    failed("ETOOBIG", "response body", fetch.get(server.at .. "/big"))
    assert.equal((1 << 20) + 1, #assert(fetch.get(server.at .. "/big", { limit = 2 << 20 })).body)
    failed("ETIMEDOUT", "no response head arrived",
      fetch.get(server.at .. "/slow", { timeout = 0.03 }))
    failed("ETIMEDOUT", "waiting for the response body",
      fetch.get(server.at .. "/", { timeout = 0.03 }))
    assert.equal(10, fetch.TIMEOUT)
  end)

  it("can be cancelled", function()
    local server = serve(function(_, connection) connection:wait_end() end)
    local waiter, code = core.waiter(), nil
    waiter:spawn(function()
      local _, _, why = fetch.get(server.at)
      code = why
    end)
    helper.wait_until(function() return server.requests[1] end)
    waiter:cancel()
    assert.equal("ECANCELED", code)
    helper.wait_until(function() return next(server.connections) == nil end)
  end)

  it("asks no private address that it may not ask", function()
    local server = serve(function() return 200 end)
    for _, address in ipairs { server.at, "http://localhost:" .. server.port,
      "http://[::ffff:127.0.0.1]:" .. server.port, "http://10.0.0.1/", "http://169.254.169.254/",
      "http://[::1]/", "http://[fd00::1]/", "http://[64:ff9b::a00:1]/" } do
      failed("ENOTPUBLIC", "not public", fetch.get(address, { only = "public" }))
    end
    failed("ENOTPUBLIC", "not a public address", fetch.get("unix:/run/x", { only = "public" }))
    assert(fetch.get(server.at, { only = "loopback" }))
    failed("ENOTLOCAL", "not an address of this machine", fetch.get("http://10.0.0.1/",
      { only = "loopback" }))
    assert.equal(1, #server.requests)
  end)

  it("asks only what is an address, and what the caller allows", function()
    failed("EINVAL", "not a supported address", fetch.get "http://127.1/")
    failed("EINVAL", "expected http, https or unix, got file", fetch.get "file:///etc/passwd")
    failed("EINVAL", "expected http, https or unix, got ws", fetch.get "ws://127.0.0.1:1/")
    local asked
    failed("EREDIRECT", "not this one", fetch.get("http://127.0.0.1:1/a", { check = function(text)
      asked = text
      return nil, "not this one"
    end }))
    assert.equal("http://127.0.0.1:1/a", asked)
    failed("ECONNREFUSED", "http://127.0.0.1:1/: connection refused",
      fetch.get "http://127.0.0.1:1/")
  end)

  it("raises what is misused, at the line of who called", function()
    raises("mcp.fetch: expected an address, got nil", function() fetch.get() end)
    raises("expected a table of options, got number", function() fetch.get("http://h/", 7) end)
    raises('unknown option "limits", did you mean "limit"?', function()
      fetch.get("http://h/", { limits = 7 })
    end)
    raises('option "timeout": expected a number, got string', function()
      fetch.get("http://h/", { timeout = "7" })
    end)
    raises("timeout: expected seconds, more than 0, got 0", function()
      fetch.get("http://h/", { timeout = 0 })
    end)
    raises("redirects: expected an integer, 0 or more, got -1", function()
      fetch.get("http://h/", { redirects = -1 })
    end)
    raises("limit: expected an integer", function() fetch.get("http://h/", { limit = 1.5 }) end)
    raises('"public" or "loopback"', function() fetch.get("http://h/", { only = "x" }) end)
    raises("expected only one of body, file, form, json, got body and json", function()
      fetch.post("http://h/", { body = "", json = 1 })
    end)
    raises("json: ", function() fetch.post("http://h/", { json = print }) end)
    raises("headers: expected strings as names and values, got string = number", function()
      fetch.get("http://h/", { headers = { A = 1 } })
    end)
  end)
end)

describe("mcp.fetch", function()
  after_each(function()
    for _, server in ipairs(servers) do server:close() end
    servers = {}
    helper.leftovers()
  end)

  it("is what the runtime itself uses", function()
    assert.equal(fetch.request, mcp.fetch)
  end)

  it("looks header fields up in any case, and joins repeated fields", function()
    local server = serve(function(_, connection)
      connection:send(table.concat({ "HTTP/1.1 200 OK", 'ETag: "1"', "X-A: 1", "x-a: 2",
        "Content-Length: 2", "", "[]" }, "\r\n"))
    end)
    local response = assert(mcp.fetch(server.at))
    assert.equal('"1"', response.headers.ETag)
    assert.equal('"1"', response.headers["etag"])
    assert.equal("1, 2", response.headers["X-a"])
    assert.is_nil(response.headers["x-b"])
    assert.is_nil(response.headers[1])
    assert.equal("[]", response:text())
    assert.same({}, helper.plain(response:json()))
    assert.equal(("mcp.fetch_response (200 from %s/)"):format(server.at), tostring(response))
  end)

  it("names the URL without its query, and what failed", function()
    local function text_of(...)
      local answer, text = mcp.fetch(...)
      assert.is_nil(answer)
      assert.is_nil(text:find("secret", 1, true), text)
      return text
    end
    assert.equal("http://127.0.0.1:1/a: connection refused (cannot connect)",
      text_of "http://127.0.0.1:1/a?key=secret")
    assert.matches("^http://nobody.invalid/a: cannot resolve the name: ",
      text_of "http://nobody.invalid/a?key=secret")
    -- As much of it as is bearable.
    assert.is_true(#text_of("http://127.0.0.1:1/" .. ("a"):rep(5000)) < 300)
    assert.matches("(hidden)", text_of "http://user:secret@127.0.0.1/", nil, true)
    local server = serve(function(request, connection)
      if request.target:find "slow" then return connection:wait_end() end
      if request.target:find "cut" then
        connection:answer(200, { ["Content-Length"] = "9" }, "x")
        return connection:close()
      end
      if request.target:find "loop" then return 302, { Location = request.target } end
      return 200, nil, "too long"
    end)
    assert.equal(server.at .. "/slow: timed out (no response head arrived)",
      text_of(server.at .. "/slow?key=secret", { timeout = 0.03 }))
    assert.equal(server.at .. "/a: larger than its limit (response body: limit = 4 bytes)",
      text_of(server.at .. "/a?key=secret", { limit = 4 }))
    assert.equal(server.at .. "/cut: the connection was lost (in the middle of the body)",
      text_of(server.at .. "/cut?key=secret"))
    assert.equal(server.at .. "/loop redirects to " .. server.at
      .. "/loop, which was visited before: expected at most 5 redirects",
      text_of(server.at .. "/loop?key=secret"))
    assert.matches("^https://127.0.0.1:1/: tls: ", text_of("https://127.0.0.1:1/?key=secret",
      { tls = { ca = "/nonexistent" } }))
  end)

  it("loads the system's certificates once", function()
    local tls = require "mcp.tls"
    local client, count = tls.client, 0
    tls.client = function(...)
      count = count + 1
      return client(...)
    end
    for _ = 1, 3 do
      failed("ECONNREFUSED", "", mcp.fetch "https://127.0.0.1:1/")
      collectgarbage()
    end
    tls.client = client
    assert.is_true(count <= 1, count)
  end)

  it("raises what is wrong with its options for TLS", function()
    raises('unknown option "cart"', function()
      mcp.fetch("https://h/", { tls = { cart = "x" } })
    end)
    raises("one of on_data and stream", function()
      mcp.fetch("http://h/", { stream = true, on_data = print })
    end)
  end)
end)

describe("a streamed response", function()
  after_each(function()
    for _, server in ipairs(servers) do server:close() end
    servers = {}
    helper.leftovers()
  end)

  -- Sends a body in pieces, each when `go` is woken.
  local function pieces(...)
    local list, go = { ... }, {}
    return serve(function(_, connection)
      connection:answer(200, { ["Content-Length"] = tostring(#table.concat(list)) }, false)
      for i, piece in ipairs(list) do
        go[i] = go[i] or core.waiter()
        if i > 1 then go[i]:wait() end
        connection:send(piece)
      end
    end), function(i)
      go[i] = go[i] or core.waiter()
      go[i]:wake()
    end
  end

  it("says that its methods are called with a colon", function()
    local server = serve(function() return 200, {}, "x" end)
    local response = assert(fetch.get(server.at))
    for _, method in ipairs { "chunk", "chunks", "text", "json", "close" } do
      for _, wrong in ipairs { false, 7, {}, print } do
        assert.error_matches(function() response[method](wrong) end,
          "^response:" .. method .. " is called with a colon, not with a dot")
      end
    end
  end)

  it("comes in pieces, as they arrive", function()
    local server, go = pieces("one", "two", "three")
    local response <close> = assert(mcp.fetch(server.at, { stream = true }))
    assert.equal(200, response.status)
    assert.is_nil(response.body)
    local got = {}
    for chunk in response:chunks() do
      got[#got + 1] = chunk
      go(#got + 1)
    end
    assert.same({ "one", "two", "three" }, got)
    assert.is_nil(response:chunk())
  end)

  it("goes to on_data, and then there is no body", function()
    local server, go = pieces("one", "two", "three")
    local got = {}
    local response = assert(mcp.fetch(server.at, { on_data = function(chunk)
      got[#got + 1] = chunk
      core.sleep(0.002)
      go(#got + 1)
    end }))
    assert.same({ "one", "two", "three" }, got)
    assert.is_nil(response.body)
    assert.equal("", response:text())
  end)

  it("can be read whole", function()
    local server, go = pieces("[1,", "2]")
    local response <close> = assert(mcp.fetch(server.at, { stream = true }))
    go(2)
    assert.same({ 1, 2 }, helper.plain(response:json()))
    assert.equal("[1,2]", response.body)
  end)

  it("never looks whole when it is not", function()
    local server = serve(function(request, connection)
      connection:answer(200, { ["Content-Length"] = "9" }, "half")
      if request.target:find "^/cut" then return connection:close() end
      connection:wait_end()
    end)
    local response <close> = assert(mcp.fetch(server.at .. "/cut?key=secret", { stream = true }))
    local got = ""
    local ok, text = pcall(function()
      for chunk in response:chunks() do got = got .. chunk end
    end)
    assert.is_false(ok)
    assert.equal("half", got)
    assert.matches("/cut: the connection was lost", text, nil, true)
    assert.is_nil(text:find "secret")
    failed("EGONE", "in the middle of the body", response:chunk())
    local slow <close> = assert(mcp.fetch(server.at .. "/slow", { stream = true, timeout = 0.05 }))
    assert.equal("half", slow:chunk())
    failed("ETIMEDOUT", "/slow: timed out", slow:chunk())
    local left <close> = assert(mcp.fetch(server.at .. "/left", { stream = true }))
    left:close()
    failed("ECLOSED", "/left: closed", left:chunk())
    failed("ECLOSED", "/left: closed", left:text())
    raises("expected a response of stream = true", function()
      assert(mcp.fetch(server.at .. "/cut", { method = "HEAD" })):chunk()
    end)
  end)

  it("is limited in bytes", function()
    local server = serve(function() return 200, nil, ("x"):rep(300000) end)
    local response <close> = assert(mcp.fetch(server.at, { stream = true, limit = 100000 }))
    local count = 0
    local ok, text = pcall(function()
      for chunk in response:chunks() do count = count + #chunk end
    end)
    assert.is_false(ok)
    assert.matches("larger than its limit", text, nil, true)
    assert.is_true(count <= 100000)
    local answer, _, code = mcp.fetch(server.at, { on_data = function() end, limit = 299999 })
    assert.is_nil(answer)
    assert.equal("ETOOBIG", code)
    assert(mcp.fetch(server.at, { on_data = function() end, limit = 300000 }))
  end)

  it("is not taken from the server while nobody reads", function()
    local sent = 0
    local server = serve(function(_, connection)
      connection:answer(200, { ["Content-Length"] = tostring(64 << 20) }, false)
      local piece = ("x"):rep(1 << 16)
      while connection:send(piece) do sent = sent + #piece end
    end)
    local response <close> = assert(mcp.fetch(server.at, { stream = true, limit = 64 << 20 }))
    assert(response:chunk())
    local before
    helper.wait_until(function()
      local same = before == sent
      before = sent
      core.sleep(0.05)
      return same
    end)
    -- What the kernel keeps of a loopback connection, and our own 256 KiB.
    assert.is_true(sent < 16 << 20, sent)
  end)

  it("closes its connection when a loop over it is left, or it is dropped", function()
    local server = serve(function(_, connection)
      connection:answer(200, { ["Content-Length"] = "100" }, "x")
      connection:wait_end()
    end)
    do
      local response = assert(mcp.fetch(server.at, { stream = true }))
      for _ in response:chunks() do break end -- luacheck: ignore
    end
    helper.wait_until(function() return next(server.connections) == nil end)
    assert(mcp.fetch(server.at, { stream = true }))
    helper.wait_until(function()
      collectgarbage()
      return next(server.connections) == nil
    end)
  end)
end)

describe("a streamed response that is forgotten", function()
  after_each(function()
    for _, server in ipairs(servers) do server:close() end
    servers = {}
    helper.leftovers()
  end)

  it("ends with the coroutine that has asked for it", function()
    local server = serve(function(_, connection)
      connection:answer(200, { ["Content-Length"] = "100" }, "x")
      connection:wait_end()
    end)
    local kept
    mcp.run(function()
      kept = assert(mcp.fetch(server.at, { stream = true }))
      assert.equal("x", kept:chunk())
    end)
    helper.wait_until(function() return next(server.connections) == nil end)
    failed("ECLOSED", "closed", kept:chunk())
    -- Also when it was cancelled in between, and read by another one meanwhile.
    local waiter, reader, code = core.waiter(), core.waiter(), nil
    waiter:spawn(function()
      kept = assert(mcp.fetch(server.at, { stream = true }))
      core.sleep(10)
    end)
    helper.wait_until(function() return server.accepted == 2 and kept:chunk() == "x" end)
    reader:spawn(function() code = select(3, kept:chunk()) end)
    core.step(0)
    waiter:cancel()
    helper.wait_until(function() return code end)
    assert.equal("ECLOSED", code)
    helper.wait_until(function() return next(server.connections) == nil end)
    -- The main program keeps its own.
    local own <close> = assert(mcp.fetch(server.at, { stream = true }))
    assert.equal("x", own:chunk())
  end)
end)

describe("a file", function()
  local name
  before_each(function() name = os.tmpname() end)
  after_each(function()
    os.remove(name)
    for _, server in ipairs(servers) do server:close() end
    servers = {}
    helper.leftovers()
  end)

  local function filled(text)
    local file <close> = assert(io.open(name, "wb"))
    file:write(text)
    return text
  end

  it("is sent as a body, of any size", function()
    local server = serve(function(request) return 200, nil, request.body end)
    for _, size in ipairs { 0, 1, 65535, 65536, 65537, 3 << 20 } do
      local text = filled(("0123456789abcde"):rep(size // 15 + 1):sub(1, size))
      local response = assert(mcp.fetch(server.at, { file = name, limit = 4 << 20 }))
      assert.is_true(response.body == text, size)
      local request = server.requests[#server.requests]
      assert.equal("POST", request.method)
      assert.equal("application/octet-stream", request.fields["content-type"])
      assert.equal(tostring(size), request.fields["content-length"])
    end
    filled "x"
    assert(mcp.fetch(server.at, { file = name, method = "PUT",
      headers = { ["Content-Type"] = "text/plain" } }))
    assert.equal("PUT", server.requests[7].method)
    assert.equal("text/plain", server.requests[7].fields["content-type"])
  end)

  -- A listener whose function gets the socket of the first connection, head and body unread.
  local function bare(handler)
    local listener = raw.listen(0)
    local tasks = core.waiter()
    servers[#servers + 1] = { close = function()
      tasks:cancel()
      listener:close()
    end }
    tasks:spawn(function()
      local socket
      repeat
        socket = listener:accept()
        if not socket and not core.sleep(0.001) then return end
      until socket
      handler(socket)
      socket:close()
    end)
    return ("http://127.0.0.1:%d/"):format(listener:port())
  end

  it("is read no faster than it is sent", function()
    local size = 16 << 20
    filled(("x"):rep(size))
    local go, count = core.waiter(), 0
    local address = bare(function(socket)
      go:wait()
      local head
      while not head or count < size do
        local bytes, ended = socket:receive()
        if not head and bytes:find("\r\n\r\n", 1, true) then
          head, bytes = true, bytes:match "\r\n\r\n(.*)$"
        end
        count = count + #bytes
        if ended or bytes == "" and not core.sleep(0.001) then return end
      end
      socket:send "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
      core.sleep(0.05)
    end)
    local before = core.memory()
    local waiter, response = core.waiter(), nil
    waiter:spawn(function()
      response = assert(mcp.fetch(address, { file = name, timeout = 30 }))
    end)
    core.sleep(0.3)
    local held = core.memory() - before
    assert.is_true(held > 0 and held < 1 << 20, held)
    go:wake()
    helper.wait_until(function() return response end)
    assert.equal(size, count)
  end)

  it("is sent again after 307 and 308, from its beginning", function()
    local text = filled(("y"):rep(200000))
    local server = serve(function(request)
      if request.target == "/end" then return 200, nil, tostring(#request.body) end
      return tonumber(request.target:match "%d+"), { Location = "/end" }
    end)
    for _, status in ipairs { 307, 308 } do
      assert.equal(tostring(#text), assert(mcp.fetch(server.at .. "/" .. status,
        { file = name })).body)
    end
    assert.equal("0", assert(mcp.fetch(server.at .. "/303", { file = name })).body)
  end)

  it("that the server does not want ends with its answer", function()
    filled(("y"):rep(16 << 20))
    local address = bare(function(socket)
      socket:send "HTTP/1.1 413 No\r\nContent-Length: 8\r\n\r\ntoo much"
      core.sleep(0.1)
    end)
    local pool <close> = core.http_pool()
    local response = assert(mcp.fetch(address, { file = name, pool = pool, timeout = 5 }))
    assert.equal(413, response.status)
    assert.equal("too much", response.body)
    -- The rest of the body will not follow, so the connection is of no use.
    assert.equal(0, (pool:connections()))
  end)

  it("that becomes shorter fails", function()
    local size = 8 << 20
    filled(("y"):rep(size))
    local address = bare(function(socket)
      core.sleep(0.1)
      filled "short"
      repeat
        local _, ended = socket:receive()
      until ended or not core.sleep(0.001)
    end)
    failed("EGONE", "the file became shorter while it was sent", mcp.fetch(address,
      { file = name, timeout = 5 }))
  end)

  it("that cannot be sent is named", function()
    local server = serve(function() return 200 end)
    failed("ENOENT", "/nowhere/x: no such file", mcp.fetch(server.at, { file = "/nowhere/x" }))
    failed("EISDIR", "/tmp: ", mcp.fetch(server.at, { file = "/tmp" }))
    os.remove(name)
    os.execute("mkfifo " .. name)
    failed("EINVAL", name, mcp.fetch(server.at, { file = name }))
    assert.equal(0, #server.requests)
  end)

  it("is closed, whatever the end", function()
    filled(("z"):rep(1 << 20))
    local server = serve(function(request, connection)
      if request.target == "/slow" then connection:wait_end() end
      return 200
    end)
    local function settled()
      helper.wait_until(function() return next(server.connections) == nil end)
      collectgarbage()
      return folder.descriptors()
    end
    assert(mcp.fetch(server.at, { file = name }))
    local before = settled()
    for _ = 1, 20 do
      assert(mcp.fetch(server.at, { file = name }))
      failed("ETIMEDOUT", "", mcp.fetch(server.at .. "/slow", { file = name, timeout = 0.02 }))
      failed("EHTTP", "control character", mcp.fetch(server.at, { file = name,
        headers = { A = "b\nc" } }))
      failed("ECONNREFUSED", "", mcp.fetch("http://127.0.0.1:1/", { file = name }))
    end
    local after = settled()
    assert.is_true(after <= before, ("%d descriptors, then %d"):format(before, after))
  end)
end)

describe("a fetch that is cancelled", function()
  after_each(function()
    for _, server in ipairs(servers) do server:close() end
    servers = {}
    helper.leftovers()
  end)

  it("leaves nothing, 200 times in a row", function()
    local server = serve(function(request, connection)
      if request.target == "/head" then return connection:wait_end() end
      connection:answer(200, { ["Content-Length"] = "1000000" }, ("x"):rep(1000))
      connection:wait_end()
    end)
    local function round(i)
      local waiter, code = core.waiter(), nil
      local seen, got = #server.requests, nil
      waiter:spawn(function()
        local answer, _
        answer, _, code = mcp.fetch(server.at .. (i % 3 == 0 and "/head" or "/body"), {
          on_data = i % 3 == 1 and function() got = true end or nil })
        assert.is_nil(answer)
      end)
      helper.wait_until(function() return #server.requests > seen and (i % 3 ~= 1 or got) end)
      waiter:cancel()
      assert.equal("ECANCELED", code)
    end
    local function settle()
      helper.wait_until(function() return next(server.connections) == nil end)
      for n = #server.requests, 1, -1 do server.requests[n] = nil end
      collectgarbage()
      collectgarbage()
      return folder.descriptors(), collectgarbage "count" * 1024 + core.memory()
    end
    for i = 1, 20 do round(i) end
    local open, held = settle()
    for i = 1, 200 do round(i) end
    local open_after, held_after = settle()
    assert.is_true(open_after <= open, ("%d descriptors, then %d"):format(open, open_after))
    assert.is_true(held_after - held < 64 << 10, ("%d bytes more"):format(held_after - held))
  end)

  it("held up nobody while it waited", function()
    local server = serve(function(_, connection) connection:wait_end() end)
    local app = mcp.server "app"
    app:tool "slow" (function()
      local response, text = mcp.fetch(server.at, { timeout = 20 })
      return response and response.body, text
    end)
    local listening <close> = app:listen { http = { port = 0 }, quiet = true }
    local client <close> = assert(mcp.connect(listening.urls[1]))
    local waiter, code = core.waiter(), nil
    waiter:spawn(function() code = select(3, client:call_tool("slow", {}, { timeout = 1 })) end)
    helper.wait_until(function() return server.requests[1] end)
    local from = core.now()
    for _ = 1, 50 do assert(client:ping()) end
    assert.is_true(core.now() - from < 0.9)
    helper.wait_until(function() return code end)
    assert.equal("ETIMEDOUT", code)
    -- The client's timeout has cancelled the tool, and that the fetch.
    helper.wait_until(function() return next(server.connections) == nil end)
    client:close()
    listening:close()
    helper.wait_until(function() return listening:is_gone() end)
  end)
end)

describe("fetch and redirects", function()
  after_each(function()
    for _, server in ipairs(servers) do server:close() end
    servers = {}
    helper.leftovers()
  end)

  local function to(where, status) return status or 302, { Location = where } end

  it("are not followed if so requested", function()
    local server = serve(function() return to "/there" end)
    local answer = assert(fetch.get(server.at, { redirects = 0 }))
    assert.equal(302, answer.status)
    assert.equal("/there", answer.headers.location)
    assert.equal(1, #server.requests)
  end)

  it("follows so many and no more, relative ones too", function()
    local server = serve(function(request)
      local n = tonumber(request.target:match "%d+$")
      if n == 3 then return 200, nil, "here" end
      return to(tostring(n + 1), ({ 301, 302, 307, 308 })[n + 2])
    end)
    local answer = assert(fetch.get(server.at .. "/a/0", { redirects = 3 }))
    assert.equal("here", answer.body)
    assert.equal(server.at .. "/a/3", answer.url)
    failed("EREDIRECT", "expected at most 2 redirects", fetch.get(server.at .. "/a/0",
      { redirects = 2 }))
    -- Five if nothing is said.
    local rounds = serve(function(request)
      local n = tonumber(request.target:match "%d+$")
      return to("/" .. n + 1)
    end)
    failed("EREDIRECT", rounds.at .. "/5 redirects to " .. rounds.at
      .. "/6, which is one more: expected at most 5 redirects", fetch.get(rounds.at .. "/0"))
    assert.equal(6, #rounds.requests)
    local loop = serve(function(request)
      return to(request.target == "/a" and "/b" or "/a")
    end)
    failed("EREDIRECT", "which was visited before", fetch.get(loop.at .. "/a"))
  end)

  it("takes them all in one time", function()
    local server = serve(function()
      core.sleep(0.02)
      return to "/again"
    end)
    failed("ETIMEDOUT", "", fetch.get(server.at, { redirects = 100, timeout = 0.1 }))
  end)

  it("carries what may be secret to the same origin only (reliability: 1f)", function()
    local other = serve(function() return 200, nil, "other" end)
    local server = serve(function(request)
      if request.target == "/same" then return to "/here" end
      if request.target == "/other" then return to(other.at .. "/x") end
      return 200, nil, "same"
    end)
    local headers = { Authorization = "Bearer secret", ["X-Key"] = "secret", Accept = "a/b",
      ["MCP-Protocol-Version"] = "1" }
    assert.equal("same", assert(fetch.get(server.at .. "/same",
      { redirects = 1, headers = headers })).body)
    assert.equal("Bearer secret", server.requests[2].fields.authorization)
    assert.equal("other", assert(fetch.get(server.at .. "/other",
      { redirects = 1, headers = headers })).body)
    local fields = other.requests[1].fields
    assert.equal("a/b", fields.accept)
    assert.is_nil(fields.authorization)
    assert.is_nil(fields["x-key"])
    assert.is_nil(fields["mcp-protocol-version"])
    assert.equal("127.0.0.1:" .. other.port, fields.host)
  end)

  it("keep or rewrite the method (RFC 9110 15.4)", function()
    local server = serve(function(request)
      local status = tonumber(request.target:match "%d+")
      if status then return to("/end", status) end
      return 200, nil, ("%s %s %s"):format(request.method, request.fields["content-type"] or "-",
        request.body)
    end)
    local function outcome(method, status)
      local body = method ~= "GET" and method ~= "HEAD" and { a = "x" } or nil
      assert(fetch.request(("%s/%d"):format(server.at, status), { method = method, form = body }))
      local last = server.requests[#server.requests]
      return ("%s %s %s"):format(last.method, last.fields["content-type"] or "-", last.body)
    end
    local kind = "application/x-www-form-urlencoded a=x"
    for status, expected in pairs {
      [301] = { POST = "GET - ", PUT = "PUT " .. kind, GET = "GET - ", HEAD = "HEAD - " },
      [302] = { POST = "GET - ", PUT = "PUT " .. kind, GET = "GET - ", HEAD = "HEAD - " },
      [303] = { POST = "GET - ", PUT = "GET - ", GET = "GET - ", HEAD = "HEAD - " },
      [307] = { POST = "POST " .. kind, PUT = "PUT " .. kind, GET = "GET - ", HEAD = "HEAD - " },
      [308] = { POST = "POST " .. kind, PUT = "PUT " .. kind, GET = "GET - ", HEAD = "HEAD - " },
    } do
      for method, wanted in pairs(expected) do
        assert.equal(wanted, outcome(method, status), method .. " " .. status)
      end
    end
  end)

  it("send no body to another origin", function()
    local other = serve(function() return 200 end)
    local server = serve(function(request)
      return to(other.at .. "/x", tonumber(request.target:match "%d+"))
    end)
    for _, status in ipairs { 307, 308 } do
      failed("EREDIRECT", "a body is not sent to another origin",
        fetch.post(("%s/%d"):format(server.at, status), { form = { secret = "x" } }))
    end
    assert.equal(0, #other.requests)
    assert(fetch.post(server.at .. "/303", { form = { secret = "x" } }))
    assert.equal("GET", other.requests[1].method)
    assert.equal("", other.requests[1].body)
  end)

  it("looks at each hop anew", function()
    local server = serve(function(request)
      return to((request.target:sub(2):gsub("%%(%x%x)", function(x)
        return string.char(tonumber(x, 16))
      end)))
    end)
    local function follow(where, options)
      local all = { redirects = 5 }
      for name, value in pairs(options or {}) do all[name] = value end
      return fetch.get(server.at .. "/" .. where:gsub("[^%w:/.]", function(c)
        return ("%%%02X"):format(c:byte())
      end), all)
    end
    failed("ENOTLOCAL", "", follow("http://10.0.0.1/", { only = "loopback" }))
    failed("EINVAL", "expected http, https or unix, got file", follow "file:///etc/passwd")
    failed("EINVAL", "expected http, https or unix, got ws", follow "ws://127.0.0.1/")
    failed("EINVAL", "user or password", follow "http://a@b/")
    failed("EINVAL", "not an IPv4 address", follow "http://2130706433/")
    failed("EREDIRECT", "socket file", follow "unix:/run/docker.sock:/containers")
    local seen = {}
    failed("EREDIRECT", "enough", follow("http://other.example/", { check = function(text)
      seen[#seen + 1] = text
      return text ~= "http://other.example/", "enough"
    end }))
    assert.equal("http://other.example/", seen[2])
    local bare = serve(function() return 302 end)
    failed("EREDIRECT", "without Location", fetch.get(bare.at, { redirects = 1 }))
  end)
end)
