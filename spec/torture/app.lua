-- SPDX-License-Identifier: MIT
-- The server that the hunts drive: something of every kind, small and
-- deterministic.
local mcp = require "mcp"

return function()
  local app = mcp.server { name = "torture", version = "1.0.0", instructions = "Be patient." }

  app:tool "add" { description = "Adds", input = { a = "number", b = "integer?" } } (function(args)
    return args.a + (args.b or 1)
  end)

  app:tool "text" (function() return "plain text" end)

  app:tool "contents" (function()
    return { mcp.text "one", mcp.image("\1\2\3\4", "image/png"), mcp.audio("\5\6", "audio/wav"),
      mcp.resource_link("torture://fixed", { name = "fixed" }) }
  end)

  app:tool "table" {
    input = { depth = mcp.integer { min = 1, max = 9, default = 3 }, tags = "string[]?" },
    output_schema = { type = "object", required = { "list" },
      properties = { list = { type = "array", items = { type = "integer" } },
        name = { type = "string", pattern = "^[a-z]+$" } } },
  } (function(args)
    local list = mcp.array {}
    for i = 1, args.depth do list[i] = i end
    return { list = list, name = "name" }
  end)

  app:tool "raises" (function() error "it went wrong" end)
  app:tool "refuses" (function() error(mcp.error(-32123, "refused", { why = "because" })) end)
  app:tool "unencodable" (function() return { content = { { type = "text", text = print } } } end)
  app:tool "big" (function() return ("x"):rep(40000) end)

  app:tool "tells" (function(_, ctx)
    for i = 1, 3 do
      ctx:progress(i, 3, "step")
      ctx:log("warning", { i = i })
    end
    return "told"
  end)

  app:tool "naps" (function(_, ctx)
    ctx:sleep(0)
    return "slept"
  end)

  app:tool "slow" (function(_, ctx)
    local ok, _, code = ctx:sleep(60)
    return ok and "late" or code
  end)

  app:tool "asks" (function(_, ctx)
    local answer, why = ctx:elicit("Who?", { name = "string" })
    return answer and "asked" or "not asked: " .. tostring(why)
  end)

  app:tool "spawns" (function()
    local all = mcp.all { function() return 1 end, function()
      mcp.sleep(0)
      return 2
    end }
    return all[1] + all[2]
  end)

  app:resource "torture://fixed" { mime = "text/plain" } (function() return "fixed" end)
  app:resource "torture://blob" (function()
    return mcp.blob("\0\1\2", "application/octet-stream")
  end)
  app:resource "torture://item/{name}{?q}" {
    list = function() return { { uri = "torture://item/a", name = "a" } } end,
  } (function(vars) return "item " .. vars.name end)

  app:prompt "review" { description = "Review",
    arguments = { code = "string", tone = "string?" } } (
    function(args) return { mcp.user("Review " .. args.code), mcp.assistant "Certainly" } end)

  return app
end
