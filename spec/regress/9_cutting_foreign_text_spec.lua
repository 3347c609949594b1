-- SPDX-License-Identifier: MIT
-- Text that came from elsewhere is cut to a bearable length in messages. It is cut between
-- characters, or the message could not be sent.
local helper = require "spec.helper"
local mcp = require "mcp"
local schema = require "mcp.schema"
local text = require "mcp.text"

local LETTERS = { "\u{e9}", "\u{20ac}", "\u{10348}" } -- of 2, 3 and 4 bytes

-- Names of every letter at every offset: one of them goes over any place of a cut.
local function each_name(count, visit)
  for _, letter in ipairs(LETTERS) do
    for offset = 0, #letter - 1 do visit(("a"):rep(offset) .. letter:rep(count)) end
  end
end

local function whole(given) assert(utf8.len(given), "not UTF-8: " .. ("%q"):format(given)) end

describe("foreign text that is cut", function()
  after_each(helper.leftovers)

  it("ends with a whole character, at every length", function()
    for _, letter in ipairs(LETTERS) do
      local given = "a" .. letter:rep(10)
      for most = 0, #given do
        local got = text.cut(given, most, "")
        whole(got)
        assert.is_true(#got <= most and #got > most - #letter, ("%q at %d"):format(got, most))
      end
      assert.equal(given, text.cut(given, #given))
      assert.equal("a...", text.cut(given, 1))
    end
    assert.equal(8, #text.cut(("\x80"):rep(9), 8, ""))
  end)

  it("in the name of an option, an argument, a member", function()
    local app = mcp.server "spec"
    app:tool "t" { input = { city = "string" } } (function() return "ok" end)
    app:prompt "p" { arguments = { city = "string?" }, complete = { city = { "a" } } } (
      function() return "x" end)
    local peer = helper.open(app)
    each_name(40, function(name)
      local _, err = pcall(function() app:tool "u" { [name] = 1 } end)
      whole(err)
      local result = peer:call("t", { city = "x", [name] = 1 })
      assert.is_true(result.isError)
      whole(result.content[1].text)
      local response = peer:request("completion/complete", { ref = { type = "ref/prompt",
        name = "p" }, argument = { name = name, value = "" } })
      assert.matches("unknown argument", response.error.message, 1, true)
      response = peer:request("prompts/get", { name = "p", arguments = { [name] = "x" } })
      assert.matches("unknown argument", response.error.message, 1, true)
      response = peer:request("tools/call", { name = name })
      assert.matches("Unknown tool", response.error.message, 1, true)
    end)
  end)

  it("in what a schema complains of", function()
    each_name(90, function(name)
      local check, message = schema.compile { properties = { [name] = { type = "strin" } } }
      assert.is_nil(check)
      whole(message)
      check = schema.compile { enum = { name }, type = "string" }
      local _, errors = check(name .. "!")
      whole(schema.explain(errors, name))
      check = schema.compile { anyOf = { { const = name }, { pattern = "^" .. name .. "!" } } }
      _, errors = check "x"
      whole(schema.explain(errors, "x"))
    end)
  end)

  it("in a form, and in an option of a question", function()
    local app = mcp.server "spec"
    app:tool "t" (function(_, ctx)
      local content, why = ctx:elicit("x", { name = mcp.enum { "b" } })
      return content and "ok" or tostring(why)
    end)
    app:tool "u" { input = { name = "string" } } (function(args, ctx)
      local _, err = pcall(ctx.elicit, ctx, "x", { name = "string" }, { [args.name] = 1 })
      return err
    end)
    local peer = helper.connect(app)
    peer:initialize("2025-11-25", { elicitation = {} })
    each_name(60, function(name)
      peer:send { jsonrpc = "2.0", id = "c", method = "tools/call", params = { name = "t" } }
      local question = peer:receive()
      helper.logged(function()
        peer:send { jsonrpc = "2.0", id = question.id, result = { action = "accept",
          content = { name = name } } }
        local result = peer:response("c").result
        assert.matches("must be one of", result.content[1].text, 1, true)
      end)
      assert.matches("unknown option", peer:call("u", { name = name }).content[1].text, 1, true)
    end)
  end)

  it("in the line of a log for each request", function()
    local lines = {}
    local app = mcp.server "spec"
    app:tool "t" (function() end)
    app:use(mcp.middleware.log { write = function(line) lines[#lines + 1] = line end })
    local peer = helper.open(app)
    each_name(120, function(name)
      peer:request("tools/call", { name = name })
      whole(lines[#lines])
    end)
  end)

  it("in an icon's address, and an address that is none", function()
    each_name(60, function(name)
      local app = mcp.server "spec"
      local _, err = pcall(function()
        app:tool "t" { icons = { { src = "http://" .. name } } } (function() end)
      end)
      whole(err)
      _, err = require("mcp.url").parse("http://" .. name:rep(4) .. "/")
      whole(tostring(err))
    end)
  end)

  it("and one character of it that is named is whole", function()
    for _, letter in ipairs(LETTERS) do
      local _, err = require("mcp.url").parse("http://a" .. letter .. "b/")
      assert.matches(('"%s" cannot stand in a host'):format(letter), err, 1, true)
      _, err = require("mcp.uri").template("test://{" .. letter .. "a}")
      assert.matches(('unknown operator "%s"'):format(letter), err, 1, true)
    end
    assert.equal("\x80", text.character("a\x80b", 2))
    assert.equal("\xe9", text.character("a\xe9", 2))
  end)

  it("in a line of a server that is no message", function()
    each_name(60, function(name)
      local server = helper.file(("echo '%s'; read line\n"):format(name))
      local client = helper.file(([[
        local mcp = require "mcp"
        mcp.connect({ command = { "sh", %q } }, { timeout = 5 })
      ]]):format(server), ".lua")
      local output = helper.shell(("%s run %s 2>&1"):format(helper.program(), client))
      whole(output)
      assert.matches("message skipped: Parse error", output, 1, true)
      assert.is_nil(output:find("\\x", 1, true), output)
    end)
    helper.remove_files()
  end)
end)
