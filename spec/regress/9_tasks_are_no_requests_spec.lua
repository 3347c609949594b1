-- SPDX-License-Identifier: MIT
-- The limit of requests in progress counted every coroutine of the process: a thousand tasks of a
-- script, or the waits of the runtime itself, kept clients out.
local helper = require "spec.helper"
local mcp = require "mcp"

describe("the limit of requests in progress", function()
  after_each(helper.leftovers)

  it("counts requests, and no tasks of a script", function()
    local app = mcp.server "many"
    local stop = {}
    app:tool "echo" { input = { text = "string" } } (function(args) return args.text end)
    for i = 1, 1100 do
      stop[i] = true
      mcp.spawn(function() while stop[i] do mcp.sleep(0.01) end end)
    end
    local peer <close> = helper.open(app)
    local result = assert(peer:call("echo", { text = "served" }))
    assert.equal("served", result.content[1].text)
    stop = {}
    helper.wait_until(function() return require("mcp.core").task_count() == 0 end)
  end)
end)
