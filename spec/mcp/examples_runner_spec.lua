-- SPDX-License-Identifier: MIT
-- examples/runner.lua: live progress, a status, and a cancelled command, seen by a real client.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("examples/runner.lua", function()
  local session
  before_each(function()
    session = mcp.session(mcp.stdio_client {
      command = helper.program(), args = { "run", "examples/runner.lua", "examples" },
    }, { timeout = 10 })
    assert(session:initialize())
  end)
  after_each(function()
    session:close()
    helper.leftovers()
  end)

  it("reports each line as it comes, and the status at the end", function()
    local seen, first = {}, nil
    local result = assert(session:call_tool("run", { command = "count" }, {
      on_progress = function(progress, _, text)
        first = first or core.now()
        seen[progress] = text
      end,
    }))
    assert.same({ "step 1 of 5", "step 2 of 5", "step 3 of 5", "step 4 of 5", "step 5 of 5" }, seen)
    assert.is_true(core.now() - first > 0.3, "progress came at the end")
    assert.same({ code = 3, count = 5, output = table.concat(seen, "\n") },
      helper.plain(result.structuredContent))
    result = assert(session:call_tool("run", { command = "files" }))
    assert.matches("./runner.lua", result.structuredContent.output, 1, true)
    assert.is_true(session:call_tool("run", { command = "rm -rf" }).isError)
  end)

  it("ends the command of a cancelled call, and goes on", function()
    mcp.run(function()
      local waiter, text = core.waiter(), nil
      waiter:spawn(function()
        session:call_tool("run", { command = "count" }, {
          on_progress = function(_, _, line) text = line end })
      end)
      repeat mcp.sleep(0.01) until text
      waiter:cancel()
      waiter:wait()
      local before = text
      assert(session:ping())
      mcp.sleep(0.3)
      assert.equal(before, text)
    end)
  end)
end)
