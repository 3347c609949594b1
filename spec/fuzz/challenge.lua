-- SPDX-License-Identifier: MIT
-- Any bytes as a WWW-Authenticate field: a list of challenges with names in
-- lower case, or nothing.
local challenge = require "mcp.auth.client.challenge"

return function(bytes)
  for _, one in ipairs(challenge.parse(bytes) or {}) do
    assert(one.scheme:find "^[^%s%u]+$", one.scheme)
    for name, value in pairs(one.params) do
      assert(not name:find "[%u%s]" and type(value) == "string", name)
    end
  end
end
