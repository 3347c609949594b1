-- SPDX-License-Identifier: MIT
-- The middleware that is ready to use, each around tools, resources and prompts of both eras.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

local REVISIONS = { "2025-11-25", "2026-07-28" }

local function text_of(result) return result.content[1].text end

-- The result and the error of any request, in the era of the peer.
local function ask(peer, method, params)
  local message = peer.era and peer:modern(method, params) or peer:request(method, params)
  return message.result, message.error
end

-- Requests as callers with these keys, in turn.
local function as(app, ...)
  local keys, at = { ... }, 0
  app:use(function(request, next)
    at = at % #keys + 1
    rawset(request.ctx, "auth", { key = keys[at], scopes = {} })
    return next(request)
  end)
end

local function refused(what, options, text)
  local ok, message = pcall(mcp.middleware[what], options)
  assert.is_false(ok, text)
  assert.truthy(message:find("mcp.middleware." .. what .. ": " .. text, 1, true), message)
end

after_each(helper.leftovers)

describe("mcp.middleware.cache", function()
  local function app_of(options)
    local app, counts = mcp.server "spec", { total = 0 }
    app:use(mcp.middleware.cache(options))
    app:tool "count" { input = { of = "any?" } } (function()
      counts.total = counts.total + 1
      return { n = counts.total }
    end)
    app:tool "fail" (function()
      counts.total = counts.total + 1
      return nil, "no"
    end)
    app:resource "r://a" (function()
      counts.total = counts.total + 1
      return tostring(counts.total)
    end)
    return app, counts
  end

  for _, revision in ipairs(REVISIONS) do
    it("keeps what is named, for each set of arguments, in " .. revision, function()
      local app, counts = app_of { names = { "count", "fail", "r://a" } }
      local peer = helper.open(app, revision)
      assert.equal('{"n":1}', text_of(peer:call "count"))
      assert.equal('{"n":1}', text_of(peer:call "count"))
      assert.equal('{"n":2}', text_of(peer:call("count", { of = { a = 1, b = 2 } })))
      assert.equal('{"n":2}', text_of(peer:call("count", { of = { b = 2, a = 1 } })))
      assert.equal(2, counts.total)
      peer:call "fail"
      peer:call "fail"
      assert.equal(4, counts.total)
    end)
  end

  it("asks again once the time is over", function()
    local app, counts = app_of { names = { "count" }, ttl = 0.02 }
    local peer = helper.open(app)
    peer:call "count"
    core.sleep(0.021)
    peer:call "count"
    assert.equal(2, counts.total)
  end)

  it("does not give one caller the result of another, unless it is told to", function()
    for shared, expected in pairs { [true] = 1, [false] = 2 } do
      local app, counts = mcp.server "spec", 0
      as(app, "ann", "bob")
      app:use(mcp.middleware.cache { names = { "count" }, shared = shared })
      app:tool "count" (function() counts = counts + 1 end)
      local peer = helper.open(app)
      for _ = 1, 4 do peer:call "count" end
      assert.equal(expected, counts)
    end
  end)

  it("gives each caller a result of its own, which nothing changes", function()
    local app = mcp.server "spec"
    app:use(function(request, next)
      local result, err = next(request)
      if request.name == "list" then result.content[1].text = result.content[1].text .. "!" end
      return result, err
    end)
    app:use(mcp.middleware.cache { names = { "list" } })
    app:tool "list" (function() return "a" end)
    local peer = helper.open(app)
    for _ = 1, 3 do assert.equal("a!", text_of(peer:call "list")) end
  end)

  it("keeps no more bytes than it may: the oldest go first", function()
    local app, counts = app_of { names = { "count" }, bytes = 2000 }
    local peer = helper.open(app)
    for i = 1, 50 do peer:call("count", { of = i }) end
    peer:call("count", { of = 50 })
    assert.equal(50, counts.total)
    peer:call("count", { of = 1 })
    assert.equal(51, counts.total)
    local before = collectgarbage "count"
    for i = 1, 600 do peer:call("count", { of = i }) end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 300)
  end)

  it("counts 300 bytes beside an entry's name and result", function()
    -- The least bytes that keep a result.
    local function needed(name)
      for bytes = 1, 2000 do
        local total = 0
        local kept = mcp.middleware.cache { names = { name }, bytes = bytes }
        local function ask_it()
          return kept({ name = name, method = "tools/call", params = { name = name },
            ctx = { revision = { name = "2025-11-25" } } }, function()
            total = total + 1
            return { value = total }
          end)
        end
        ask_it()
        ask_it()
        if total == 1 then return bytes end
      end
    end
    local with_key = needed "t"
    assert.equal(with_key + 100, needed("t" .. ("x"):rep(100)))
    local key = "2025-11-25\0tools/call\0t\0nil\0nil\0{}\0"
    assert.equal(300 + #key + core.weight { value = 1 }, with_key)
  end)

  it("holds no arguments of results that it has no longer", function()
    local app = app_of { names = { "count" }, ttl = 1e-9 }
    local peer = helper.open(app)
    local long = ("x"):rep(100000)
    peer:call("count", { of = long })
    collectgarbage()
    collectgarbage()
    local before = collectgarbage "count"
    for _ = 1, 50 do peer:call("count", { of = long }) end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 1000)
  end)

  it("asks a function what to keep, and keeps no request that is more than its arguments",
    function()
      local app, counts = app_of { when = function(request) return request.kind == "tool" end }
      local peer = helper.open(app, "2026-07-28")
      for _ = 1, 2 do
        assert.truthy((ask(peer, "tools/call", { name = "count", more = "x" })))
        assert.truthy((ask(peer, "resources/read", { uri = "r://a" })))
      end
      assert.equal(4, counts.total)
      peer:call "count"
      peer:call "count"
      assert.equal(5, counts.total)
    end)

  it("says what is wrong with its options", function()
    refused("cache", {}, "expected names, a list of what may be kept, or when")
    refused("cache", { names = { 1 } }, "names[1]: expected a string, got number")
    refused("cache", { names = { slow = true } },
      'names: expected a list of strings, got a table with the key "slow"')
    refused("cache", { names = {}, ttl = 0 }, "ttl: expected more than 0, got 0")
    refused("cache", { nmes = {} }, 'unknown option "nmes", did you mean "names"?')
  end)
