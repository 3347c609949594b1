-- SPDX-License-Identifier: MIT
-- What is kept of the lines that a worker writes.
local core = require "mcp.core"
local output = require "mcp.server.workers.output"

describe("the last message of a worker", function()
  local function last(text)
    local message_of, said = output.last_message(), nil
    for line in text:gmatch "[^\n]+" do said = message_of(line) end
    return said
  end

  it("is all that it says, without the traceback", function()
    assert.equal("error loading module 'lib' from file './lib.lua': ./lib.lua:2: '}' expected",
      last [[
luamcp: warning: something else
luamcp: error loading module 'lib' from file './lib.lua':
	./lib.lua:2: '}' expected
stack traceback:
	server.lua:2: in main chunk
]])
    assert.equal("server.lua:1: no", last [[
luamcp: error: server.lua:1: no
luamcp: error: stack traceback:
luamcp: error:   server.lua:1: in main chunk
]])
    assert.equal("the second", last "the first\nstack traceback:\n\tx\nthe second")
  end)

  it("has a limit", function()
    assert.is_true(#last("begin" .. ("\n  more"):rep(10000)) < 2048)
  end)

  it("is what an entry of a log in JSON says", function()
    local before = core.log_format()
    core.log_format "json"
    local said = last '{"time":"x","level":"error","message":"server.lua:1: no"}\n{"x":1}'
    local entry = last '{"time":"x","level":"error","message":"server.lua:1: no"}'
    core.log_format(before)
    assert.equal("server.lua:1: no", entry)
    assert.equal('{"x":1}', said)
  end)
end)
