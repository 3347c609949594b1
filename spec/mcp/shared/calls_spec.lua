-- SPDX-License-Identifier: MIT
-- Messages of a client about a call that runs in another process, and what processes count
-- together.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local several = require "spec.several"

describe("a call at one of several processes", function()
  local all, ended

  local function make(app)
    app:tool "ask" (function(_, ctx)
      local content, reason = ctx:elicit("Which?", { name = "string" }, { timeout = 5 })
      return content and content.name or "no: " .. tostring(reason)
    end)
    app:tool "roots" (function(_, ctx)
      local roots = ctx:roots()
      return roots[1].uri
    end)
    app:tool "sample" (function(_, ctx)
      local result, reason = ctx:sample { messages = "Say it", max_tokens = 10 }
      return result and result.content.text or reason
    end)
    app:tool "wait" (function(_, ctx)
      local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
      ctx:log("error", "began")
      ctx:sleep(30)
      return "slept"
    end)
    app:use(mcp.middleware.rate_limit { calls = 3, per = 1000, kinds = { "prompt" } })
    app:prompt "p" (function() return "text" end)
  end

  before_each(function()
    ended = 0
    all = several.open(3, make)
  end)
  after_each(function()
    all:close()
    helper.leftovers()
  end)

  local CAN = { elicitation = {}, roots = {}, sampling = {} }

  local function text_of(message) return message.result.content[1].text end

  it("gets answers to its questions that arrive at others", function()
    several.run(function()
      local sid = all:session(1, 2, CAN)
      local stream = all:open_call(1, sid, "ask")
      local question = stream:next()
      assert.equal("elicitation/create", question.method)
      assert.is_true(question.id < 1 << 53 and question.id > 1 << 32)
      assert.equal(202, all:answer(3, sid, question.id,
        { action = "accept", content = { name = "rose" } }))
      assert.equal("rose", text_of(stream:next()))

      stream = all:open_call(2, sid, "roots")
      question = stream:next()
      all:answer(1, sid, question.id, { roots = core.decode '[{"uri":"file:///a"}]' })
      assert.equal("file:///a", text_of(stream:next()))

      stream = all:open_call(3, sid, "sample")
      question = stream:next()
      assert.equal(202, (all:post(2, { id = question.id,
        error = { code = -1, message = "not today" } }, { ["Mcp-Session-Id"] = sid })))
      assert.equal("not today", text_of(stream:next()))
    end)
  end)

  it("asks with ids that no two processes share", function()
    several.run(function()
      local sid = all:session(1, 1, CAN)
      local streams, ids = {}, {}
      for i = 1, 3 do
        streams[i] = all:open_call(i, sid, "ask")
        ids[i] = streams[i]:next().id
      end
      -- Each is answered elsewhere.
      for i = 1, 3 do
        all:answer(i % 3 + 1, sid, ids[i], { action = "accept", content = { name = "n" .. i } })
      end
      for i = 1, 3 do assert.equal("n" .. i, text_of(streams[i]:next())) end
    end)
  end)

  it("gets no answers of another session", function()
    several.run(function()
      local sid, other = all:session(1, 1, CAN), all:session(2, 2, CAN)
      local stream = all:open_call(1, sid, "ask")
      local question = stream:next()
      all:answer(2, other, question.id, { action = "accept", content = { name = "thorn" } })
      assert.is_true(stream:is_quiet())
      all:answer(2, sid, question.id, { action = "decline" })
      assert.equal("no: decline", text_of(stream:next()))
    end)
  end)

  it("learns at once of an answer whose id is a string", function()
    several.run(function()
      local sid = all:session(1, 1, CAN)
      local stream = all:open_call(1, sid, "ask")
      local question = stream:next()
      all:answer(2, sid, tostring(question.id), { action = "decline" })
      assert.matches("its id is the string", text_of(stream:next()))
    end)
  end)

  it("answers while the store is away are refused, and can be sent again", function()
    helper.logged(function()
      several.run(function()
        local sid = all:session(1, 1, CAN)
        all:request(2, "ping", nil, sid)
        local stream = all:open_call(1, sid, "ask")
        local question = stream:next()
        all:away(2, true)
        assert.equal(503, all:answer(2, sid, question.id, { action = "decline" }))
        all:away(2, false)
        assert.equal(202, all:answer(2, sid, question.id, { action = "decline" }))
        assert.equal("no: decline", text_of(stream:next()))
      end)
    end)
  end)

  it("is cancelled by a notification that arrives at another", function()
    several.run(function()
      local sid, other = all:session(1, 2), all:session(1, 2)
      local stream = all:open_call(1, sid, "wait")
      stream:next()
      assert.equal(202, all:notify(2, other, "notifications/cancelled", { requestId = stream.id }))
      assert.equal(202, all:notify(2, sid, "notifications/cancelled", { requestId = 99 }))
      assert.equal(202, all:notify(2, sid, "notifications/cancelled", { requestId = {} }))
      assert.is_true(stream:is_quiet())
      assert.equal(0, ended)
      assert.equal(202, all:notify(2, sid, "notifications/cancelled", { requestId = stream.id }))
      several.eventually(function() return ended == 1 end)
      several.eventually(function()
        return all.apps[1].sessions.by_id[sid].running.count == 0
      end)
    end)
  end)

  it("ends with its session, wherever that is ended", function()
    several.run(function()
      local sid = all:session(1, 1)
      all:open_call(1, sid, "wait"):next()
      assert.equal(200, all:delete(3, sid))
      several.eventually(function() return ended == 1 end)
    end)
  end)

  it("counts towards limits of requests that all have", function()
    several.run(function()
      local sid = all:session(1, 1)
      local statuses = {}
      for i = 1, 3 do
        statuses[i] = select(3, all:request(i, "prompts/get", { name = "p" }, sid))
      end
      assert.same({ 200, 200, 200 }, statuses)
      for i = 1, 3 do
        local _, err, status = all:request(i, "prompts/get", { name = "p" }, sid)
        assert.same({ 429, -32000 }, { status, err.code })
      end
      helper.logged(function()
        all:away(1, true)
        local _, _, status = all:request(1, "prompts/get", { name = "p" }, sid)
        assert.equal(200, status)
        all:away(1, false)
      end)
    end)
  end)
end)
