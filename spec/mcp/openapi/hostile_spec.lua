-- SPDX-License-Identifier: MIT
-- Documents with anything anywhere: an import may refuse them, and tools may fail, with a message;
-- nothing fails in our own code.
local core = require "mcp.core"
local mcp = require "mcp"
local value = require "mcp.value"
local yaml = require "mcp.yaml"

local function read(path)
  local file <close> = assert(io.open(path))
  return assert(yaml.decode(file:read "a", { aliases = true }))
end

-- Numbers that are the same in each run.
local state = 1
local function random(n)
  state = (state * 1103515245 + 12345) & 0x7fffffff
  return state // 65536 % n + 1
end

local function copy(v)
  if type(v) ~= "table" then return v end
  local out = {}
  for key, member in next, v do out[key] = copy(member) end
  return setmetatable(out, getmetatable(v))
end

local ODD = {
  function() return mcp.null end, function() return true end, function() return -1.5 end,
  function() return "" end, function() return "x" end, function() return mcp.array {} end,
  function() return {} end, function() return mcp.array { mcp.array { 1 }, mcp.null } end,
  function() return { ["$ref"] = "#/paths" } end, function() return { ["$ref"] = "#" } end,
  function() return { ["$ref"] = "../x.yaml" } end, function() return { type = "object" } end,
  function() return "{a}{b" end, function() return { [""] = {} } end,
}

-- Replaces one place of a document, found by walking down at random.
local function spoil(document)
  local at, key = { root = document }, "root"
  for _ = 1, 1 + random(9) do
    local inner = at[key]
    if type(inner) ~= "table" or next(inner) == nil then break end
    local keys = {}
    for name in next, inner do keys[#keys + 1] = name end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    at, key = inner, keys[random(#keys)]
  end
  at[key] = ODD[random(#ODD)]()
end

local ARGUMENTS = { {}, { id = 1 }, { id = "x", body = {}, a = "v", b = mcp.array { "x" },
  o = { n = 1 } } }

local function check_text(text, what)
  assert.is_nil(text:find("attempt to", 1, true), what .. ": " .. text)
  assert.is_nil(text:find("bad argument", 1, true), what .. ": " .. text)
  assert.is_nil(text:find("mcp/openapi/", 1, true), what .. ": " .. text)
end

-- Imports a document and does all that can be done with it; true if it was imported.
local function try(document, what)
  local app = mcp.server { name = "hostile", page_size = 10 }
  local ok, text = pcall(app.openapi, app, document, { base_url = "http://127.0.0.1:1" })
  if not ok then
    check_text(text:gsub("^[^ ]+: ", ""), what)
    return false
  end
  if not app:has "tools" then return true end
  local client <close> = assert(mcp.connect(app, { validate = false }))
  local tools = assert(client:list_tools(), what)
  for i, tool in ipairs(tools) do
    local result, message = client:call_tool(tool.name, copy(ARGUMENTS[i % #ARGUMENTS + 1]))
    check_text(result and result.content[1].text or message, what)
  end
  return true
end

describe("a document", function()
  for _, path in ipairs { "examples/bookshop.yaml", "scripts/openapi/styles.yaml" } do
    it("with anything anywhere fails with a message, if at all: " .. path, function()
      local whole, imported = read(path), 0
      for i = 1, 150 do
        state = i * 7919
        local document = copy(whole)
        for _ = 1, random(6) do spoil(document) end
        if value.is_object(document) and try(document, "seed " .. i) then
          imported = imported + 1
        end
      end
      assert.is_true(imported > 40, imported .. " were imported")
      collectgarbage()
    end)
  end

  it("of one text may be any JSON", function()
    for _, text in ipairs { "[]", "null", "1", '"x"', "{}", '{"openapi":3.0}', '{"openapi":"3.1"}',
      '{"openapi":"3.0.0","paths":[]}', '{"openapi":"3.0.0","paths":{"/a":{"get":[]}}}',
      '{"openapi":"3.0.0","paths":{"/{":{"get":{}}}}', '{"openapi":"3.0.0","components":[],"x":{}}',
      '{"openapi":"3.0.0","servers":{"url":1},"security":{"a":1},"paths":{"/a":{"get":{}}}}' } do
      local document = core.json_decode(text)
      if type(document) == "table" then try(document, text) end
    end
  end)
end)
