-- SPDX-License-Identifier: MIT
-- same_id_spec.lua: 7, 7.0 and 7e0 are one id everywhere, and "7" is another (wire/rpc_id.h): in
-- duplicates under way, cancellation, answers to us, progress tokens, subscriptions.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local scripted = require "spec.scripted"

local SAME = { "7", "7.0", "7e0", "70e-1" }
local OTHER = { '"7"', "8", "7.5", "-7" }

local function app_with(handler)
  local app = mcp.server "spec"
  app:tool "t" (handler)
  return app
end

local CALL = '{"jsonrpc":"2.0","id":%s,"method":"tools/call",'
  .. '"params":{"name":"t","arguments":{}%s}}'
local CANCEL = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%s}}'

local ALL = { elicitation = { form = {} } }

describe("one id however it is written", function()
  after_each(scripted.leftovers)

  it("is core.id_key's to say", function()
    assert.equal("7", core.id_key(7))
    assert.equal("7", core.id_key(7.0))
    assert.equal('"7', core.id_key "7")
    assert.equal("-9223372036854775808", core.id_key(-2.0 ^ 63))
    for _, none in ipairs { 7.5, 1 / 0, 0 / 0, true, core.null, {}, ("x"):rep(128) } do
      assert.is_nil(core.id_key(none))
    end
    assert.is_nil(core.id_key(nil))
  end)

  it("is under way once, and any other may be, too", function()
    for _, first in ipairs(SAME) do
      for _, second in ipairs(SAME) do
        local peer = helper.open(app_with(function(_, ctx) ctx:sleep(5) end))
        peer:send(CALL:format(first, ""))
        peer:send(CALL:format(second, ""))
        local answer, line = peer:receive()
        assert.equal("A request with this id is in progress", answer.error.message)
        -- It goes back as it came.
        assert.matches('"id":' .. second .. ",", line, 1, true)
        peer:send(CALL:format('"7"', ""))
        peer:silent()
        peer:close()
      end
    end
  end)

  it("is cancelled however the notice writes it, and not by another", function()
    for _, id in ipairs(SAME) do
      for _, notice in ipairs(SAME) do
        local code
        local peer = helper.open(app_with(function(_, ctx) code = select(3, ctx:sleep(5)) end))
        peer:send(CALL:format(id, ""))
        for _, other in ipairs(OTHER) do peer:send(CANCEL:format(other)) end
        peer:silent()
        assert.is_nil(code)
        peer:send(CANCEL:format(notice))
        helper.wait_until(function() return code end)
        assert.equal("ECANCELED", code)
        peer:close()
      end
    end
  end)

  it("answers a question of ours; a string with its digits ends it with a reason", function()
    for _, id in ipairs { "1", "1.0", "10e-1", '"1"' } do
      local peer = helper.connect(app_with(function(_, ctx)
        local form, text, code = ctx:elicit("?", { x = "string" })
        return form and form.x or ("%s (%s)"):format(text, code)
      end))
      peer:initialize("2025-11-25", ALL)
      local text
      helper.logged(function()
        peer:send(CALL:format('"call"', ""))
        peer:receive()
        peer:send(('{"jsonrpc":"2.0","id":%s,"result":{"action":"accept","content":{"x":"yes"}}}')
          :format(id))
        text = peer:response "call".result.content[1].text
      end)
      assert.equal(id == '"1"' and "the client's answer cannot be used: its id is the string "
        .. '"1", and the request had the number 1 (ERPC)' or "yes", text)
      peer:close()
    end
  end)

  it("is a progress token that is an integer", function()
    for _, token in ipairs { "7", "7.0", "7e0", '"7"' } do
      local peer = helper.open(app_with(function(_, ctx) return tostring(ctx:progress(1, 2)) end))
      peer:send(CALL:format(1, ',"_meta":{"progressToken":' .. token .. "}"))
      local notice = peer:receive()
      assert.equal("notifications/progress", notice.method)
      assert.equal(core.id_key(core.decode(token)), core.id_key(notice.params.progressToken))
      assert.equal("true", peer:response(1).result.content[1].text)
      peer:close()
    end
  end)

  it("is what our client waits for: answers, progress, cancellation, subscriptions", function()
    local TAG = helper.PREFIX .. "subscriptionId"
    local seen, heard = {}, nil
    local client = scripted.keep(mcp.session(scripted.transport(scripted.modern(function(far, m)
      if m.method == "subscriptions/listen" then
        far:send(('{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":'
          .. '{"notifications":{"resourceSubscriptions":["r://a"]},"_meta":{"%s":%d.0}}}')
          :format(TAG, m.id))
        far:send(('{"jsonrpc":"2.0","method":"notifications/resources/updated","params":'
          .. '{"uri":"r://a","_meta":{"%s":%de0}}}'):format(TAG, m.id))
      elseif m.id then
        far:send(('{"jsonrpc":"2.0","method":"notifications/progress","params":'
          .. '{"progressToken":%d.0,"progress":1}}'):format(m.id))
        far:send(('{"jsonrpc":"2.0","id":%d.0,"result":{"resultType":"complete","content":[]}}')
          :format(m.id))
      end
    end, { capabilities = { tools = {}, resources = { subscribe = true } } }))))
    assert(client:initialize())
    assert(client:call_tool("x", {}, { on_progress = function(n) seen[#seen + 1] = n end }))
    assert.equal(1, seen[1])
    assert(client:subscribe("r://a", function(uri) heard = uri end))
    helper.wait_until(function() return heard end)
    assert.equal("r://a", heard)
  end)
end)
