-- SPDX-License-Identifier: MIT
local async = require "mcp.async"
local core = require "mcp.core"
local helper = require "spec.helper"
local system = require "codecs.system"

local loopback = require "mcp.auth.client.loopback"

-- One request to a port of ours, the loop turned meanwhile: what came back.
local function get(port, target, first)
  local socket = assert(system.connect("127.0.0.1", port))
  local _ <close> = setmetatable({}, { __close = function() socket:close() end })
  assert(socket:send(first or ("GET " .. target .. " HTTP/1.1\r\nHost: localhost\r\n\r\n")))
  local heard, deadline = "", core.now() + 5
  while core.now() < deadline do
    core.step(0.01)
    local piece, why = socket:receive(0.001)
    if piece then
      heard = heard .. piece
    elseif why ~= "timeout" then
      break
    end
  end
  return heard
end

-- Without the printing.
local function open(uri, before, settings)
  local all = { show = function() end, time = 5 }
  for key, value in pairs(settings or {}) do all[key] = value end
  return loopback.open(uri, before, all)
end

describe("the loopback redirect (RFC 8252 7.3)", function()
  it("gives the address that the browser came back with", function()
    local wait <close> = assert(open "http://127.0.0.1/callback")
    local port = math.tointeger(tonumber(wait.uri:match ":(%d+)/callback$"))
    local redirect
    async.spawn(function() redirect = wait:come "https://as.example.com/authorize" end)
    local heard = get(port, "/callback?code=a%20b&state=c")
    assert.equal(wait.uri .. "?code=a%20b&state=c", redirect)
    assert.matches("^HTTP/1.1 200 OK\r\n", heard)
    local length, body = heard:match "Content%-Length: (%d+)\r\n.-\r\n\r\n(.*)$"
    assert.equal(tonumber(length), #body)
    assert.matches("default-src 'none'", heard, 1, true)
  end)

  it("what is not the redirect gets a 404, and is waited out", function()
    local wait <close> = assert(open "http://127.0.0.1/callback")
    local port = math.tointeger(tonumber(wait.uri:match ":(%d+)/"))
    local redirect
    async.spawn(function() redirect = wait:come "https://as.example.com/" end)
    assert.matches("^HTTP/1.1 404 ", get(port, "/favicon.ico"))
    assert.matches("^HTTP/1.1 404 ", get(port, nil,
      "POST /callback HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"))
    assert.equal("", get(port, nil, "\1rubbish\r\n\r\n"))
    assert.is_nil(redirect)
    get(port, "/callback?code=1")
    assert.equal(wait.uri .. "?code=1", redirect)
  end)

  it("ends when nobody comes", function()
    local wait <close> = assert(open("http://127.0.0.1/callback", nil, { time = 0.05 }))
    local redirect, text = wait:come "https://as.example.com/"
    assert.is_nil(redirect)
    assert.equal("the browser did not come back within 0.05 s", text)
  end)

  it("takes the port that was registered last time, if it is free", function()
    local before
    do
      local wait <close> = assert(open "http://127.0.0.1/callback")
      before = wait.uri
    end
    for _ = 1, 5 do core.step(0.01) end
    local wait <close> = assert(open("http://127.0.0.1/callback", before))
    assert.equal(before, wait.uri)
    local other <close> = assert(open("http://127.0.0.1/callback", before))
    assert.not_equal(before, other.uri)
  end)

  it("is on loopback, or it is the user's affair", function()
    local wait, text = open "https://example.com/callback"
    assert.is_nil(wait)
    assert.matches("give on_authorize to receive it", text, 1, true)
    local listener, _, code = core.listen_redirect("0.0.0.0", 0, "/callback", function() end)
    assert.is_nil(listener)
    assert.equal("EINVAL", code)
  end)

  it("leaves nothing open", function()
    local stat = assert(io.open "/proc/self/stat")
    local pid = stat:read "n"
    stat:close()
    local before = system.fd_count(pid)
    for _ = 1, 20 do
      local wait <close> = assert(open "http://127.0.0.1/callback")
      assert.is_string(wait.uri)
    end
    for _ = 1, 10 do core.step(0.01) end
    assert.equal(before, system.fd_count(pid))
  end)

  it("prints the address on standard error, and nothing on standard output", function()
    local path = helper.file [[
      local loopback = require "mcp.auth.client.loopback"
      local wait <close> = assert(loopback.open("http://127.0.0.1/", nil, { time = 0.01 }))
      local _, _, code = wait:come "https://as.example/authorize?x=1"
      print(code)
    ]]
    local run = helper.quote(helper.program()) .. " run " .. path
    local out = helper.shell(run .. " 2>/dev/null")
    local err = helper.shell(run .. " 2>&1 >/dev/null")
    helper.remove_files()
    assert.equal("ETIMEDOUT\n", out)
    assert.is_truthy(err:find("\n  https://as.example/authorize?x=1\n", 1, true), err)
  end)
end)
