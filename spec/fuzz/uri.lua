-- SPDX-License-Identifier: MIT
-- A URI template, a NUL, a URI. What a template expands to it also matches.
local uri = require "mcp.uri"

return function(bytes)
  local source, subject = bytes:match "^([^\0]*)\0?(.*)$"
  uri.valid_absolute(subject)
  local template = uri.template(source)
  if not template then return end
  local vars = template:match(subject)
  if vars then assert(type(vars) == "table") end
end
