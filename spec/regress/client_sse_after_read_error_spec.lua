-- SPDX-License-Identifier: MIT
-- An error while the client read the stream of HTTP+SSE left it with a dead stream for ever.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("a client of HTTP+SSE", function()
  it("opens a new stream after reading the old one has failed", function()
    local app = mcp.server "regress"
    app:tool "add" { input = { a = "number" } } (function(args) return args.a + 1 end)
    local listening <close> = app:listen { http = { port = 0 }, quiet = true }
    local client <close> = mcp.session(mcp.sse_client(
      ("http://127.0.0.1:%d/mcp"):format(listening.port)))
    assert(client:initialize())
    local take = client.transport.incoming.take
    client.transport.incoming.take = function() error("no memory", 0) end
    local ok, text, code = client:call_tool("add", { a = 1 })
    assert.same({ nil, "EFAILED" }, { ok, code })
    assert.matches("see the log", text, 1, true)
    client.transport.incoming.take = take
    assert(client:call_tool("add", { a = 1 }))
  end)
  after_each(function()
    helper.wait_until(function() return core.task_count() == 0 end, "the end of all tasks")
  end)
end)
