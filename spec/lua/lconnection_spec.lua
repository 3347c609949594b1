-- SPDX-License-Identifier: MIT
-- src/lua/lconnection.c: a connection whose peer has closed while a call is in progress. The rest
-- is specified through its transports, in spec/transport and spec/mcp/client/transport.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("a connection that its peer has closed", function()
  after_each(helper.leftovers)

  it("waits for the call in progress, and leaves no timer behind", function()
    local app, done = mcp.server "spec", false
    app:tool "t" (function(_, ctx)
      done = ctx:sleep(0.03)
      return ""
    end)
    local peer = helper.open(app)
    peer:send { jsonrpc = "2.0", id = 1, method = "tools/call", params = { name = "t" } }
    helper.settle()
    assert.equal(1, core.task_count())
    peer.wire:close()
    helper.wait_until(function() return core.task_count() == 0 end, "the end of the call")
    assert.is_true(done)
    -- What looked whether it had ended came every 10 ms.
    local at = core.now() + 0.05
    while core.now() < at do core.step(0.01) end
    local left = core.timeout()
    assert.is_true(left == nil or left > 0.02, left)
  end)
end)

describe("a stream of HTTP+SSE", function()
  local host, pool, links, got, fed

  -- What a listener gets, without any server.
  local function receive(x, link, kind)
    if kind == "upgrade" then
      fed.refused = select(2, pcall(x.upgrade, x, ("x"):rep(65)))
      links[#links + 1] = assert(x:upgrade(fed.id))
      return 200
    end
    got = { link = link, fed = table.pack(x:feed()), query = x:header ":query" }
    got.request = table.pack(pcall(x.request, x))
    return 202
  end

  before_each(function()
    links, got, fed = {}, nil, { id = "random.1.tag", texts = {} }
    host = assert(core.listen_http({ host = "127.0.0.1", port = 0, path = "/mcp",
      message_path = "/mcp/message", duplex = function(_, _, kind, _, method)
        fed.texts[#fed.texts + 1] = kind .. " " .. tostring(method)
      end }, receive))
    pool = core.http_pool { connections = 8 }
  end)
  after_each(function()
    pool:close()
    host:close(0)
    helper.wait_until(function() return host:is_gone() end, "the end of the listener")
    helper.leftovers()
  end)

  local function ask(method, target, body)
    return assert(pool:request { host = "127.0.0.1", port = host:port(), method = method,
      target = target, body = body, timeout = helper.LIMIT, headers = {
        { "Accept", "text/event-stream" }, body and { "Content-Type", "application/json" } } })
  end

  local READY = '{"jsonrpc":"2.0","method":"ready"}'

  it("has the id that it is given, or one of 128 bits", function()
    local stream = ask("GET", "/mcp")
    assert.equal("/mcp/message?session_id=random.1.tag", stream:event(helper.LIMIT).data)
    assert.matches("expected at most 64 bytes", fed.refused, 1, true)
    fed.id = nil
    local other = ask("GET", "/mcp")
    assert.matches("=" .. ("[%w_-]"):rep(22) .. "$", other:event(helper.LIMIT).data)
    ask("POST", "/mcp/message?session_id=random.1.tag", READY):read()
    assert.equal(links[1], got.link)
    assert.same({ true, n = 1 }, got.fed)
    assert.equal("session_id=random.1.tag", got.query)
    assert.is_false(got.request[1])
    assert.same({ "notification ready" }, fed.texts)
    stream:close()
    other:close()
  end)

  it("is fed with a message that has come another way", function()
    local stream = ask("GET", "/mcp")
    stream:event(helper.LIMIT)
    local sender = links[1].sender
    assert.is_true(sender:feed(READY))
    assert.equal("EJSON", select(3, sender:feed "{"))
    assert.equal("ERPC", select(3, sender:feed "{}"))
    assert.same({ "notification ready" }, fed.texts)
    assert.is_true(sender:feed(READY, 0.05))
    assert.is_nil((stream:event(helper.LIMIT)))
    helper.wait_until(function()
      return select(3, sender:feed(READY)) == "ECLOSED"
    end, "the end of the stream")
  end)

  it("leaves a message without one to the receiver, unless it is none", function()
    ask("POST", "/mcp/message?session_id=else", READY):read()
    assert.is_nil(got.link)
    assert.equal("ECLOSED", got.fed[3])
    assert.same({ true, "POST", "/mcp/message", "session_id=else", READY, n = 5 }, got.request)
    ask("POST", "/mcp/message", '{"jsonrpc":1}'):read()
    assert.equal("ERPC", got.fed[3])
  end)
end)
