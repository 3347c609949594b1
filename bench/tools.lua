-- SPDX-License-Identifier: MIT
-- What tools cost that are registered and not called: luamcp run bench/tools.lua COUNT [text]
-- prints the kilobytes of Lua's memory and of resident memory that each of them takes, and the
-- seconds of processor time that registering took.
local mcp = require "mcp"

local count = tonumber(arg[1])

local function resident()
  for line in io.lines "/proc/self/status" do
    local kb = line:match "^VmRSS:%s*(%d+)"
    if kb then return tonumber(kb) end
  end
end

local function handler(args) return args.path end

local app = mcp.server { name = "tools", version = "1.0.0" }
local function register(from, to)
  for i = from, to do
    app:tool("tool_" .. i) {
      description = "Does thing " .. i .. " to the given path and tells the outcome as text.",
      input = { path = "string", limit = "integer?", deep = "boolean?" },
    } (handler)
  end
end

register(1, 1) -- what is loaded with the first
collectgarbage()
collectgarbage()
local heap, rss, begun = collectgarbage "count", resident(), os.clock()
register(2, count + 1)
local took = os.clock() - begun
local grown = resident() - rss
collectgarbage()
collectgarbage()
print(("%.3f %.3f %.4f"):format((collectgarbage "count" - heap) / count, grown / count, took))
os.exit(0)
