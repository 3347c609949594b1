-- SPDX-License-Identifier: MIT
-- link_spec.lua: src/transport/link.c over real pipes: the program serving standard input and
-- output.
local certificate = require "codecs.certificate"
local core = require "mcp.core"
local frames = require "spec.ws_frames"
local helper = require "spec.helper"
local mcp = require "mcp"
local patience = require "spec.patience"
local stream = require "codecs.stream"
local support = require "spec.support"
local tls = require "mcp.tls"

local system, body = support.system, support.call_body

local line, echo = support.call_line, support.echo_line
local text_of, messages_of = support.text_of, support.messages_of

local server

local function ends_with(kind, number, limit)
  assert.same({ kind, number }, { server:wait_end(limit) })
end

-- End of input; then nothing more comes and it ends well.
local function finish()
  server.process:close_stdin()
  assert.is_false(server:read_line())
  ends_with("exit", 0, 1)
end

describe("lines", function()
  before_each(function() server = support.stdio() end)
  after_each(support.stop_all)

  it("are answered one by one", function()
    for i = 1, 20 do
      server:write(echo(i, "n" .. i))
      local answer = server:read_line()
      assert.equal(i, answer.id)
      assert.equal("n" .. i, text_of(answer))
    end
    finish()
  end)

  it("may end with CRLF, may be empty, may come in pieces", function()
    server:write("\n\r\n\n" .. body(1, "echo", { text = "a" }) .. "\r\n\n\n")
    assert.equal("a", text_of(server:read_line()))
    for c in echo(2, "b"):gmatch "." do server:write(c) end
    assert.equal("b", text_of(server:read_line()))
    finish()
  end)

  it("need no end if the input has one", function()
    server:write(echo(1, "a") .. body(2, "echo", { text = "last" }))
    assert.equal("a", text_of(server:read_line()))
    server.process:close_stdin()
    assert.equal("last", text_of(server:read_line()))
    assert.is_false(server:read_line())
    ends_with("exit", 0, 1)
  end)

  it("that are no JSON get -32700, and the connection lives", function()
    local ping = body(1, "echo", { text = "x" })
    local function refuses(bad, id)
      server:write(bad .. "\n")
      local answer = server:read_line()
      assert.equal(-32700, answer.error.code)
      assert.equal(id, answer.id, bad)
    end
    for _, bad in ipairs { "rubbish", "{", "\xff\xfe" .. ping, "\0", ("["):rep(100000),
      '{"id":1,"id":1}', "Content-Length: 100", "\27[0m" } do
      refuses(bad, core.null)
    end
    -- The error has the id of its request wherever that can be read.
    for _, bad in ipairs { ping:sub(1, -2), ping .. ping, (ping:gsub('"x"', '"\xc3("')),
      "\xef\xbb\xbf" .. ping, (ping:gsub('"x"', '"\\ud83d"')) } do
      refuses(bad, 1)
    end
    server:write(echo(2, "lives"))
    assert.equal("lives", text_of(server:read_line()))
    finish()
  end)

  it("that are no JSON-RPC get -32600, the id if they have one", function()
    for bad, id in pairs { ["{}"] = false, ["7"] = false, ['{"id":5}'] = 5, ["[]"] = false,
      ['{"jsonrpc":"2.0","id":6,"method":1}'] = 6 } do
      server:write(bad .. "\n")
      local answer = server:read_line()
      assert.equal(-32600, answer.error.code)
      assert.equal(id or core.null, answer.id, bad)
    end
    finish()
  end)

  it("over 4 MiB get -32700, and the connection lives", function()
    local long = echo(1, ("x"):rep(5 << 20))
    server.out = server.process:exchange(long)
    local answer = server:read_line()
    assert.equal(-32700, answer.error.code)
    assert.is_truthy(answer.error.message:find("longer than the limit", 1, true))
    assert.equal(1, answer.id)
    server:write(echo(2, "lives"))
    assert.equal("lives", text_of(server:read_line()))
    finish()
  end)

  it("over the limit are answered with their id where it can be read", function()
    local rest = ',"params":{"name":"echo","arguments":{"text":"' .. ("x"):rep(5 << 20) .. '"}}}\n'
    for head, id in pairs {
      ['{"jsonrpc":"2.0","id":7,"method":"tools/call"'] = 7,
      ['{"id":"a","method":"tools/call","jsonrpc":"2.0"'] = "a",
      -- Perhaps a response, and with two ids none is sure.
      ['{"jsonrpc":"2.0","id":8'] = core.null,
      ['{"id":8,"method":"tools/call","id":9'] = core.null,
    } do
      server.out = server.out .. server.process:exchange(head .. rest)
      local answer = server:read_line()
      assert.equal(-32700, answer.error.code, head)
      assert.equal(id, answer.id, head)
    end
    finish()
  end)

  it("over the limit close the connection at the eighth, and end the process (IO-23)", function()
    local long, got = ("x"):rep((4 << 20) + 1) .. "\n", ""
    for i = 1, 8 do
      got = got .. server.process:exchange(long)
      if i < 8 then
        server:write(echo(i, "lives"))
        server.out = server.out .. got
        got = ""
        assert.equal(-32700, server:read_line().error.code)
        assert.equal("lives", text_of(server:read_line()))
      end
    end
    server.out = server.out .. got
    assert.equal(-32700, server:read_line().error.code)
    assert.is_false(server:read_line())
    ends_with("exit", 0)
    assert.is_truthy(server:told():find("8 lines over the limit", 1, true))
  end)

  it("of just 4 MiB are read", function()
    local text = ("x"):rep((4 << 20) - 300)
    server.out = server.process:exchange(echo(1, text))
    assert.is_true(text_of(server:read_line()) == text)
    finish()
  end)

  it("may be 10,000 at once: all are answered, in order of completion", function()
    local all = {}
    for i = 1, 10000 do all[i] = echo(i, "n" .. i) end
    server.out = server.process:exchange(table.concat(all))
    server.process:close_stdin()
    local got = { server.out }
    while true do
      local piece, why = server.process:read()
      if not piece then
        assert.equal("closed", why)
        break
      end
      got[#got + 1] = piece
    end
    local messages = messages_of(table.concat(got))
    assert.equal(10000, #messages)
    for i, message in ipairs(messages) do
      assert.equal(i, message.id)
      assert.equal("n" .. i, text_of(message))
    end
    ends_with("exit", 0, 1)
  end)

  it("are answered in the order in which they are done", function()
    server:write(line(1, "sleep", { seconds = 0.2, name = "long" })
      .. line(2, "sleep", { seconds = 0.05, name = "short" }) .. echo(3, "at once"))
    assert.equal("at once", text_of(server:read_line()))
    assert.equal("slept short", text_of(server:read_line()))
    assert.equal("slept long", text_of(server:read_line()))
    finish()
  end)

  it("carry progress before the answer", function()
    server:write(line(1, "steps", { count = 3 }))
    for i = 1, 3 do assert.equal(i, server:read_line().params.progress) end
    assert.equal("done", text_of(server:read_line()))
    finish()
  end)

  it("of many handlers at once are each written whole, in their order (IO-09)", function()
    local all, last = {}, {}
    for i = 1, 8 do all[i] = line(i, "steps", { count = 6, size = 30000 + i, delay = 0.001 }) end
    server:write(table.concat(all))
    -- The pipe is full long before anybody reads.
    server:wait_said "began steps\n"
    for _ = 1, 8 * 7 do
      local message = server:read_line()
      if message.result then
        assert.equal("done", text_of(message))
        assert.equal(6, last[message.id])
      else
        local params = message.params
        assert.equal(30000 + params.progressToken, #params.message)
        assert.equal((last[params.progressToken] or 0) + 1, params.progress)
        last[params.progressToken] = params.progress
      end
    end
    finish()
  end)

  it("may have 64 requests under way; the next is told so", function()
    local all = {}
    for i = 1, 65 do all[i] = line(i, "sleep", { seconds = 60 }) end
    server:write(table.concat(all) .. echo(66, "x"))
    for id = 65, 66 do
      local answer = server:read_line()
      assert.equal(id, answer.id)
      assert.equal(-32000, answer.error.code)
    end
    server:write '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}\n'
    server:wait_said "closed sleep\n"
    server:write(echo(67, "x"))
    assert.equal("x", text_of(server:read_line()))
    server.process:close_stdin()
    ends_with("exit", 0, 1)
  end)

  it("of a peer that does not read wait; nothing is lost, memory is bounded", function()
    server:write(echo(0, "x"))
    server:read_line()
    local before, all = server:rss(), {}
    for i = 1, 100000 do all[i] = echo(i, "n") end
    local bytes = table.concat(all)
    -- Until nothing more is taken.
    local sent, more = 0
    repeat
      more = server.process:write(bytes:sub(sent + 1), 0.3)
      sent = sent + more
    until more == 0
    assert.is_true(sent < #bytes, "took all of it")
    local grown = server:rss() - before
    assert.is_true(grown < support.ROOM, ("grew by %d bytes"):format(grown))
    local got = { (server.process:exchange(bytes:sub(sent + 1), 20)) }
    server.process:close_stdin()
    while true do
      local piece = server.process:read()
      if not piece then break end
      got[#got + 1] = piece
    end
    local next_one = 1
    for id in table.concat(got):gmatch '"id":(%d+),"result"' do
      if tonumber(id) ~= next_one then assert.equal(next_one, tonumber(id)) end
      next_one = next_one + 1
    end
    assert.equal(100001, next_one)
    ends_with("exit", 0, 1)
  end)

  it("of a handler wait for a peer that does not read (IO-09)", function()
    local it = support.start "{ stdio = true, http = { port = 0 } }"
    it.port, server = math.tointeger(it:wait_said "answers at http://127.0.0.1:(%d+)/mcp"), it
    assert.is_true(support.alive(server))
    local before = server:rss()
    server:write(line(1, "steps", { count = 100000, size = 100 }))
    server:wait_said "began steps\n"
    -- Others are served: it waits.
    for _ = 1, 20 do assert.is_true(support.alive(server)) end
    local grown = server:rss() - before
    assert.is_true(grown < support.ROOM, ("grew by %d bytes"):format(grown))
    local got, size = {}, 0
    repeat
      got[#got + 1] = assert(server.process:read())
      size = size + #got[#got]
      local tail = (got[#got - 1] or "") .. got[#got]
    until tail:find('"text":"done"', 1, true)
    local next_one = 1
    for progress in table.concat(got):gmatch '"progress":(%d+)' do
      if tonumber(progress) ~= next_one then assert.equal(next_one, tonumber(progress)) end
      next_one = next_one + 1
    end
    assert.equal(100001, next_one)
  end)
end)

describe("a handler on a link in memory", function()
  after_each(helper.leftovers)

  it("waits once 256 KiB are not read, with what a buffer has to grow", function()
    local app, sent, text = mcp.server "spec", 0, ("x"):rep(2000)
    app:tool "steps" (function(_, ctx)
      for i = 1, 1000 do
        ctx:progress(i, 1000, text)
        sent = sent + #text
      end
      return "done"
    end)
    local peer = helper.open(app)
    peer.wire:pause(true)
    peer:send { jsonrpc = "2.0", id = 1, method = "tools/call",
      params = { name = "steps", _meta = { progressToken = 1 } } }
    for _ = 1, 50 do core.step(0) end
    local first = sent
    assert.is_true(first >= 128 << 10 and first <= (256 << 10) + 4000, first)
    for _ = 1, 20 do core.step(0) end
    assert.equal(first, sent)
    peer.wire:pause(false)
    repeat local message = peer:receive() until message.result
    assert.equal(2000000, sent)
  end)
end)

describe("the end of input", function()
  after_each(support.stop_all)

  it("ends the process within a second although a handler sleeps", function()
    server = support.stdio()
    server:write(line(1, "sleep", { seconds = 60 }) .. line(2, "stubborn"))
    server:wait_said "began stubborn\n"
    server.process:close_stdin()
    local from = system.now()
    ends_with("exit", 0, 2)
    assert.is_true(system.now() - from < 1)
    server:wait_said "woke sleep ECANCELED cancelled=true\nclosed sleep\n"
    server:wait_said "closed stubborn\n"
  end)

  it("ends it although timers live, and tasks of the script's own", function()
    server = support.start("{}", { script = [[
      local mcp = require "mcp"
      local app = mcp.server "spec"
      mcp.spawn(function()
        local g <close> = setmetatable({}, { __close = function()
          io.stderr:write "closed task\n"
        end })
        while true do mcp.sleep(60) end
      end)
      app:run()]] })
    server.process:close_stdin()
    ends_with("exit", 0, 1)
    server:wait_said "closed task\n"
  end)

  it("lets what is nearly done be answered", function()
    server = support.stdio()
    server:write(echo(1, "before") .. line(2, "sleep", { seconds = 0.2 }))
    server.process:close_stdin()
    assert.equal("before", text_of(server:read_line()))
    assert.equal("slept sleep", text_of(server:read_line()))
    assert.is_false(server:read_line())
    ends_with("exit", 0, 1)
  end)

  it("loses no answer that was ready, although nobody reads it yet", function()
    server = support.stdio()
    local text = ("x"):rep(1 << 20)
    server:write(echo(1, text))
    server.process:close_stdin()
    assert.equal("timeout", select(2, server:wait_end(0.8)))
    assert.is_true(text_of(server:read_line()) == text)
    assert.is_false(server:read_line())
    ends_with("exit", 0, 1)
  end)

  it("without a word before it is nothing", function()
    server = support.stdio()
    finish()
    assert.equal("", server:told())
  end)
end)

-- TLS may give a WebSocket all at once: the upgrade, the first messages after it, and the end.
describe("the end of input that comes before messages are read", function()
  local own, loop, host

  setup(function() own = certificate.make { names = "DNS:localhost" } end)
  before_each(function() loop = stream.loop() end)

  local function wait(condition, what, turn)
    return patience(condition, what, function()
      turn()
      core.step(0.001)
    end)
  end

  after_each(function()
    host:close(0)
    wait(function() return host:is_gone() end, "the end of the listener", function() end)
    loop:close()
  end)

  it("is taken after them: the connection is lost, and what they have begun ends", function()
    local seen, code = {}, nil
    host = assert(core.listen_http({ port = 0, websocket = true,
      tls = assert(tls.server { cert = own.cert, key = own.key }),
      duplex = function(_, link, _, id)
        link.closed = function(_, name) code = name end
        seen[#seen + 1] = id
        seen[#seen + 1] = select(3, core.waiter():wait(60))
        return {}
      end }, function(x) assert(x:upgrade()) end))
    local socket <close> = system.connect("127.0.0.1", host:port())
    local inner, outer = loop:pair()
    local client = assert(inner:wrap(tls.client { ca = own.cert }, "localhost"))
    assert(client:start())
    assert(outer:start())
    assert(client:send(support.request("GET", { Accept = false, Upgrade = "websocket",
      Connection = "Upgrade", ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==",
      ["Sec-WebSocket-Version"] = "13", ["Sec-WebSocket-Protocol"] = "mcp" })
      .. frames.text '{"jsonrpc":"2.0","id":7,"method":"m"}'))
    client:close(true)
    -- What the client has to say is passed on in one piece, and the socket stays open.
    local passed
    wait(function() return code end, "the end of the connection", function()
      for _ = 1, 20 do loop:step(0) end
      local bytes = outer:take()
      if bytes ~= "" then
        socket:send(bytes)
        passed = bytes
      end
      local piece = socket:receive(0)
      if piece and not outer:facts().ended then outer:send(piece) end
    end)
    -- A request of 200 bytes and more, and the end: both were in it.
    assert.is_true(#passed > 300, #passed)
    assert.same({ "7", "ECANCELED" }, seen)
    assert.equal("EGONE", code)
  end)
end)

describe("SIGTERM on standard input and output", function()
  before_each(function()
    server = support.stdio()
    server:write(echo(1, "x"))
    server:read_line()
  end)
  after_each(support.stop_all)

  it("ends the process; handlers are closed", function()
    server:write(line(2, "sleep", { seconds = 60 }))
    server:wait_said "began sleep\n"
    server.process:kill()
    ends_with("exit", 0, 1)
    server:wait_said "closed sleep\n"
  end)

  it("waits for a peer to read what is ready; the second one does not", function()
    local text = ("x"):rep(1 << 20)
    server:write(echo(2, text))
    -- It has begun to write: what it took is on its way back.
    assert.equal(1, #assert(server.process:read()):sub(1, 1))
    server.process:kill()
    assert.equal("timeout", select(2, server:wait_end(0.3)))
    server.process:kill()
    ends_with("exit", 0, 1)
  end)
end)

describe("both at once", function()
  after_each(support.stop_all)

  it("serve the same handlers, and end with the input", function()
    server = support.start "{ stdio = true, http = { port = 0 } }"
    server.port = math.tointeger(server:wait_said "answers at http://127.0.0.1:(%d+)/mcp")
    assert.is_true(support.alive(server))
    server:write(echo(1, "x"))
    assert.equal("x", text_of(server:read_line()))
    finish()
  end)
end)
