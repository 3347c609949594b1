-- SPDX-License-Identifier: MIT
-- What processes share, over a Redis: the specs of lua/mcp/server/shared once more.
local redis_server = require "spec.mcp.store.redis_server"
local several = require "spec.several"

describe("over Redis", function()
  if redis_server.is_missing(_ENV, "a Redis") then return end

  local before = several.address
  setup(function() several.address = redis_server.begin().unix_url end)
  teardown(function()
    several.address = before
    redis_server.tidy()
  end)

  for _, name in ipairs { "init", "sessions", "changes", "streams", "calls", "tasks", "posts",
    "away" } do
    assert(loadfile(("spec/mcp/shared/%s_spec.lua"):format(name), "t", _ENV))()
  end
end)
