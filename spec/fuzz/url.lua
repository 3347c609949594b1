-- SPDX-License-Identifier: MIT
-- An address, a NUL, a reference. What is read is read the same again, and what
-- a reference is resolved to is an address without dots in its path.
local url = require "mcp.url"

return function(bytes)
  local text, reference = bytes:match "^([^\0]*)\0?(.*)$"
  url.parse_form(text)
  local parsed = url.parse(text)
  if not parsed then return end
  assert(not text:match("^[^#]*"):find "[%c ]", "controls in an address")
  if parsed.unix then return end
  assert(parsed.host ~= "" and parsed.port >= 1 and parsed.port <= 65535)
  assert(parsed.target:sub(1, 1) == "/" and not parsed.target:find "[%c #]", parsed.target)
  local again = assert(url.parse(parsed.origin .. parsed.target))
  for _, name in ipairs { "scheme", "host", "port", "path", "query", "target", "origin" } do
    assert(again[name] == parsed[name], name)
  end
  local resolved = url.resolve(text, reference)
  assert(resolved == nil or type(resolved) == "string")
end
