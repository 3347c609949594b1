-- SPDX-License-Identifier: MIT
-- walk.lua: the schemas directly inside a schema, for code that works on a schema's text and not
-- on its meaning. An unknown keyword is assumed to hold schemas, as a "$ref" may refer to them.

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

-- --- wrapping -------------------------------------------------------------------

---Marks a wrapped schema for FastMCP clients: they return the value of `result`, not the object
---around it. Other clients ignore the unknown keyword (JSON Schema core 4.3.1, 6.5).
walk.WRAPPED = "x-fastmcp-wrap-result"

local PLACE = "#/properties/result"

local function moved_reference(ref)
  if ref == "#" then return PLACE end
  if ref:find "^#/" then return PLACE .. ref:sub(2) end
  return ref
end

local move

-- A list of schemas, or schemas by name.
local function move_each(held)
  local out = {}
  for name, child in next, held do out[name] = move(child) end
  return setmetatable(out, getmetatable(held))
end

function move(schema)
  if type(schema) ~= "table" then return schema end
  local id = schema["$id"]
  if type(id) == "string" and not id:find "^#" then return schema end
  local out = {}
  for keyword, held in next, schema do
    if type(held) == "table" and not walk.is_data(keyword) then
      held = (walk.is_named(keyword) or value.is_array(held)) and move_each(held) or move(held)
    elseif type(held) == "string" and (keyword == "$ref" or keyword == "$dynamicRef") then
      held = moved_reference(held)
    end
    out[keyword] = held
  end
  return setmetatable(out, getmetatable(schema))
end

---Wraps a schema of any root: returns the schema of an object whose member `result` it describes,
---for revisions in which the root must be an object. References from the root of the document are
---adjusted; a part with an "$id" is a document of its own (JSON Schema core 8.2.1), and its
---references stay.
---@param schema table|boolean
---@return table
function walk.wrap(schema)
  local inner, dialect = move(schema), nil
  if type(schema) == "table" and schema["$schema"] ~= nil then
    dialect = schema["$schema"]
    -- It may only stand at the root of a document.
    if inner ~= schema then inner["$schema"] = nil end
  end
  return { ["$schema"] = dialect, type = "object", properties = { result = inner },
    required = value.array { "result" }, [walk.WRAPPED] = true }
end

return walk
