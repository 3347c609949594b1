-- SPDX-License-Identifier: MIT
-- outputs.lua: the output schema of a tool, from the successful responses of its operation.
local core = require "mcp.core"
local media = require "mcp.openapi.media"
local value = require "mcp.value"

local outputs = {}

-- Output schemas that are larger are left out of the list of tools, in bytes: with all that they
-- refer to, some take more than everything else that is said of a tool.
outputs.LIMIT = 16 << 10

local is_object = value.is_object

-- The schemas of the successful responses; nil if one of them may come without JSON.
local function successful(doc, op)
  local list = {}
  for status, node in next, op.responses do
    if tostring(status):find "^2" then
      local response, file = doc:object(node, op.file)
      local content = response and response.content
      if not is_object(content) or next(content) == nil then return nil end
      local name, type_of = media.choose(content)
      if not media.is_json(name) or not is_object(type_of) or type_of.schema == nil then
        return nil
      end
      list[#list + 1] = { status = tostring(status), node = type_of.schema, file = file }
    end
  end
  table.sort(list, function(a, b) return a.status < b.status end)
  return list[1] and list or nil
end

---The output schema of an operation; nil if it promises nothing, or too much.
---@param schemas mcp.openapi.Schemas
---@param op mcp.openapi.Operation
---@return table? schema
---@return boolean? is_object
function outputs.of(schemas, op)
  local list = successful(schemas.document, op)
  if not list then return nil end
  local uses, seen, any, objects = {}, {}, value.array(), true
  for _, each in ipairs(list) do
    local made = schemas:root(each.node, each.file, "out", uses)
    if type(made) ~= "table" or next(made) == nil then return nil end
    objects = objects and schemas:describes_object(each.node, each.file)
    local text = core.encode(made, true)
    if not text then return nil end
    if not seen[text] then
      seen[text] = true
      any[#any + 1] = made
    end
  end
  local schema = #any == 1 and any[1] or { anyOf = any }
  -- Only a root that says it is an object is sent as one in all revisions.
  if objects then schema.type = "object" end
  schema = schemas:complete(schema, "out", uses, outputs.LIMIT)
  local text = schema and core.encode(schema, true)
  if not text or #text > outputs.LIMIT then return nil end
  return schema, objects
end

return outputs
