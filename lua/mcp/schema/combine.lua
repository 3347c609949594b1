-- SPDX-License-Identifier: MIT
-- combine.lua: references, and the keywords that apply several schemas to one value (JSON Schema
-- core 8.2.3 and 10.2).

local value = require "mcp.value"
local mark = require "mcp.schema.mark"
local describe = require "mcp.schema.describe"
local cut = require("mcp.text").cut

local type = type
local kind_of = value.kind

-- In the message for a value that fits none of several schemas, at most this many are explained.
local ALTERNATIVES = 4

local combine = {}

local function keywords(entry)
  combine[#combine + 1] = entry
end

-- A part that applies another node to the same value: the target of a reference. The node may not
-- be complete yet, so its fields are read when validating.
local function follow(node, most)
  if node.schema == true then return nil end
  local part = {}
  part.check = function(v, state)
    local steps, depth = state.steps - 1 - node.weight, state.depth + 1
    state.steps = steps
    if steps < 0 then return false end
    if depth > most then
      state.steps, state.trouble = -1, ("more than %d references inside each other"):format(most)
      return false
    end
    state.depth = depth
    local holds = node.check(v, state)
    state.depth = depth - 1
    return holds
  end
  part.explain = function(_, v, report)
    local state = report.state
    if state.depth > most then return end
    state.depth = state.depth + 1
    report:explain(node, v)
    state.depth = state.depth - 1
  end
  for _, kind in ipairs { "mark_members", "mark_items" } do
    part[kind] = function(_, v, state, seen)
      state.steps = state.steps - 1 - node.weight
      return state.steps >= 0 and mark(node, kind, v, state, seen)
    end
  end
  return part
end

-- The reference at a keyword, as text.
local function reference_at(c, schema, at, keyword)
  local ref = schema[keyword]
  if type(ref) ~= "string" then
    c:complain(at, keyword, "expected a string, got " .. kind_of(ref))
  end
  return ref
end

keywords { "$ref", part = function(c, schema, at)
  local target = c.index:target(reference_at(c, schema, at, "$ref"), at.info, "$ref")
  return follow(c:node(target, at.scope), c.limits.references)
end }

keywords { "$dynamicRef", part = function(c, schema, at)
  local ref = reference_at(c, schema, at, "$dynamicRef")
  local target, anchor = c.index:target(ref, at.info, "$dynamicRef")
  -- Only where the place it leads to by itself is a dynamic anchor does the scope decide.
  if anchor then target = at.scope.bound[anchor] or target end
  return follow(c:node(target, at.scope), c.limits.references)
end }

-- The nodes of a keyword that holds a list of schemas, and their weight.
local function nodes_at(c, schema, at, keyword)
  local list, nodes, weight = schema[keyword], {}, 1
  if type(list) ~= "table" or #list == 0 then
    c:complain(at, keyword, "expected an array of at least one schema")
  end
  for i, subschema in ipairs(list) do
    nodes[i] = c:child(subschema, at)
    weight = weight + 1 + nodes[i].weight
  end
  return nodes, weight
end

-- Does `node` hold? Asked a second time, for marking: that is not in the weight of any node, and
-- doubles at every level of unevaluated keywords inside each other.
local function holds_again(node, v, state)
  state.steps = state.steps - 1 - node.weight
  return state.steps >= 0 and node.check(v, state)
end

-- Marks what those of `nodes` that hold have evaluated.
local function mark_holding(nodes, kind, v, state, seen)
  for i = 1, #nodes do
    if holds_again(nodes[i], v, state) and mark(nodes[i], kind, v, state, seen) then return true end
  end
end

-- Adds the mark functions of a part whose nodes need not all hold.
local function mark_some(part, nodes)
  for _, kind in ipairs { "mark_members", "mark_items" } do
    part[kind] = function(_, v, state, seen) return mark_holding(nodes, kind, v, state, seen) end
  end
  return part
end

keywords { "allOf", part = function(c, schema, at)
  local nodes, weight = nodes_at(c, schema, at, "allOf")
  local count = #nodes
  local part = { weight = weight, check = function(v, state)
    for i = 1, count do
      if not nodes[i].check(v, state) then return false end
    end
    return true
  end }
  part.explain = function(_, v, report)
    for i = 1, count do report:explain(nodes[i], v) end
  end
  for _, kind in ipairs { "mark_members", "mark_items" } do
    part[kind] = function(_, v, state, seen)
      for i = 1, count do
        if mark(nodes[i], kind, v, state, seen) then return true end
      end
    end
  end
  return part
end }

-- The reason of a nested choice could otherwise hold the reasons of all below it. In bytes.
local REASON = 300

-- Reports why none of `nodes` holds: the types they require if each fails by its type alone, else
-- the first reason of each.
local function explain_none(keyword, nodes, v, report)
  if #nodes == 1 then
    report:explain(nodes[1], v)
    return
  end
  local types, reasons = {}, {}
  for _, node in ipairs(nodes) do
    local first = report:first(node, v)
    if first then
      local inside = first.path ~= "" and first.path .. ": " or ""
      if first.keyword == "type" and inside == "" and types then
        types[#types + 1] = describe.wanted(node.schema)
      else
        types = nil
      end
      reasons[#reasons + 1] = cut(inside .. first.message, REASON)
    end
  end
  if types and #types == #nodes then
    local text = table.concat(types, " or ")
    report:add(keyword, ("expected %s, got %s"):format(text, describe.got(v)))
    return
  end
  local left = #reasons - ALTERNATIVES
  local text = table.concat(reasons, "; or ", 1, math.min(#reasons, ALTERNATIVES))
  if left > 0 then text = ("%s; or %d more"):format(text, left) end
  report:add(keyword, "does not match any of the allowed forms: " .. text)
end

keywords { "anyOf", part = function(c, schema, at)
  local nodes, weight = nodes_at(c, schema, at, "anyOf")
  local count = #nodes
  return mark_some({ weight = weight, check = function(v, state)
    for i = 1, count do
      if nodes[i].check(v, state) then return true end
    end
    return false
  end, explain = function(part, v, report)
    explain_none(part.keyword, nodes, v, report)
  end }, nodes)
end }

keywords { "oneOf", part = function(c, schema, at)
  local nodes, weight = nodes_at(c, schema, at, "oneOf")
  local function count(v, state)
    local found = 0
    for i = 1, #nodes do
      if nodes[i].check(v, state) then
        found = found + 1
        if found > 1 then break end
      end
    end
    return found
  end
  return mark_some({ weight = weight, check = function(v, state)
    return count(v, state) == 1
  end, explain = function(part, v, report)
    if count(v, report.state) == 0 then
      explain_none(part.keyword, nodes, v, report)
    else
      report:add(part.keyword, "fits more than one of the forms of which only one is allowed")
    end
  end }, nodes)
end }

keywords { "not", part = function(c, schema, at)
  local node = c:child(schema["not"], at)
  return { weight = 1 + node.weight, check = function(v, state)
    return not node.check(v, state)
  end, message = function(v)
    local wanted = describe.wanted(schema["not"])
    return wanted and ("must not be %s, got %s"):format(wanted, describe.got(v))
      or "has a form that is not allowed"
  end }
end }

keywords { "if", part = function(c, schema, at)
  local condition = c:child(schema["if"], at)
  local yes = c:child(schema["then"] == nil or schema["then"], at)
  local no = c:child(schema["else"] == nil or schema["else"], at)
  local part = { weight = 1 + condition.weight + yes.weight + no.weight }
  if yes.schema ~= true or no.schema ~= true then
    part.check = function(v, state)
      if condition.check(v, state) then return yes.check(v, state) end
      return no.check(v, state)
    end
  end
  part.explain = function(_, v, report)
    report:explain(condition.check(v, report.state) and yes or no, v)
  end
  for _, kind in ipairs { "mark_members", "mark_items" } do
    part[kind] = function(_, v, state, seen)
      if holds_again(condition, v, state) then
        return mark(condition, kind, v, state, seen) or mark(yes, kind, v, state, seen)
      end
      return mark(no, kind, v, state, seen)
    end
  end
  return part
end }

return combine
