-- SPDX-License-Identifier: MIT
-- Which inspect pages may connect where clients need a token, also over real sockets
-- (lua/mcp/server/inspect/admission.lua). `make browser` does the same with the page.
local admission = require "mcp.server.inspect.admission"
local support = require "spec.support"

local KEY = ("k"):rep(22)

-- An exchange with these subprotocols.
local function exchange(protocols)
  return { header = function(_, name)
    return name == "sec-websocket-protocol" and protocols or nil
  end }
end

describe("a page's admission", function()
  local renewed, made

  before_each(function()
    renewed = {}
    made = admission.new(function(token) renewed[#renewed + 1] = token end)
  end)

  local function admits(format, ...) return made:admits(exchange(format:format(...))) end

  it("is granted for the token once, and for the key from then on", function()
    local token = made.token
    assert.is_true(#token >= 22)
    assert.is_false(admits("mcp, mcp.page.%s", KEY))
    assert.is_true(admits("mcp, mcp.page.%s, mcp.token.%s", KEY, token))
    assert.is_true(admits("mcp, mcp.page.%s", KEY))
    assert.is_false(admits("mcp, mcp.page.%s, mcp.token.%s", ("o"):rep(22), token))
    assert.is_true(admits("mcp, mcp.page.%s", KEY))
  end)

  it("is not granted for anything else", function()
    for _, protocols in ipairs { "mcp", "mcp.page." .. KEY, "mcp.page.,mcp.token." .. made.token,
      "mcp.token." .. made.token, "mcp.page.short,mcp.token." .. made.token,
      "mcp.page." .. KEY .. ",mcp.token.", "mcp.page." .. KEY .. ",mcp.token." .. made.token .. "x",
      "xmcp.page." .. KEY .. ",mcp.token." .. made.token:sub(2) } do
      assert.is_false(admits("%s", protocols), protocols)
    end
    assert.is_false(made:admits(exchange(nil)))
    assert.is_false(made:admits(exchange(false)))
    assert.same({}, renewed)
  end)

  it("has another token when a page asks after the first was used", function()
    assert.is_true(admits("mcp.page.%s,mcp.token.%s", KEY, made.token))
    assert.is_nil(made.token)
    -- No other client causes one.
    assert.is_false(admits "mcp")
    assert.same({}, renewed)
    assert.is_false(admits("mcp.page.%s", ("o"):rep(22)))
    assert.is_false(admits("mcp.page.%s", ("o"):rep(22)))
    assert.same({ made.token }, renewed)
    assert.is_true(admits("mcp.page.%s,mcp.token.%s", ("o"):rep(22), renewed[1]))
  end)

  it("remembers so many keys", function()
    for i = 1, admission.KEYS + 1 do
      if not made.token then admits("mcp.page.%s", ("x"):rep(22)) end
      assert.is_true(admits("mcp.page.%s,mcp.token.%s", ("%022d"):format(i), made.token))
    end
    assert.is_false(admits("mcp.page.%022d", 1))
    assert.is_true(admits("mcp.page.%022d", 2))
    assert.is_true(admits("mcp.page.%022d", admission.KEYS + 1))
  end)

  it("is a principal with every scope, for a connection only", function()
    local x = exchange(("mcp.page.%s,mcp.token.%s"):format(KEY, made.token))
    assert.is_nil(made:principal(x, "request"))
    local found = made:principal(x, "upgrade")
    assert.equal("inspect", found.subject)
    assert.is_true(found.scopes["files:write"])
    assert.is_false(require("mcp.auth.server.principal").lacks(found, { "a", "b" }))
  end)
end)

describe("a server with an inspect page", function()
  teardown(support.stop_all)

  -- A WebSocket handshake: its status.
  local function shake(server, protocols)
    local client <close> = support.client(server)
    client:send(support.request("GET", { Connection = "Upgrade", Upgrade = "websocket",
      ["Sec-WebSocket-Version"] = "13", ["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==",
      ["Sec-WebSocket-Protocol"] = protocols }))
    return client:head().status
  end

  local function initialize(server)
    local client <close> = support.client(server)
    return client:ask(support.request("POST", nil, '{"jsonrpc":"2.0","id":1,"method":"initialize",'
      .. '"params":{"protocolVersion":"2025-11-25","capabilities":{},'
      .. '"clientInfo":{"name":"x","version":"1"}}}')).status
  end

  local function try(server, status)
    local token = server:wait_said "inspect it at http://127.0.0.1:%d+/#token=([%w_-]+)\n"
    local first = "mcp, mcp.page." .. KEY
    assert.equal(status, initialize(server))
    assert.equal(status, shake(server, "mcp"))
    assert.equal(status, shake(server, first))
    assert.equal(101, shake(server, first .. ", mcp.token." .. token))
    assert.equal(101, shake(server, first))
    local other = "mcp, mcp.page." .. ("o"):rep(22) .. ", mcp.token."
    assert.equal(status, shake(server, other .. token))
    -- A page that is loaded again needs another address, and gets one.
    local again = server:wait_said("#token=" .. token:gsub("%p", "%%%0")
      .. "\n.-inspect it at http://127.0.0.1:%d+/#token=([%w_-]+)\n")
    assert.equal(101, shake(server, other .. again))
    assert.equal(status, initialize(server))
  end

  it("behind authorization serves the page with its token, and others with theirs", function()
    try(support.http [[inspect = true, app = { auth = { verify = function() return nil, "no" end,
      authorization_servers = { "https://as.example" } } }]], 401)
  end)

  it("that is private serves the page only", function()
    local server = support.http 'inspect = "private"'
    try(server, 403)
    local client <close> = support.client(server)
    assert.equal(403, client:ask(support.request("GET", { Accept = "text/event-stream" })).status)
  end)

  it("is open to its page where it is open to other clients", function()
    local server = support.http "inspect = true"
    server:wait_said "inspect it at http://127.0.0.1:%d+/\n"
    assert.equal(101, shake(server, "mcp"))
  end)
end)
