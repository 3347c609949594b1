-- SPDX-License-Identifier: MIT
-- unevaluated.lua: unevaluatedItems and unevaluatedProperties (JSON Schema core 11). They are the
-- last parts of a node; when they run all others hold, and mark.lua asks those what they evaluated.

local value = require "mcp.value"
local mark = require "mcp.schema.mark"
local nearest = require "mcp.nearest"

local next = next
local is_array, is_object = value.is_array, value.is_object

local unevaluated = {}

local function all() return true end

-- The places or names in `v` that the other parts of `owner` have not evaluated, in a list; nil if
-- there is none.
local function left_items(owner, part, v, state)
  local seen, left = { upto = 0 }, {}
  if mark(owner, "mark_items", v, state, seen, part) then return left end
  for i = seen.upto + 1, #v do
    if not seen[i] then left[#left + 1] = i end
  end
  return left
end

local function left_members(owner, part, v, state)
  local seen, left = {}, {}
  if mark(owner, "mark_members", v, state, seen, part) then return left end
  for name in next, v do
    if not seen[name] then left[#left + 1] = name end
  end
  return left
end

-- The part for one of the two: `applies` tells whether it looks at a value, `find` what is left.
local function make(node, owner, applies, find)
  local part = { last = true }
  part.check = function(v, state)
    if not applies(v) then return true end
    local left = find(owner, part, v, state)
    state.steps = state.steps - #v - #left * (1 + node.weight)
    if state.steps < 0 then return false end
    for i = 1, #left do
      if not node.check(v[left[i]], state) then return false end
    end
    return true
  end
  return part
end

unevaluated[1] = { "unevaluatedItems", part = function(c, schema, at)
  local node = c:child(schema.unevaluatedItems, at)
  local part = make(node, at.node, is_array, left_items)
  part.mark_items = all
  part.explain = function(_, v, report)
    for _, i in ipairs(left_items(at.node, part, v, report.state)) do
      if node.schema == false then
        report:add("unevaluatedItems", ("item %d is one too many"):format(i))
      else
        report:inside(node, v[i], i - 1)
      end
    end
  end
  return part
end }

unevaluated[2] = { "unevaluatedProperties", part = function(c, schema, at)
  local node = c:child(schema.unevaluatedProperties, at)
  local part = make(node, at.node, is_object, left_members)
  part.mark_members = all
  part.explain = function(_, v, report)
    local left = left_members(at.node, part, v, report.state)
    table.sort(left)
    for _, name in ipairs(left) do
      if node.schema == false then
        local known = type(schema.properties) == "table" and nearest.keys(schema.properties) or {}
        report:add("unevaluatedProperties", ('unknown property "%s"'):format(name), {
          name = name, meant = nearest.find(name, known),
        })
      else
        report:inside(node, v[name], name)
      end
    end
  end
  return part
end }

return unevaluated
