-- SPDX-License-Identifier: MIT
-- schemas.lua: schemas of OpenAPI 3.0 and 3.1 as JSON Schema 2020-12. What a document refers to is
-- converted once for each direction and shared by all tools: a reference becomes one to "$defs",
-- which every schema carries for what it reaches. Nothing is compiled here.
--
-- "in" is what a model sends: no readOnly members. "out" is what an API returns: no writeOnly
-- members, and more members than it names, since an API may grow.
local core = require "mcp.core"
local pattern = require "mcp.schema.pattern"
local schema_limits = require("mcp.schema.limits").with()
local value = require "mcp.value"

local schemas = {}

local is_object, is_array = value.is_object, value.is_array

local TYPES = { string = true, number = true, integer = true, boolean = true, array = true,
  object = true, null = true }

-- Each tells whether a keyword has a value that means something. Others are left out: documents
-- have many mistakes, and one of them must not take the whole schema with it.
local function is_number(v) return type(v) == "number" end
local function is_count(v) return type(v) == "number" and v >= 0 and v % 1 == 0 end
local function is_text(v) return type(v) == "string" end
local function is_boolean(v) return type(v) == "boolean" end

local PLAIN = {
  title = is_text, description = is_text, format = is_text, deprecated = is_boolean,
  minimum = is_number, maximum = is_number,
  multipleOf = function(v) return type(v) == "number" and v > 0 end,
  minLength = is_count, maxLength = is_count, minItems = is_count, maxItems = is_count,
  minProperties = is_count, maxProperties = is_count, minContains = is_count,
  maxContains = is_count, uniqueItems = is_boolean,
  contentEncoding = is_text, contentMediaType = is_text,
  const = function() return true end, default = function() return true end,
  enum = function(v) return is_array(v) and v[1] ~= nil end,
}
local SINGLE = { "items", "contains", "additionalProperties", "propertyNames", "not", "if", "then",
  "else", "unevaluatedItems", "unevaluatedProperties", "contentSchema" }
local SEVERAL = { "allOf", "anyOf", "prefixItems" }
local NAMED = { "properties", "patternProperties", "dependentSchemas" }

-- What hides a member of an object.
local HIDDEN = { ["in"] = "readOnly", out = "writeOnly" }

---@class mcp.openapi.Schemas
---@field document mcp.openapi.Document
---@field warn fun(text: string)
local Schemas = { __name = "mcp.openapi.schemas" }
Schemas.__index = Schemas

---@param document mcp.openapi.Document
---@param warn fun(text: string) called once for each defect
---@return mcp.openapi.Schemas
function schemas.new(document, warn)
  return setmetatable({ document = document, warn = warn,
    ["in"] = { names = {}, definitions = {} }, out = { names = {}, definitions = {} },
    patterns = {} }, Schemas)
end

-- The name in "$defs" of what a reference leads to; nil if it leads nowhere.
function Schemas:name_of(ref, file, direction)
  local node, where, pointer = self.document:find(ref, file)
  if node == nil then
    self.warn("a schema refers to " .. where .. "; anything is accepted there")
    return nil
  end
  local known = self[direction]
  local key = where.name .. "#" .. pointer
  local name = known.names[key]
  if name then return name end
  name = (pointer:match "([^/]+)$" or where.name):gsub("[^%w_.-]", "_")
  if known.definitions[name] then
    local n = 2
    while known.definitions[name .. "_" .. n] do n = n + 1 end
    name = name .. "_" .. n
  end
  known.names[key] = name
  known.definitions[name] = { node = node, file = where }
  return name
end

