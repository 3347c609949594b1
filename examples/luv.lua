-- SPDX-License-Identifier: MIT
-- One loop for two libraries: luv's timer ticks while MCP calls come and go.
--
--   lua5.4 examples/luv.lua        (Debian: lua-luv)
local uv = require "luv"
local mcp = require "mcp.on_luv" -- in place of require "mcp", and before anything else of it

local ticks = 0
local timer = uv.new_timer()
timer:start(0, 20, function() ticks = ticks + 1 end)

local app = mcp.server "ticker"
app:tool "ticks" {
  description = "How often luv's timer has ticked",
} (function(_, ctx)
  ctx:sleep(0.05) -- the timer ticks on meanwhile
  return ticks
end)
local listening = app:listen { http = "127.0.0.1:0" }

-- Nothing can wait while luv's loop runs, except in a task.
mcp.spawn(function()
  local client <close> = mcp.connect(listening.urls[1])
  for _ = 1, 3 do
    print("ticks so far: " .. client:call_tool("ticks").content[1].text)
  end
  timer:close()
  listening:close()
end)

uv.run()
