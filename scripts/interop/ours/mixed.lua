-- SPDX-License-Identifier: MIT
-- mixed.lua: our client of ../mixed.lua, a hundred calls. With --counts it asks what was counted
-- instead, and holds it against the names that follow.
--
--   luamcp run scripts/interop/ours/mixed.lua ADDRESS [--counts NAME…]
package.path = "./scripts/interop/ours/?.lua;" .. package.path
local mcp = require "mcp"
local check = require "check"
local same = check.same

local CALLS, TOGETHER = 100, 10
local NAME = "ours unix"

-- By the name of a client: what it must have come by.
local EXPECTED = {
  ["node http"] = { transport = "http", revision = "2025-11-25" },
  ["node sse"] = { transport = "sse", revision = "2025-11-25" },
  ["node websocket"] = { transport = "websocket", revision = "2025-11-25" },
  ["node modern"] = { transport = "http", revision = "2026-07-28" },
  ["python websocket"] = { transport = "websocket", revision = "2025-11-25" },
  [NAME] = { transport = "http", revision = "2026-07-28" },
}

local client <close> = assert(mcp.connect(arg[1], { client = { name = NAME, version = "1.0.0" } }))

if arg[2] == "--counts" then
  local counts = assert(client:call_tool "counts").structuredContent
  local expected = {}
  for i = 3, #arg do
    local how = EXPECTED[arg[i]]
    expected[arg[i]] = { calls = CALLS, sum = CALLS * (CALLS + 1) // 2,
      transport = how.transport, revision = how.revision }
  end
  same(counts, expected)
  return
end

for first = 1, CALLS, TOGETHER do
  local jobs = {}
  for i = 1, TOGETHER do
    jobs[i] = function() return client:call_tool("count", { n = first + i - 1 }) end
  end
  for i, result in ipairs(mcp.all(jobs)) do
    same(result.structuredContent, { n = first + i - 1, client = NAME })
  end
end
