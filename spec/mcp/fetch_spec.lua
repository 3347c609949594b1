-- SPDX-License-Identifier: MIT
-- Whole exchanges: bodies out and in, limits, redirects and what they may not carry along.
local core = require "mcp.core"
local fetch = require "mcp.fetch"
local helper = require "spec.helper"
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
    assert.equal("application/json", server.requests[1].fields.accept)
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
    failed("EINVAL", "the scheme is file", fetch.get "file:///etc/passwd")
    failed("EINVAL", "http or https expected", fetch.get "ws://127.0.0.1:1/")
    local asked
    failed("EREDIRECT", "not this one", fetch.get("http://127.0.0.1:1/a", { check = function(text)
      asked = text
      return nil, "not this one"
    end }))
    assert.equal("http://127.0.0.1:1/a", asked)
    failed("ECONNREFUSED", "127.0.0.1:1: connection refused", fetch.get "http://127.0.0.1:1/")
  end)

  it("raises what is misused, at the line of who called", function()
    raises("an address expected, got nil", function() fetch.get() end)
    raises("options: table expected", function() fetch.get("http://h/", 7) end)
    raises('unknown option "limits", did you mean "limit"?', function()
      fetch.get("http://h/", { limits = 7 })
    end)
    raises('option "timeout": expected a number, got string', function()
      fetch.get("http://h/", { timeout = "7" })
    end)
    raises("timeout: seconds, more than 0", function() fetch.get("http://h/", { timeout = 0 }) end)
    raises("redirects: an integer", function() fetch.get("http://h/", { redirects = -1 }) end)
    raises("limit: an integer", function() fetch.get("http://h/", { limit = 1.5 }) end)
    raises('"public" or "loopback"', function() fetch.get("http://h/", { only = "x" }) end)
    raises("only one of body, form and json", function()
      fetch.post("http://h/", { body = "", json = 1 })
    end)
    raises("json: ", function() fetch.post("http://h/", { json = print }) end)
    raises("headers: names and values are strings", function()
      fetch.get("http://h/", { headers = { A = 1 } })
    end)
  end)
end)

describe("fetch and redirects", function()
  after_each(function()
    for _, server in ipairs(servers) do server:close() end
    servers = {}
    helper.leftovers()
  end)

  local function to(where, status) return status or 302, { Location = where } end

  it("does not follow one unless it is asked to", function()
    local server = serve(function() return to "/there" end)
    local answer = assert(fetch.get(server.at))
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
    failed("EREDIRECT", "once more: 2 are followed", fetch.get(server.at .. "/a/0",
      { redirects = 2 }))
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

  it("never sends a body on", function()
    local server = serve(function(request)
      local status = tonumber(request.target:match "%d+")
      if status then return to("/end", status) end
      return 200, nil, request.method
    end)
    for _, status in ipairs { 301, 302, 307, 308 } do
      failed("EREDIRECT", "redirects a POST", fetch.post(server.at .. "/" .. status,
        { redirects = 3, form = { secret = "x" } }))
    end
    assert.equal(4, #server.requests)
    local answer = assert(fetch.post(server.at .. "/303", { redirects = 3, form = { a = "x" } }))
    assert.equal("GET", answer.body)
    assert.equal("", server.requests[6].body)
    assert.is_nil(server.requests[6].fields["content-type"])
    assert.equal("HEAD", assert(fetch.request(server.at .. "/302",
      { method = "HEAD", redirects = 1 })) and server.requests[8].method)
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
    failed("EINVAL", "the scheme is file", follow "file:///etc/passwd")
    failed("EINVAL", "http or https expected", follow "ws://127.0.0.1/")
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
