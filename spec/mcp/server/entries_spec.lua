-- SPDX-License-Identifier: MIT
-- The entries that a caller sees, and calling one of them from inside a handler.
local entries = require "mcp.server.entries"
local helper = require "spec.helper"
local mcp = require "mcp"

describe("entries", function()
  local app
  before_each(function()
    app = mcp.server "entries"
    app:tool "add" { input = { a = "number", b = "number" } } (function(args)
      return { sum = args.a + args.b }
    end)
    app:tool "hidden" { visible = function() return false end } (function() return "x" end)
    app:tool "fails" (function() error "broken" end)
    app:tool "asks" (function(_, ctx)
      ctx:progress(1, 2, "asking")
      local answer = ctx:elicit("Name?", { name = "string" })
      return answer and answer.name or "none"
    end)
    app:prompt "p" (function() return "x" end)
    app:tool "names" (function(_, ctx)
      local names = {}
      for i, entry in ipairs(entries.visible(app, ctx)) do names[i] = entry.name end
      return table.concat(names, " ") .. #entries.visible(app, ctx, "prompts")
    end)
    app:tool "call" { input = { name = "string", arguments = "object?" } } (function(args, ctx)
      local result, err = entries.call(app, ctx, args.name, args.arguments)
      if not result then return "refused: " .. err.message end
      return result
    end)
  end)

  local function text_of(result) return result.content[1].text end

  for _, era in ipairs { "legacy", "modern" } do
    it(("are what the client could list (%s)"):format(era), function()
      local client <close> = assert(mcp.connect(app, { era = era }))
      assert.equal("add fails asks names call1", text_of(client:call_tool "names"))
    end)

    it(("are called as the client would call them (%s)"):format(era), function()
      local client <close> = assert(mcp.connect(app, { era = era,
        on_elicit = function() return { name = "Ann" } end }))
      local seen = {}
      app:use(function(request, next)
        seen[#seen + 1] = request.name
        return next(request)
      end)
      local function call(name, arguments)
        return client:call_tool("call", { name = name, arguments = arguments })
      end
      assert.equal(3, call("add", { a = 1, b = 2 }).structuredContent.sum)
      assert.same({ "call", "add" }, seen)
      assert.is_true(call("add", { a = "x" }).isError)
      assert.matches("^refused: Unknown tool: hidden", text_of(call "hidden"))
      local result
      helper.logged(function() result = call "fails" end)
      assert.same({ true, "broken" }, { result.isError, text_of(result) })
      assert.same({ true, "broken" }, { result.isError, text_of(result) })
      local steps = {}
      assert.equal("Ann", text_of(client:call_tool("call", { name = "asks" }, {
        on_progress = function(_, _, text) steps[#steps + 1] = text end })))
      assert.equal("asking", steps[1])
    end)
  end

  it("ask for the scopes of the inner tool", function()
    app = mcp.server { name = "scoped", auth = { resource = "http://127.0.0.1/mcp",
      authorization_servers = { "https://login.example" },
      verify = function() return { subject = "ann", scopes = { "read" } } end } }
    app:tool "write" { scopes = { "write" } } (function() return "written" end)
    app:tool "call" (function(_, ctx)
      ctx.auth = { scopes = { read = true } }
      local result, err = entries.call(app, ctx, "write")
      return ("%s %s %d"):format(tostring(result), err.message, #entries.visible(app, ctx))
    end)
    local client <close> = assert(mcp.connect(app))
    assert.matches("^nil .*scope.* 1$", text_of(client:call_tool "call"))
  end)

  it("know four kinds", function()
    assert.has_error(function() entries.visible(app, {}, "tasks") end,
      'entries.visible: expected "tools", "prompts", "resources" or "templates", got "tasks"')
  end)
end)
