-- SPDX-License-Identifier: MIT
-- Older revisions have structured results that are objects: a scalar goes out as { result = … }.
-- Clients of FastMCP unwrap that where the output schema has the mark x-fastmcp-wrap-result; to
-- anybody else the mark is a keyword that means nothing. (Tried with FastMCP 4.2.3, and with the
-- TypeScript and Python SDKs.)
local helper = require "spec.helper"
local mcp = require "mcp"
local schema = require "mcp.schema"
local value = require "mcp.value"

local MARK = "x-fastmcp-wrap-result"

-- The output schema that a client of a revision is shown, and what a call gives.
local function shown(options, result, revision)
  local app = mcp.server "spec"
  app:tool "t" (options) (function() return result end)
  local client <close> = assert(mcp.connect(app, { revision = revision }))
  local tool = client:list_tools()[1]
  return tool.outputSchema, assert(client:call_tool "t").structuredContent
end

describe("a wrapped result", function()
  after_each(helper.leftovers)

  local WRAPPED = {
    scalar = { { output = "integer" }, 3 },
    text = { { output = "string" }, "x" },
    list = { { output_schema = { type = "array", items = { type = "string" } } },
      value.array { "a" } },
    union = { { output_schema = { anyOf = { { type = "object" }, { type = "null" } } } },
      { a = 1 } },
    reference = { { output_schema = { ["$ref"] = "#/$defs/n",
      ["$defs"] = { n = { type = "boolean" } } } }, true },
  }

  it("has the mark in its schema, which still holds for it", function()
    for name, case in pairs(WRAPPED) do
      for _, revision in ipairs { "2025-06-18", "2025-11-25" } do
        local definition, content = shown(case[1], case[2], revision)
        assert.is_true(definition[MARK], name)
        assert.equal("object", definition.type)
        assert.same({ result = helper.plain(case[2]) }, helper.plain(content))
        local check = assert(schema.compile(definition))
        assert.is_true(check(content), name)
        assert.is_false((check { other = 1 }))
      end
    end
  end)

  it("is the only one that has it", function()
    for _, revision in ipairs { "2025-06-18", "2025-11-25", "2026-07-28" } do
      for _, case in ipairs {
        { { output = { x = "integer" } }, { x = 1 } },
        -- An object that has such a member by itself is not unwrapped.
        { { output = { result = "integer" } }, { result = 1 } },
      } do
        local definition, content = shown(case[1], case[2], revision)
        assert.is_nil(definition[MARK])
        assert.same(case[2], helper.plain(content))
      end
    end
    -- Nor what goes out as it is.
    for _, case in pairs(WRAPPED) do
      assert.is_nil((shown(case[1], case[2], "2026-07-28"))[MARK])
    end
  end)

  it("is not changed by an author's mark", function()
    local definition, content = shown({ output_schema = { type = "object", [MARK] = false,
      properties = { result = { type = "integer" } } } }, { result = 1 }, "2025-11-25")
    assert.is_false(definition[MARK])
    assert.same({ result = 1 }, helper.plain(content))
  end)
end)
