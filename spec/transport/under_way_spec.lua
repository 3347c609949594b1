-- SPDX-License-Identifier: MIT
-- How many requests are under way in a process: the limit (MCP_EXCHANGE_PER_PROCESS) is reached by
-- every transport, and every way in which a request ends gives its place back. A count that is not
-- taken back shows only after as many requests as the limit has, so that is what these specs send.
local frames = require "spec.ws_frames"
local support = require "spec.support"

local system = support.system

local MOST = 1024 -- MCP_EXCHANGE_PER_PROCESS
local PER_LINK = 64 -- MCP_EXCHANGE_PER_LINK
local BATCH = 128

-- Waits until `pattern` stands `count` times in what the server has said.
local function wait_count(server, pattern, count)
  local deadline = system.now() + 20
  while true do
    local found = select(2, server:told():gsub(pattern, ""))
    if found >= count then return end
    local left = deadline - system.now()
    assert(left > 0, ("%q %d times; it came %d times"):format(pattern, count, found))
    server.said = server.said .. (server.process:read_error(left) or "")
  end
end

local function close_all(clients)
  for _, client in ipairs(clients) do client:close() end
end

describe("requests under way", function()
  local server

  setup(function() assert(system.allow_descriptors(2600) >= 2600, "ulimit -n: 2600 are needed") end)
  before_each(function() server = support.http() end)
  after_each(support.stop_all)

  -- Begins and cuts more calls than the limit; `cut(client)` when one is under way.
  local function cut_many(request, said, cut)
    local before, sent = server:fd_count(), 0
    while sent < MOST + BATCH do
      local clients = {}
      for i = 1, BATCH do
        clients[i] = support.client(server)
        clients[i]:send(request)
      end
      sent = sent + BATCH
      wait_count(server, said, sent)
      for _, client in ipairs(clients) do
        if cut then cut(client) end
        client:close()
      end
    end
    server:wait_fd_count(before)
    assert.is_true(support.alive(server))
  end

  it("do not count any more when their connections are cut", function()
    cut_many(support.call(1, "sleep", { seconds = 600 }), "began sleep")
    wait_count(server, "closed sleep", MOST)
  end)

  it("do not count any more when their event streams are cut", function()
    cut_many(support.call(1, "steps", { count = 9, delay = 60 }), "began steps", function(client)
      client:take "text/event%-stream"
    end)
  end)

  it("do not count once they only listen, cut or not", function()
    local body = support.modern_body(1, "subscriptions/listen",
      { notifications = { toolsListChanged = true } })
    local request = support.request("POST", { ["MCP-Protocol-Version"] = support.MODERN,
      ["Mcp-Method"] = "subscriptions/listen" }, body)
    local clients = {}
    for i = 1, MOST - 1 do
      clients[i] = support.client(server)
      clients[i]:send(request)
      clients[i]:take "acknowledged"
    end
    -- As many calls as ever may be under way beside them.
    for i = MOST, MOST + BATCH do
      clients[i] = support.client(server)
      clients[i]:send(support.call(1, "sleep", { seconds = 600 }))
    end
    wait_count(server, "began sleep", BATCH + 1)
    assert.is_true(support.alive(server))
    close_all(clients)
    server:wait_fd_count(server:fd_count())
    assert.is_true(support.alive(server))
  end)

  it("are 1024 over HTTP; the next POST gets 503, by HTTP+SSE too, until one ends", function()
    local stream <close> = support.client(server)
    stream:send(support.request("GET", { Accept = "text/event-stream" }))
    local address = stream:take "data: (%S+)"
    local poster <close> = support.client(server)
    assert.equal(202, poster:ask(support.request("POST", nil, support.initialize_body(0,
      "2024-11-05"), address)).status)
    local clients = {}
    for i = 1, MOST do
      clients[i] = support.client(server)
      clients[i]:send(support.call(i, "sleep", { seconds = 600, name = "n" }))
    end
    wait_count(server, "began n", MOST)
    local client <close> = support.client(server)
    local answer = client:ask(support.call(1, "echo", { text = "one more" }))
    assert.equal(503, answer.status)
    assert.matches("too many requests in progress", answer.body)
    answer = poster:ask(support.request("POST", nil, support.legacy_body(7, "ping"), address))
    assert.equal(503, answer.status)
    assert.matches("too many requests in progress", answer.body)
    -- One place is free again, for one request at a time.
    clients[1]:close()
    wait_count(server, "closed n", 1)
    assert.equal("in", client:call(2, "echo", { text = "in" }))
    assert.equal(202, poster:ask(support.request("POST", nil, support.legacy_body(8, "ping"),
      address)).status)
    assert.is_truthy(stream:take '"id":8')
    close_all(clients)
  end)

  it("are 64 of a WebSocket and 1024 of all together, and HTTP shares the limit", function()
    local sockets = {}
    finally(function() close_all(sockets) end)
    local function open()
      local socket = support.client(server)
      socket:send(support.request("GET", { Upgrade = "websocket", Connection = "Upgrade",
        ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==", ["Sec-WebSocket-Version"] = "13",
        ["Sec-WebSocket-Protocol"] = "mcp", Accept = false }))
      socket:take "^HTTP/1.1 101 .-\r\n\r\n"
      sockets[#sockets + 1] = socket
      return socket
    end
    local function call(socket, id, tool, arguments)
      socket:send(frames.text(support.call_body(id, tool, arguments)))
    end
    local last = open()
    for i = 1, MOST // PER_LINK do
      local socket = open()
      for id = 1, PER_LINK do call(socket, id, "sleep", { seconds = 600, name = "n" }) end
      wait_count(server, "began n", i * PER_LINK)
    end
    -- The connection's own limit.
    call(sockets[2], "own", "echo", { text = "x" })
    sockets[2]:take "64 requests of this connection are in progress"
    -- The process's.
    call(last, "all", "echo", { text = "x" })
    last:take "too many requests in progress"
    local client <close> = support.client(server)
    local answer = client:ask(support.call(1, "echo", { text = "x" }))
    assert.equal(503, answer.status)
    assert.equal(-32000, answer.json.error.code)
    -- A connection that ends gives back all of its places.
    table.remove(sockets, 2):close()
    wait_count(server, "closed n", PER_LINK)
    assert.equal("in", client:call(2, "echo", { text = "in" }))
    call(last, "again", "echo", { text = "fits" })
    last:take "fits"
  end)
end)
