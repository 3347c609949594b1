-- SPDX-License-Identifier: MIT
-- A client that goes on after initialize keeps its session, whether or not it ever sends
-- notifications/initialized.
local core = require "mcp.core"
local helper = require "spec.helper"
local http = require "mcp.server.front.http"
local mcp = require "mcp"
local session = require "mcp.server.session"

describe("a session whose client never sends notifications/initialized", function()
  local app, receive, now, real_now, fields, last, peer

  before_each(function()
    real_now, now = core.now, core.now()
    core.now = function() return now end
    app = mcp.server "spec"
    app:tool "echo" (function() return "ok" end)
    receive = http.receiver(app)
    fields = {}
    peer = helper.peer(function(x, _, kind, ...)
      last = {}
      local mine = last
      local exchange = setmetatable({}, { __index = function(_, name)
        if name == "set_header" then return function(_, _, id) mine.id = id end end
        return function(_, ...) return x[name](x, ...) end
      end })
      local arguments = table.pack(...)
      arguments[10] = fields.version
      arguments[13] = fields.id
      mine.result, mine.err = receive(exchange, nil, kind, table.unpack(arguments, 1, 13))
      mine.done = true
      return {}
    end)
  end)
  after_each(function()
    core.now = real_now
    helper.leftovers()
  end)

  local function ask(method, params, id)
    last = nil
    peer:send { jsonrpc = "2.0", id = id, method = method, params = params }
    helper.settle()
    assert.is_true(last.done)
    return last
  end

  local function begin()
    local made = ask("initialize", { protocolVersion = "2025-11-25", capabilities = {},
      clientInfo = { name = "c", version = "1" } }, 1)
    fields.id = made.id
  end

  for name, message in pairs {
    ["a call"] = { "tools/call", { name = "echo" }, 2 },
    ["a list"] = { "tools/list", nil, 2 },
    ["a ping"] = { "ping", nil, 2 },
    ["another notification"] = { "notifications/roots/list_changed" },
  } do
    it("is there after 31 s: " .. name, function()
      begin()
      now = now + 1
      assert.is_nil(ask(table.unpack(message, 1, 3)).err)
      now = now + session.INITIALIZE + 1
      assert.is_nil(ask("tools/list", nil, 3).err)
      now = now + session.IDLE - 1
      assert.is_nil(ask("tools/list", nil, 4).err)
      now = now + session.IDLE + 1
      assert.equal(404, ask("tools/list", nil, 5).err.status)
    end)
  end

  it("ends after 30 s if nothing else came", function()
    begin()
    now = now + session.INITIALIZE + 1
    assert.equal(404, ask("tools/list", nil, 2).err.status)
  end)
end)
