-- SPDX-License-Identifier: MIT
-- Questions of a server at a terminal, which `script` of util-linux provides.
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"

describe("a question at a terminal", function()
  after_each(function()
    helper.remove_files()
    helper.leftovers()
  end)

  -- Calls a tool that asks, and types `keys` once it has; how it ended.
  local function answered(keys)
    local script = helper.file([[
      local app = require "mcp".server "asks"
      app:tool "ask" (function(_, ctx)
        local answer = ctx:elicit("Who?", { name = "string" })
        return "hello " .. tostring(answer and answer.name)
      end)
      app:run()
    ]], ".lua")
    local shown, result = "", nil
    mcp.run(function()
      local process <close> = assert(mcp.process.start { "script", "-qec",
        ("%s call %s ask"):format(helper.quote(helper.program()), helper.quote(script)),
        "/dev/null", stderr = "merge" })
      while not shown:find("name %(string%)%*: ") do shown = shown .. assert(process:read()) end
      assert(process:write(keys))
      result = assert(process:wait(support.LIMIT))
    end)
    return result.code
  end

  it("is answered by a line", function()
    assert.equal(0, answered "Ada\n")
  end)

  it("ends with the program at Ctrl-C", function()
    assert.equal(130, answered "\3")
  end)
end)
