-- SPDX-License-Identifier: MIT
-- unusable_answer_spec.lua: an answer whose id can be read but which cannot be taken. The call that
-- it was for fails at once and says why; nobody waits for a timeout. On the server's side: a
-- request that cannot be taken gets an error with its id, and a question whose answer cannot be
-- taken ends.
local core = require "mcp.core"
local frames = require "spec.ws_frames"
local helper = require "spec.helper"
local http = require "mcp.client.transport.http"
local mcp = require "mcp"
local raw_server = require "spec.raw_server"
local scripted = require "spec.scripted"
local sse = require "mcp.client.transport.sse"
local support = require "spec.support"
local value = require "mcp.value"
local ws = require "codecs.ws"

-- What comes for the request 1, and what the error must name.
local CASES = {
  { [[{"jsonrpc":"2.0","id":1,"result":{"text":"cut \ud83d"}}]], "surrogate" },
  { [[{"jsonrpc":"2.0","result":{"text":"cut \ud83d"},"id":1}]], "surrogate" },
  { '{"jsonrpc":"2.0","id":1,"result":[' .. ("1,"):rep(250000) .. "1]}", "values" },
  { '{"jsonrpc":"2.0","id":1,"result":{"' .. ("k"):rep(1100) .. '":1}}', "limit" },
  { '{"jsonrpc":"2.0","id":1,"result":' .. ("["):rep(2000) .. ("]"):rep(2000) .. "}", "deep" },
  { '{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}', "duplicate key" },
  { '{"jsonrpc":"2.0","id":1,"result":{"a":NaN}}', "value" },
  { '{"jsonrpc":"2.0","id":1,"result":{"a":1e999}}', "number" },
  { '{"jsonrpc":"2.0","id":1.0,"result":{"a":"\\q"}}', "escape" },
  { '{"jsonrpc":"2.0","id":"1","result":{}}', 'the string "1"' },
  { '{"jsonrpc":"2.0","id":"1","error":{"code":1,"message":"x"}}', 'the string "1"' },
  { '{"jsonrpc":"2.0","id":1,"result":{},"error":null}', "error" },
  { '{"jsonrpc":"2.0","id":1,"error":"no"}', "error" },
  { '{"jsonrpc":"1.0","id":1,"result":{}}', "2.0" },
  { '{"id":1,"result":{}}', "2.0" },
}
-- A WebSocket message must be UTF-8 as a whole (RFC 6455 5.6): the frame is refused there.
local NOT_UTF8 = { '{"jsonrpc":"2.0","id":1,"result":{"a":"\xff"}}', "UTF-8" }

local function call_of()
  local deadline = core.now() + 30
  return { left = function() return deadline - core.now() end }
end

local PEER = { serve = print, notice = print, lost = function() end, forgotten = function() end }

-- The request fails at once, and the next one is answered.
local function fails(transport, case, name)
  helper.logged(function()
    local began = core.now()
    local reply, text, code = transport:request(1, "m", nil, call_of())
    assert.is_nil(reply, name)
    assert.is_true(core.now() - began < 3, name)
    assert.is_truthy(code == "ERPC" or code == "EJSON" or code == "EUTF8" or code == "EDEPTH"
      or code == "ENODES" or code == "ETOOBIG" or code == "ENUMBER" or code == "EDUPLICATE", code)
    assert.matches(case[2], text, 1, true)
    assert.same({ ok = true },
      helper.plain(assert(transport:request(2, "m", nil, call_of())).result))
  end)
end

local OK = '{"jsonrpc":"2.0","id":2,"result":{"ok":true}}'

local function every(fn, with_utf8)
  for i, case in ipairs(CASES) do fn(case, "case " .. i) end
  if with_utf8 then fn(NOT_UTF8, "UTF-8") end
end

