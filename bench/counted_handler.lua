-- SPDX-License-Identifier: MIT
-- handler.lua, which also answers what it has allocated, to a call of the tool "counts".

local answer = dofile "bench/handler.lua"
local counts = dofile "bench/counted.lua"
local encode = require "cjson".encode

---@param text string
---@return string
return function(text)
  if not text:find('"counts"', 1, true) then return answer(text) end
  return encode { jsonrpc = "2.0", id = 1,
    result = { content = { { type = "text", text = counts() } } } }
end
