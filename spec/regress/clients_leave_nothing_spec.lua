-- SPDX-License-Identifier: MIT
-- Many clients connect and close: no memory, descriptor or task of theirs is left, even where they
-- are dropped without being closed.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local system = require "codecs.system"

local function gone() return core.task_count() == 0 end

local function new_app()
  local app = mcp.server "regress"
  app:tool "add" { input = { a = "number" } } (function(args) return args.a + 1 end)
  app:tool "waits" (function(_, ctx)
    app.waiting = true
    local ok, _, code = ctx:sleep(3600)
    app.ended = ok or code
  end)
  return app
end

local function held()
  collectgarbage()
  collectgarbage()
  helper.settle()
  collectgarbage()
  return collectgarbage "count" * 1024 + core.bytes_held()
end

describe("clients", function()
  local app, listening

  before_each(function()
    app = new_app()
    listening = app:listen { http = { port = 0 }, quiet = true }
  end)

  after_each(function()
    listening:close()
    helper.wait_until(gone, "the end of all tasks")
  end)

  local function address(scheme) return ("%s://127.0.0.1:%d/mcp"):format(scheme, listening.port) end

  local function sse()
    local client = mcp.session(mcp.sse_client(address "http"))
    assert(client:initialize())
    return client
  end

  local KINDS = {
    { "memory, with a session", 100, function() return mcp.connect(app, { era = "legacy" }) end },
    { "memory, without", 100, function() return mcp.connect(app, { era = "modern" }) end },
    { "HTTP, with a session", 100, function()
      return mcp.connect(address "http", { era = "legacy" })
    end },
    { "HTTP, without", 100, function() return mcp.connect(address "http", { era = "modern" }) end },
    { "HTTP+SSE", 100, sse },
    { "WebSocket", 100, function() return mcp.connect(address "ws", { era = "legacy" }) end },
    { "a child", 5, function() return mcp.connect("spec/torture/serve.lua", { era = "legacy",
      program = os.getenv "MCP_BUILD" .. "/luamcp" }) end },
  }

  for _, kind in ipairs(KINDS) do
    local name, count, connect = table.unpack(kind)
    it(("%d of them leave nothing behind: %s"):format(count, name), function()
      local function come_and_go(times)
        for _ = 1, times do
          local client = assert(connect())
          assert(assert(client:call_tool("add", { a = 1 })).content)
          client:close()
        end
        helper.wait_until(gone, "the end of all tasks")
        app.sessions:clear()
      end
      local function descriptors() return system.fd_count "self" end
      come_and_go(math.max(count // 10, 2))
      local memory, open = held(), descriptors()
      local before
      repeat
        core.step(0.01)
        before, open = open, descriptors()
      until before == open
      come_and_go(count)
      helper.wait_until(function() return descriptors() <= open end, "as few descriptors as before")
      -- A leak of one small object for each of them would be more.
      local more = held() - memory
      assert.is_true(more < 64 * count + 4096, more .. " bytes more")
    end)
  end

  it("that are dropped and not closed are closed by the collector", function()
    local ended = 0
    for _ = 1, 3 do
      local client = assert(mcp.connect(address "http", { era = "legacy" }))
      local close = client.transport.close
      client.transport.close = function(self, ...)
        ended = ended + 1
        return close(self, ...)
      end
    end
    helper.wait_until(function()
      collectgarbage()
      core.step(0.01)
      return ended == 3 and gone()
    end, "the end of their streams")
  end)

  it("that go end what an app in memory does for them, collected or not", function()
    for _, collected in ipairs { false, true } do
      app.waiting, app.ended = false, nil
      local client = assert(mcp.connect(app, { era = "legacy" }))
      mcp.spawn(function() client:call_tool("waits", {}) end)
      helper.wait_until(function() return app.waiting end)
      client:close()
      client = nil -- luacheck: ignore
      if collected then
        collectgarbage()
        collectgarbage()
      end
      helper.wait_until(gone, "the end of the handler")
      assert.equal("ECANCELED", app.ended)
    end
  end)
end)