describe("an answer that cannot be taken", function()
  after_each(scripted.leftovers)
  after_each(helper.remove_files)

  it("fails its call at once, over memory", function()
    every(function(case, name)
      local transport = scripted.transport(function(far, message)
        far:send(message.id == 1 and case[1] or OK)
      end)
      assert(transport:open(PEER))
      transport:settle("legacy", "2025-11-25")
      fails(transport, case, name)
      transport:close()
    end, true)
  end)

  it("fails its call at once, over stdio", function()
    local list = value.array {}
    every(function(case) list[#list + 1] = case[1] end)
    local path = helper.file(table.concat(list, "\n") .. "\n", ".txt")
    -- A child that answers the first of each pair of requests with the next case.
    local transport = mcp.stdio_client { command = "sh", args = { "-c", [[
      n=0
      while read -r line; do
        case $line in
          *'"id":1,'*) n=$((n + 1)); sed -n "${n}p" "$0" ;;
          *'"id":2,'*) echo "$1" ;;
        esac
      done]], path, OK } }
    assert(transport:open(PEER))
    transport:settle("legacy", "2025-11-25")
    every(function(case, name) fails(transport, case, name) end)
    transport:close()
  end)

  it("fails its call at once, over WebSocket", function()
    every(function(case, name)
      local function say(c, text)
        local size = #text
        c:send(frames.frame { op = 1, payload = text, masked = false, size = size })
      end
      local server <close> = raw_server.start(function(request, c)
        c:answer(101, { Upgrade = "websocket", Connection = "Upgrade", ["Content-Length"] = nil,
          ["Sec-WebSocket-Accept"] = ws.accept(request.fields["sec-websocket-key"]),
          ["Sec-WebSocket-Protocol"] = request.fields["sec-websocket-protocol"] }, false)
        local at = 1
        while not c.ended do
          c:look()
          local f, next_at = frames.read(c.buffer, at)
          if f then
            at = next_at
            local message = f.op == 1 and core.decode(f.payload)
            if message then say(c, message.id == 1 and case[1] or OK) end
            if f.op == 8 then break end
          elseif not core.sleep(0.001) then
            break
          end
        end
        c:close()
      end)
      local transport = mcp.websocket_client((server.url:gsub("^http", "ws")))
      assert(transport:open(PEER))
      transport:settle("legacy", "2025-11-25")
      fails(transport, case, name)
      transport:close()
    end)
  end)

  it("fails its call at once, over Streamable HTTP, as JSON and in a stream", function()
    for _, streamed in ipairs { false, true } do
      every(function(case, name)
        local server <close> = raw_server.start(function(request, c)
          local text = request.message.id == 1 and case[1] or OK
          if request.message.method ~= "m" then return 202 end
          if not streamed then return c:json(200, text) end
          c:stream()
          c:event("data: " .. text)
          -- The stream stays open: its end would fail the call by itself.
          c:wait_end()
        end)
        local transport = http.new(server.url)
        transport:open(PEER)
        transport:settle("legacy", "2025-11-25")
        fails(transport, case, name)
        transport:close()
      end, true)
    end
  end)

  it("fails its call at once, over HTTP+SSE", function()
    every(function(case, name)
      local stream
      local server <close> = raw_server.start(function(request, c)
        if request.method == "GET" then
          stream = c
          c:stream()
          c:event "event: endpoint\ndata: /messages?session_id=1"
          return c:wait_end()
        end
        c:answer(202, {}, "Accepted")
        if request.message.method ~= "m" then return end
        stream:event("data: " .. (request.message.id == 1 and case[1] or OK))
      end)
      local transport = sse.new(server.url)
      assert(transport:open(PEER))
      fails(transport, case, name)
      transport:close()
    end)
  end)

  it("fails only the call that it was for", function()
    local held = {}
    local transport = scripted.transport(function(far, message)
      held[#held + 1] = message.id
      if #held < 3 then return end
      far:send [[{"jsonrpc":"2.0","id":8,"result":{"text":"\ud83d"}}]]
      far:result(7, { n = 7 })
      far:result(9, { n = 9 })
    end)
    assert(transport:open(PEER))
    helper.logged(function()
      local got = mcp.all {
        function() return transport:request(7, "m", nil, call_of()) end,
        function() return { transport:request(8, "m", nil, call_of()) } end,
        function() return transport:request(9, "m", nil, call_of()) end,
      }
      assert.equal(7, got[1].result.n)
      assert.equal("ERPC", got[2][3])
      assert.equal(9, got[3].result.n)
    end)
    transport:close()
  end)

  it("fails its call in a batch, too", function()
    local transport = scripted.transport(function(far)
      far:send '[{"jsonrpc":"2.0","id":1,"result":{},"error":null}]'
    end)
    assert(transport:open(PEER))
    transport:settle("legacy", "2025-03-26")
    helper.logged(function()
      local _, text, code = transport:request(1, "m", nil, call_of())
      assert.equal("ERPC", code)
      assert.matches("error", text, 1, true)
    end)
    transport:close()
  end)

  it("reaches a program as ERPC, with the reason", function()
    local client = scripted.keep(mcp.session(scripted.transport(scripted.modern(function(far, m)
      far:send(('{"jsonrpc":"2.0","id":%d,"result":{"content":[],"x":"\\ud83d"}}'):format(m.id))
    end))))
    assert(client:initialize())
    helper.logged(function()
      local result, text, code = client:call_tool("x", {}, { timeout = 30 })
      assert.is_nil(result)
      assert.equal("ERPC", code)
      assert.matches("invalid response from the server: Parse error: ", text, 1, true)
    end)
  end)
end)

describe("a request of the server that cannot be taken", function()
  after_each(scripted.leftovers)

  it("is answered with an error that has its id, in a session", function()
    local transport = scripted.transport(function(far, message)
      if message.method == "m" then
        far:send [[{"jsonrpc":"2.0","id":"q\u0031","method":"ping","params":{"x":"\ud83d"}}]]
        far:send [[{"jsonrpc":"2.0","id":5,"method":"ping","params":7}]]
      elseif message.error and message.id == 5 then
        far:result(1, { message.error.code })
      end
    end)
    assert(transport:open(PEER))
    transport:settle("legacy", "2025-11-25")
    helper.logged(function()
      assert.same({ -32600 }, helper.plain(transport:request(1, "m", nil, call_of()).result))
    end)
    assert.equal(-32700, transport.far.got[2].error.code)
    assert.equal("q1", transport.far.got[2].id)
    transport:close()
  end)

  it("is not answered where the revision has no such requests (IO-60)", function()
    local transport = scripted.transport(function(far, message)
      far:send [[{"jsonrpc":"2.0","id":"q1","method":"ping","params":{"x":"\ud83d"}}]]
      far:result(message.id, {})
    end)
    assert(transport:open(PEER))
    transport:settle("modern", "2026-07-28")
    helper.logged(function() assert(transport:request(1, "m", nil, call_of())) end)
    helper.settle()
    assert.equal(1, #transport.far.got)
    transport:close()
  end)
end)

-- --- the server's side ------------------------------------------------------------------------

-- An answer to the question 1 that cannot be taken.
local ANSWERS = {
  [[{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"x":"\ud83d"}}}]],
  '{"jsonrpc":"2.0","id":1,"result":{"action":"decline"},"error":null}',
  '{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":2}}',
  '{"jsonrpc":"2.0","id":"1","result":{"action":"decline"}}',
  '{"id":1,"result":{"action":"decline"}}',
}

