-- SPDX-License-Identifier: MIT
-- arguments.lua: the arguments of a tool made from an operation: parameters and the members of the
-- body side by side, with the plan by which a call puts them back where they belong.
local cut = require("mcp.text").cut
local media = require "mcp.openapi.media"
local value = require "mcp.value"

local arguments = {}

-- Names of arguments that all model APIs take.
arguments.NAME = 64
-- Descriptions of arguments, in bytes: lists of tools are read by models.
arguments.DESCRIPTION = 1024

local is_object, is_array = value.is_object, value.is_array

-- The name of a parameter or member as that of an argument: filter[name] becomes filter_name.
local function argument_name(name)
  local made = name:gsub("[^%w_.-]+", "_"):gsub("^_+", ""):gsub("_+$", ""):sub(1, arguments.NAME)
  return made ~= "" and made or "value"
end

-- Whether null is a value that is meant.
local function allows_null(schemas, node, file, depth)
  local found, where = schemas.document:object(node, file)
  if not found or depth > 10 then return true end
  if found.nullable == true or found.const == value.null then return true end
  if is_array(found.enum) then
    for _, each in ipairs(found.enum) do if each == value.null then return true end end
    return false
  end
  local kind = found.type
  if is_array(kind) then
    for _, each in ipairs(kind) do if each == "null" then return true end end
    return false
  end
  if kind ~= nil then return kind == "null" end
  for _, keyword in ipairs { "oneOf", "anyOf" } do
    if is_array(found[keyword]) then
      for _, each in ipairs(found[keyword]) do
        if allows_null(schemas, each, where, depth + 1) then return true end
      end
      return false
    end
  end
  return not (is_array(found.allOf) or found.properties)
end

-- --- bodies -----------------------------------------------------------------------------------

-- Collects the members of an object with those of its "allOf" into `into`; false if the schema is
-- not just an object with members.
local function collect(schemas, node, file, into, depth)
  local found, where = schemas.document:object(node, file)
  if not found or depth > 10 or found.nullable == true then return false end
  if found.oneOf or found.anyOf or found["not"] or found["if"] or found.patternProperties
    or found.dependentSchemas or found.minProperties or found.maxProperties then
    return false
  end
  if found.type ~= nil and found.type ~= "object" then return false end
  for _, each in ipairs(is_array(found.allOf) and found.allOf or {}) do
    if not collect(schemas, each, where, into, depth + 1) then return false end
  end
  if is_object(found.properties) then
    for name, member in next, found.properties do
      if type(name) == "string" and not schemas:is_hidden(member, where, "in") then
        into.members[name] = { node = member, file = where }
      end
    end
  end
  for _, name in ipairs(is_array(found.required) and found.required or {}) do
    into.required[name] = true
  end
  local more = found.additionalProperties
  if more == true or is_object(more) then into.more, into.more_file = more, where end
  return true
end

-- The members that become arguments of their own; nil if the body is one argument.
local function members_of(schemas, node, file)
  local into = { members = {}, required = {} }
  if not collect(schemas, node, file, into, 0) then return nil end
  return next(into.members) ~= nil and into or nil
end

-- A file in a body, by text or Base64.
local function file_schema(description)
  return { description = (description and description .. " " or "")
    .. "A file: its text, or an object with its text or base64, name and media type.",
    anyOf = value.array { { type = "string" }, { type = "object", properties = {
      text = { type = "string" }, base64 = { type = "string" }, name = { type = "string" },
      type = { type = "string", description = "media type" } }, additionalProperties = false } } }
end

-- Is it a file: binary data that JSON cannot carry?
local function is_file(schemas, node, file)
  local found = schemas.document:object(node, file)
  if not found then return false end
  return found.format == "binary" or found.contentMediaType ~= nil
    and found.contentEncoding == nil and not media.is_text(tostring(found.contentMediaType))
end

-- The schema of one member of a body, and whether it is a file or a list of them; only some bodies
-- can carry files.
local function member_schema(schemas, member, uses, with_files)
  local node, file = member.node, member.file
  if with_files then
    local found, where = schemas.document:object(node, file)
    if found and is_file(schemas, node, file) then return file_schema(found.description), true end
    if found and found.type == "array" and is_file(schemas, found.items, where) then
      return { type = "array", items = file_schema(), description = found.description }, true
    end
  end
  return schemas:schema(node, file, "in", uses), false
end

-- --- building ---------------------------------------------------------------------------------

local Builder = {}
Builder.__index = Builder

