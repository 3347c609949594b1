-- SPDX-License-Identifier: MIT
-- server.lua: what browsers are tried with. Its words are the origins whose pages it answers.
local mcp = require "mcp"

local app = mcp.server { name = "browser", title = "Tried in a browser <b>", version = "1.2.3",
  instructions = "Nothing of this is <i>markup</i>." }

local EVIL = "<img src=x onerror=\"window.evil='description'\">"
  .. "<script>window.evil='script'</script>"

app:tool "evil" { description = EVIL, title = EVIL, input = { ["<img src=x onerror=evil()>"] =
  mcp.string { description = EVIL, default = EVIL } } } (function() return EVIL end)

app:tool "order" {
  description = "Everything that a form can have",
  input = {
    name = mcp.string { min = 1, description = "Name of the customer" },
    count = mcp.integer { min = 1, max = 10, default = 2 },
    size = mcp.enum { "small", "large" },
    gift = "boolean?",
    tags = "string[]?",
    address = mcp.object { { street = "string", zip = "integer?" }, optional = true },
  },
} (function(args) return args end)

app:tool "grow" (function()
  app:tool "grown" (function() return "I am new" end)
  return "grew"
end)

app:tool "slow" { input = { steps = "integer" } } (function(args, ctx)
  for i = 1, args.steps do
    ctx:log("warning", ("step %d"):format(i))
    if not ctx:progress(i, args.steps, "on step " .. i) or not ctx:sleep(0.1) then
      return nil, "cancelled"
    end
  end
  return "slept"
end)

app:tool "ask" (function(_, ctx)
  local given, reason = ctx:elicit("What is your <b>name</b>?", { name = "string",
    age = "integer?" })
  return given and "Hello " .. given.name or reason
end)

app:tool "visit" (function(_, ctx)
  local gone, reason = ctx:elicit_url("Please sign in", "https://sign.example:8443/in?a=b")
  return gone and "gone" or reason
end)

app:tool "write" (function(_, ctx)
  local given = ctx:sample { max_tokens = 10, messages = { mcp.user "Write <u>a word</u>" } }
  return given.model .. ": " .. given.content.text
end)

app:tool "where" (function(_, ctx) return ctx:roots()[1].uri end)

app:tool "fail" (function() return nil, "it failed" end)

-- A red dot of one pixel, as PNG.
local DOT = require("mcp.core").unbase64("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4"
  .. "nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC")

app:tool "picture" (function() return "a dot", mcp.image(DOT, "image/png") end)

app:tool "stay" (function() return "stayed" end)

local calls = 0
app:tool "touch" (function()
  calls = calls + 1
  return tostring(calls)
end)

app:resource "note://{name}" (function(vars) return "about " .. vars.name end)
app:prompt "review" { arguments = { code = "string" } } (function(args)
  return { mcp.user("Review: " .. args.code) }
end)

app:run { http = { port = 0 }, inspect = true,
  security = { allowed_origins = { table.unpack(arg) } } }