end)

describe("mcp.middleware.retry", function()
  local function app_of(options)
    local app, calls = mcp.server "spec", {}
    app:use(mcp.middleware.retry(options or { delay = 0 }))
    -- Fails `count` times.
    local function flaky(name, count)
      calls[name] = 0
      return function()
        calls[name] = calls[name] + 1
        if calls[name] <= count then error(mcp.error(-32603, "not now")) end
        return "done"
      end
    end
    app:tool "read" { annotations = { read_only = true } } (flaky("read", 2))
    app:tool "put" { annotations = { idempotent = true } } (flaky("put", 1))
    app:tool "send" (flaky("send", 1))
    app:tool "never" { annotations = { read_only = true } } (flaky("never", 100))
    app:tool "wrong" { annotations = { read_only = true } } (function()
      calls.wrong = (calls.wrong or 0) + 1
      error(mcp.error(-32602, "wrong"))
    end)
    app:resource "r://a" (flaky("r", 1))
    return app, calls
  end

  for _, revision in ipairs(REVISIONS) do
    it("repeats what may be repeated, in " .. revision, function()
      local app, calls = app_of()
      local peer = helper.open(app, revision)
      assert.equal("done", text_of(peer:call "read"))
      assert.equal("done", text_of(peer:call "put"))
      assert.is_nil((peer:call "send"))
      assert.is_nil((peer:call "never"))
      assert.is_nil((peer:call "wrong"))
      assert.same({ read = 3, put = 2, send = 1, never = 3, wrong = 1, r = 0 }, calls)
      assert.truthy((ask(peer, "resources/read", { uri = "r://a" })))
      assert.equal(2, calls.r)
    end)
  end

  it("asks a function whether another try is worth it", function()
    local app, calls = mcp.server "spec", 0
    app:use(mcp.middleware.retry { delay = 0, times = 5,
      when = function(_, result) return result and result.isError end })
    app:tool "t" { annotations = { read_only = true } } (function()
      calls = calls + 1
      if calls < 4 then return nil, "try later" end
      return "done"
    end)
    local peer = helper.open(app)
    assert.equal("done", text_of(peer:call "t"))
    assert.equal(4, calls)
  end)

  for _, revision in ipairs(REVISIONS) do
    it("gives that function tables or errors, whatever is asked for, in " .. revision, function()
      local app, seen, errors = mcp.server "spec", {}, {}
      app:use(mcp.middleware.retry { delay = 0, times = 1, when = function(request, result, err)
        seen[request.method] = result and (result.content or result.contents or result.messages
          or result.tools) ~= nil
        errors[request.method] = err and err.code
        return result and result.isError
      end })
      app:tool "t" { annotations = { read_only = true } } (function() return "done" end)
      app:resource "r://a" (function() return "text" end)
      app:prompt "p" (function() return "hello" end)
      local inner = mcp.server "inner"
      inner:tool "t" { annotations = { read_only = true } } (function() return "done" end)
      app:mount("in", inner)
      local peer = helper.open(app, revision)
      for _, name in ipairs { "t", "in_t" } do
        seen["tools/call"] = nil
        assert.truthy(ask(peer, "tools/call", { name = name }))
        assert.is_true(seen["tools/call"])
      end
      assert.truthy(ask(peer, "resources/read", { uri = "r://a" }))
      assert.truthy(ask(peer, "prompts/get", { name = "p" }))
      for _, method in ipairs { "tools/list", "resources/list", "resources/templates/list",
        "prompts/list" } do
        assert.truthy((ask(peer, method)))
      end
      for _, method in ipairs { "tools/call", "resources/read", "prompts/get" } do
        assert.is_true(seen[method], method)
      end
      assert.same({}, errors)
      assert.truthy(select(2, ask(peer, "resources/read", { uri = "r://none" })))
      assert.is_number(errors["resources/read"])
    end)
  end

  it("ends its pause when the call is cancelled", function()
    local app, calls = app_of { delay = 10 }
    local peer = helper.open(app)
    peer:send { jsonrpc = "2.0", id = 70, method = "tools/call", params = { name = "never" } }
    helper.wait_until(function() return calls.never == 1 end, "the first try")
    peer:notify("notifications/cancelled", { requestId = 70 })
    helper.wait_until(function() return core.task_count() == 0 end, "the end of the call")
    assert.equal(1, calls.never)
  end)

  it("says what is wrong with its options", function()
    refused("retry", { times = 0 }, "times: expected an integer, 1 or more, got 0")
    refused("retry", { delay = 11 }, "delay: expected 0 to 10 seconds, got 11")
    refused("retry", { tmes = 1 }, 'unknown option "tmes", did you mean "times"?')
  end)
end)

