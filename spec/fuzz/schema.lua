-- SPDX-License-Identifier: MIT
-- A schema as JSON, a NUL, a value as JSON. Compiling and checking never raise, end within their
-- steps, and say why not; a check gives the same twice.
local core = require "mcp.core"
local schema = require "mcp.schema"

local LIMITS = { steps = 20000 }

return function(bytes)
  local left, right = bytes:match "^([^\0]*)\0?(.*)$"
  local definition = core.decode(left)
  if type(definition) ~= "table" and type(definition) ~= "boolean" then return end
  local check, message = schema.compile(definition, { limits = LIMITS })
  if not check then
    assert(type(message) == "string")
    return
  end
  local value = core.decode(right)
  local ok, errors = check(value)
  if not ok then assert(type(schema.explain(errors, value, definition)) == "string") end
  assert((check(value)) == ok, "another result the second time")
end
