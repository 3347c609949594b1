-- SPDX-License-Identifier: MIT
-- dialect.lua: which keywords a schema's "$schema" gives a meaning to. A dialect is a set of
-- vocabularies (JSON Schema core 8.1); a metaschema of one's own picks them with "$vocabulary".

local dialect = {}

local BASE = "https://json-schema.org/draft/2020-12/"

local DRAFT7 = "http://json-schema.org/draft-07/schema"
local SUPPORTED = "only 2020-12 and draft 7 are"

--- The dialect of a schema that names none.
dialect.DEFAULT = BASE .. "schema"

-- Every vocabulary of 2020-12 that has keywords with an effect on the outcome.
local VOCABULARIES = {
  core = { "$ref", "$dynamicRef" },
  applicator = {
    "prefixItems", "items", "contains", "properties", "patternProperties", "additionalProperties",
    "propertyNames", "dependentSchemas", "allOf", "anyOf", "oneOf", "not", "if", "then", "else",
  },
  unevaluated = { "unevaluatedItems", "unevaluatedProperties" },
  validation = {
    "type", "const", "enum", "multipleOf", "maximum", "exclusiveMaximum", "minimum",
    "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems",
    "maxContains", "minContains", "maxProperties", "minProperties", "required",
    "dependentRequired",
  },
  ["meta-data"] = {},
  ["format-annotation"] = { "format" },
  ["format-assertion"] = { "format" },
  content = {},
}

-- Where subschemas stand, whatever the vocabularies say: one, a list of them, or named ones.
local PLACES = {
  one = {
    "items", "contains", "additionalProperties", "propertyNames", "not", "if", "then", "else",
    "unevaluatedItems", "unevaluatedProperties", "contentSchema",
  },
  list = { "prefixItems", "allOf", "anyOf", "oneOf" },
  named = { "$defs", "definitions", "properties", "patternProperties", "dependentSchemas" },
}

---@class mcp.schema.Dialect
---@field has table<string, boolean>  the keywords that count
---@field whole boolean  all keywords of 2020-12 count
---@field assert_formats boolean  "format" is a demand, not a remark
---@field places table  where subschemas stand
---@field rewrite? fun(schema: table)  makes one schema of an older draft one of 2020-12

local function make(names)
  local d = { has = {}, whole = false, assert_formats = names["format-assertion"] or false,
    places = PLACES }
  for name in pairs(names) do
    for _, keyword in ipairs(VOCABULARIES[name]) do d.has[keyword] = true end
  end
  return d
end

local full = {}
for name in pairs(VOCABULARIES) do full[name] = name ~= "format-assertion" or nil end
local standard = make(full)
standard.whole = true

local old = make(full)
old.whole = true

-- Loaded when the first such schema comes: most programs see none.
function old.rewrite(schema)
  require("mcp.schema.draft7").rewrite(schema)
end

local OTHERS = {
  ["http://json-schema.org/schema"] = "the newest draft, whichever it is",
  ["http://json-schema.org/draft-03/schema"] = "draft 3",
  ["http://json-schema.org/draft-04/schema"] = "draft 4",
  ["http://json-schema.org/draft-06/schema"] = "draft 6",
  ["https://json-schema.org/draft/2019-09/schema"] = "draft 2019-09",
}

-- The dialect of a metaschema's "$vocabulary".
local function from_vocabulary(uri, vocabulary)
  local names = {}
  for name, required in pairs(vocabulary) do
    local known = name:sub(1, #BASE + 6) == BASE .. "vocab/" and name:sub(#BASE + 7)
    if known and VOCABULARIES[known] then
      names[known] = true
    elseif required then
      return nil, ("dialect %q asks for vocabulary %q, which is not supported"):format(uri, name)
    end
  end
  return make(names)
end

--- The dialect that `uri` names.
---@param uri string  the value of "$schema"
---@param find fun(uri: string): table?  a metaschema that is at hand
---@return mcp.schema.Dialect? dialect
---@return string? message
function dialect.named(uri, find)
  local plain = uri:gsub("#$", "")
  if plain == dialect.DEFAULT then return standard end
  if plain == DRAFT7 then return old end
  if OTHERS[plain] then
    return nil, ("dialect %q (%s) is not supported, %s"):format(uri, OTHERS[plain], SUPPORTED)
  end
  local metaschema = find(plain)
  if type(metaschema) ~= "table" then
    return nil, ("dialect %q is not supported, %s"):format(uri, SUPPORTED)
  end
  -- Core 8.1.2.1: without "$vocabulary" the vocabularies of the usual metaschema are meant.
  if type(metaschema["$vocabulary"]) ~= "table" then return standard end
  return from_vocabulary(uri, metaschema["$vocabulary"])
end

return dialect