describe("mcp.middleware.rate_limit", function()
  local function app_of(options, ...)
    local app = mcp.server "spec"
    if ... then as(app, ...) end
    app:use(mcp.middleware.rate_limit(options))
    app:tool "a" (function() return "a" end)
    app:tool "b" (function() return "b" end)
    return app
  end

  -- How many of `count` calls pass.
  local function passed(peer, count, ...)
    local names, good, last = { ... }, 0, nil
    for i = 1, count do
      local result, err = peer:call(names[i] or names[1] or "a")
      if result then good = good + 1 else last = err end
    end
    return good, last
  end

  for _, revision in ipairs(REVISIONS) do
    it("allows so many calls, and says when to try again, in " .. revision, function()
      local peer = helper.open(app_of { calls = 3, per = 60 }, revision)
      local good, err = passed(peer, 5)
      assert.equal(3, good)
      assert.equal(-32000, err.code)
      assert.equal("Too many requests: at most 3 in 60 s; try again in 20 s", err.message)
      assert.same({ retryAfter = 20 }, helper.plain(err.data))
    end)
  end

  it("fills steadily", function()
    local peer = helper.open(app_of { calls = 100, per = 1, burst = 1 })
    assert.is_true((passed(peer, 3)) < 3)
    core.sleep(0.011)
    assert.equal(1, (passed(peer, 1)))
  end)

  it("counts each caller, or all, or what a function says", function()
    assert.equal(4, (passed(helper.open(app_of({ calls = 2 }, "ann", "bob")), 8)))
    assert.equal(2, (passed(helper.open(app_of({ calls = 2, by = "all" }, "ann", "bob")), 8)))
    local by = { calls = 2, by = function(request) return request.name == "a" and "x" or nil end }
    assert.equal(2, (passed(helper.open(app_of(by)), 4, "a", "a", "a", "a")))
    assert.equal(4, (passed(helper.open(app_of(by)), 4, "b", "b", "b", "b")))
  end)

  it("counts each tool apart, and other kinds of requests, where that is wanted", function()
    assert.equal(2, (passed(helper.open(app_of { calls = 1, each = true }), 4, "a", "b", "a",
      "b")))
    local peer = helper.open(app_of { calls = 1, kinds = { "list" } })
    assert.equal(3, (passed(peer, 3)))
    assert.truthy((ask(peer, "tools/list")))
    assert.is_nil((ask(peer, "tools/list")))
  end)

  it("has one count for all tools that do not exist, and keys that are text", function()
    local app = app_of { calls = 2, each = true }
    local peer = helper.open(app)
    for i = 1, 2 do
      assert.is_false((peer:request("tools/call", { name = "none" .. i }).error.code == -32000))
    end
    assert.equal(-32000, peer:request("tools/call", { name = "none3" }).error.code)
    app = app_of { calls = 2, by = function() return {} end }
    local log = helper.logged(function() helper.open(app):call "count" end)
    assert.truthy(log:find("by: expected a function that returns a string, a number or nil, got "
      .. "table", 1, true), log)
  end)

  it("answers 429 with Retry-After over HTTP", function()
    local app = app_of { calls = 1, per = 30 }
    local listening <close> = app:listen { http = "127.0.0.1:0", quiet = true }
    local body = core.encode { jsonrpc = "2.0", id = 1, method = "tools/call",
      params = { name = "a", _meta = {
        ["io.modelcontextprotocol/protocolVersion"] = "2026-07-28",
        ["io.modelcontextprotocol/clientInfo"] = { name = "x", version = "1" },
        ["io.modelcontextprotocol/clientCapabilities"] = core.raw {} } } }
    local response
    for _ = 1, 2 do
      response = assert(mcp.fetch(listening.urls[1], { method = "POST", body = body, headers = {
        ["Content-Type"] = "application/json", Accept = "application/json, text/event-stream",
        ["MCP-Protocol-Version"] = "2026-07-28", ["Mcp-Method"] = "tools/call",
        ["Mcp-Name"] = "a" } }))
    end
    assert.equal(429, response.status)
    assert.equal("30", response.headers["retry-after"])
  end)

  it("keeps no more buckets than fit into its bytes, whatever the callers are named", function()
    local n = 0
    local app = app_of { calls = 1000, per = 1, by = function()
      n = n + 1
      return ("k"):rep(40000) .. n
    end }
    local peer = helper.open(app)
    local before = collectgarbage "count"
    assert.is_true((passed(peer, 300)) > 90)
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 6000)
  end)

  it("says what is wrong with its options", function()
    refused("rate_limit", {}, "calls: expected a number, got nothing")
    refused("rate_limit", { calls = 0 }, "calls: expected a number above 0, got 0")
    refused("rate_limit", { calls = 1, burst = 0.5 }, "burst: expected 1 or more, got 0.5")
    refused("rate_limit", { calls = 1, by = "me" }, 'by: expected "principal", "all" or a function')
    refused("rate_limit", { calls = 1, kinds = { "toll" } }, "kinds[1]: expected the kind of a")
    refused("rate_limit", { calls = 1, kinds = { tool = true } }, "kinds: expected a list of")
    refused("rate_limit", { call = 1 }, 'unknown option "call", did you mean "calls"?')
  end)
