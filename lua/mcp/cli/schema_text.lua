-- SPDX-License-Identifier: MIT
-- schema_text: the members of a JSON Schema as rows of text.
local arguments = require "mcp.cli.arguments"
local core = require "mcp.core"
local foreign = require "mcp.foreign"
local nearest = require "mcp.nearest"

local schema_text = {}

---@class mcp.cli.SchemaRow
---@field name string
---@field type string in words
---@field required boolean
---@field default string|nil as JSON
---@field description string|nil

---The members of an object's schema, the required ones first. A schema of another type is one row
---named "value".
---@param schema table|nil
---@return mcp.cli.SchemaRow[]
function schema_text.rows(schema)
  if type(schema) ~= "table" then return {} end
  local properties = type(schema.properties) == "table" and foreign.object(schema.properties)
  if not properties then
    if schema.type == "object" or schema.type == nil then return {} end
    return { { name = "value", type = arguments.type_name(schema, schema), required = true,
      description = foreign.string(schema.description) } }
  end
  local required, rows = {}, {}
  for _, name in ipairs(foreign.strings(schema.required)) do
    required[name] = true
  end
  for _, name in ipairs(nearest.keys(properties)) do
    local property = properties[name]
    local about = type(property) == "table" and property or {}
    rows[#rows + 1] = { name = name, type = arguments.type_name(property, schema),
      required = required[name] or false, description = foreign.string(about.description),
      default = about.default ~= nil and (core.encode(about.default)) or nil }
  end
  table.sort(rows, function(a, b)
    if a.required ~= b.required then return a.required end
    return a.name < b.name
  end)
  return rows
end

return schema_text
