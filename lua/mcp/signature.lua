-- SPDX-License-Identifier: MIT
-- signature: a JSON Schema as one short line, for lists that people and models read. The schema may
-- come from a peer: what has an unexpected type counts as absent.
local core = require "mcp.core"
local foreign = require "mcp.foreign"
local nearest = require "mcp.nearest"

local signature = {}

---Schemas that a text is tried on, or that the name of a type is made of: references can lead back
---to where they are, and choices of choices double with each step.
signature.SCHEMAS = 64
---The longest name of a type, in bytes.
signature.NAME = 200

---The schema that a local reference points to. Second, its members if it is a choice.
---@param schema any
---@param root table the schema that references point into
---@return table schema
---@return table|nil choice
function signature.follow(schema, root)
  for _ = 1, 16 do
    if type(schema) ~= "table" then return {} end
    local reference = schema["$ref"]
    local choice = schema.anyOf or schema.oneOf
    if type(reference) == "string" and reference:find "^#/" then
      local at = root
      for part in reference:gmatch "/([^/]+)" do
        at = type(at) == "table" and at[(part:gsub("~1", "/"):gsub("~0", "~"))] or nil
      end
      schema = at
    elseif type(choice) == "table" and not schema.type then
      return schema, choice
    else
      return schema
    end
  end
  return {}
end

-- The members of an enumeration, as far as they are short.
local function enum_text(members)
  local words, length = {}, 0
  for i, member in ipairs(members) do
    words[i] = type(member) == "string" and member or core.encode(member) or "?"
    length = length + #words[i]
    if length > 40 then return nil end
  end
  return table.concat(words, "|")
end

local function name_of(schema, root, budget)
  local choice
  budget.left = budget.left - 1
  if budget.left < 0 then return "…" end
  schema, choice = signature.follow(schema, root)
  if choice then
    local names, seen = {}, {}
    for _, each in ipairs(choice) do
      local name = name_of(each, root, budget)
      if not seen[name] then names[#names + 1], seen[name] = name, true end
      if budget.left < 0 then break end
    end
    return table.concat(names, "|")
  end
  local text = type(schema.enum) == "table" and enum_text(schema.enum)
  if text then return text end
  local name = schema.type
  if type(name) == "table" then name = table.concat(foreign.strings(name), "|") end
  if name == "array" and type(schema.items) == "table" then
    return name_of(schema.items, root, budget) .. "[]"
  end
  return type(name) == "string" and name or "any"
end

---The type that a schema describes, in words: `integer`, `string[]`, `red|blue`.
---@param schema any
---@param root table the schema that its references point into
---@return string
function signature.type_name(schema, root)
  local name = name_of(schema, root, { left = signature.SCHEMAS })
  return #name <= signature.NAME and name or "any"
end

---The arguments of a schema as a signature: `(a: number, unit?: string)`.
---@param schema table|nil
---@return string
function signature.of(schema)
  local properties = foreign.object(foreign.object(schema).properties)
  local required, first, later = {}, {}, {}
  for _, name in ipairs(foreign.strings(foreign.object(schema).required)) do
    if properties[name] and not required[name] then
      first[#first + 1] = ("%s: %s"):format(name, signature.type_name(properties[name], schema))
    end
    required[name] = true
  end
  for _, name in ipairs(nearest.keys(properties)) do
    if not required[name] then
      later[#later + 1] = ("%s?: %s"):format(name, signature.type_name(properties[name], schema))
    end
  end
  table.move(later, 1, #later, #first + 1, first)
  return "(" .. table.concat(first, ", ") .. ")"
end

return signature