end)

describe("mcp.middleware.response_limit", function()
  local function app_of(options)
    local app = mcp.server "spec"
    app:use(mcp.middleware.response_limit(options))
    app:tool "long" { input = { n = "integer" } } (function(args)
      return { mcp.text(("ü"):rep(args.n // 2)), mcp.text "end" }
    end)
    app:tool "deep" (function()
      local list = {}
      for i = 1, 1000 do list[i] = { value = i } end
      return { list = list }
    end)
    app:resource "r://long" (function() return ("x"):rep(5000) end)
    return app
  end

  for _, revision in ipairs(REVISIONS) do
    it("refuses what is too long, in " .. revision, function()
      local peer = helper.open(app_of { bytes = 2000 }, revision)
      assert.equal(1000, #text_of(peer:call("long", { n = 1000 })))
      for name, arguments in pairs { long = { n = 2100 }, deep = core.raw {} } do
        local result = peer:call(name, arguments)
        assert.is_true(result.isError)
        assert.equal("the result is larger than 2000 bytes, which is the limit here: ask for less, "
          .. "or for a part", text_of(result))
        assert.is_nil(result.structuredContent)
      end
      local result, err = ask(peer, "resources/read", { uri = "r://long" })
      assert.is_nil(result)
      assert.equal(-32603, err.code)
    end)
  end

  it("counts what is no text, too: so many bytes for each value and each member", function()
    local limit = mcp.middleware.response_limit { bytes = 1000 }
    local function answer(count)
      local list = {}
      for i = 1, count do list[i] = i end
      return limit({ kind = "tool" }, function() return { a = list } end)
    end
    -- 9 for the member, 16 for each number.
    assert.equal(61, #answer(61).a)
    assert.is_true(answer(62).isError)
  end)

  it("cuts texts at a character where that is wanted, and says how much", function()
    local peer = helper.open(app_of { bytes = 2000, cut = true })
    local result = peer:call("long", { n = 50000 })
    assert.is_nil(result.isError)
    assert.truthy(utf8.len(text_of(result)))
    assert.is_true(#text_of(result) > 1000 and #text_of(result) < 2000)
    assert.matches("%[cut: %d+ bytes of 50003; ask for less, or for a part%]",
      result.content[#result.content].text)
    assert.is_true(peer:call("deep").isError)
  end)

  it("says what is wrong with its options", function()
    refused("response_limit", {}, "bytes: expected an integer, 1000 or more, got nil")
    refused("response_limit", { bytes = 10 }, "bytes: expected an integer, 1000 or more, got 10")
  end)
end)

describe("mcp.middleware.redact", function()
  local SECRET = "sk-abc123"

  local function app_of(options)
    local app, kept = mcp.server "spec", { user = "ann", Password = "hunter2", pin = 1234,
      note = "the key is sk-abc123, not sk-zz9" }
    app:use(mcp.middleware.redact(options))
    app:tool "table" (function() return kept end)
    app:tool "fail" (function() return nil, "cannot use " .. SECRET end)
    app:tool "raise" (function() error(mcp.error(-5, "bad " .. SECRET, { key = SECRET })) end)
    app:tool "image" (function() return mcp.image(SECRET) end)
    app:resource "r://a" (function() return "It is " .. SECRET end)
    return app, kept
  end

  for _, revision in ipairs(REVISIONS) do
    it("replaces what matches, in results and errors, in " .. revision, function()
      local app, kept = app_of { patterns = { "sk%-%w+" }, keys = { "password", "pin" } }
      local peer = helper.open(app, revision)
      local result = peer:call "table"
      assert.same({ user = "ann", Password = "[redacted]", pin = "[redacted]",
        note = "the key is [redacted], not [redacted]" }, helper.plain(result.structuredContent))
      assert.is_nil(text_of(result):find("sk-", 1, true))
      assert.equal("cannot use [redacted]", text_of(peer:call "fail"))
      local _, err = peer:call "raise"
      assert.equal("bad [redacted]", err.message)
      assert.same({ key = "[redacted]" }, helper.plain(err.data))
      assert.equal("It is [redacted]", ask(peer, "resources/read", { uri = "r://a" })
        .contents[1].text)
      -- The handler's own table is as it was.
      assert.equal("hunter2", kept.Password)
    end)
  end

  it("lets no file of text out that it has not read", function()
    local app = app_of { patterns = { "sk%-%w+" } }
    local top = os.tmpname()
    os.remove(top)
    local folder <close> = assert(mcp.folder(top, { create = true, limit = 8 << 20 }))
    app:resource "f://{name}" (function(vars) return assert(folder:file(vars.name)) end)
    assert(folder:write("a", ("x"):rep(300000) .. " " .. SECRET))
    assert(folder:write("b", ("x"):rep(5 << 20) .. " " .. SECRET))
    local peer = helper.open(app)
    assert.equal(("x"):rep(300000) .. " [redacted]",
      ask(peer, "resources/read", { uri = "f://a" }).contents[1].text)
    local log = helper.logged(function()
      local result, err = ask(peer, "resources/read", { uri = "f://b" })
      assert.same({ nil, -32603 }, { result, err.code })
    end)
    assert.matches("redact: a file of 52428%d+ bytes: .*limit = 4194304 bytes", log)
    for _, name in ipairs { "a", "b" } do assert(folder:remove(name)) end
    os.remove(top)
  end)

  it("hides everything below a name, in data and in text that is JSON", function()
    local app = app_of { keys = { "Password", "secrets" }, patterns = { "sk%-%w+" } }
    app:tool "more" (function()
      return { password = { "one", { two = 2 } }, data = SECRET, blob = SECRET, ok = "yes",
        inner = '{"password":"three"}', [SECRET] = 1 }
    end)
    app:tool "data" (function() error(mcp.error(-5, '{"secrets":[7]}', SECRET)) end)
    app:resource "r://json" (function() return '[{"password":"three"},{"a":1}]' end)
    local peer = helper.open(app)
    local result = peer:call "more"
    assert.same({ password = { "[redacted]", { two = "[redacted]" } }, data = "[redacted]",
      blob = "[redacted]", ok = "yes", inner = '{"password":"[redacted]"}', ["[redacted]"] = 1 },
      helper.plain(result.structuredContent))
    local text = text_of(result)
    assert.same(helper.plain(result.structuredContent), helper.plain(mcp.json.decode(text)))
    local _, err = peer:call "data"
    assert.equal('{"secrets":["[redacted]"]}', err.message)
    assert.equal("[redacted]", err.data)
    assert.equal('[{"password":"[redacted]"},{"a":1}]',
      ask(peer, "resources/read", { uri = "r://json" }).contents[1].text)
  end)

  it("leaves binary data alone, and takes any text in its place", function()
    local app = app_of { patterns = { "." }, with = "%1" }
    local peer = helper.open(app)
    assert.equal(core.base64(SECRET), peer:call("image").content[1].data)
    assert.equal("%1", text_of(peer:call "fail"):sub(1, 2))
  end)

  it("says what is wrong with its options", function()
    refused("redact", {}, "expected patterns or keys")
    refused("redact", { patterns = { "[" } }, "patterns[1]: malformed pattern")
    refused("redact", { patterns = { 1 } }, "patterns[1]: expected a string, got number")
    refused("redact", { keys = { 1 } }, "keys[1]: expected a string, got number")
    refused("redact", { patterns = { "a" }, keys = { password = true } },
      'keys: expected a list of strings, got a table with the key "password"')
  end)
end)