-- Adds null to what a schema allows.
local function nullable(out)
  local kind = out.type
  if type(kind) == "string" then
    if kind == "null" then return out end
    out.type = value.array { kind, "null" }
  elseif kind then
    for _, each in ipairs(kind) do
      if each == "null" then return out end
    end
    kind[#kind + 1] = "null"
  elseif out["$ref"] or out.allOf or out.anyOf or out.enum or out.const ~= nil then
    return { anyOf = value.array { out, { type = "null" } } }
  end
  if out.enum then
    for _, each in ipairs(out.enum) do
      if each == value.null then return out end
    end
    local more = value.array(table.move(out.enum, 1, #out.enum, 1, {}))
    more[#more + 1] = value.null
    out.enum = more
  end
  return out
end

-- Is this member of an object left out?
function Schemas:is_hidden(node, file, direction)
  if not is_object(node) then return false end
  local mark = HIDDEN[direction]
  if node[mark] == true then return true end
  if node["$ref"] == nil then return false end
  local target = self.document:object(node, file)
  return target ~= nil and target[mark] == true
end

local function convert_type(node, out)
  local kind = node.type
  if type(kind) == "string" then
    if TYPES[kind] then out.type = kind end
  elseif is_array(kind) then
    local kinds = value.array()
    for _, each in ipairs(kind) do
      if TYPES[each] then kinds[#kinds + 1] = each end
    end
    if kinds[1] then out.type = #kinds == 1 and kinds[1] or kinds end
  end
end

-- The limits of numbers: in 3.0 "exclusiveMinimum" says of "minimum" that it is excluded.
local function convert_bounds(node, out)
  for exclusive, inclusive in pairs { exclusiveMinimum = "minimum", exclusiveMaximum = "maximum" }
  do
    local given = node[exclusive]
    if given == true and out[inclusive] then
      out[exclusive], out[inclusive] = out[inclusive], nil
    elseif type(given) == "number" then
      out[exclusive] = given
    end
  end
end

-- A pattern that cannot be compiled would make the whole schema useless.
function Schemas:convert_pattern(text, out)
  if type(text) ~= "string" then return end
  local good = self.patterns[text]
  if good == nil then
    local compiled, message = pattern.compile(text, schema_limits.pattern)
    good = compiled ~= nil
    self.patterns[text] = good
    if not good then self.warn(("the pattern %q is ignored: %s"):format(text, message)) end
  end
  if good then out.pattern = text end
end

function Schemas:convert_members(node, file, direction, uses, out)
  for _, keyword in ipairs(NAMED) do
    local held = node[keyword]
    if is_object(held) and next(held) ~= nil then
      local members = {}
      for name, member in next, held do
        if type(name) == "string" and not self:is_hidden(member, file, direction) then
          members[name] = self:convert(member, file, direction, uses)
        end
      end
      out[keyword] = members
    end
  end
  if is_array(node.required) then
    local required, hidden = value.array(), node.properties
    for _, name in ipairs(node.required) do
      if type(name) == "string" and not (is_object(hidden)
        and self:is_hidden(hidden[name], file, direction)) then
        required[#required + 1] = name
      end
    end
    if required[1] then out.required = required end
  end
end

-- "oneOf" becomes "anyOf": in most documents more than one alternative fits a value, which
-- is not noticed as long as no program checks.
function Schemas:convert_lists(node, file, direction, uses, out)
  local function all(list)
    local made = value.array()
    for i, each in ipairs(list) do made[i] = self:convert(each, file, direction, uses) end
    return made
  end
  for _, keyword in ipairs(SEVERAL) do
    if is_array(node[keyword]) and node[keyword][1] ~= nil then
      out[keyword] = all(node[keyword])
    end
  end
  if is_array(node.oneOf) and node.oneOf[1] ~= nil then
    local any = all(node.oneOf)
    if out.anyOf then
      out.allOf = out.allOf or value.array()
      out.allOf[#out.allOf + 1] = { anyOf = any }
    else
      out.anyOf = any
    end
  end
end

-- The schemas under one keyword each.
function Schemas:convert_single(node, file, direction, uses, out)
  for _, keyword in ipairs(SINGLE) do
    local held = node[keyword]
    if keyword == "items" and is_array(held) then
      out.prefixItems = value.array()
      for i, each in ipairs(held) do
        out.prefixItems[i] = self:convert(each, file, direction, uses)
      end
    elseif type(held) == "boolean" or is_object(held) then
      -- What an API adds later is no mistake.
      if not (direction == "out" and held == false) then
        out[keyword] = self:convert(held, file, direction, uses)
      end
    end
  end
end

-- One schema; `uses` receives the names of the definitions that it refers to.
function Schemas:convert(node, file, direction, uses)
  if type(node) == "boolean" then return node end
  if not is_object(node) then return {} end
  local out = {}
  local ref = node["$ref"]
  if type(ref) == "string" then
    local name = self:name_of(ref, file, direction)
    if name then
      out["$ref"] = "#/$defs/" .. name
      uses[name] = true
    end
    if self.document.legacy then
      if type(node.description) == "string" then out.description = node.description end
      return node.nullable == true and nullable(out) or out
    end
  end
  convert_type(node, out)
  for keyword, fits in next, PLAIN do
    local held = node[keyword]
    if held ~= nil and fits(held) then out[keyword] = held end
  end
  convert_bounds(node, out)
  self:convert_pattern(node.pattern, out)
  self:convert_members(node, file, direction, uses, out)
  self:convert_lists(node, file, direction, uses, out)
  self:convert_single(node, file, direction, uses, out)
  return node.nullable == true and nullable(out) or out
end

-- The definition of a name, converted at its first use.
function Schemas:definition(name, direction)
  local found = self[direction].definitions[name]
  if found.schema == nil then
    found.uses = {}
    found.schema = self:convert(found.node, found.file, direction, found.uses)
  end
  return found
end

---A schema of the document, converted.
---@param node any
---@param file mcp.openapi.File
---@param direction "in"|"out"
---@param uses table<string, boolean> receives the names of the definitions that it refers to
---@return table|boolean
function Schemas:schema(node, file, direction, uses)
  return self:convert(node, file, direction, uses)
end

---The same for the root of a document: what is nothing but a reference is replaced by what it
---leads to, so that the type stands at the root.
---@param node any
---@param file mcp.openapi.File
---@param direction "in"|"out"
---@param uses table<string, boolean>
---@return table|boolean
function Schemas:root(node, file, direction, uses)
  local made = self:convert(node, file, direction, uses)
  for _ = 1, 64 do
    if type(made) ~= "table" then return made end
    local name = next(made) == "$ref" and next(made, "$ref") == nil
      and made["$ref"]:match "^#/%$defs/(.*)$"
    if not name then break end
    local found = self:definition(name, direction)
    if type(found.schema) ~= "table" then return found.schema end
    uses[name] = nil
    for used in next, found.uses do uses[used] = true end
    made = {}
    for keyword, held in next, found.schema do made[keyword] = held end
  end
  return made
end

-- The bytes of a definition as text.
local function size_of(found)
  if not found.size then found.size = #(core.encode(found.schema) or "") end
  return found.size
end

---Adds "$defs" for all that a schema reaches.
---@param schema table changed in place
---@param direction "in"|"out"
---@param uses table<string, boolean>
---@param limit integer? bytes of all definitions
---@return table? schema nil if there are more bytes than that
function Schemas:complete(schema, direction, uses, limit)
  local open, definitions, size = {}, {}, 0
  for name in next, uses do open[#open + 1] = name end
  while #open > 0 do
    local name = table.remove(open)
    if definitions[name] == nil then
      local found = self:definition(name, direction)
      definitions[name] = found.schema
      size = limit and size + size_of(found) or 0
      if limit and size > limit then return nil end
      for used in next, found.uses do open[#open + 1] = used end
    end
  end
  if next(definitions) ~= nil then schema["$defs"] = definitions end
  return schema
end

---Whether a schema describes objects only.
---@param node any
---@param file mcp.openapi.File
---@param depth integer?
---@return boolean
function Schemas:describes_object(node, file, depth)
  depth = depth or 0
  local found, where = self.document:object(node, file)
  if not found or depth > 20 or found.nullable == true then return false end
  if found.type ~= nil then return found.type == "object" end
  if is_object(found.properties) then return true end
  if is_array(found.allOf) then
    for _, each in ipairs(found.allOf) do
      if self:describes_object(each, where, depth + 1) then return true end
    end
  end
  for _, keyword in ipairs { "oneOf", "anyOf" } do
    local list = found[keyword]
    if is_array(list) and list[1] ~= nil then
      for _, each in ipairs(list) do
        if not self:describes_object(each, where, depth + 1) then return false end
      end
      return true
    end
  end
  return false
end

return schemas
