-- SPDX-License-Identifier: MIT
-- mirror: arguments of a tool that a client repeats in header fields of HTTP,
-- so that whatever stands in front of a server can route by them without
-- reading bodies: "x-mcp-header" in an input schema. The fields must say what
-- the body says, or whoever routed by them was lied to.
local header = require "mcp.header"
local value = require "mcp.value"
local walk = require "mcp.schema.walk"

local mirror = {}

local KEYWORD = "x-mcp-header"
local TYPES = { string = true, integer = true, boolean = true }

-- The integers that every JSON reader has exactly (HM-41).
local SAFE = 2 ^ 53 - 1

local function complain(path, text, ...)
  error(("input: %s: %s %s"):format(#path > 0 and '"' .. table.concat(path, ".") .. '"'
    or "the root", KEYWORD, text:format(...)), 0)
end

-- One annotation, checked.
local function annotation(schema, path, reachable)
  local name = schema[KEYWORD]
  if type(name) ~= "string" then
    complain(path, "must be a string, not %s", value.kind(name))
  elseif not header.is_token(name) then
    complain(path, "%q cannot be part of a header's name (RFC 9110 5.6.2)", name)
  elseif not reachable then
    complain(path, "can only stand on a property that is reached through properties alone")
  elseif not TYPES[schema.type] then
    complain(path, 'needs the type "string", "integer" or "boolean" and no other')
  end
  return { name = name, field = "mcp-param-" .. name:lower(), type = schema.type, path = path }
end

---The mirrored arguments of an input schema that compiles; nil if there are
---none. Raises (level 0) what is wrong with them (HM-41).
---@param schema table
---@return table[]|nil mirrors
function mirror.find(schema)
  local found = {}
  local function visit(node, path, reachable)
    if node[KEYWORD] ~= nil then
      found[#found + 1] = annotation(node, path, reachable and #path > 0)
    end
    walk.children(node, function(child, keyword, name)
      local step = name == nil and keyword or tostring(name)
      visit(child, table.move(path, 1, #path, 1, { [#path + 1] = step }),
        reachable and keyword == "properties")
    end)
  end
  visit(schema, {}, true)
  if not found[1] then return nil end
  table.sort(found, function(a, b)
    return table.concat(a.path, "\0") < table.concat(b.path, "\0")
  end)
  local taken = {}
  for _, one in ipairs(found) do
    if taken[one.field] then
      complain(one.path, '%q names the header of "%s" already', one.name,
        table.concat(taken[one.field].path, "."))
    end
    taken[one.field] = one
  end
  return found
end

-- A number as JSON writes it; nil if it is none.
local function number_of(text)
  local whole, rest = text:match "^%-?(%d+)(.*)$"
  if not whole or (#whole > 1 and whole:sub(1, 1) == "0") then return nil end
  rest = rest:gsub("^%.%d+", "")
  if rest ~= "" and not rest:find "^[eE][+-]?%d+$" then return nil end
  return tonumber(text)
end

-- What is wrong with a field that should say `given`; nil if nothing is.
local function compare(given, field)
  -- What is not of the ASCII that a field can show has to come encoded (HM-30).
  local text = not field:find "[^\t\x20-\x7e]" and header.decode(field)
  if not text then return "is malformed" end
  if type(given) == "string" then return text ~= given and "does not match" or nil end
  if type(given) == "boolean" then return text ~= tostring(given) and "does not match" or nil end
  if type(given) ~= "number" then return "does not match" end
  if given > SAFE or given < -SAFE then
    return "stands for an integer beyond 2^53 - 1, which no header may carry;"
  end
  return number_of(text) ~= given and "does not match" or nil
end

---Compares header fields with arguments (HM-33, HM-45, HM-46).
---@param mirrors table[]
---@param arguments table
---@param x userdata the exchange
---@return string|nil text what is wrong
function mirror.check(mirrors, arguments, x)
  for _, one in ipairs(mirrors) do
    local given, field = value.at(arguments, one.path), x:header(one.field)
    local wrong
    if field == false then
      wrong = "was sent twice for"
    elseif given == nil then
      wrong = field and "was sent without" or nil
    elseif field then
      wrong = compare(given, field)
    elseif type(given) ~= "table" then
      -- An argument that is a table cannot be mirrored, and will be refused as an argument.
      wrong = "is missing for"
    end
    if wrong then
      return ("Mcp-Param-%s %s params.arguments.%s"):format(one.name, wrong,
        table.concat(one.path, "."))
    end
  end
  return nil
end

return mirror
