-- SPDX-License-Identifier: MIT
-- How many connections one address may have.
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"

describe("connections of one address", function()
  local listening, app
  after_each(function()
    if listening then listening:close() end
    listening = nil
    helper.wait_until(function() return require "mcp.core".task_count() == 0 end)
    helper.leftovers()
  end)

  local function listen(limits, more)
    app = mcp.server "many"
    local options = { http = "127.0.0.1:0", quiet = true, limits = limits }
    for key, value in pairs(more or {}) do options[key] = value end
    listening = app:listen(options)
    return { port = listening.port }
  end

  local function open(server, source)
    local client = support.client(server, nil, source)
    client:send(support.request("POST", {}, support.modern_body(1, "ping")))
    return client
  end

  -- Does it get an answer? False: the server has closed it.
  local function is_answered(client)
    local answered
    helper.wait_until(function()
      local piece, reason = client.socket:receive(0)
      if piece then answered = piece:find "^HTTP/1.1 " ~= nil end
      if reason and reason ~= "timeout" then answered = false end
      return answered ~= nil
    end, "an answer or the end")
    return answered
  end

  it("are as many as limits.connections_per_address says, and others go on", function()
    local server = listen { connections_per_address = 2 }
    local first <close> = open(server)
    local two <close> = open(server)
    assert.is_true(is_answered(first))
    assert.is_true(is_answered(two))
    local three <close> = open(server)
    assert.is_false(is_answered(three))
    local other <close> = open(server, "127.0.0.2")
    assert.is_true(is_answered(other))
    first:close()
    helper.wait_until(function() return listening.hosts[1]:connections() == 2 end)
    local again <close> = open(server)
    assert.is_true(is_answered(again))
  end)

  it("are any number with 0, and from loopback without the option", function()
    for _, limits in ipairs { { connections_per_address = 0 }, {} } do
      local server = listen(limits)
      local clients = {}
      for i = 1, 20 do clients[i] = open(server) end
      for i = 1, 20 do assert.is_true(is_answered(clients[i])) end
      for i = 1, 20 do clients[i]:close() end
      listening:close()
    end
  end)

  it("is checked", function()
    for _, case in ipairs { { -1, "expected a number, 0 or more" },
      { 1.5, "expected an integer" } } do
      assert.error_matches(function() listen { connections_per_address = case[1] } end,
        "limits: connections_per_address: " .. case[2])
    end
  end)
end)
