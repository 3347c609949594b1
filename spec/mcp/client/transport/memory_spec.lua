-- SPDX-License-Identifier: MIT
-- memory_spec.lua: lua/mcp/client/transport/memory.lua: an app of the same program.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local memory = require "mcp.client.transport.memory"

describe("a transport through memory", function()
  after_each(helper.leftovers)

  it("knows an app when it sees one", function()
    assert.is_true(memory.is_app(mcp.server "own"))
    for _, other in ipairs { {}, "app", 5, setmetatable({}, { __name = "mcp.client" }), print } do
      assert.is_false(memory.is_app(other))
    end
    assert.is_false(memory.is_app(nil))
  end)

  it("is a connection like any other: bytes, limits and time", function()
    local app = mcp.server { name = "own", timeout = 0.03 }
    app:tool "sleep" (function(_, ctx) ctx:sleep(5) end)
    app:tool "echo" { input = { text = "string" } } (function(args) return args.text end)
    local client <close> = assert(mcp.connect(app))
    helper.logged(function()
      -- The server's own clock runs.
      local result = assert(client:call_tool "sleep")
      assert.is_true(result.isError)
    end)
    local text = "\0\1\u{10FFFF}\"\\" .. ("\u{e4}"):rep(100000)
    assert.equal(text, assert(client:call_tool("echo", { text = text })).content[1].text)
  end)

  it("many clients share one app, and none hears another", function()
    local app = mcp.server "own"
    app:tool "count" (function(_, ctx)
      ctx:progress(1, 1)
      return ctx.client and ctx.client.name or "nobody"
    end)
    local clients, heard = {}, {}
    for i = 1, 20 do
      clients[i] = assert(mcp.connect(app, { client = { name = "c" .. i } }))
    end
    local ways = {}
    for i, client in ipairs(clients) do
      ways[i] = function()
        return assert(client:call_tool("count", {}, { on_progress = function()
          heard[i] = (heard[i] or 0) + 1
        end })).content[1].text
      end
    end
    local got = mcp.all(ways)
    for i, client in ipairs(clients) do
      assert.equal("c" .. i, got[i])
      assert.equal(1, heard[i])
      client:close()
    end
    helper.settle()
    assert.equal(0, core.task_count())
  end)
end)
