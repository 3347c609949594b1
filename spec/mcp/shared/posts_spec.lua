-- SPDX-License-Identifier: MIT
-- HTTP+SSE over several processes: a message is passed to the one that has the stream.
local core = require "mcp.core"
local helper = require "spec.helper"
local posts = require "mcp.server.shared.posts"
local several = require "spec.several"
local shared = require "mcp.server.shared"

local READY = '{"jsonrpc":"2.0","method":"notifications/initialized"}'
local PING = '{"jsonrpc":"2.0","id":%s,"method":"ping"}'

describe("HTTP+SSE over several processes", function()
  local all, timeout, asking, clients, passing, own, heard

  local function make(app, i)
    app:tool "where" (function(_, ctx) return ("%d %s"):format(i, ctx.headers["x-spec"]) end)
    app:tool "who" (function(_, ctx)
      local auth = ctx.auth
      return core.encode { auth.subject, auth.scopes.read or false,
        auth.scopes.write or false, auth.claims.color, ctx.headers.authorization or "none" }
    end)
    app:tool "count" { input = { n = "integer" } } (function(args) return ("%d"):format(args.n) end)
    app:tool "ask" (function(_, ctx)
      return ctx:elicit("Which?", { name = "string" }).name
    end)
  end

  before_each(function()
    timeout, asking, clients = shared.TIMEOUT, shared.ASKING, {}
    passing, own, heard = posts.PASSING, posts.PASSING_PER_PRINCIPAL, posts.HEARD
  end)
  after_each(function()
    shared.TIMEOUT, shared.ASKING = timeout, asking
    posts.PASSING, posts.PASSING_PER_PRINCIPAL, posts.HEARD = passing, own, heard
    for _, client in ipairs(clients) do client:close() end
    all:close()
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
    helper.leftovers()
  end)

  local function open(count, options) all = several.open(count, make, options) end

  local function request(i, method, target, body, fields)
    local headers = { { "Accept", "text/event-stream" } }
    local kind = fields and fields["Content-Type"] or "application/json"
    if body then headers[2] = { "Content-Type", kind } end
    for name, field in pairs(fields or {}) do
      if name ~= "Content-Type" then headers[#headers + 1] = { name, field } end
    end
    return assert(all.pool:request { host = "127.0.0.1", port = all.ports[i], method = method,
      target = target, headers = headers, body = body, timeout = helper.LIMIT })
  end

  -- The status, the error, and Retry-After of a POST to process `i`.
  local function post(i, address, body, fields)
    local response = request(i, "POST", address, body, fields)
    local text = response:read(1 << 22, helper.LIMIT) or ""
    return response.status, text ~= "" and (core.decode(text) or {}).error,
      response:header "retry-after", text
  end

  local Stream = {}
  Stream.__index = Stream

  function Stream:event() return self.response:event(helper.LIMIT) end

  function Stream:message() return (select(2, self:event())) end

  function Stream:close() self.response:close() end

  -- Opens a stream at process `i`; `j`: and does the handshake at that one.
  local function connect(i, j, fields, capabilities, revision)
    local self = setmetatable({ response = request(i, "GET", "/mcp", nil, fields) }, Stream)
    clients[#clients + 1] = self
    assert.equal(200, self.response.status)
    self.address = assert(self:event()).data
    if j then
      assert.equal(202, (post(j, self.address, core.encode { jsonrpc = "2.0", id = 0,
        method = "initialize", params = { protocolVersion = revision or "2024-11-05",
          capabilities = capabilities or {}, clientInfo = { name = "spec", version = "1" } } },
        fields)))
      assert.equal(0, self:message().id)
      assert.equal(202, (post(j, self.address, READY, fields)))
    end
    return self
  end

  local function call(id, name, arguments)
    return core.encode { jsonrpc = "2.0", id = id, method = "tools/call",
      params = { name = name, arguments = arguments } }
  end

  local function text_of(message) return message.result.content[1].text end

  local function joined()
    for _, app in ipairs(all.apps) do
      if not app.shared.number then return false end
    end
    return true
  end

  it("serves a client whose messages arrive at any of them", function()
    open(3)
    several.run(function()
      local stream = connect(1, 2)
      for i = 1, 3 do
        assert.equal(202, (post(i, stream.address, call(i, "where"), { ["X-Spec"] = "x" .. i })))
        local message = stream:message()
        assert.equal(i, message.id)
        assert.equal("1 x" .. i, text_of(message))
      end
    end)
  end)

  it("keeps the order of its messages", function()
    open(2)
    several.run(function()
      local stream = connect(1, 1)
      for n = 1, 40 do
        assert.equal(202, (post(n % 2 + 1, stream.address, call(n, "count", { n = n }))))
      end
      for n = 1, 40 do assert.equal(tostring(n), text_of(stream:message())) end
    end)
  end)

  it("gets the answer of a client to a question, as it came", function()
    open(2)
    several.run(function()
      local stream = connect(1, 2, nil, { elicitation = {} }, several.LATEST)
      assert.equal(202, (post(2, stream.address, call(1, "ask"))))
      local question = stream:message()
      assert.equal("elicitation/create", question.method)
      assert.equal(202, (post(2, stream.address, core.encode { jsonrpc = "2.0", id = question.id,
        result = { action = "accept", content = { name = 'ro"se\\\226\130\172' } } })))
      assert.equal('ro"se\\\226\130\172', text_of(stream:message()))
      assert.equal(202, (post(2, stream.address, PING:format "9007199254740993")))
      assert.equal(9007199254740993, stream:message().id)
    end)
  end)

  it("refuses what is no message where it arrives, and passes none of it", function()
    open(2)
    several.run(function()
      local stream, passed = connect(1, 2), 0
      local take = all.apps[1].shared.asked.post
      all.apps[1].shared.asked.post = function(...)
        passed = passed + 1
        return take(...)
      end
      for _, case in ipairs { { "{", -32700 }, { "\xff", -32700 }, { "{}", -32600 },
        { '{"jsonrpc":"1.0","id":"a","method":"ping"}', -32600, "a" } } do
        local status, err, _, text = post(2, stream.address, case[1])
        assert.same({ 400, case[2] }, { status, err.code })
        assert.equal(case[3] or core.null, core.decode(text).id)
      end
      assert.equal(415, (post(2, stream.address, READY, { ["Content-Type"] = "text/plain" })))
      assert.equal(403, (post(2, stream.address, READY, { Origin = "https://evil.example" })))
      assert.equal(413, (post(2, stream.address, '"' .. ("x"):rep(5 << 20) .. '"')))
      assert.equal(0, passed)
      assert.equal(202, (post(2, stream.address, PING:format "7")))
      assert.equal(7, stream:message().id)
      assert.equal(1, passed)
    end)
  end)

  it("does not know a stream that was made up, has ended or is of a dead process", function()
    open(3)
    several.run(function()
      local stream, other = connect(1, 2), connect(3, 2)
      local path, id = stream.address:match "^(.-=)(.*)$"
      local random, number, tag = id:match "^(.-)%.(%d+)%.(%x+)$"
      local asked, texts = 0, {}
      local ask = all.apps[2].shared.ask
      all.apps[2].shared.ask = function(...)
        asked = asked + 1
        return ask(...)
      end
      local function unknown(address)
        local status, err, _, text = post(2, address, READY)
        assert.same({ 404, -32001 }, { status, err.code }, address)
        texts[text] = true
      end
      for _, name in ipairs { "", "x", ("A"):rep(22), random, random .. "." .. number,
        ("%s.%s.%s"):format(random, number, ("0"):rep(16)),
        ("%s.%d.%s"):format(random, number + 1, tag), ("%s.0%s.%s"):format(random, number, tag),
        ("%s.%s.%s"):format(random:reverse(), number, tag), id .. "a", id:upper(), "." .. id,
        ("%s.%s.%s"):format(random, ("9"):rep(30), tag) } do
        unknown(path .. name)
      end
      unknown "/mcp/message"
      assert.equal(0, asked)
      stream:close()
      several.eventually(function() return post(2, stream.address, READY) == 404 end)
      unknown(stream.address)
      all:kill(3)
      shared.TIMEOUT = 0.1
      unknown(other.address)
      assert.is_nil(next(texts, (next(texts))))
    end)
  end)

  it("learns at once that the process of its stream has died", function()
    open(2)
    several.run(function()
      local asked, ask = 0, all.apps[2].shared.ask
      local stream = connect(1, 2)
      all.apps[2].shared.ask = function(...)
        asked = asked + 1
        return ask(...)
      end
      assert.equal(202, (post(2, stream.address, PING:format "1")))
      assert.equal(1, stream:message().id)
      assert.equal(1, asked)
      all:kill(1)
      posts.HEARD = 0
      for _ = 1, 2 do
        local status, err = post(2, stream.address, PING:format "2")
        assert.same({ 404, -32001 }, { status, err.code })
      end
      assert.equal(1, asked)
    end)
  end)

  -- A message with so many bytes, and some more.
  local function sized(id, bytes)
    return core.encode { jsonrpc = "2.0", id = id, method = "ping",
      params = { filler = ("x"):rep(bytes) } }
  end

  -- Calls `fn` in a task, and holds the next message that arrives at process 1 until the function
  -- that it returns is called; that one returns what `fn` does.
  local function hold(fn)
    local share = all.apps[1].shared
    local take, gate, done = share.asked.post, core.waiter(), core.waiter()
    local arrived, result = false, nil
    share.asked.post = function(...)
      share.asked.post, arrived = take, true
      gate:wait(helper.LIMIT)
      return take(...)
    end
    core.spawn(function()
      result = fn()
      done:wake(true)
    end)
    several.eventually(function() return arrived end, "the message")
    return function()
      gate:wake(true)
      done:wait(helper.LIMIT)
      return result
    end
  end

  it("bounds the bytes on their way to other processes", function()
    open(2)
    helper.logged(function()
      several.run(function()
        local stream = connect(1, 2)
        shared.TIMEOUT, posts.PASSING = helper.LIMIT, 6000
        local go_on = hold(function() return (post(2, stream.address, sized(1, 4000))) end)
        local status, err = post(2, stream.address, sized(2, 4000))
        assert.same({ 503, -32000 }, { status, err.code })
        assert.matches("too many bytes are on the way to other processes", err.message, 1, true)
        assert.equal(202, (post(2, stream.address, PING:format "3")))
        assert.equal(3, stream:message().id)
        assert.equal(202, go_on())
        assert.equal(1, stream:message().id)
        assert.equal(202, (post(2, stream.address, sized(4, 4000))))
        assert.equal(4, stream:message().id)
        assert.same({ total = 0, by = {} }, all.apps[2].shared.passing)
      end)
    end)
  end)

  it("gets 504 where the process of its stream does not answer", function()
    open(2)
    helper.logged(function()
      several.run(function()
        local stream = connect(1, 2)
        local take = all.apps[1].shared.asked.post
        all.apps[1].shared.asked.post = function() core.sleep(0.2) end
        shared.TIMEOUT = 0.1
        local status, err, retry = post(2, stream.address, PING:format "1")
        assert.same({ 504, -32000 }, { status, err.code })
        -- It may have arrived.
        assert.is_nil(retry)
        assert.matches("does not answer", err.message, 1, true)
        shared.TIMEOUT = timeout
        all.apps[1].shared.asked.post = take
        assert.equal(202, (post(2, stream.address, PING:format "2")))
        assert.equal(2, stream:message().id)
      end)
    end)
  end)

  it("gets 503 while the store is away, and goes on where its stream is", function()
    open(2)
    helper.logged(function()
      several.run(function()
        local stream = connect(1, 2)
        all:away(2, true)
        local status, err, retry = post(2, stream.address, PING:format "1")
        assert.same({ 503, -32000, "2" }, { status, err.code, retry })
        all:away(1, true)
        assert.equal(202, (post(1, stream.address, PING:format "2")))
        assert.equal(2, stream:message().id)
        all:away(1, false)
        all:away(2, false)
        assert.equal(202, (post(2, stream.address, PING:format "3")))
        assert.equal(3, stream:message().id)
      end)
    end)
  end)

  it("gets 503 where too many wait for an answer, or there is no memory", function()
    open(2)
    helper.logged(function()
      several.run(function()
        local stream = connect(1, 2)
        shared.ASKING = 0
        local status, err = post(2, stream.address, PING:format "1")
        assert.same({ 503, -32000 }, { status, err.code })
        assert.matches("too many questions to other processes", err.message, 1, true)
        shared.ASKING = asking
        all.apps[1].shared.asked.post = function()
          return { text = "too much", code = "EBUSY" }
        end
        status, err = post(2, stream.address, PING:format "1")
        assert.same({ 503, -32000 }, { status, err.code })
        assert.matches("the event stream is not read", err.message, 1, true)
      end)
    end)
  end)

  it("goes on with its stream after a store that was emptied", function()
    open(2)
    helper.logged(function()
      several.run(function()
        local stream = connect(1, 2)
        local key = all.apps[1].shared:key("secret", "stream")
        for i = 1, 2 do all:away(i, true) end
        all.nodes[1].driver.there.delete(all.nodes[1].driver, key)
        for i = 1, 2 do all:away(i, false) end
        several.eventually(function() return all.nodes[1]:get(key) ~= nil end)
        assert.equal(202, (post(2, stream.address, PING:format "1")))
        assert.equal(1, stream:message().id)
      end)
    end)
  end)

  describe("with authorization", function()
    local function as(name, fields)
      local out = { Authorization = "Bearer " .. name }
      for key, field in pairs(fields or {}) do out[key] = field end
      return out
    end

    before_each(function()
      open(2, { auth = { resource = "https://mcp.example/mcp",
        authorization_servers = { "https://as.example" },
        includes = { write = { "read" } },
        verify = function(token)
          local name, scope, seconds = token:match "^(%a+)%.?(%a*)%.?(%d*)$"
          if name == "bad" then return nil, "bad" end
          return { subject = name, scopes = scope, claims = { color = "red" },
            expires = seconds ~= "" and os.time() + seconds / 10 or nil }
        end } })
    end)

    it("it has the principal of each message", function()
      several.run(function()
        several.eventually(joined)
        local stream, sent = connect(1, 2, as "ann"), nil
        local take = all.apps[1].shared.asked.post
        all.apps[1].shared.asked.post = function(self, message)
          sent = message
          return take(self, message)
        end
        for _, case in ipairs { { "ann", false, false }, { "ann.read", true, false },
          { "ann.write", true, true } } do
          assert.equal(202, (post(2, stream.address, call(1, "who"), as(case[1]))))
          assert.same({ "ann", case[2], case[3], "red", "none" },
            core.decode(text_of(stream:message())))
          -- The token stays where it arrived.
          assert.is_nil(sent.fields.authorization)
        end
      end)
    end)

    it("another principal does not find it, and no token is refused at once", function()
      several.run(function()
        several.eventually(joined)
        local stream = connect(1, 2, as "ann")
        local status, err = post(2, stream.address, PING:format "1", as "bob")
        assert.same({ 404, -32001 }, { status, err.code })
        assert.equal(401, (post(2, stream.address, PING:format "2")))
        assert.equal(401, (post(2, stream.address, PING:format "3", as "bad")))
        assert.equal(202, (post(2, stream.address, PING:format "4", as "ann")))
        assert.equal(4, stream:message().id)
      end)
    end)

    it("has a share of the bytes on their way, and others have theirs", function()
      helper.logged(function()
        several.run(function()
          several.eventually(joined)
          local stream, other = connect(1, 2, as "ann"), connect(1, 2, as "bob")
          shared.TIMEOUT, posts.PASSING_PER_PRINCIPAL = helper.LIMIT, 6000
          local go_on = hold(function()
            return (post(2, stream.address, sized(1, 4000), as "ann"))
          end)
          assert.equal(503, (post(2, stream.address, sized(2, 4000), as "ann")))
          assert.equal(202, (post(2, other.address, sized(3, 4000), as "bob")))
          local status, err = post(2, other.address, sized(4, 6000), as "bob")
          assert.same({ 413, -32600 }, { status, err.code })
          assert.matches("at most 6000 can be passed to another process", err.message, 1, true)
          assert.equal(202, go_on())
          assert.same({ total = 0, by = {} }, all.apps[2].shared.passing)
          assert.equal(1, stream:message().id)
          assert.equal(3, other:message().id)
        end)
      end)
    end)

    it("lasts as long as the token of its last message", function()
      several.run(function()
        several.eventually(joined)
        local stream, other = connect(1, 2, as "ann..3"), connect(1, 2, as "ann..3")
        assert.equal(202, (post(2, stream.address, PING:format "1", as "ann..600")))
        assert.equal(1, stream:message().id)
        assert.is_nil((other:event()))
        assert.equal(202, (post(2, stream.address, PING:format "2", as "ann..600")))
        assert.equal(2, stream:message().id)
      end)
    end)
  end)
end)
