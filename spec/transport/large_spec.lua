-- SPDX-License-Identifier: MIT
-- large_spec.lua: answers with a file in them, which are sent in pieces (src/transport/large.c,
-- pieces.c): the same bytes as of an answer that is written whole, whatever the pieces cut; and
-- what happens when the file changes, or the client does not read, or goes.
local core = require "mcp.core"
local frames = require "spec.ws_frames"
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"

-- "pieces" and "string" are as long as each other: but for the word, answers are the same.
local SCRIPT = [==[
local core = require "mcp.core"
local mcp = require "mcp"
local options = load("return " .. os.getenv "SPEC_OPTIONS")()
local app = mcp.server "spec"
local folder = assert(mcp.folder(os.getenv "SPEC_FOLDER"))
local limit = 1 << 30
local MIME = { guess = nil, text = "text/plain", blob = "application/octet-stream" }
for _, kind in ipairs { "guess", "text", "blob" } do
  app:resource("pieces-" .. kind .. ":///{path}") { mime = MIME[kind] } (function(vars)
    return assert(folder:file(vars.path))
  end)
  app:resource("string-" .. kind .. ":///{path}") { mime = MIME[kind] } (function(vars)
    return assert(folder:read(vars.path, limit))
  end)
end
app:resource "pieces-list:///{path}" (function(vars)
  return { { uri = "a:b", text = "first" }, { uri = "c:d", blob = assert(folder:file(vars.path)) },
    { uri = "e:f", text = assert(folder:file(vars.path)), mimeType = "text/x" } }
end)
app:resource "string-list:///{path}" (function(vars)
  local text = assert(folder:read(vars.path, limit))
  return { { uri = "a:b", text = "first" }, { uri = "c:d", blob = core.base64(text) },
    { uri = "e:f", text = text, mimeType = "text/x" } }
end)
app:resource "opened:///{path}" { mime = "text/plain" } (function(vars)
  local file = assert(folder:file(vars.path))
  core.log("warning", "opened")
  return file
end)
app:resource "held:///" (function()
  return { text = ("%d"):format(core.memory()), mimeType = "text/plain" }
end)
app:tool "talk" { input = { count = "integer" } } (function(args, ctx)
  for i = 1, args.count do ctx:progress(i, nil, ("x"):rep(10000)) end
  return "talked"
end)
app:run(options)
]==]

local MEBI = 1 << 20

-- Every kind of letter and escape.
local UNIT = 'ab"\\\n\r\t\b\f\1\31\127/é€😀'

