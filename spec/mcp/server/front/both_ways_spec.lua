-- SPDX-License-Identifier: MIT
-- What is known of one request is not found out again for the next, and most results are made a
-- shorter way than others. No rule may be decided twice by that: each of the odd messages is
-- answered the same, byte for byte, whichever way it goes.
--
-- The long way: connections that remember nothing; an app with middleware, which writes no text
-- into JSON that is kept and leaves no context to another call; without the check of arguments in
-- C. The short one: an app without, and a connection that has had many like it.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local messages = require "spec.mcp.server.front.odd_messages"
local protocol = require "mcp.protocol"
local raw = require "codecs.raw"
local value = require "mcp.value"

local ENVELOPE = '"$PprotocolVersion":"2026-07-28","$PclientCapabilities":{}'

local function filled(text, era)
  local inner = era == "modern" and ENVELOPE or '"x":"y"'
  return (text:gsub("%$E", function() return '"_meta":{' .. inner .. "}" end)
    :gsub("%$I", function() return inner end):gsub("%$P", protocol.PREFIX))
end

-- Tools whose arguments header fields repeat make all calls go another way.
local function tools(app, mirrored)
  local text = { text = "string?" }
  app:tool "echo" { input = { text = "string?", n = "integer?", f = "boolean?", x = "number?",
    list = "string[]?" } } (function(args) return args.text or "nothing" end)
  app:tool "plain" { input = { text = "string?", n = "integer?" } } (function(args)
    return args.text or "nothing"
  end)
  app:tool "strict" { input_schema = { type = "object", required = { "text" },
    properties = { text = { type = "string", ["x-mcp-header"] = mirrored and "Text" or nil } },
    additionalProperties = false } } (function(args) return args.text end)
  app:tool "defaults" { input = { text = "string?", n = mcp.integer { default = 3 } } }
    (function(args) return (args.text or "") .. args.n end)
  app:tool "table" { input = text } (function(args)
    return { text = args.text, list = mcp.array {} }
  end)
  app:tool "wrong" (function() return "a \xff\xfe" end)
  app:tool "fails" (function() error("as expected", 0) end)
  -- Takes no context, and does not always end like most calls.
  app:tool "fickle" { input = text } (function(args)
    if args.text == "fail" then error("as expected", 0) end
    return args.text and { args.text } or args.text == nil and "nothing" or nil
  end)
  app:tool "refuses" (function() error(mcp.error(-32000, "refused", { why = "so" })) end)
  app:tool "talks" (function(_, ctx)
    ctx:log("error", "first")
    return "\u{e9} after that"
  end)
  app:tool "logs" { input = text } (function(args, ctx)
    for _, level in ipairs { "debug", "info", "error" } do ctx:log(level, args.text) end
    return "logged"
  end)
  app:tool "reports" (function(_, ctx)
    ctx:progress(1, 2, "half")
    return tostring(ctx.token)
  end)
  app:tool "context" (function(_, ctx)
    return { ctx.method, ctx.revision.name, ctx.session ~= nil, getmetatable(ctx.meta) ~= nil,
      ctx.meta, ctx.capabilities, ctx.client or mcp.null, ctx.token or mcp.null }
  end)
  app:tool "stamped" (function()
    return { content = { mcp.text "x" }, resultType = "own", _meta = { a = 1 } }
  end)
  app:tool "whole" (function()
    return { content = { mcp.text "x" }, _meta = { [protocol.KEY_SERVER] = "own" }, other = true }
  end)
  app:tool "flagged" (function() return { content = { "x" }, isError = true } end)
  app:tool "number" (function() return 1.5 end)
  app:tool "null" (function() return mcp.null end)
  app:tool "nothing" (function() end)
  app:tool "image" (function() return mcp.image("x", "image/png"), "and a text" end)
  app:tool "promises" { output = { n = "integer" } } (function() return { n = 1 } end)
  app:tool "breaks" { output = { n = "integer" } } (function() return "no table" end)
  app:tool "pair" (function() return "one", "two" end)
  app:tool "both" (function() return "one", mcp.text "two" end)
  app:tool "counts" (function() return ("a"):gsub("a", "b") end)
  app:tool "halves" (function() return "one", nil, mcp.text "three" end)
  app:tool "declines" (function() return nil, "as expected" end)
  app:tool "late" { task = "optional" } (function() return "late" end)
  app:tool "must" { task = "required" } (function() return "late" end)
  app:tool "seen" { visible = function(ctx) return ctx.entry ~= 7 end } (function() return "x" end)
  app:tool "asks" (function(_, ctx) return tostring(ctx:elicit("Sure?", { a = "string" })) end)
  app:tool "waits" (function(_, ctx) return ctx:sleep(60) and "slept" or "woken" end)
  app:prompt "greet" { arguments = { name = "string" } } (function(args)
    return "hello " .. args.name
  end)
  app:resource "spec://r" (function() return "text" end)
  return app
