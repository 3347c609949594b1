-- SPDX-License-Identifier: MIT
-- The requests of `make openapi`, without the peers: a document that has every style, and what an
-- API must get for each call.
local api = require "spec.mcp.openapi.api"
local core = require "mcp.core"
local helper = require "spec.helper"

local function read(path)
  local file <close> = assert(io.open(path))
  return assert(core.decode(file:read "a"))
end

describe("a request", function()
  after_each(api.close)

  for _, row in ipairs(read "scripts/openapi/calls.json") do
    it("with " .. row.row, function()
      local server = api.serve(function() return {} end)
      local client = api.client("scripts/openapi/styles.yaml", { base_url = server.at })
      local result = assert(client:call_tool(row.tool, row.arguments))
      assert.is_nil(result.isError)
      local request = server.requests[1]
      if row.target then assert.equal(row.target, request.target) end
      for name, field in pairs(row.headers or {}) do assert.equal(field, request.fields[name]) end
      if row.json then
        assert.same(helper.plain(row.json), helper.plain(core.decode(request.body)))
      end
      if row.form then assert.equal("a=x%20y&list=1&list=2", request.body) end
      if row.part then assert.is_truthy(request.body:find(row.part, 1, true)) end
      assert.is_truthy(row.target or row.headers or row.json or row.form or row.part)
    end)
  end
end)
