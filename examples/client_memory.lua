-- SPDX-License-Identifier: MIT
-- client_memory.lua: a server and its client in one program. The server asks its user in the middle
-- of a call, tells how far it is, and says what has changed; the client has a function for each.
--
--   luamcp run examples/client_memory.lua
local mcp = require "mcp"

local app = mcp.server "kettle"
local litres = 0

app:resource "kettle://level" (function() return ("%d litres"):format(litres) end)

app:tool "fill" (function(_, ctx)
  local answer, reason = ctx:elicit("How many litres?", { litres = "integer" })
  if not answer then return nil, "not filled: " .. reason end
  for i = 1, answer.litres do
    litres = litres + 1
    ctx:progress(i, answer.litres)
    ctx:sleep(0.01)
  end
  app:resource_updated "kettle://level"
  return ("filled, %d litres"):format(litres)
end)

local client <close> = assert(mcp.connect(app, {
  on_elicit = function(text)
    print("asked: " .. text)
    return { litres = 3 }
  end,
}))

local changed = false
assert(client:subscribe("kettle://level", function(uri)
  changed = true
  print(uri .. " has changed")
end))

local result = assert(client:call_tool("fill", {}, {
  on_progress = function(done, total) print(("%d of %d"):format(done, total)) end,
}))
print(result.content[1].text)

while not changed do mcp.sleep(0.01) end
print(assert(client:read_resource "kettle://level").contents[1].text)
