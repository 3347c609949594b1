-- SPDX-License-Identifier: MIT
-- draft7.lua: schemas of draft 7 rewritten as 2020-12. Generators of schemas still name that draft,
-- and what they use of it differs little: "items" as a list, "additionalItems", "dependencies",
-- "$id" as an anchor, and a "$ref" that silences its neighbours.

local value = require "mcp.value"

local draft7 = {}

draft7.URI = "http://json-schema.org/draft-07/schema"

-- Keywords that came later: here they are unknown, so they mean nothing.
local LATER = {
  "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary", "prefixItems", "dependentSchemas",
  "dependentRequired", "unevaluatedItems", "unevaluatedProperties", "minContains", "maxContains",
}

-- What stays beside a "$ref": places that others refer to.
local STAYS = { ["$ref"] = true, ["$schema"] = true, ["definitions"] = true, ["$defs"] = true }

local function rewrite_items(schema)
  local items, rest = schema.items, schema.additionalItems
  if not value.is_array(items) then return end
  schema.prefixItems = items
  schema.items, schema.additionalItems = rest, nil
end

local function rewrite_dependencies(schema)
  if type(schema.dependencies) ~= "table" then return end
  local names, schemas = {}, {}
  for name, dependency in next, schema.dependencies do
    if value.is_array(dependency) then names[name] = dependency else schemas[name] = dependency end
  end
  schema.dependentRequired = next(names) and names or nil
  schema.dependentSchemas = next(schemas) and schemas or nil
  schema.dependencies = nil
end

--- Rewrites one schema, not those inside of it, in place.
---@param schema table
function draft7.rewrite(schema)
  local ref = schema["$ref"]
  if type(ref) == "string" then
    for keyword in next, schema do
      if not STAYS[keyword] then schema[keyword] = nil end
    end
    -- A pointer into a list of items has to find it under its new name.
    schema["$ref"] = ref:gsub("#.*", function(fragment)
      return (fragment:gsub("/items/(%d+)", "/prefixItems/%1"))
    end)
    return
  end
  for _, keyword in ipairs(LATER) do schema[keyword] = nil end
  local id = schema["$id"]
  if type(id) == "string" and id:sub(1, 1) == "#" then
    schema["$id"] = nil
    schema["$anchor"] = id:sub(2)
  end
  rewrite_items(schema)
  rewrite_dependencies(schema)
end

local SELF = { ["$ref"] = "#" }
local STRING, NUMBER = { type = "string" }, { type = "number" }
local COUNT = { ["$ref"] = "#/definitions/nonNegativeInteger" }
local COUNT_0 = { ["$ref"] = "#/definitions/nonNegativeIntegerDefault0" }
local SCHEMAS = { ["$ref"] = "#/definitions/schemaArray" }
local STRINGS = { ["$ref"] = "#/definitions/stringArray" }

local function map(of)
  return { type = "object", additionalProperties = of, default = {} }
end

--- The metaschema of draft 7.
draft7.metaschema = {
  ["$schema"] = draft7.URI .. "#",
  ["$id"] = draft7.URI .. "#",
  definitions = {
    schemaArray = { type = "array", minItems = 1, items = SELF },
    nonNegativeInteger = { type = "integer", minimum = 0 },
    nonNegativeIntegerDefault0 = { allOf = { COUNT, { default = 0 } } },
    simpleTypes = {
      enum = { "array", "boolean", "integer", "null", "number", "object", "string" },
    },
    stringArray = { type = "array", items = STRING, uniqueItems = true, default = {} },
  },
  type = { "object", "boolean" },
  properties = {
    ["$id"] = { type = "string", format = "uri-reference" },
    ["$schema"] = { type = "string", format = "uri" },
    ["$ref"] = { type = "string", format = "uri-reference" },
    ["$comment"] = STRING,
    title = STRING,
    description = STRING,
    default = true,
    readOnly = { type = "boolean", default = false },
    writeOnly = { type = "boolean", default = false },
    examples = { type = "array", items = true },
    multipleOf = { type = "number", exclusiveMinimum = 0 },
    maximum = NUMBER,
    exclusiveMaximum = NUMBER,
    minimum = NUMBER,
    exclusiveMinimum = NUMBER,
    maxLength = COUNT,
    minLength = COUNT_0,
    pattern = { type = "string", format = "regex" },
    additionalItems = SELF,
    items = { anyOf = { SELF, SCHEMAS }, default = true },
    maxItems = COUNT,
    minItems = COUNT_0,
    uniqueItems = { type = "boolean", default = false },
    contains = SELF,
    maxProperties = COUNT,
    minProperties = COUNT_0,
    required = STRINGS,
    additionalProperties = SELF,
    definitions = map(SELF),
    properties = map(SELF),
    patternProperties = {
      type = "object", additionalProperties = SELF, propertyNames = { format = "regex" },
      default = {},
    },
    dependencies = { type = "object", additionalProperties = { anyOf = { SELF, STRINGS } } },
    propertyNames = SELF,
    const = true,
    enum = { type = "array", items = true },
    type = {
      anyOf = {
        { ["$ref"] = "#/definitions/simpleTypes" },
        {
          type = "array", items = { ["$ref"] = "#/definitions/simpleTypes" }, minItems = 1,
          uniqueItems = true,
        },
      },
    },
    format = STRING,
    contentMediaType = STRING,
    contentEncoding = STRING,
    ["if"] = SELF,
    ["then"] = SELF,
    ["else"] = SELF,
    allOf = SCHEMAS,
    anyOf = SCHEMAS,
    oneOf = SCHEMAS,
    ["not"] = SELF,
  },
  default = true,
}

return draft7
