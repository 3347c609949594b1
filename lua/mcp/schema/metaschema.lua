-- SPDX-License-Identifier: MIT
-- metaschema.lua: the metaschemas by their URIs, for schemas that refer to them; those of 2020-12
-- are here. Titles and comments are left out.

local draft7 = require "mcp.schema.draft7"

local BASE = "https://json-schema.org/draft/2020-12/"
local META = { ["$dynamicRef"] = "#meta" }

-- Metaschema `name` of the vocabulary of that name, for schemas that are objects or booleans.
local function vocabulary(name, properties, defs)
  return {
    ["$schema"] = BASE .. "schema",
    ["$id"] = BASE .. "meta/" .. name,
    ["$dynamicAnchor"] = "meta",
    type = { "object", "boolean" },
    properties = properties,
    ["$defs"] = defs,
  }
end

local function def(name)
  return { ["$ref"] = "#/$defs/" .. name }
end

local function map(of)
  return { type = "object", additionalProperties = of, default = {} }
end

local STRING, NUMBER, BOOLEAN = { type = "string" }, { type = "number" }, { type = "boolean" }
local FALSE = { type = "boolean", default = false }
local URI_REFERENCE = { ["$ref"] = "#/$defs/uriReferenceString" }

local core = vocabulary("core", {
  ["$id"] = { ["$ref"] = "#/$defs/uriReferenceString", pattern = "^[^#]*#?$" },
  ["$schema"] = def "uriString",
  ["$ref"] = URI_REFERENCE,
  ["$anchor"] = def "anchorString",
  ["$dynamicRef"] = URI_REFERENCE,
  ["$dynamicAnchor"] = def "anchorString",
  ["$vocabulary"] = {
    type = "object", propertyNames = def "uriString", additionalProperties = BOOLEAN,
  },
  ["$comment"] = STRING,
  ["$defs"] = { type = "object", additionalProperties = META },
}, {
  anchorString = { type = "string", pattern = "^[A-Za-z_][-A-Za-z0-9._]*$" },
  uriString = { type = "string", format = "uri" },
  uriReferenceString = { type = "string", format = "uri-reference" },
})

local applicator = vocabulary("applicator", {
  prefixItems = def "schemaArray",
  items = META,
  contains = META,
  additionalProperties = META,
  properties = map(META),
  patternProperties = {
    type = "object", additionalProperties = META, propertyNames = { format = "regex" },
    default = {},
  },
  dependentSchemas = map(META),
  propertyNames = META,
  ["if"] = META,
  ["then"] = META,
  ["else"] = META,
  allOf = def "schemaArray",
  anyOf = def "schemaArray",
  oneOf = def "schemaArray",
  ["not"] = META,
}, {
  schemaArray = { type = "array", minItems = 1, items = META },
})

local unevaluated = vocabulary("unevaluated", {
  unevaluatedItems = META, unevaluatedProperties = META,
})

local COUNT, COUNT_0 = def "nonNegativeInteger", def "nonNegativeIntegerDefault0"

local validation = vocabulary("validation", {
  type = {
    anyOf = {
      def "simpleTypes",
      { type = "array", items = def "simpleTypes", minItems = 1, uniqueItems = true },
    },
  },
  const = true,
  enum = { type = "array", items = true },
  multipleOf = { type = "number", exclusiveMinimum = 0 },
  maximum = NUMBER,
  exclusiveMaximum = NUMBER,
  minimum = NUMBER,
  exclusiveMinimum = NUMBER,
  maxLength = COUNT,
  minLength = COUNT_0,
  pattern = { type = "string", format = "regex" },
  maxItems = COUNT,
  minItems = COUNT_0,
  uniqueItems = FALSE,
  maxContains = COUNT,
  minContains = { ["$ref"] = "#/$defs/nonNegativeInteger", default = 1 },
  maxProperties = COUNT,
  minProperties = COUNT_0,
  required = def "stringArray",
  dependentRequired = { type = "object", additionalProperties = def "stringArray" },
}, {
  nonNegativeInteger = { type = "integer", minimum = 0 },
  nonNegativeIntegerDefault0 = { ["$ref"] = "#/$defs/nonNegativeInteger", default = 0 },
  simpleTypes = {
    enum = { "array", "boolean", "integer", "null", "number", "object", "string" },
  },
  stringArray = { type = "array", items = STRING, uniqueItems = true },
})

local meta_data = vocabulary("meta-data", {
  title = STRING,
  description = STRING,
  default = true,
  deprecated = FALSE,
  readOnly = FALSE,
  writeOnly = FALSE,
  examples = { type = "array", items = true },
})

local content = vocabulary("content", {
  contentEncoding = STRING, contentMediaType = STRING, contentSchema = META,
})

local schema = vocabulary("", {
  definitions = { type = "object", additionalProperties = META, deprecated = true, default = {} },
  dependencies = {
    type = "object",
    additionalProperties = {
      anyOf = { META, { ["$ref"] = "meta/validation#/$defs/stringArray" } },
    },
    deprecated = true,
    default = {},
  },
  ["$recursiveAnchor"] = { ["$ref"] = "meta/core#/$defs/anchorString", deprecated = true },
  ["$recursiveRef"] = { ["$ref"] = "meta/core#/$defs/uriReferenceString", deprecated = true },
})
schema["$id"] = BASE .. "schema"
schema["$vocabulary"] = {}
schema.allOf = {}

for _, name in ipairs {
  "core", "applicator", "unevaluated", "validation", "meta-data", "format-annotation", "content",
} do
  schema["$vocabulary"][BASE .. "vocab/" .. name] = true
  table.insert(schema.allOf, { ["$ref"] = "meta/" .. name })
end

local format = { format = STRING }

return {
  [BASE .. "schema"] = schema,
  [BASE .. "meta/core"] = core,
  [BASE .. "meta/applicator"] = applicator,
  [BASE .. "meta/unevaluated"] = unevaluated,
  [BASE .. "meta/validation"] = validation,
  [BASE .. "meta/meta-data"] = meta_data,
  [BASE .. "meta/format-annotation"] = vocabulary("format-annotation", format),
  [BASE .. "meta/format-assertion"] = vocabulary("format-assertion", format),
  [BASE .. "meta/content"] = content,
  [draft7.URI] = draft7.metaschema,
}
