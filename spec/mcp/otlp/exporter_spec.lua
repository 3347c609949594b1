-- SPDX-License-Identifier: MIT
-- Spans on their way to a collector that answers, refuses, is slow, or is not there.
local core = require "mcp.core"
local exporter = require "mcp.otlp.exporter"
local helper = require "spec.helper"
local raw_server = require "spec.raw_server"

describe("the exporter of spans", function()
  local server, answers, got, sending, saved

  before_each(function()
    got, answers = {}, {}
    saved = { exporter.PAUSE, exporter.QUEUE, exporter.BATCH, exporter.QUIET }
    exporter.PAUSE = 0.02
    server = raw_server.start(function(request)
      got[#got + 1] = request
      local answer = table.remove(answers, 1) or { 200, {}, "{}" }
      return answer[1], answer[2] or {}, answer[3] or ""
    end)
    sending = exporter.new({ address = ("http://127.0.0.1:%d/v1/traces"):format(server.port),
      headers = { ["x-key"] = "k" }, delay = 0.01, timeout = 5 },
      { attributes = {} }, { name = "spec" })
  end)
  after_each(function()
    server:close()
    exporter.PAUSE, exporter.QUEUE, exporter.BATCH, exporter.QUIET = table.unpack(saved)
    helper.leftovers()
  end)

  local function idle() helper.wait_until(function() return not sending.working end, "the end") end

  -- The spans of a request.
  local function spans(request)
    local scope = request.message.resourceSpans[1].scopeSpans[1]
    assert.equal("spec", scope.scope.name)
    local out = {}
    for i, span in ipairs(scope.spans) do out[i] = span.n end
    return out
  end

  it("sends several at a time", function()
    for i = 1, 3 do sending:add(('{"n":%d}'):format(i)) end
    idle()
    assert.equal(1, #got)
    assert.same({ "POST", "/v1/traces", "application/json", "k" }, { got[1].method, got[1].target,
      got[1].fields["content-type"], got[1].fields["x-key"] })
    assert.same({ 1, 2, 3 }, spans(got[1]))
    assert.same({ 3, 0, 0 }, { sending.sent, sending.dropped, sending.bytes })
    sending:add '{"n":4}'
    idle()
    assert.same({ 4 }, spans(got[2]))
  end)

  it("sends a request for each batch of bytes", function()
    exporter.BATCH = 20
    for i = 1, 5 do sending:add(('{"n":%d}'):format(i)) end
    idle()
    assert.same({ 1, 2 }, spans(got[1]))
    assert.same({ 3, 4 }, spans(got[2]))
    assert.same({ 5 }, spans(got[3]))
  end)

  it("sends the same again after a status that asks for it, and says so once", function()
    answers = { { 503 }, { 429, { ["Retry-After"] = "0" } } }
    local log = helper.logged(function()
      sending:add '{"n":1}'
      idle()
    end)
    assert.equal(3, #got)
    assert.same({ 1 }, spans(got[3]))
    assert.same({ 1, 0 }, { sending.sent, sending.dropped })
    local _, lines = log:gsub("trying again", "")
    assert.equal(1, lines)
    assert.matches("warning: tracing: http://127%.0%.0%.1:%d+/v1/traces answers with status 503",
      log)
  end)

  it("waits no longer than the longest pause, whatever the collector asks for", function()
    local most = exporter.PAUSE_MAX
    exporter.PAUSE_MAX = 0.03
    answers = { { 503, { ["Retry-After"] = "3600" } }, { 503 }, { 503 } }
    helper.logged(function()
      sending:add '{"n":1}'
      idle()
    end)
    exporter.PAUSE_MAX = most
    assert.same({ 4, 1 }, { #got, sending.sent })
  end)

  it("drops what is refused, with one line of the log", function()
    answers = { { 400 }, { 401 } }
    local log = helper.logged(function()
      sending:add '{"n":1}'
      idle()
      sending:add '{"n":2}'
      idle()
    end)
    assert.equal(2, #got)
    assert.same({ 0, 2, 0 }, { sending.sent, sending.dropped, sending.bytes })
    local _, lines = log:gsub("\n", "")
    assert.equal(0, lines)
    assert.matches("spans are dropped %(1 so far%): .* answers with status 400$", log)
  end)

  it("counts what the collector did not take", function()
    answers = { { 200, {}, '{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}' } }
    local log = helper.logged(function()
      for i = 1, 3 do sending:add(('{"n":%d}'):format(i)) end
      idle()
    end)
    assert.equal(2, sending.dropped)
    assert.matches("the collector refused them: too old", log)
  end)

  it("drops the oldest when more bytes wait than may", function()
    exporter.QUEUE = 30
    local log = helper.logged(function()
      for i = 1, 9 do sending:add(('{"n":%d}'):format(i)) end
      assert.is_true(sending.bytes <= 30)
      idle()
    end)
    assert.same({ 6, 7, 8, 9 }, spans(got[1]))
    assert.same({ 4, 5 }, { sending.sent, sending.dropped })
    local _, lines = log:gsub("spans are dropped", "")
    assert.equal(1, lines)
  end)

  it("drops the oldest while they are being sent", function()
    exporter.QUEUE = 30
    answers = { { 503 } }
    helper.logged(function()
      for i = 1, 3 do sending:add(('{"n":%d}'):format(i)) end
      helper.wait_until(function() return got[1] end)
      for i = 4, 7 do sending:add(('{"n":%d}'):format(i)) end
      idle()
    end)
    assert.same({ 4, 5, 6, 7 }, spans(got[2]))
    assert.same({ 4, 3, 0 }, { sending.sent, sending.dropped, sending.bytes })
  end)

  it("drops a span that is too long", function()
    helper.logged(function() sending:add(("x"):rep(exporter.SPAN + 1)) end)
    assert.same({ 1, nil }, { sending.dropped, sending.working })
  end)

  it("sends at once at the end, and does not try again", function()
    sending.settings.delay = 60
    sending:add '{"n":1}'
    sending:flush(5)
    assert.same({ 1, nil }, { sending.sent, sending.working })
    answers = { { 503 }, { 503 } }
    helper.logged(function()
      sending:add '{"n":2}'
      sending:flush(5)
    end)
    assert.same({ 2, 1, 0, nil }, { #got, sending.dropped, sending.bytes, sending.working })
  end)

  it("does not hold the end of a process longer than it may", function()
    server.handler = function() core.sleep(60) end
    local log = helper.logged(function()
      local before = core.now()
      sending:add '{"n":1}'
      sending:flush(0.1)
      assert.is_true(core.now() - before < 3)
    end)
    assert.same({ 1, 0 }, { sending.dropped, sending.bytes })
    assert.matches("spans are dropped %(1 so far%)", log)
  end)
end)
