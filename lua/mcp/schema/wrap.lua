-- SPDX-License-Identifier: MIT
-- wrap.lua: a schema of any root as the schema of an object whose one member
-- `result` it describes, for revisions in which a root must be an object.
-- References from the root of the document move with it; a part with an "$id"
-- is a document of its own (JSON Schema core 8.2.1), and its references stay.

local value = require "mcp.value"
local walk = require "mcp.schema.walk"

local wrap = {}

---What tells clients of FastMCP that the value is what `result` holds: they give that to their
---program, and not the object around it. To anybody else it is a keyword that means nothing (JSON
---Schema core 4.3.1, 6.5).
wrap.MARK = "x-fastmcp-wrap-result"

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

---@param schema table|boolean
---@return table
function wrap.schema(schema)
  local inner, dialect = move(schema), nil
  if type(schema) == "table" and schema["$schema"] ~= nil then
    dialect = schema["$schema"]
    -- It may stand only where a document begins.
    if inner ~= schema then inner["$schema"] = nil end
  end
  return { ["$schema"] = dialect, type = "object", properties = { result = inner },
    required = value.array { "result" }, [wrap.MARK] = true }
end

return wrap
