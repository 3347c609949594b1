-- SPDX-License-Identifier: MIT
-- figures: those of several workers as one, for /metrics (server/listen/metrics.lua has the
-- families and their text). A supervisor adds them up, since a scrape reaches only one of the
-- workers. What workers had counted that have ended is kept: a sum that fell would look like a
-- restart of the server.
local figures = {}

---How long a supervisor waits for the figures of its workers, in seconds: one that computes.
figures.TIMEOUT = 1

-- Gauges of which the largest counts; the others are added.
local LARGEST = { luamcp_build_info = true, luamcp_loop_delay_seconds = true,
  luamcp_loop_delay_max_seconds = true, process_start_time_seconds = true }

---The families as a string.
---@param families mcp.MetricFamily[]
---@return string
function figures.pack(families)
  local out = {}
  for _, family in ipairs(families) do
    out[#out + 1] = string.pack("<s4s4s4I4", family.name, family.kind, family.help,
      #family.samples)
    for _, each in ipairs(family.samples) do
      out[#out + 1] = string.pack("<s4s4n", each.name, each.labels, each.value)
    end
  end
  return table.concat(out)
end

---Reads what `pack` has written.
---@param text string
---@param at integer|nil where it begins
---@return mcp.MetricFamily[]
function figures.unpack(text, at)
  local families = {}
  at = at or 1
  while at <= #text do
    local name, kind, help, count, after = string.unpack("<s4s4s4I4", text, at)
    local family = { name = name, kind = kind, help = help, samples = {} }
    at = after
    for i = 1, count do
      local each = {}
      each.name, each.labels, each.value, at = string.unpack("<s4s4n", text, at)
      family.samples[i] = each
    end
    families[#families + 1] = family
  end
  return families
end

---A sum of nothing.
---@return table
function figures.new() return { families = {}, by_name = {}, samples = {} } end

---Adds the families of one worker to a sum.
---@param sum table
---@param families mcp.MetricFamily[]
---@param counted boolean|nil only what is counted: the worker has ended
function figures.add(sum, families, counted)
  for _, family in ipairs(families) do
    local into = sum.by_name[family.name]
    if not into and not (counted and family.kind == "gauge") then
      into = { name = family.name, kind = family.kind, help = family.help, samples = {} }
      sum.by_name[family.name] = into
      sum.families[#sum.families + 1] = into
    end
    for _, each in ipairs(counted and family.kind == "gauge" and {} or family.samples) do
      local key = each.name .. "{" .. each.labels
      local there = sum.samples[key]
      if not there then
        there = { name = each.name, labels = each.labels, value = each.value }
        sum.samples[key] = there
        table.insert(into.samples, there)
      elseif LARGEST[family.name] then
        there.value = math.max(there.value, each.value)
      else
        there.value = there.value + each.value
      end
    end
  end
end

-- Samples of a family stand in the order of their labels; the parts of a histogram stay together.
local function order(family)
  local first = {}
  for i, each in ipairs(family.samples) do
    local labels = each.labels:gsub(',?le="[^"]*"', "")
    each.group = labels
    first[each] = i
  end
  table.sort(family.samples, function(a, b)
    if a.group ~= b.group then return a.group < b.group end
    return first[a] < first[b]
  end)
end

---The families of a sum.
---@param sum table
---@return mcp.MetricFamily[]
function figures.families(sum)
  for _, family in ipairs(sum.families) do order(family) end
  return sum.families
end

---A family with one sample.
---@param name string
---@param kind string
---@param help string
---@param value number
---@return mcp.MetricFamily
function figures.one(name, kind, help, value)
  return { name = name, kind = kind, help = help,
    samples = { { name = name, labels = "", value = value } } }
end

return figures
