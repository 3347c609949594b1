-- SPDX-License-Identifier: MIT
-- arrays.lua: the keywords for arrays (JSON Schema validation 6.4, core 10.3.1).

local value = require "mcp.value"
local equal = require "mcp.schema.equal"

local type, getmetatable = type, getmetatable
local array_mt, kind_of = value.array_mt, value.kind

local arrays = {}

local function keywords(entry)
  arrays[#arrays + 1] = entry
end

local function is_array(v)
  return type(v) == "table" and (getmetatable(v) == array_mt or v[1] ~= nil)
end

local function items(count)
  return count == 1 and "1 item" or count .. " items"
end

keywords { "minItems", part = function(c, schema, at)
  local limit = c:count(schema, at, "minItems")
  return {
    check = function(v) return not is_array(v) or #v >= limit end,
    message = function(v) return ("expected at least %s, got %d"):format(items(limit), #v) end,
  }
end }

keywords { "maxItems", part = function(c, schema, at)
  local limit = c:count(schema, at, "maxItems")
  return {
    check = function(v) return not is_array(v) or #v <= limit end,
    message = function(v) return ("expected at most %s, got %d"):format(items(limit), #v) end,
  }
end }

keywords { "uniqueItems", part = function(c, schema, at)
  if type(schema.uniqueItems) ~= "boolean" then
    c:complain(at, "uniqueItems", "expected a boolean, got " .. kind_of(schema.uniqueItems))
  elseif not schema.uniqueItems then
    return nil
  end
  return {
    check = function(v, state)
      if not is_array(v) or #v < 2 then return true end
      if state.steps < 0 then return false end
      local first, _, visited = equal.pair(v)
      state.steps = state.steps - visited
      return not first
    end,
    message = function(v)
      local first, second = equal.pair(v)
      return ("items must differ, numbers %d and %d are equal"):format(first, second)
    end,
  }
end }

-- Items from place `from` (counted from 1) on, all by one node.
local function check_rest(v, from, node, state)
  local count = #v - from + 1
  if count <= 0 then return true end
  -- Reserved before the loop, so that no loop is longer than what is left.
  state.steps = state.steps - count * (1 + node.weight)
  if state.steps < 0 then return false end
  local check = node.check
  for i = from, #v do
    if not check(v[i], state) then return false end
  end
  return true
end

keywords { "prefixItems", "items", part = function(c, schema, at)
  local nodes, weight, node = {}, 1, nil
  if schema.prefixItems ~= nil then
    if type(schema.prefixItems) ~= "table" then
      c:complain(at, "prefixItems", "expected an array, got " .. kind_of(schema.prefixItems))
    end
    for i, subschema in ipairs(schema.prefixItems) do
      nodes[i] = c:child(subschema, at)
      weight = weight + 1 + nodes[i].weight
    end
  end
  if schema.items ~= nil then node = c:child(schema.items, at) end
  local count = #nodes
  local function check(v, state)
    if not is_array(v) then return true end
    local length = #v
    for i = 1, length < count and length or count do
      if not nodes[i].check(v[i], state) then return false end
    end
    return not node or check_rest(v, count + 1, node, state)
  end
  local part = { check = check, weight = weight }
  part.explain = function(_, v, report)
    for i = 1, #v do
      local item = nodes[i] or node
      if not item then break end
      report:inside(item, v[i], i - 1)
    end
  end
  part.mark_items = function(_, v, _, seen)
    if node or #v <= count then return true end
    if count > seen.upto then seen.upto = count end
  end
  return part
end }

keywords { "contains", part = function(c, schema, at)
  local node = c:child(schema.contains, at)
  local least = schema.minContains == nil and 1 or c:count(schema, at, "minContains")
  local most = schema.maxContains ~= nil and c:count(schema, at, "maxContains") or nil
  local function count(v, state, enough)
    local found = 0
    state.steps = state.steps - #v * (1 + node.weight)
    if state.steps < 0 then return -1 end
    for i = 1, #v do
      if node.check(v[i], state) then
        found = found + 1
        if found >= enough then break end
      end
    end
    return found
  end
  local part = {}
  if least > 0 or most then
    part.check = function(v, state)
      if not is_array(v) then return true end
      local found = count(v, state, most and most + 1 or least)
      return found >= least and (not most or found <= most)
    end
  end
  part.explain = function(_, v, report)
    local found = count(v, report.state, #v + 1)
    local keyword, text = "contains", "at least " .. items(least)
    if found >= least then keyword, text = "maxContains", "at most " .. items(most) end
    report:add(keyword, ("expected %s of a kind, got %d"):format(text, found))
  end
  part.mark_items = function(_, v, state, seen)
    state.steps = state.steps - #v * (1 + node.weight)
    if state.steps < 0 then return end
    for i = 1, #v do
      if node.check(v[i], state) then seen[i] = true end
    end
  end
  return part
end }

return arrays
