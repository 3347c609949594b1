-- SPDX-License-Identifier: MIT
-- integers.lua: JSON Schema counts 3.0 and 3e0 as integers, and many clients write them so. Lua
-- reads a number with a point or an exponent as a float. A handler whose schema says "integer" gets
-- an integer: this changes such floats of a value that has passed its check, in place.
--
-- Where several subschemas apply to one place (allOf, anyOf, "$ref", …), it is enough that one of
-- them says "integer". A float that no Lua integer equals (1e300) stays a float.
local limits = require "mcp.schema.limits"
local pattern = require "mcp.schema.pattern"
local reference = require "mcp.schema.reference"
local value = require "mcp.value"
local walk = require "mcp.schema.walk"

local type, next, math_type, tointeger = type, next, math.type, math.tointeger
local is_array = value.is_array

local integers = {}

-- Places of a value that are looked at, for each call: what a schema that refers to itself can make
-- of a small value has an end.
local STEPS = 100000
-- The same by references that lead in a circle.
local DEPTH = limits.with().references

-- Does the keyword "type" allow integers and no other numbers?
local function says_integer(schema)
  local wanted = schema.type
  if type(wanted) ~= "table" then return wanted == "integer" end
  local found = false
  for _, name in ipairs(wanted) do
    if name == "number" then return false end
    found = found or name == "integer"
  end
  return found
end

-- Says some schema in it "integer"? Also collects the anchors.
local function survey(schema, anchors, depth)
  local found = says_integer(schema)
  if type(schema["$anchor"]) == "string" then anchors[schema["$anchor"]] = schema end
  if depth < limits.with().depth then
    walk.children(schema, function(child)
      found = survey(child, anchors, depth + 1) or found
    end)
  end
  return found
end

-- The schema that a reference within the same document means; nil for any other.
local function resolve(at, ref)
  if type(ref) ~= "string" or ref:sub(1, 1) ~= "#" then return nil end
  local _, fragment = reference.split(ref)
  if fragment == "" then return at.root end
  if fragment:sub(1, 1) ~= "/" then return at.anchors[fragment] end
  local found = at.root
  for _, step in ipairs(reference.steps(fragment)) do
    if type(found) ~= "table" then return nil end
    local index = is_array(found) and tointeger(tonumber(step))
    found = found[index and index + 1 or step]
  end
  return found
end

-- Schemas for the value itself, by keyword: one, a list, or by name.
local SAME = { "if", "then", "else" }
local SAME_LISTS = { "allOf", "anyOf", "oneOf" }

local compile

local function compile_list(list, at)
  local out, found = {}, false
  for i, schema_of_entry in ipairs(type(list) == "table" and list or {}) do
    out[i] = compile(schema_of_entry, at) or false
    found = found or out[i] ~= false
  end
  return found and out or nil
end

local function compile_named(named, at)
  local out = {}
  for name, member in next, type(named) == "table" and named or {} do
    out[name] = compile(member, at)
  end
  return next(out) ~= nil and out or nil
end

local function compile_patterns(schema, at)
  local out = {}
  for text, inner in next, type(schema.patternProperties) == "table" and schema.patternProperties
    or {} do
    local matches = type(text) == "string" and pattern.compile(text, limits.with().pattern)
    if matches then out[#out + 1] = { matches = matches, node = compile(inner, at) or false } end
  end
  return out[1] and out or nil
end

local function compile_inner(schema, at)
  local out = { compile(resolve(at, schema["$ref"]), at) }
  for _, keyword in ipairs(SAME) do out[#out + 1] = compile(schema[keyword], at) end
  for _, keyword in ipairs(SAME_LISTS) do
    for _, node in ipairs(compile_list(schema[keyword], at) or {}) do
      if node then out[#out + 1] = node end
    end
  end
  for _, node in next, compile_named(schema.dependentSchemas, at) or {} do out[#out + 1] = node end
  return out[1] and out or nil
end

-- A node for a schema, or nil if there is nothing to do. One that is being compiled is its own
-- answer, so that references may lead in a circle.
function compile(schema, at)
  if type(schema) ~= "table" then return nil end
  local node = at.nodes[schema]
  if node ~= nil then return node or nil end
  node = {}
  at.nodes[schema] = node
  local items, prefix = schema.items, schema.prefixItems
  if is_array(items) then items, prefix = schema.additionalItems, items end -- draft 7
  node.integer = says_integer(schema)
  node.members = compile_named(schema.properties, at)
  node.named = type(schema.properties) == "table" and schema.properties or {}
  node.patterns = compile_patterns(schema, at)
  node.others = compile(schema.additionalProperties, at)
  node.prefix = compile_list(prefix, at)
  node.first = type(prefix) == "table" and #prefix + 1 or 1
  node.items = compile(items, at)
  node.inner = compile_inner(schema, at)
  -- An integer and nothing else, which is what most are: looked at in place.
  node.plain = node.integer and not (node.members or node.patterns or node.others or node.prefix
    or node.items or node.inner)
  if node.integer or node.members or node.patterns or node.others or node.prefix or node.items
    or node.inner then
    return node
  end
  at.nodes[schema] = false
  return nil
end

local NONE = {}

local apply

local function apply_to_members(node, v, state)
  for name, inner in next, node.members or NONE do
    local member = v[name]
    if inner.plain then
      if math_type(member) == "float" then v[name] = tointeger(member) or member end
    elseif member ~= nil then
      v[name] = apply(inner, member, state)
    end
  end
  if not node.patterns and not node.others then return end
  for name, member in next, v do
    local known = node.named[name] ~= nil
    for _, rule in ipairs(node.patterns or NONE) do
      if type(name) == "string" and rule.matches(name, state) then
        known = true
        if rule.node then v[name] = apply(rule.node, member, state) end
      end
    end
    if not known and node.others then v[name] = apply(node.others, member, state) end
  end
end

local function apply_to_items(node, v, state)
  for i = 1, #v do
    local item = node.prefix and node.prefix[i] or i >= node.first and node.items
    if item then v[i] = apply(item, v[i], state) end
  end
end

function apply(node, v, state)
  local kind = type(v)
  if kind ~= "table" and math_type(v) ~= "float" then return v end
  state.steps = state.steps - 1
  if state.steps < 0 or state.depth >= DEPTH then return v end
  state.depth = state.depth + 1
  if kind ~= "table" then
    if node.integer then v = tointeger(v) or v end
  elseif is_array(v) then
    apply_to_items(node, v, state)
  else
    apply_to_members(node, v, state)
  end
  for _, inner in ipairs(node.inner or NONE) do v = apply(inner, v, state) end
  state.depth = state.depth - 1
  return v
end

--- A function that makes Lua integers of a value's floats wherever `schema` says "integer", in
--- place, and returns it; nil if the schema says so nowhere. For values that fit the schema.
---@param schema table|boolean
---@return (fun(v: any): any)?
function integers.compile(schema)
  local anchors = {}
  if type(schema) ~= "table" or not survey(schema, anchors, 0) then return nil end
  local node = compile(schema, { root = schema, anchors = anchors, nodes = {} })
  if not node then return nil end
  local state = {} -- one for all calls: nothing in here yields
  return function(v)
    state.steps, state.depth = STEPS, 0
    return apply(node, v, state)
  end
end

return integers