-- A name that no argument has yet.
function Builder:free(name, location)
  local wanted = argument_name(name)
  if not self.properties[wanted] then return wanted end
  wanted = wanted:sub(1, arguments.NAME - #location - 2) .. "__" .. location
  local found, n = wanted, 2
  while self.properties[found] do
    found, n = wanted .. "_" .. n, n + 1
  end
  return found
end

function Builder:add(name, schema, required, nullable)
  if type(schema) == "table" and schema.description then
    schema.description = cut(schema.description, arguments.DESCRIPTION, "…")
  end
  self.properties[name] = schema
  if required then
    self.required[#self.required + 1] = name
  elseif not nullable then
    self.absent[name] = true
  end
end

function Builder:add_parameter(parameter, uses)
  local schemas = self.schemas
  local schema = schemas:schema(parameter.schema, parameter.file, "in", uses)
  if type(schema) ~= "table" then schema = {} end
  schema.description = parameter.description or schema.description
  schema.deprecated = parameter.deprecated or schema.deprecated
  local name = self:free(parameter.name, parameter.location)
  self:add(name, schema, parameter.required, false)
  self.plan.parameters[#self.plan.parameters + 1] = { argument = name, parameter = parameter }
end

function Builder:add_member(body, members, name, uses, with_files)
  local plan, member = self.plan.body, members.members[name]
  local argument = self:free(name, "body")
  local schema
  schema, plan.files[name] = member_schema(self.schemas, member, uses, with_files)
  plan.fields[argument] = name
  self:add(argument, schema, body.required and members.required[name] == true,
    allows_null(self.schemas, member.node, member.file, 0))
end

function Builder:add_members(body, members, uses, with_files)
  local plan, names = self.plan.body, {}
  for name in next, members.members do names[#names + 1] = name end
  table.sort(names)
  plan.fields, plan.files, plan.constants = {}, {}, {}
  for _, name in ipairs(names) do
    plan.constants[name] = self.fixed[name]
    if self.fixed[name] == nil then self:add_member(body, members, name, uses, with_files) end
  end
  if members.more ~= nil then
    plan.more = true
    self.more = members.more == true
      or self.schemas:schema(members.more, members.more_file, "in", uses)
  end
end
function Builder:add_body(body, uses)
  local chosen, type_of = media.choose(body.content)
  local kind = media.kind(chosen)
  local node = is_object(type_of) and type_of.schema or nil
  local plan = { kind = kind, media = chosen, required = body.required,
    encoding = is_object(type_of) and is_object(type_of.encoding) and type_of.encoding or {} }
  self.plan.body = plan
  if kind ~= "raw" then
    local members = members_of(self.schemas, node, body.file)
    if members then return self:add_members(body, members, uses, kind == "multipart") end
  end
  plan.whole = self:free("body", "body")
  local schema
  if kind == "raw" then
    schema = media.is_text(chosen) and { type = "string" } or file_schema()
  elseif kind == "json" then
    schema = self.schemas:schema(node, body.file, "in", uses)
  else
    schema = node and self.schemas:schema(node, body.file, "in", uses) or {}
    if type(schema) == "table" and not schema["$ref"] then schema.type = schema.type or "object" end
  end
  if type(schema) == "table" then schema.description = schema.description or body.description end
  self:add(plan.whole, schema, body.required,
    kind == "json" and allows_null(self.schemas, node, body.file, 0))
end

---@class mcp.openapi.Plan
---@field schema table of the arguments
---@field parameters { argument: string, parameter: mcp.openapi.Parameter }[]
---@field body table? kind, media, required, encoding, and `whole` (an argument) or `fields` (from
---argument to member) with `files` (by member), `constants` (members with their values) and `more`
---(other arguments are members as well)
---@field absent table<string, boolean> arguments for which null means that there is none

---Makes the arguments of an operation.
---@param schemas mcp.openapi.Schemas
---@param op mcp.openapi.Operation
---@param hidden fun(parameter: mcp.openapi.Parameter): boolean? is it set by the server itself?
---@param fixed table<string, any> members of the body that the server sets itself
---@return mcp.openapi.Plan
function arguments.plan(schemas, op, hidden, fixed)
  local plan = { parameters = {}, absent = {} }
  local self = setmetatable({ schemas = schemas, plan = plan, properties = {},
    required = value.array(), absent = plan.absent, more = false, fixed = fixed }, Builder)
  local uses = {}
  if op.body then self:add_body(op.body, uses) end
  for _, parameter in ipairs(op.parameters) do
    if not hidden(parameter) then self:add_parameter(parameter, uses) end
  end
  plan.schema = schemas:complete({ type = "object", properties = self.properties,
    required = self.required[1] and self.required or nil,
    additionalProperties = self.more }, "in", uses)
  return plan
end

---Removes the arguments that are null where no null is meant.
---@param plan mcp.openapi.Plan
---@param args any
---@return any args
function arguments.without_nulls(plan, args)
  if not is_object(args) then return args end
  for name in next, plan.absent do
    if args[name] == value.null then args[name] = nil end
  end
  return args
end

return arguments