describe("an answer with a file in it", function()
  local top, folder, server

  setup(function()
    top = os.tmpname()
    os.remove(top)
    folder = assert(mcp.folder(top, { create = true, limit = 64 * MEBI }))
  end)
  after_each(function()
    support.stop_all()
    helper.leftovers()
  end)
  teardown(function()
    for _, entry in ipairs(assert(folder:list())) do assert(folder:remove(entry.name)) end
    folder:close()
    os.remove(top)
  end)

  local function start(options, more)
    more = more or {}
    more.script, more.env = SCRIPT, { "SPEC_FOLDER=" .. top }
    server = support.http(options, more)
    return server
  end

  -- Over standard input and output, and HTTP.
  local function start_both()
    server = support.start("{ stdio = true, http = { port = 0 } }",
      { script = SCRIPT, env = { "SPEC_FOLDER=" .. top } })
    server.port = math.tointeger(server:wait_said "at http://[^%s]-:(%d+)/")
    return server
  end

  local function put(name, text) assert(folder:write(name, text)) end

  -- Of zeros, which take no room on the disk.
  local function put_hole(name, size)
    local file <close> = assert(io.open(top .. "/" .. name, "wb"))
    file:seek("set", size - 1)
    file:write "\0"
  end

  local function reading(uri, fields)
    local all = { ["MCP-Protocol-Version"] = support.MODERN, ["Mcp-Method"] = "resources/read",
      ["Mcp-Name"] = uri }
    for name, value in pairs(fields or {}) do all[name] = value end
    return support.request("POST", all, support.modern_body(1, "resources/read", { uri = uri }))
  end

  local function body_of(client, uri)
    client:send(reading(uri))
    local head = client:head()
    assert.equal(200, head.status)
    return client:take_bytes(assert(tonumber(head.fields["content-length"])))
  end

  -- The body of an event stream, and how many chunks it had.
  local function stream_of(client, uri)
    client:send(reading(uri, { Accept = "text/event-stream" }))
    local head, parts = client:head(), {}
    assert.equal("chunked", head.fields["transfer-encoding"])
    while true do
      local chunk = client:chunk()
      if chunk == "" then return table.concat(parts), #parts end
      parts[#parts + 1] = chunk
    end
  end

  local function same(client, kind, name)
    local pieces = body_of(client, ("pieces-%s:///%s"):format(kind, name)):gsub("pieces", "string")
    local whole = body_of(client, ("string-%s:///%s"):format(kind, name))
    -- A failure would print both.
    assert.is_true(pieces == whole, ("%s of %s: %d bytes, expected %d"):format(kind, name, #pieces,
      #whole))
    return whole
  end

  it("is the same as one that is written whole: text", function()
    local client = support.client(start "")
    -- Each byte of it is the last of a piece once.
    for shift = 0, #UNIT - 1 do
      put("text", ("x"):rep(shift) .. UNIT:rep(13000))
      same(client, "text", "text")
    end
    same(client, "guess", "text")
    for _, size in ipairs { 0, 1, 65535, 65536, (256 << 10) - 1, 256 << 10, (256 << 10) + 1,
      5 << 16, (5 << 16) + 1, (6 << 16) - 1, MEBI } do
      put("text", ("y"):rep(size))
      same(client, "text", "text")
    end
    put("text", ("\0"):rep(MEBI))
    same(client, "text", "text")
  end)

  it("is the same as one that is written whole: bytes", function()
    local client = support.client(start "")
    local bytes = {}
    for i = 1, 1 << 16 do bytes[i] = string.char(i * 7 % 251, i % 256, i // 256 % 256) end
    bytes = table.concat(bytes):rep(3)
    for _, size in ipairs { 0, 1, 2, 3, 4, (256 << 10) + 1, (256 << 10) + 2, (256 << 10) + 3,
      65535 * 5 - 1, 65535 * 5, 65535 * 5 + 1, 65535 * 5 + 2, 65535 * 5 + 3 } do
      put("bytes", bytes:sub(1, size))
      same(client, "blob", "bytes")
    end
    -- Not UTF-8, and no media type says what it is.
    local answer = core.decode(same(client, "guess", "bytes"))
    assert.equal("application/octet-stream", answer.result.contents[1].mimeType)
  end)

  it("is the same in an event stream, and with other contents around it", function()
    local client = support.client(start "")
    put("text", UNIT:rep(40000))
    for _, kind in ipairs { "guess", "blob", "list" } do
      local pieces, chunks = stream_of(client, "pieces-" .. kind .. ":///text")
      local whole, one = stream_of(client, "string-" .. kind .. ":///text")
      assert.is_true(pieces:gsub("pieces", "string") == whole, kind)
      assert.is_true(chunks > 5 and one == 1, chunks .. " and " .. one .. " chunks")
    end
    same(client, "list", "text")
    -- HTTP/1.0 has no chunks; what has a length can be followed by another request.
    client:send((reading("pieces-blob:///text", { Connection = "keep-alive" })
      :gsub("HTTP/1.1", "HTTP/1.0", 1)))
    local length = tonumber(client:head().fields["content-length"])
    assert(core.decode(client:take_bytes(length)))
    same(client, "blob", "text")
  end)

  it("says what is wrong with the file before anything is sent", function()
    local client = support.client(start "")
    put("wrong", UNIT:rep(20000) .. "\xff" .. UNIT)
    local answer = core.decode(body_of(client, "pieces-text:///wrong"))
    assert.equal(-32603, answer.error.code)
    server:wait_said(("not valid UTF%%-8 at byte %d"):format(#UNIT * 20000 + 1))
    answer = core.decode(body_of(client, "string-text:///wrong"))
    assert.equal(-32603, answer.error.code)
    put("cut", UNIT:rep(20000) .. "\xe2\x82")
    assert(core.decode(body_of(client, "pieces-text:///cut")).error)
    answer = core.decode(body_of(client, "pieces-text:///none"))
    assert.equal(-32603, answer.error.code)
    server:wait_said '"none": no such file'
  end)

  local function held(client)
    local answer = core.decode(body_of(client, "held:///"))
    return math.tointeger(answer.result.contents[1].text)
  end

  it("takes no more memory than a few pieces, though the client does not read", function()
    put_hole("zeros", 64 * MEBI)
    local other = support.client(start "")
    local before, at_first = server:rss(), held(other)
    local client = support.client(server, 4096)
    client:send(reading "pieces-blob:///zeros")
    local length = tonumber(client:head().fields["content-length"])
    -- Others are served meanwhile.
    for _ = 1, 50 do
      local now = held(other)
      assert.is_true(now - at_first < MEBI, now - at_first .. " bytes are held")
      server.process:read_error(0.002)
    end
    local got = #client.buffer
    client.buffer = ""
    while got < length do
      assert(client:more(support.LIMIT))
      got = got + #client.buffer
      client.tail, client.buffer = client.buffer, ""
    end
    assert.equal(length, got)
    assert.equal("}", client.tail:sub(-1))
    assert.is_true(server:rss() - before < 4 * MEBI + support.ROOM, server:rss() - before)
    same(client, "guess", "text")
    assert.is_true(held(other) - at_first < 64 << 10)
  end)

  it("is not interrupted by the comments that keep an event stream alive", function()
    put_hole("zeros", 16 * MEBI)
    start "limits = { heartbeat = 1 }"
    local client = support.client(server, 4096)
    client:send(reading("pieces-blob:///zeros", { Accept = "text/event-stream" }))
    client:head()
    local until_then = support.system.now() + 2.5
    while support.system.now() < until_then do server.process:read_error(0.1) end
    local parts = {}
    for chunk in function() return client:chunk() end do
      if chunk == "" then break end
      parts[#parts + 1] = chunk
    end
    local text = table.concat(parts):match "^event: message\ndata: ([^\n]*)\n\n$"
    assert.is_truthy(text and core.decode(text))
  end)

  it("ends with the connection when the file changes, and is never taken for whole", function()
    start ""
    for _, fields in ipairs { {}, { Accept = "text/event-stream" } } do
      for what, change in pairs {
        shorter = function(path) put_hole(path, 20 * MEBI) end,
        other = function(path)
          local file <close> = assert(io.open(top .. "/" .. path, "r+b"))
          file:seek("set", 31 * MEBI)
          file:write "other"
        end,
      } do
        put_hole("changing", 32 * MEBI)
        local client, from = support.client(server, 4096), #server.said
        client:send(reading("pieces-blob:///changing", fields))
        local head = client:head()
        change "changing"
        local rest = client:rest()
        local length = tonumber(head.fields["content-length"])
        if length then
          assert.is_true(#rest < length, what)
        else
          assert.is_nil(rest:find "\r\n0\r\n\r\n$", what)
        end
        server:wait_said("the file of an answer, while it is sent: the file has changed", from + 1)
      end
    end
  end)

  it("lets everything go with a client that goes", function()
    put_hole("zeros", 32 * MEBI)
    put_hole("controls", 4 * MEBI) -- six bytes of JSON each
    local other = support.client(start "")
    same(other, "blob", "text")
    local before, files = held(other), server:fd_count()
    for i = 1, 8 do
      local client = support.client(server, 4096)
      client:send(reading(i % 2 == 0 and "pieces-blob:///zeros" or "pieces-text:///controls"))
      if i < 5 then client:head() end
      client:close()
    end
    server:wait_fd_count(files)
    assert.is_true(held(other) - before < 64 << 10)
  end)

  it("is subject to the time for clients that do not read, and to that for the end", function()
    put_hole("zeros", 32 * MEBI)
    start "limits = { stall_timeout = 1 }"
    local client = support.client(server, 4096)
    client:send(reading "pieces-blob:///zeros")
    client:head()
    local files = server:fd_count()
    server:wait_fd_count(files - 2)
    client:close()
    -- One that reads gets all of it, though the server has been asked to end.
    client = support.client(server)
    client:send(reading "pieces-blob:///zeros")
    local head = client:head()
    server.process:kill "TERM"
    local length = tonumber(head.fields["content-length"])
    assert.equal("}", client:take_bytes(length):sub(-1))
    assert.equal("", client:rest())
    assert.same({ "exit", 0 }, { server:wait_end() })
  end)

  -- --- connections with more than one answer -----------------------------------

  local function reading_line(id, uri)
    return support.modern_body(id, "resources/read", { uri = uri }) .. "\n"
  end

  local function talk_line(id, count)
    return support.modern_body(id, "tools/call", { name = "talk", arguments = { count = count } },
      { progressToken = id }) .. "\n"
  end

  it("goes over standard output, and others follow it in their order", function()
    start_both()
    put("text", UNIT:rep(40000))
    put("bytes", UNIT:rep(40000) .. "\xff")
    for _, name in ipairs { "text", "bytes" } do
      server:write(reading_line(1, "pieces-guess:///" .. name)
        .. reading_line(2, "pieces-list:///" .. name:gsub("bytes", "text")) .. talk_line(3, 5)
        .. reading_line(4, "string-guess:///" .. name)
        .. reading_line(5, "string-list:///" .. name:gsub("bytes", "text")))
      local came, steps = {}, {}
      while not (came[1] and came[2] and came[3] and came[4] and came[5]) do
        local message = assert(server:read_line())
        if message.id then
          came[message.id] = message.result
        else
          steps[#steps + 1] = message.params.progress
          assert.is_nil(came[3])
        end
      end
      assert.same({ 1, 2, 3, 4, 5 }, steps)
      for i, pieces in ipairs { came[1], came[2] } do
        local whole = came[i + 3].contents
        for k, item in ipairs(pieces.contents) do
          assert.is_true(item.text == whole[k].text and item.blob == whole[k].blob)
        end
      end
    end
  end)

  -- Takes what comes up to a line that has `last`, or is longer than that; the lengths of all
  -- lines, and the lines that are not long.
  local function take_lines(last, first)
    local lengths, short, parts, length = {}, {}, {}, #(first or "")
    while true do
      local piece, from = server.left or assert(server.process:read(support.LIMIT)), 1
      server.left = nil
      while from <= #piece do
        local stop = piece:find("\n", from, true)
        local part = piece:sub(from, (stop or #piece + 1) - 1)
        length, from = length + #part, (stop or #piece) + 1
        if length < 65536 then parts[#parts + 1] = part end
        if stop then
          local line = length < 65536 and table.concat(parts)
          local is_last = type(last) == "number" and length > last
            or type(last) == "string" and line and line:find(last, 1, true)
          lengths[#lengths + 1] = length
          short[#short + 1], length, parts = line or nil, 0, {}
          if is_last then
            server.left = from <= #piece and piece:sub(from) or nil
            return lengths, short
          end
        end
      end
    end
  end

  it("lets others wait within a limit while the peer does not read", function()
    put_hole("zeros", 8 * MEBI)
    local other = support.client(start_both())
    local before, size = held(other), (8 * MEBI + 2) // 3 * 4
    server:write(reading_line(1, "pieces-blob:///zeros"))
    local first = assert(server.process:read(support.LIMIT))
    -- 5 MB of notices would be written.
    server:write(talk_line(2, 500))
    local now
    for _ = 1, 100 do
      now = held(other)
      assert.is_true(now - before < MEBI, now - before .. " bytes are held")
      server.process:read_error(0.002)
    end
    assert.is_true(now - before > 256 << 10, now - before .. " bytes are held")
    -- And a second file waits for the first.
    server:write(reading_line(3, "pieces-blob:///zeros"))
    local lengths, short = take_lines('"talked"', first)
    assert.is_true(lengths[1] > size and lengths[1] < size + 1000)
    local step = 0
    for _, line in ipairs(short) do
      local message = assert(core.decode(line))
      if message.method then
        step = step + 1
        assert.equal(step, message.params.progress)
      end
    end
    assert.equal(500, step)
    local whole = 0
    for _, length in ipairs(lengths) do whole = whole + (length > size and 1 or 0) end
    if whole == 1 then take_lines(size) end
  end)

  it("is sent to its end after the end of standard input, if it is read", function()
    put_hole("zeros", 8 * MEBI)
    start_both()
    server:write(reading_line(1, "pieces-blob:///zeros") .. reading_line(2, "held:///"))
    take_lines '"id":2'
    server:write(reading_line(3, "pieces-blob:///zeros"))
    local came = #assert(server.process:read(support.LIMIT))
    server.process:close_stdin()
    while true do
      local piece = server.process:read(support.LIMIT)
      if not piece then break end
      came = came + #piece
    end
    assert.is_true(came > 8 * MEBI * 4 // 3)
  end)

  it("is sent to its end though the server of standard input has been asked to end", function()
    put_hole("zeros", 8 * MEBI)
    start_both()
    server:write(reading_line(1, "pieces-blob:///zeros"))
    local came = assert(server.process:read(support.LIMIT))
    server.process:kill "TERM"
    local length, last = #came, came
    while true do
      local piece = server.process:read(support.LIMIT)
      if not piece then break end
      length, last = length + #piece, piece
    end
    assert.is_true(length > 8 * MEBI * 4 // 3)
    assert.equal("}\n", last:sub(-2))
  end)

  local UPGRADE = { Connection = "Upgrade", Upgrade = "websocket", ["Sec-WebSocket-Version"] = "13",
    ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==", ["Sec-WebSocket-Protocol"] = "mcp" }

  local function websocket(receive_buffer)
    local client = support.client(server, receive_buffer)
    client:send(support.request("GET", UPGRADE))
    client:take "^HTTP/1.1 101 .-\r\n\r\n"
    return client
  end

  local function next_frame(client)
    while true do
      local found, after = frames.read(client.buffer)
      if found then
        client.buffer = client.buffer:sub(after)
        return found
      end
      assert(client:more(support.LIMIT))
    end
  end

  it("is one frame of a WebSocket, after which a ping is answered", function()
    start "websocket = true"
    put("text", UNIT:rep(40000))
    local client = websocket(4096)
    client:send(frames.text(reading_line(1, "string-guess:///text")))
    local whole = next_frame(client).payload
    for _ = 1, 2 do
      client:send(frames.text(reading_line(1, "pieces-guess:///text"))
        .. frames.frame { op = 9, payload = "are you there" })
      local pieces, pong = next_frame(client), next_frame(client)
      if pieces.op ~= 1 then pieces, pong = pong, pieces end
      assert.same({ 1, 10, "are you there" }, { pieces.op, pong.op, pong.payload })
      assert.is_true(pieces.payload:gsub("pieces", "string") == whole)
    end
  end)

  it("is no fault where the client goes while the file is looked at", function()
    put_hole("zeros", 512 * MEBI)
    start "websocket = true"
    local from = #server.said
    -- What the last but one has left is said by now.
    for _ = 1, 4 do
      local client = websocket()
      client:send(frames.text(reading_line(1, "opened:///zeros")))
      server:wait_said("opened", #server.said + 1)
      client:close()
    end
    assert.is_nil(server.said:find("error", from + 1, true))
  end)

  it("is cut, and nothing follows it, where the file changes", function()
    start "websocket = true"
    put_hole("changing", 32 * MEBI)
    local client = websocket(4096)
    client:send(frames.text(reading_line(1, "pieces-blob:///changing")))
    assert(client:more(support.LIMIT))
    client:send(frames.text(reading_line(2, "held:///")))
    put_hole("changing", 20 * MEBI)
    local rest = client:rest()
    local size = string.unpack(">I8", rest, 3)
    assert.same({ 0x81, 127 }, { rest:byte(1, 2) })
    assert.is_true(#rest < size)
    assert.is_nil(rest:find('"id":2', 1, true))
  end)

  it("goes through memory", function()
    local app <const> = mcp.server "near"
    app:resource "file:///{path}" (function(vars) return assert(folder:file(vars.path)) end)
    put("text", UNIT:rep(40000))
    local client <close> = mcp.connect(app)
    assert.is_true(client:read_resource("file:///text").contents[1].text == UNIT:rep(40000))
    -- Over its limit a client ends the connection.
    put("text", UNIT:rep(250000))
    local result, _, code = client:read_resource "file:///text"
    assert.same({ nil, "ETOOBIG" }, { result, code })
  end)
end)
