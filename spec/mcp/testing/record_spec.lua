-- SPDX-License-Identifier: MIT
-- A conversation is recorded, and played back without the server.
local core = require "mcp.core"
local helper = require "spec.helper"
local mcp = require "mcp"
local testing = require "mcp.testing"

describe("a recording", function()
  local app, path

  before_each(function()
    app = mcp.server "recorded"
    app:tool "add" { input = { a = "number", b = "number" } } (function(args)
      return args.a + args.b
    end)
    app:tool "count" (function(_, ctx)
      ctx:progress(1, 2, "half")
      ctx:log("info", "counting")
      return "done"
    end)
    app:tool "asks" (function(_, ctx)
      local answer, reason = ctx:elicit("Name?", { name = "string" })
      return answer and answer.name or reason
    end)
    app:tool "secret" { input = { token = "string" } } (function(args) return #args.token end)
    app:tool "slow" (function(_, ctx)
      ctx:sleep(0.1)
      return "slow"
    end)
    app:resource "notes://today" (function() return "# Milk" end)
    path = helper.file ""
  end)
  after_each(helper.remove_files)

  local function converse(client)
    local seen = {}
    local function add(text) seen[#seen + 1] = text end
    add(testing.text(assert(client:call_tool("add", { a = 1, b = 2 }))))
    add(testing.text(assert(client:call_tool("count", {}, {
      on_progress = function(done, total, text) add(("%d/%d %s"):format(done, total, text)) end,
    }))))
    add(testing.text(assert(client:call_tool "asks")))
    add(testing.text(assert(client:read_resource "notes://today")))
    add(tostring((select(2, client:call_tool "nothing"))))
    return seen
  end

  for _, era in ipairs { "legacy", "modern" } do
    it("replays as it went, " .. era, function()
      local function options()
        return { era = era, log_level = "debug",
          on_elicit = function() return { name = "Ann" } end }
      end
      local first
      do
        local client <close> = testing.record(app, path, options())
        first = converse(client)
      end
      assert.equal("Ann", first[4])
      local client <close> = testing.replay(path, options())
      assert.equal("recorded", client.server.name)
      assert.equal(era, client.era)
      assert.same(first, converse(client))
      assert.same({}, client.unused())
    end)
  end

  it("an unknown request fails and names the nearest", function()
    do
      local client <close> = testing.record(app, path)
      client:call_tool("add", { a = 1, b = 2 })
    end
    local client <close> = testing.replay(path)
    assert.matches('tools/call {"arguments":{"a":1,"b":2},"name":"add"}',
      table.concat(client.unused(), "\n"), 1, true)
    local result, text, code = client:call_tool("add", { a = 1, b = 3 })
    assert.same({ nil, "ENOENT" }, { result, code })
    assert.matches('no such request was recorded: tools/call {"arguments":{"a":1,"b":3}', text, 1,
      true)
    assert.matches('the nearest is tools/call {"arguments":{"a":1,"b":2}', text, 1, true)
    assert(client:call_tool("add", { a = 1, b = 2 }))
    result, text = client:call_tool("add", { a = 1, b = 2 })
    assert.is_nil(result)
    assert.matches("recorded again", text, 1, true)
  end)

  it("can be cut, and can take its time", function()
    do
      local client <close> = testing.record(app, path, { era = "legacy" })
      client:call_tool "slow"
      client:call_tool("add", { a = 1, b = 2 })
    end
    do
      local client <close> = testing.replay(path, { era = "legacy", delays = true })
      local clock, result = testing.clock(), nil
      mcp.spawn(function() result = client:call_tool "slow" end)
      clock:advance(0.05)
      assert.is_nil(result)
      clock:advance(0.1)
      assert.equal("slow", testing.text(result))
    end
    local client <close> = testing.replay(path, { era = "legacy", cut = 3 })
    assert(client:call_tool "slow")
    local result, _, code = client:call_tool("add", { a = 1, b = 2 })
    assert.same({ nil, "EGONE" }, { result, code })
    assert.is_false(client:is_open())
  end)

  it("leaves out what it is told to, in the file only", function()
    do
      local client <close> = testing.record(app, path, { redact = { "token" } })
      assert.equal("8", testing.text(client:call_tool("secret", { token = "hunter22" })))
    end
    local file <close> = assert(io.open(path))
    local text = file:read "a"
    assert.is_nil(text:find("hunter22", 1, true))
    assert.matches('"token":"(redacted)"', text, 1, true)
    for line in text:gmatch "[^\n]+" do assert.is_table(core.decode(line)) end
  end)

  it("says what is wrong with a file", function()
    for text, expected in pairs {
      [""] = "expected a recording, got an empty file",
      ["x\n"] = ":1: expected a JSON object",
      ['{"recording":2}\n'] = "expected a recording of format 1",
      ['{"recording":1}\nnull\n'] = ":2: expected a JSON object",
    } do
      local ok, raised = pcall(testing.replay, helper.file(text))
      assert.is_false(ok)
      assert.matches(expected, raised, 1, true)
    end
    assert.is_false((pcall(testing.replay, "/dev/null/none")))
    assert.is_false((pcall(testing.record, app, "/dev/null/x")))
  end)
end)
