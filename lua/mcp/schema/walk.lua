-- SPDX-License-Identifier: MIT
-- walk.lua: the schemas directly inside of a schema, for those who look at a
-- schema's text and not at what it means. A keyword that is not known is taken
-- for one that holds schemas, as a "$ref" can make it one.

local value = require "mcp.value"

local walk = {}

local function set(...)
  local names = {}
  for _, name in ipairs { ... } do names[name] = true end
  return names
end

-- What these hold are values, whatever they look like.
local DATA = set("const", "enum", "default", "examples")
-- What these hold are schemas by names that are the author's.
local NAMED = set("properties", "patternProperties", "$defs", "definitions", "dependentSchemas",
  "dependencies")

---Is what this keyword holds a value and no schema?
---@param keyword string
---@return boolean
function walk.is_data(keyword) return DATA[keyword] == true end

---Are these schemas by name?
---@param keyword string
---@return boolean
function walk.is_named(keyword) return NAMED[keyword] == true end

---Calls visit(child, keyword, name) for each; name is a string or an index, or
---nil where the keyword holds just one.
---@param schema table
---@param visit fun(child: table, keyword: string, name: string|integer|nil)
function walk.children(schema, visit)
  for keyword, held in next, schema do
    if type(held) == "table" and not DATA[keyword] then
      if NAMED[keyword] or value.is_array(held) then
        for name, child in next, held do
          if type(child) == "table" then visit(child, keyword, name) end
        end
      else
        visit(held, keyword, nil)
      end
    end
  end
end

return walk
