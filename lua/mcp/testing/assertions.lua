-- SPDX-License-Identifier: MIT
-- assertions: what tests of servers claim, as assertions of busted (luassert). Loaded by
-- mcp.testing if luassert is there.
local assert = require "luassert"
local core = require "mcp.core"
local say = require "say"

local function encoded(given)
  local text = core.encode(given, true)
  return text or tostring(given)
end

local function texts_of(result)
  local words = {}
  for _, block in ipairs(type(result) == "table" and result.content or {}) do
    words[#words + 1] = block.text
  end
  return table.concat(words, "\n")
end

local function same(a, b)
  return encoded(a) == encoded(b)
end

-- Adds an assertion and its texts; `judge(arguments)` returns whether it holds.
local function add(name, positive, negative, judge)
  say:set(("assertion.%s.positive"):format(name), positive)
  say:set(("assertion.%s.negative"):format(name), negative)
  assert:register("assertion", name, function(_, arguments)
    -- A call that failed has given nil, a text and a code: the message must say them.
    if arguments[2] == nil and type(arguments[3]) == "string" then
      arguments[2] = ("no result: %s (%s)"):format(arguments[3], tostring(arguments[4]))
    end
    return judge(table.unpack(arguments, 1, arguments.n))
  end, ("assertion.%s.positive"):format(name), ("assertion.%s.negative"):format(name))
end

---assert.returns_text("3", client:call_tool("add", { a = 1, b = 2 }))
add("returns_text", "Expected the text:\n%s\nof a tool that succeeds, in:\n%s",
  "Expected another text than:\n%s\nin:\n%s", function(text, result)
    return type(result) == "table" and not result.isError and texts_of(result) == text
  end)

---assert.returns_structured({ sum = 3 }, client:call_tool(…))
add("returns_structured", "Expected the structured content:\n%s\nin:\n%s",
  "Expected other structured content than:\n%s\nin:\n%s", function(expected, result)
    return type(result) == "table" and not result.isError
      and same(expected, result.structuredContent)
  end)

---assert.tool_fails("no luck", client:call_tool(…)): an error whose text has this part.
add("tool_fails", "Expected a tool's error with the text:\n%s\nin:\n%s",
  "Expected no such error:\n%s\nin:\n%s", function(text, result)
    return type(result) == "table" and result.isError == true
      and texts_of(result):find(text, 1, true) ~= nil
  end)

local LISTS = { tool = { "list_tools", "name" }, resource = { "list_resources", "uri" },
  template = { "list_resource_templates", "uriTemplate" }, prompt = { "list_prompts", "name" } }

---assert.offers("tool", "add", client)
add("offers", "Expected the server to offer the %s:\n%s",
  "Expected the server not to offer the %s:\n%s", function(kind, name, client)
    local list = LISTS[kind]
    if not list then
      error(("offers: expected tool, resource, template or prompt, got %s"):format(tostring(kind)),
        0)
    end
    for _, entry in ipairs(client[list[1]](client) or {}) do
      if entry[list[2]] == name then return true end
    end
    return false
  end)

return assert
