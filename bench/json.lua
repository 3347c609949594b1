-- SPDX-License-Identifier: MIT
-- The JSON codec beside lua-cjson: decode and encode of messages as MCP has
-- them. Rounds take turns and medians are compared, so that what else the
-- machine does falls on both alike. Prints one ratio a line; the budget is 1.5.
-- Run: lua5.4 bench/json.lua [seconds for each pair, 1 by default]

local ours = require "codecs.json"
local theirs = require "cjson"

local budget = 1.5
local seconds = tonumber(arg and arg[1]) or 1
local rounds = 21

local function call(text)
  return {
    jsonrpc = "2.0",
    id = 42,
    method = "tools/call",
    params = {
      name = "search_files",
      arguments = { path = "/srv/data/reports", pattern = "*.md", limit = 50, text = text },
      _meta = { progressToken = 7 },
    },
  }
end

local function tool(i)
  return {
    name = "tool_" .. i,
    title = "The tool of number " .. i,
    description = "Looks for lines in the files of a folder and gives those that match, "
      .. "with their numbers. Use it before you change a file.",
    inputSchema = {
      type = "object",
      properties = {
        path = { type = "string", description = "The folder to look in" },
        pattern = { type = "string", description = "What to look for", minLength = 1 },
        limit = { type = "integer", minimum = 1, maximum = 1000, default = 100 },
        hidden = { type = "boolean", default = false },
      },
      required = ours.array { "path", "pattern" },
    },
    annotations = { readOnlyHint = true, openWorldHint = false },
  }
end

local function list(n)
  local tools = ours.array {}
  for i = 1, n do tools[i] = tool(i) end
  return { jsonrpc = "2.0", id = 43, result = { tools = tools } }
end

local function result(text)
  local content = ours.array { { type = "text", text = text } }
  return { jsonrpc = "2.0", id = 44, result = { content = content, isError = false } }
end

-- Lines, quotes and tabs as source code has them.
local function code(size)
  local line = 'local name = "value"\t-- a line of source, as tools send it\n'
  return (line:rep(size // #line + 1):sub(1, size))
end

local function numbers(n)
  local rows = ours.array {}
  for i = 1, n do
    rows[i] = { id = i, price = i * 0.25 + 0.1, lat = 52.5 + i / 997, ok = i % 2 == 0 }
  end
  return { jsonrpc = "2.0", id = 45, result = { structuredContent = { rows = rows } } }
end

-- Made one by one: what the collector has to walk over beside the case at hand
-- would cost both codecs the same and hide what is between them.
local cases = {
  { "tools/call, 0.2 KB", call, "a few words" },
  { "tools/call with text, 1 KB", call, ("Some words of plain text. "):rep(32) },
  { "tools/list, 1 KB", list, 1 },
  { "result with source code, 1 KB", result, code(900) },
  { "tools/call with text, 100 KB", call, ("Some words of plain text. "):rep(3930) },
  { "tools/list, 100 KB", list, 170 },
  { "result with source code, 100 KB", result, code(94000) },
  { "result in Russian, 100 KB", result, ("Немного обычных слов, "):rep(2600) },
  { "rows of numbers, 100 KB", numbers, 1600 },
}

local function time(f, value, times)
  local start = os.clock()
  for _ = 1, times do f(value) end
  return (os.clock() - start) / times
end

local function median(list_of_times)
  table.sort(list_of_times)
  return list_of_times[(#list_of_times + 1) // 2]
end

-- The median seconds of one call of `a` and of `b`, taken in turns.
local function compare(a, b, value)
  local once = time(a, value, 3) + time(b, value, 3)
  local times = math.max(1, math.floor(seconds / rounds / once))
  local ta, tb = {}, {}
  for i = 1, rounds do
    collectgarbage()
    ta[i] = time(a, value, times)
    collectgarbage()
    tb[i] = time(b, value, times)
  end
  return median(ta), median(tb)
end

print(("%-34s %7s  %22s  %22s"):format("", "bytes", "decode", "encode"))
local worst = math.huge
for _, case in ipairs(cases) do
  local name, value = case[1], case[2](case[3])
  local text = assert(ours.encode(value))
  local dt, dc = compare(ours.decode, theirs.decode, text)
  local et, ec = compare(ours.encode, theirs.encode, value)
  worst = math.min(worst, dc / dt, ec / et)
  print(("%-34s %7d  %8.2f us %8.2f x  %8.2f us %8.2f x"):format(
    name, #text, dt * 1e6, dc / dt, et * 1e6, ec / et))
end
print(("lowest ratio to lua-cjson %.2f, budget %.1f: %s"):format(
  worst, budget, worst >= budget and "kept" or "MISSED"))