end

describe("an odd message", function()
  local members_check = value.members_check
  local listening, session, is_long, methods, remember, short

  -- An app that takes the long way, or the short one.
  local function serve(long, mirrored)
    local app = tools(mcp.server { name = "both", version = "1" }, mirrored)
    is_long, value.members_check = long, not long and members_check or nil
    if long then app:use(function(asked, following) return following(asked) end) end
    return app
  end

  before_each(function()
    short = 0
    methods = debug.getregistry()["mcp.exchange"].__index
    remember = methods.remember
    -- Counts what went the short way.
    function methods.remember(x, fn, ...)
      if is_long or not fn then return remember(x) end
      return remember(x, function(...)
        short = short + 1
        return fn(...)
      end, ...)
    end
  end)
  after_each(function()
    value.members_check, methods.remember = members_check, remember
    if listening then listening:close() end
    listening = nil
    helper.leftovers()
  end)

  -- What differs from answer to answer: times, and what is drawn at random.
  local function steady(answer)
    return (answer:gsub("Date: [^\r]*", "Date:"):gsub("Mcp%-Session%-Id: [^\r]*", "Mcp-Session-Id:")
      :gsub("\nid: [^\n]*", "\nid:"):gsub("\r\n%x+\r\n", "\r\n")
      :gsub('"(requestState)":"[^"]*"', '"%1":""'):gsub('"(taskId)":"[^"]*"', '"%1":""')
      :gsub('"(%w+At)":"[^"]*"', '"%1":""'))
  end

  -- Members of an object have no order: the two ways make them differently.
  local function sorted(answer)
    return (answer:gsub("[^\r\n]+", function(line)
      local before, text = line:match "^(d?a?t?a?:? ?)([{%[].*)$"
      local decoded = text and core.decode(text)
      return decoded and before .. core.encode(decoded, true)
    end))
  end

  -- --- HTTP ------------------------------------------------------------------------------------

  -- The answer with which `came` begins, if it is there to its end.
  local function first_of(came)
    local head = came:match "^(HTTP/1.1 .-\r\n\r\n)"
    if not head then return nil end
    local length = tonumber(head:match "Content%-Length: (%d+)")
    if length then return #came >= #head + length and came:sub(1, #head + length) or nil end
    if head:find("chunked", 1, true) then
      local _, last = came:find("\r\n0\r\n\r\n", #head - 1, true)
      return last and came:sub(1, last)
    end
    return head
  end

  local function connect()
    local socket = assert(raw.connect(listening.port))
    local client, came = setmetatable({}, { __close = function() socket:close() end }), ""
    -- The answer, or what came before the connection was closed.
    function client.ask(text)
      socket:send(text)
      local answer, closed, piece
      helper.wait_until(function()
        answer = first_of(came)
        if not answer then
          piece, closed = socket:receive()
          came = came .. piece
          answer = first_of(came) or closed and came
        end
        return answer
      end, "an answer to " .. text:sub(1, 2000))
      came = came:sub(#answer + 1)
      return steady(answer)
    end
    return client
  end

  local function post(era, case, body)
    local fields = era == "modern" and { "MCP-Protocol-Version: 2026-07-28",
      "Mcp-Method: " .. case.method, case.name and "Mcp-Name: " .. case.name }
      or { "Mcp-Session-Id: " .. (session or ""), "MCP-Protocol-Version: " .. era }
    local head = { "POST /mcp HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json",
      "Accept: application/json, text/event-stream", "Content-Length: " .. #body }
    local another = (session or ""):gsub("^.", function(c) return c == "a" and "b" or "a" end)
    local odd = case.field and case.field:gsub("%$(.)", { L = #body, S = another,
      X = tostring(#body):gsub(".$", "x") })
    local instead = odd and case.instead and odd:match "^[^:]+:"
    table.move(fields, 1, 3, #head + 1, head)
    for i, field in ipairs(head) do
      if instead and field:find(instead, 1, true) == 1 then
        head[i], instead, odd = odd, nil, nil
      end
    end
    head[#head + 1] = odd
    return table.concat(head, "\r\n") .. "\r\n\r\n" .. body
  end

  -- What a client sends again and again that sends `case` once.
  local function plain(case)
    local member = case.method == "resources/read" and "uri" or "name"
    return case.warm or ('{"jsonrpc":"2.0","id":1,"method":"%s","params":{%s$E}}'):format(
      case.method, case.name and ('"%s":"%s",'):format(member, case.name) or "")
  end

  -- Another call, which in a session has the same head.
  local ECHO = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo",$E}}'

  local function padded(text, length) return text .. (" "):rep(length - #text) end

  -- The request, and plain ones with the same head: as long.
  local function requests(era, case)
    local body, usual, echo = filled(case.body, era), filled(plain(case), era), filled(ECHO, era)
    local length = math.max(#body, #usual, #echo)
    local head = case.always and case or { method = case.method, name = case.name }
    return post(era, case, padded(body, length)), post(era, head, padded(usual, length)),
      era ~= "modern" and post(era, head, padded(echo, length)) or nil
  end

  local function open_session(era)
    session = nil
    if era == "modern" then return end
    local client <close> = connect()
    local text
    local real = steady
    steady = function(answer) text = answer return answer end
    client.ask(post(era, {}, ('{"jsonrpc":"2.0","id":0,"method":"initialize","params":'
      .. '{"protocolVersion":"%s","capabilities":{},"clientInfo":{"name":"c",'
      .. '"version":"1"}}}'):format(era)):gsub("Mcp%-Session%-Id: \r\n", ""))
    steady = real
    session = text:match "Mcp%-Session%-Id: ([^\r]+)"
    client.ask(post(era, {}, '{"jsonrpc":"2.0","method":"notifications/initialized"}'))
  end

  local function is_for(case, era, over, mirrored)
    return (not case.over or case.over == over) and (not mirrored or case.name == "strict")
      and (not case.era or (case.era == "modern") == (era == "modern"))
  end

  local function over_http(era, mirrored)
    local app = serve(true, mirrored)
    listening = app:listen { http = 0, quiet = true }
    open_session(era)
    local expected = {}
    for i, case in ipairs(messages) do
      if is_for(case, era, "http", mirrored) then
        local odd, usual = requests(era, case)
        local first <close> = connect()
        local second <close> = connect()
        expected[i] = { sorted(first.ask(odd)), sorted(second.ask(usual)) }
      end
    end
    listening:close()
    helper.settle()
    listening = serve(false, mirrored):listen { http = 0, quiet = true }
    open_session(era)
    local count, went = 0, 0
    for i, case in ipairs(messages) do
      if expected[i] then
        local odd, usual, echo = requests(era, case)
        local label = ("%s %d: %s"):format(era, i, odd:match "\r\n\r\n(.*)":sub(1, 400))
        local first <close> = connect()
        local like = first.ask(odd)
        assert.equal(expected[i][1], sorted(like), label)
        local client <close> = connect()
        local answer = client.ask(usual)
        assert.equal(expected[i][2], sorted(answer), label .. ", a plain one")
        count = count + 1
        if not answer:find "Connection: close" then
          for _ = 1, 3 do assert.equal(answer, client.ask(usual), label .. ", before it") end
          local before = short
          assert.equal(like, client.ask(odd), label .. ", after others")
          went = went + short - before
        end
        if not (like:find "Connection: close" or answer:find "Connection: close") then
          assert.equal(like, client.ask(odd), label .. ", again")
          if echo then
            for _ = 1, 4 do client.ask(echo) end
            assert.equal(like, client.ask(odd), label .. ", after a call of echo")
          end
          for _ = 1, 2 do assert.equal(answer, client.ask(usual), label .. ", after it") end
          local own <close> = connect()
          for n = 1, 4 do assert.equal(like, own.ask(odd), ("%s, time %d"):format(label, n)) end
        end
      end
    end
    return count, went
  end

  -- --- a two-way connection ---------------------------------------------------------------------

  local function open(app, era)
    local peer = helper.open(app, era == "modern" and "2026-07-28" or era)
    -- All that these lines are answered with: no handler waits for longer.
    function peer.ask(lines)
      for _, line in ipairs(type(lines) == "table" and lines or { lines }) do
        peer:send(filled(line, era))
      end
      helper.settle()
      local answers = {}
      for line in peer.wire:take():gmatch "[^\n]+" do answers[#answers + 1] = line end
      return steady(table.concat(answers, "\n"))
    end
    -- The era is settled.
    if era == "modern" then
      peer.ask '{"jsonrpc":"2.0","id":0,"method":"tools/list","params":{$E}}'
    end
    return peer
  end

  local function over_lines(era)
    local app = serve(true)
    local expected = {}
    for i, case in ipairs(messages) do
      if is_for(case, era, "lines") then
        local first <close> = open(app, era)
        local second <close> = open(app, era)
        expected[i] = { sorted(first.ask(case.body)), sorted(second.ask(plain(case))) }
      end
    end
    app = serve(false)
    local count, went = 0, 0
    for i, case in ipairs(messages) do
      if expected[i] then
        local odd, usual = case.body, plain(case)
        local label = ("%s %d: %s"):format(era, i, core.encode(odd) or i):sub(1, 400)
        local first <close> = open(app, era)
        local like = first.ask(odd)
        assert.equal(expected[i][1], sorted(like), label)
        local client <close> = open(app, era)
        local answer = client.ask(usual)
        assert.equal(expected[i][2], sorted(answer), label .. ", a plain one")
        for _ = 1, 3 do assert.equal(answer, client.ask(usual), label .. ", before it") end
        local before = short
        assert.equal(like, client.ask(odd), label .. ", after others")
        went = went + short - before
        -- A list may leave a request in progress, or another session.
        if type(odd) == "string" then
          for _ = 1, 2 do client.ask(ECHO) end
          assert.equal(like, client.ask(odd), label .. ", after calls of echo")
          for _ = 1, 2 do assert.equal(answer, client.ask(usual), label .. ", after it") end
          local own <close> = open(app, era)
          for n = 1, 3 do assert.equal(like, own.ask(odd), ("%s, time %d"):format(label, n)) end
        end
        count = count + 1
      end
    end
    return count, went
  end

  -- The last one has batches.
  for _, era in ipairs { "modern", "2025-11-25", "2025-03-26" } do
    it("is answered the same over HTTP, " .. era, function()
      local count, went
      helper.logged(function() count, went = over_http(era) end)
      assert.is_true(count >= 900, count)
      assert.is_true(went >= 400, went)
    end)

    it("is answered the same beside header fields that repeat arguments, " .. era, function()
      local count
      helper.logged(function() count = over_http(era, true) end)
      assert.is_true(count >= 80, count)
    end)

    it("is answered the same on a two-way connection, " .. era, function()
      local count, went
      helper.logged(function() count, went = over_lines(era) end)
      assert.is_true(count >= 800, count)
      assert.is_true(went >= 400, went)
    end)
  end
end)
