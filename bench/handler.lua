-- SPDX-License-Identifier: MIT
-- The bare limit of Lua and lua-cjson: one tool, no protocol, no checks.

local cjson = require "cjson"
local decode, encode = cjson.decode, cjson.encode

local tools = {
  echo = function(arguments)
    return { content = { { type = "text", text = arguments.text } } }
  end,
}

--- Answers one JSON-RPC message.
---@param text string
---@return string answer empty for a notification
return function(text)
  local message = decode(text)
  if message.id == nil then return "" end
  local result = {}
  if message.method == "tools/call" then
    result = tools[message.params.name](message.params.arguments)
  end
  return encode { jsonrpc = "2.0", id = message.id, result = result }
end
