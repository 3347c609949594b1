-- SPDX-License-Identifier: MIT
-- run.lua: how often the tool that a person wants is among the first results of a search.
--
--   luamcp run bench/search/run.lua TOOLS
--
-- TOOLS is what bench/search/collect.lua has written. Each row of the table is a way to search the
-- same tools with the same queries; recall@5 counts the queries that have a wanted tool among
-- their first five results.
local bm25 = require "mcp.bm25"
local catalog = require "mcp.server.catalog"
local core = require "mcp.core"

local file <close> = assert(io.open(arg[1]))
local tools = core.decode(file:read "a")
local queries = dofile "bench/search/queries.lua"

for _, tool in ipairs(tools) do tool.name = tool.server .. "_" .. tool.name end

-- --- ways to search ----------------------------------------------------------------------------

local function by_index(fields_of)
  local index = bm25.new()
  for _, tool in ipairs(tools) do index:add(tool.name, fields_of(tool)) end
  return function(query) return index:find(query) end
end

local function texts(tool)
  return (tool.name .. "\n" .. (tool.description or "")):lower()
end

-- The query as it stands, somewhere in the name or the description.
local function substring(query)
  local found = {}
  for _, tool in ipairs(tools) do
    if texts(tool):find(query:lower(), 1, true) then found[#found + 1] = tool.name end
  end
  return found
end

-- How many words of the query are somewhere in the name or the description.
local function words(query)
  local counts, found = {}, {}
  for i, tool in ipairs(tools) do
    local text, count = texts(tool), 0
    for word in query:lower():gmatch "%w+" do
      if text:find(word, 1, true) then count = count + 1 end
    end
    counts[tool.name] = count * 1000 - i / 1000
    if count > 0 then found[#found + 1] = tool.name end
  end
  table.sort(found, function(a, b) return counts[a] > counts[b] end)
  return found
end

-- BM25 as textbooks have it: one text, lower case, no forms and no alike words.
local function plain()
  local index, terms = bm25.new(), require "mcp.terms"
  local whole = terms.of
  local function simple(text)
    local list = {}
    for word in text:lower():gmatch "%w+" do
      if #word > 1 then list[#list + 1] = word end
    end
    return list
  end
  local function with(fn, ...)
    terms.of = simple
    local alike = bm25.ALIKE
    bm25.ALIKE = 0
    local result = fn(...)
    terms.of, bm25.ALIKE = whole, alike
    return result
  end
  for _, tool in ipairs(tools) do
    local fields = catalog.fields(tool)
    for _, field in ipairs(fields) do field[2] = 1 end
    with(index.add, index, tool.name, fields)
  end
  return function(query) return with(index.find, index, query) end
end

local function no_alike(find)
  return function(query)
    local alike = bm25.ALIKE
    bm25.ALIKE = 0
    local found = find(query)
    bm25.ALIKE = alike
    return found
  end
end

-- --- measuring ---------------------------------------------------------------------------------

local function rank_of(found, wanted)
  for rank, name in ipairs(found) do
    for i = 2, #wanted do
      if name == wanted[i] then return rank end
    end
  end
  return math.huge
end

local function measure(label, find, show)
  local at = { [1] = 0, [5] = 0, [10] = 0 }
  local began, missed = os.clock(), {}
  for _, wanted in ipairs(queries) do
    local rank = rank_of(find(wanted[1]), wanted)
    for n in pairs(at) do
      if rank <= n then at[n] = at[n] + 1 end
    end
    if rank > 5 then
      missed[#missed + 1] = ("  %s %q -> %s"):format(
        rank == math.huge and " –" or ("%2d"):format(rank), wanted[1], wanted[2])
    end
  end
  local percent = 100 / #queries
  print(("%-44s %7.0f %% %7.0f %% %7.0f %% %9.2f ms"):format(label, at[1] * percent,
    at[5] * percent, at[10] * percent, (os.clock() - began) * 1000 / #queries))
  if show then print(table.concat(missed, "\n")) end
end

print(("%d tools, %d queries"):format(#tools, #queries))
print(("%-44s %9s %9s %9s %12s"):format("", "recall@1", "recall@5", "recall@10", "a query"))
measure("substring: the query as it stands", substring)
measure("substring: words of the query counted", words)
measure("BM25 over one text, words as they stand", plain())
local found = by_index(function(tool) return catalog.fields(tool) end)
measure("BM25 over weighted fields and word forms", no_alike(found))
measure("the same with verbs that mean the same", found, arg[2] == "missed")