local function asking_app()
  local app = mcp.server "spec"
  app:tool "ask" (function(_, ctx)
    local form, text, code = ctx:elicit("?", { x = "string" })
    return form and form.x or ("%s (%s)"):format(text, code)
  end)
  return app
end

local CALL = '{"jsonrpc":"2.0","id":"call","method":"tools/call",'
  .. '"params":{"name":"ask","arguments":{}}}'

describe("an answer of a client that cannot be taken", function()
  after_each(helper.leftovers)
  after_each(support.stop_all)

  it("ends the question at once, over a connection, and gets no answer itself", function()
    for _, answer in ipairs(ANSWERS) do
      local peer = helper.connect(asking_app())
      peer:initialize("2025-11-25", { elicitation = { form = {} } })
      local text
      helper.logged(function()
        peer:send(CALL)
        peer:receive()
        peer:send(answer)
        text = peer:receive().result.content[1].text
      end)
      assert.matches("the client's answer cannot be used: ", text, 1, true)
      assert.matches("(ERPC)", text, 1, true)
      peer:silent()
      peer:close()
    end
  end)

  it("ends the question at once, over HTTP, and is refused with 400", function()
    local server = support.http(nil, { script = [==[
      local mcp = require "mcp"
      local options = load("return " .. os.getenv "SPEC_OPTIONS")()
      local app = mcp.server { name = "spec" }
      app:tool "ask" (function(_, ctx)
        local form, text, code = ctx:elicit("?", { x = "string" })
        return form and form.x or ("%s (%s)"):format(text, code)
      end)
      app:run(options)
    ]==] })
    for _, answer in ipairs(ANSWERS) do
      local client <close> = support.client(server)
      local body = support.legacy_body(0, "initialize", { protocolVersion = "2025-11-25",
        capabilities = { elicitation = {} }, clientInfo = { name = "spec", version = "1" } })
      local sid = client:ask(support.request("POST", nil, body)).fields["mcp-session-id"]
      client:ask(support.legacy(sid, '{"jsonrpc":"2.0","method":"notifications/initialized"}'))
      client:send(support.legacy(sid, CALL))
      client:head()
      assert.equal("elicitation/create", client:event().method)
      local other <close> = support.client(server)
      local refused = other:ask(support.legacy(sid, answer))
      if answer:find('"id":"1"', 1, true) then
        assert.equal(202, refused.status)
      else
        assert.equal(400, refused.status)
        -- It is about no request of the client's.
        assert.equal(core.null, refused.json.id)
      end
      assert.matches("the client's answer cannot be used: ",
        client:event().result.content[1].text, 1, true)
    end
  end)
end)

describe("a request of a client that cannot be taken", function()
  after_each(helper.leftovers)

  it("gets an error with its id, however it is written, in each era", function()
    for _, revision in ipairs(helper.revisions) do
      local peer = helper.open(asking_app(), revision)
      for id in pairs { ["7"] = 1, ["7.0"] = 1, ['"a\\/b"'] = 1, ["-3"] = 1 } do
        for text, code in pairs {
          ['{"jsonrpc":"2.0","id":%s,"method":"tools/list","params":{"x":"\\ud83d"}}'] = -32700,
          ['{"method":"tools/list","params":{"x":"\xff"},"jsonrpc":"2.0","id":%s}'] = -32700,
          ['{"jsonrpc":"2.0","id":%s,"method":"tools/list","params":{"a":1,"a":1}}'] = -32700,
          ['{"jsonrpc":"2.0","id":%s,"method":"tools/list","params":[]}'] = -32600,
          ['{"jsonrpc":"2.0","id":%s,"method":5}'] = -32600,
          ['{"jsonrpc":"1.0","id":%s,"method":"tools/list"}'] = -32600,
          ['{"jsonrpc":"2.0","id":%s}'] = -32600,
        } do
          peer:send((text:format(id)))
          local answer, line = peer:receive()
          assert.equal(code, answer.error.code, text)
          assert.matches('"id":' .. id .. ",", line, 1, true)
        end
      end
      peer:close()
    end
  end)
end)
