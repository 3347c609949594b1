-- SPDX-License-Identifier: MIT
-- What a session's questions wait for before they go out (IO-41), and what may be told after one
-- (4.13). The rest of server/ask/live.lua is in spec/mcp/server/ask/init_spec.lua, with its
-- counterpart.
local core = require "mcp.core"
local helper = require "spec.helper"
local live = require "mcp.server.ask.live"
local mcp = require "mcp"

local ALL = { elicitation = { form = {}, url = {} }, roots = {} }

local function app_with(handler)
  local app = mcp.server "spec"
  app:tool "t" (handler)
  return app
end

local function text_of(response) return response.result.content[1].text end

describe("a client that has not said it is ready (IO-41)", function()
  after_each(helper.leftovers)

  -- Its handshake is left in the middle.
  local function early(app)
    local peer = helper.connect(app)
    peer:request("initialize", { protocolVersion = "2025-11-25", capabilities = ALL,
      clientInfo = { name = "spec", version = "1" } })
    return peer
  end

  local function call(peer)
    peer:send { jsonrpc = "2.0", id = "call", method = "tools/call",
      params = { name = "t", arguments = {}, _meta = { progressToken = "p" } } }
  end

  it("is asked nothing until it has", function()
    local peer = early(app_with(function(_, ctx) return ctx:roots()[1].uri end))
    call(peer)
    peer:silent()
    peer:notify "notifications/initialized"
    local asked = peer:receive()
    assert.equal("roots/list", asked.method)
    peer:send { jsonrpc = "2.0", id = asked.id, result = { roots = { { uri = "file:///a" } } } }
    assert.equal("file:///a", text_of(peer:response "call"))
  end)

  it("is not asked at all if it never does, and the call does not wait for ever", function()
    local limit = live.INITIALIZED
    live.INITIALIZED = 0.02
    local peer = early(app_with(function(_, ctx)
      local roots, text, code = ctx:roots()
      return ("%s %s %s"):format(roots, text, code)
    end))
    call(peer)
    local text = text_of(peer:response "call")
    live.INITIALIZED = limit
    assert.equal("nil the client cannot be asked: it has not sent notifications/initialized "
      .. "ETIMEDOUT", text)
    assert.same({}, peer.notices)
  end)

  it("a question's own time is shorter than that wait", function()
    local peer = early(app_with(function(_, ctx)
      local _, _, code = ctx:roots { timeout = 0.01 }
      return tostring(code)
    end))
    call(peer)
    assert.equal("ETIMEDOUT", text_of(peer:response "call"))
  end)

  it("a cancelled call stops waiting", function()
    local came
    local peer = early(app_with(function(_, ctx) came = select(3, ctx:roots()) end))
    call(peer)
    peer:silent()
    peer:notify("notifications/cancelled", { requestId = "call" })
    helper.wait_until(function() return came end)
    assert.equal("ECANCELED", came)
    peer:silent()
  end)

  it("hears no progress, but log messages and answers to ping", function()
    local peer = early(app_with(function(_, ctx)
      local before = ctx:progress(1, 3)
      ctx:log("warning", "early")
      assert(ctx:sleep(0.01))
      return tostring(before)
    end))
    call(peer)
    assert.same({}, peer:request "ping".result)
    assert.equal("false", text_of(peer:response "call"))
    assert.equal(1, #peer.notices)
    assert.equal("notifications/message", peer.notices[1].method)
  end)

  it("hears it from then on", function()
    local gate = core.waiter()
    local peer = early(app_with(function(_, ctx)
      gate:wait(5)
      return tostring(ctx:progress(1))
    end))
    call(peer)
    peer:notify "notifications/initialized"
    helper.settle()
    gate:wake()
    assert.equal("true", text_of(peer:response "call"))
    assert.equal("notifications/progress", peer.notices[1].method)
  end)
end)

it("a question answered before it was sent, and then not sent, is counted once", function()
  local session = { initialized = true }
  local exchange = { stop_clock = function() end, restart_clock = function() end }
  -- What the peer sends while the server waits for room in its stream.
  function exchange.send(_, _, _, id)
    assert.is_true(session.questions:answer("result", tostring(id), {}))
    return nil, "the peer does not read", "ETIMEDOUT"
  end
  local answers, text, code = live.run({ app = {}, exchange = exchange, own_session = session }, {},
    { { key = "roots", method = "roots/list" } }, 1)
  assert.same({ nil, "the client cannot be asked: the peer does not read", "ETIMEDOUT" },
    { answers, text, code })
  assert.equal(0, session.questions.count)
end)

describe("the page that a user was sent to", function()
  after_each(helper.leftovers)

  local function sent_to_a_page(handler, revision)
    local peer = helper.connect(app_with(handler))
    peer:initialize(revision or "2025-11-25", ALL)
    peer:send { jsonrpc = "2.0", id = "call", method = "tools/call", params = { name = "t" } }
    local asked = peer:receive()
    assert.equal("elicitation/create", asked.method)
    assert.equal("url", asked.params.mode)
    peer:send { jsonrpc = "2.0", id = asked.id, result = { action = "accept" } }
    return peer, asked.params.elicitationId
  end

  it("is told to be done while the call goes on (4.13, notifications/elicitation/complete)",
    function()
      local told, again
      local peer, id = sent_to_a_page(function(_, ctx)
        local ok, page = ctx:elicit_url("Log in", "https://example.org/")
        assert(ok)
        told, again = page:complete(), page:complete()
        return tostring(page)
      end)
      local notice = peer:receive()
      assert.equal("notifications/elicitation/complete", notice.method)
      assert.same({ elicitationId = id }, helper.plain(notice.params))
      assert.equal("mcp.page (without an id)", text_of(peer:response "call"))
      assert.is_true(told)
      assert.is_false(again)
      peer:silent()
    end)

  it("and after it is over, to the session that was asked", function()
    local page
    local peer, id = sent_to_a_page(function(_, ctx)
      page = select(2, ctx:elicit_url("Log in", "https://example.org/"))
      return "come back"
    end)
    peer:response "call"
    assert.equal(("mcp.page (%s)"):format(id), tostring(page))
    assert.is_true(page:complete())
    assert.equal(id, peer:receive().params.elicitationId)
    assert.is_false(page:complete())
  end)

  it("nobody can be told once the client is gone", function()
    local page
    local peer = sent_to_a_page(function(_, ctx)
      page = select(2, ctx:elicit_url("Log in", "https://example.org/"))
    end)
    peer:response "call"
    peer:close()
    local told, text, code = page:complete()
    assert.is_nil(told)
    assert.is_string(text)
    assert.equal("ECLOSED", code)
  end)

  it("has no id in the stateless era, and nobody is told (4.13)", function()
    local done
    local app = app_with(function(_, ctx)
      local ok, page = ctx:elicit_url("Log in", "https://example.org/")
      if ok then done = page:complete() end
      return tostring(ok)
    end)
    local peer <close> = helper.connect(app)
    local with = { name = "t", _meta = helper.envelope {
      [helper.PREFIX .. "clientCapabilities"] = ALL } }
    local first = peer:request("tools/call", with).result
    local key, asked = next(first.inputRequests)
    assert.is_nil(asked.params.elicitationId)
    with.inputResponses, with.requestState = { [key] = { action = "accept" } }, first.requestState
    assert.equal("true", text_of(peer:request("tools/call", with)))
    assert.is_false(done)
    assert.same({}, peer.notices)
  end)
end)
