-- SPDX-License-Identifier: MIT
-- Any bytes as JSON, to Lua and back: nothing is lost on the way.
local core = require "mcp.core"

return function(bytes)
  local value, message, code = core.decode(bytes)
  if value == nil then
    assert(type(message) == "string" and type(code) == "string")
    return
  end
  local text = assert(core.encode(value, true))
  local again = assert(core.encode(core.decode(text), true))
  assert(text == again, text .. "\n" .. again)
end
