-- SPDX-License-Identifier: MIT
-- What the Lua state that runs this has allocated and collected since: a function that says it in a
-- line. server.lua and counted_handler.lua answer with it.

package.cpath = (os.getenv "BUILD" or "build") .. "/bench/?.so;" .. package.cpath
local read = require "count"

-- An object that ends with each collection, and is made again.
local cycles = 0
local sentinel = {}
function sentinel.__gc()
  cycles = cycles + 1
  setmetatable({}, sentinel)
end
setmetatable({}, sentinel)

return function()
  return ("tables=%d strings=%d blocks=%d bytes=%d "):format(read())
    .. ("cycles=%d heap=%d"):format(cycles, collectgarbage "count" * 1024 // 1)
end
