-- SPDX-License-Identifier: MIT
-- luamcp bridge: an address for hosts that start programs, a program for clients that speak HTTP.
local helper = require "spec.helper"
local mcp = require "mcp"
local support = require "spec.support"

describe("luamcp bridge", function()
  after_each(function()
    support.stop_all()
    helper.remove_files()
  end)

  local SCRIPT = [[
    local mcp = require "mcp"
    local app = mcp.server "behind"
    local calls = 0
    app:tool "count" (function()
      calls = calls + 1
      return calls
    end)
    app:tool "pid" (function() return (io.open("/proc/self/stat"):read "n") end)
    app:tool "slow" (function(_, ctx)
      ctx:progress(1, 2, "half")
      return "done"
    end)
    app:run %s]]

  it("serves an address on standard input and output", function()
    local server = support.start("{}", { script = SCRIPT:format "{ http = 0 }" })
    local port = server:wait_said "answers at http://[^%s]-:(%d+)/"
    local url = ("http://127.0.0.1:%s/mcp"):format(port)
    for _, era in ipairs { "legacy", "modern" } do
      local client <close> = assert(mcp.connect({ helper.program(), "bridge", url },
        { era = era, timeout = 10 }))
      assert.equal("behind", client.server.name)
      local steps = {}
      local result = client:call_tool("slow", {}, {
        on_progress = function(_, _, text) steps[#steps + 1] = text end,
      })
      assert.same({ "done", "half" }, { result.content[1].text, steps[1] })
    end
  end)

  it("serves a program over HTTP, one for each client", function()
    local script = helper.file(SCRIPT:format "{}", ".lua")
    local bridge = support.start("{}", { script = ([[
      local words = { "bridge", "--http", "127.0.0.1:0", %q }
      os.exit(require("mcp.cli.init")(words))]]):format(script) })
    local port = bridge:wait_said "answers at http://[^%s]-:(%d+)/"
    local url = ("http://127.0.0.1:%s/mcp"):format(port)
    local pid, other
    do
      local one <close> = assert(mcp.connect(url, { era = "legacy", timeout = 10 }))
      local two <close> = assert(mcp.connect(url, { era = "legacy", timeout = 10 }))
      assert.equal("1", one:call_tool("count").content[1].text)
      assert.equal("2", one:call_tool("count").content[1].text)
      assert.equal("1", two:call_tool("count").content[1].text)
      pid, other = one:call_tool("pid").content[1].text, two:call_tool("pid").content[1].text
      assert.is_not_equal(pid, other)
    end
    helper.wait_until(function()
      return not io.open("/proc/" .. pid) and not io.open("/proc/" .. other)
    end, "the end of the programs", 10)
  end)

  it("record writes a conversation that replay serves", function()
    local script, file = helper.file(SCRIPT:format "{}", ".lua"), helper.file ""
    local program = helper.program()
    local function converse(words)
      local client <close> = assert(mcp.connect(words, { era = "legacy", timeout = 10 }))
      local steps = {}
      local result = client:call_tool("slow", {}, {
        on_progress = function(_, _, text) steps[#steps + 1] = text end,
      })
      return { client.server.name, result.content[1].text, steps[1],
        client:call_tool("count").content[1].text }
    end
    local first = converse { program, "record", script, "-o", file }
    assert.same({ "behind", "done", "half", "1" }, first)
    os.remove(script)
    assert.same(first, converse { program, "replay", file })
    local out, status = helper.shell(("timeout 10 %s replay /dev/null/none 2>&1 </dev/null"):format(
      helper.quote(program)))
    assert.equal(1, status)
    assert.matches("Not a directory", out, 1, true)
  end)

  it("inspect --web serves the page in front of any server", function()
    local script = helper.file(SCRIPT:format "{}", ".lua")
    local page = support.start("{}", { script = ([[
      os.exit(require("mcp.cli.init") { "inspect", "--web", %q })]]):format(script) })
    local url, token = page:wait_said "inspect it at (http://127.0.0.1:%d+/)#token=([%w_-]+)\n"
    local response = assert(mcp.fetch(url, { only = "loopback" }))
    assert.equal(200, response.status)
    assert.matches("text/html", response.headers["content-type"], 1, true)
    -- It may have the user's credentials for the other server: no other client is served.
    local other, text = mcp.connect(url .. "mcp", { timeout = 10 })
    assert.is_nil(other)
    assert.matches("403", text, 1, true)
    assert.is_truthy(token)
  end)

  it("says why a target cannot be reached", function()
    local out, status = helper.shell(("timeout 10 %s bridge http://127.0.0.1:1/mcp </dev/null 2>&1")
      :format(helper.quote(helper.program())))
    assert.equal(4, status)
    assert.matches("connection refused", out, 1, true)
  end)
end)
