-- SPDX-License-Identifier: MIT
-- objects.lua: the keywords for objects (JSON Schema validation 6.5, core 10.2.2.4 and 10.3.2).

local value = require "mcp.value"
local describe = require "mcp.schema.describe"
local nearest = require "mcp.nearest"
local mark = require "mcp.schema.mark"

local type, next, getmetatable = type, next, getmetatable
local array_mt, kind_of = value.array_mt, value.kind

local objects = {}

local function keywords(entry)
  objects[#objects + 1] = entry
end

local function is_object(v)
  return type(v) == "table" and getmetatable(v) ~= array_mt and v[1] == nil
end

-- A list of strings, as "required" holds.
local function name_list(c, list, at, keyword)
  if type(list) ~= "table" then
    c:complain(at, keyword, "expected an array, got " .. kind_of(list))
  end
  for _, name in ipairs(list) do
    if type(name) ~= "string" then
      c:complain(at, keyword, "expected a string, got " .. kind_of(name))
    end
  end
  return list
end

-- A table with names as keys, as "properties" holds; nil if it is absent. In the schemas of others
-- an empty array is taken for an empty object: some languages cannot tell one from the other.
local function name_map(c, schema, at, keyword)
  local map = schema[keyword]
  local empty = type(map) == "table" and next(map) == nil
  if map ~= nil and (type(map) ~= "table" or not is_object(map) and (c.strict or not empty)) then
    c:complain(at, keyword, "expected an object, got "
      .. (empty and "an empty array: leave it out" or kind_of(map)))
  end
  return map
end

local function explain_missing(report, keyword, name, schema, because)
  local members = type(schema) == "table" and schema.properties
  local wanted = describe.wanted(type(members) == "table" and members[name] or nil)
  local text = ("property %s is missing"):format(describe.quote(name))
  if because then text = text .. (", it goes with %s"):format(describe.quote(because)) end
  if wanted then text = ("%s (expected %s)"):format(text, wanted) end
  report:add(keyword, text, { name = name, wanted = wanted })
end

keywords { "required", part = function(c, schema, at)
  local names = name_list(c, schema.required, at, "required")
  local count = #names
  if count == 0 then return nil end
  local function check(v)
    if not is_object(v) then return true end
    for i = 1, count do
      if v[names[i]] == nil then return false end
    end
    return true
  end
  return { check = check, names = names, weight = count, explain = function(part, v, report)
    for _, name in ipairs(names) do
      if v[name] == nil then explain_missing(report, part.keyword, name, schema) end
    end
  end }
end }

keywords { "dependentRequired", part = function(c, schema, at)
  local map, weight = name_map(c, schema, at, "dependentRequired"), 1
  for _, names in next, map do
    weight = weight + 1 + #name_list(c, names, at, "dependentRequired")
  end
  local function check(v)
    if not is_object(v) then return true end
    for name, others in next, map do
      if v[name] ~= nil then
        for i = 1, #others do
          if v[others[i]] == nil then return false end
        end
      end
    end
    return true
  end
  return { check = check, weight = weight, explain = function(part, v, report)
    for _, name in ipairs(nearest.keys(map)) do
      for _, other in ipairs(v[name] ~= nil and map[name] or {}) do
        if v[other] == nil then explain_missing(report, part.keyword, other, schema, name) end
      end
    end
  end }
end }

-- The number of members, counted up to `most`; the price is theirs.
local function count_members(v, most, state)
  local count = 0
  for _ in next, v do
    count = count + 1
    if count >= most then break end
  end
  state.steps = state.steps - (count >> 3)
  return count
end

keywords { "minProperties", part = function(c, schema, at)
  local limit = c:count(schema, at, "minProperties")
  return {
    check = function(v, state)
      return not is_object(v) or count_members(v, limit, state) >= limit
    end,
    message = function() return ("expected at least %d properties"):format(limit) end,
  }
end }

keywords { "maxProperties", part = function(c, schema, at)
  local limit = c:count(schema, at, "maxProperties")
  return {
    check = function(v, state)
      return not is_object(v) or count_members(v, limit + 1, state) <= limit
    end,
    message = function() return ("expected at most %d properties"):format(limit) end,
  }
end }

-- Does the member go by one of the names or patterns?
local function is_known(part, name, state)
  if part.known[name] then return true end
  for i = 1, #part.patterns do
    if part.patterns[i].matches(name, state) then return true end
  end
  return false
end

local function explain_unknown(part, name, report)
  local known = nearest.keys(part.known)
  local meant = nearest.find(name, known)
  report:add("additionalProperties", nearest.unknown("property", name, known), {
    name = name, meant = meant, known = known,
  })
end

local function explain_members(part, v, report)
  for _, name in ipairs(nearest.keys(v)) do
    local item = v[name]
    local node = part.known[name]
    if node then report:inside(node, item, name) end
    for _, rule in ipairs(part.patterns) do
      if rule.matches(name, report.state) then report:inside(rule.node, item, name) end
    end
    if part.additional and not is_known(part, name, report.state) then
      if part.additional.schema == false then
        explain_unknown(part, name, report)
      else
        report:inside(part.additional, item, name)
      end
    end
  end
end

-- Every member has to be looked at by its name when there are patterns or an additionalProperties.
local function every_member(part)
  local patterns, additional = part.patterns, part.additional
  local known = {}
  for name, node in next, part.known do known[name] = node.check end
  local price = 1 + (additional and additional.weight or 0)
  for _, rule in ipairs(patterns) do price = price + rule.node.weight end
  local other = additional and additional.check
  return function(v, state)
    if not is_object(v) then return true end
    for name, item in next, v do
      local check = known[name]
      local matched = check ~= nil
      if matched and not check(item, state) then return false end
      for i = 1, #patterns do
        local rule = patterns[i]
        if rule.matches(name, state) then
          matched = true
          if not rule.node.check(item, state) then return false end
        end
      end
      if not matched and other then
        if not other(item, state) then return false end
      end
      state.steps = state.steps - price
      if state.steps < 0 then return false end
    end
    return true
  end
end

-- Only the members that have a schema are looked at.
local function known_members(part)
  local names, checks, count = {}, {}, 0
  for name, node in next, part.known do
    if node.schema ~= true then
      count = count + 1
      names[count], checks[count] = name, node.check
    end
  end
  return function(v, state)
    if not is_object(v) then return true end
    for i = 1, count do
      local item = v[names[i]]
      if item ~= nil and not checks[i](item, state) then return false end
    end
    return true
  end
end

local PLAIN = { string = true, number = true, boolean = true }

-- The check in C, where all members are types of Lua's: the second result says that it keeps no
-- state. Else the function `check`, which does the same for all.
local function fastest(known, required, check, open)
  for _, want in next, known do
    if not PLAIN[want] then return check, false end
  end
  if not value.members_check then return check, true end
  return value.members_check(known, required, check, open), true
end

-- Objects with certain members in one check: type, required, properties and, for the closed one,
-- additionalProperties false. Members whose schema is only a type of Lua's are held as its name.
local function open_object(part, required)
  local names, wants, size, count, known = {}, {}, 0, #required, {}
  for name, node in next, part.known do
    if node.schema ~= true then
      size = size + 1
      names[size], wants[size] = name, node.plain or node.check
      known[name] = wants[size]
    end
  end
  return fastest(known, required, function(v, state)
    if type(v) ~= "table" or getmetatable(v) == array_mt or v[1] ~= nil then return false end
    for i = 1, count do
      if v[required[i]] == nil then return false end
    end
    for i = 1, size do
      local item, want = v[names[i]], wants[i]
      if item ~= nil and type(item) ~= want and (PLAIN[want] or not want(item, state)) then
        return false
      end
    end
    return true
  end, true)
end

local function closed_object(part, required)
  local known, count = {}, #required
  for name, node in next, part.known do known[name] = node.plain or node.check end
  return fastest(known, required, function(v, state)
    if type(v) ~= "table" or getmetatable(v) == array_mt or v[1] ~= nil then return false end
    for i = 1, count do
      if v[required[i]] == nil then return false end
    end
    for name, item in next, v do
      local want = known[name]
      if want == nil then return false end
      if type(item) ~= want and (PLAIN[want] or not want(item, state)) then return false end
    end
    return true
  end)
end

keywords { "properties", "patternProperties", "additionalProperties", part = function(c, schema, at)
  local part = { known = {}, patterns = {}, weight = 1, explain = explain_members }
  for name, subschema in next, name_map(c, schema, at, "properties") or {} do
    local node = c:child(subschema, at)
    part.known[name] = node
    part.weight = part.weight + node.weight
  end
  for text, subschema in next, name_map(c, schema, at, "patternProperties") or {} do
    local matches = c:pattern(text, at, "patternProperties")
    table.insert(part.patterns, { matches = matches, node = c:child(subschema, at) })
  end
  if schema.additionalProperties ~= nil then
    part.additional = c:child(schema.additionalProperties, at)
  end
  local additional = part.additional
  if #part.patterns > 0 or additional and additional.schema ~= true then
    part.check = every_member(part)
  elseif next(part.known) then
    part.check = known_members(part)
  end
  if #part.patterns == 0 then
    if not additional or additional.schema == true then
      part.whole = open_object
    elseif additional.schema == false then
      part.whole = closed_object
    end
  end
  part.mark_members = function(_, v, state, seen)
    if additional then return true end
    for name in next, v do
      if is_known(part, name, state) then seen[name] = true end
    end
  end
  return part
end }

keywords { "propertyNames", part = function(c, schema, at)
  local node = c:child(schema.propertyNames, at)
  return {
    check = function(v, state)
      if not is_object(v) then return true end
      for name in next, v do
        state.steps = state.steps - node.weight
        if state.steps < 0 or not node.check(name, state) then return false end
      end
      return true
    end,
    explain = function(part, v, report)
      for _, name in ipairs(nearest.keys(v)) do
        if not node.check(name, report.state) then
          local reason = report:first(node, name)
          report:add(part.keyword, ("property name %s: %s"):format(describe.quote(name),
            reason and reason.message or "not allowed"), { name = name })
        end
      end
    end,
  }
end }

keywords { "dependentSchemas", part = function(c, schema, at)
  local nodes, weight = {}, 1
  for name, subschema in next, name_map(c, schema, at, "dependentSchemas") do
    nodes[name] = c:child(subschema, at)
    weight = weight + 1 + nodes[name].weight
  end
  return {
    weight = weight,
    check = function(v, state)
      if not is_object(v) then return true end
      for name, node in next, nodes do
        if v[name] ~= nil and not node.check(v, state) then return false end
      end
      return true
    end,
    explain = function(_, v, report)
      for _, name in ipairs(nearest.keys(nodes)) do
        if v[name] ~= nil then report:explain(nodes[name], v) end
      end
    end,
    mark_members = function(_, v, state, seen)
      for name, node in next, nodes do
        if v[name] ~= nil and mark(node, "mark_members", v, state, seen) then return true end
      end
    end,
  }
end }

return objects
