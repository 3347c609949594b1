-- SPDX-License-Identifier: MIT
-- large_spec.lua: answers with a file in them, which are sent in pieces (src/transport/large.c,
-- pieces.c): the same bytes as of an answer that is written whole, whatever the pieces cut; and
-- what happens when the file changes, or the client does not read, or goes.
local core = require "mcp.core"
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
app:resource "held:///" (function()
  return { text = ("%d"):format(core.memory()), mimeType = "text/plain" }
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
  after_each(function() support.stop_all() end)
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
        server:wait_said("the file of an answer, while it is sent: ", from + 1)
      end
    end
  end)

  it("lets everything go with a client that goes", function()
    put_hole("zeros", 32 * MEBI)
    local other = support.client(start "")
    same(other, "blob", "text")
    local before, files = held(other), server:fd_count()
    for i = 1, 8 do
      local client = support.client(server, 4096)
      client:send(reading(i % 2 == 0 and "pieces-blob:///zeros" or "pieces-text:///zeros"))
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
end)
