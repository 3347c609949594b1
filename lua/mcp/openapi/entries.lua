-- SPDX-License-Identifier: MIT
-- entries.lua: the tools of an import. What a client sees of one is made when a list is asked for,
-- and its schemas are compiled at the first call: a document may have a thousand operations, of
-- which a session uses three.
local arguments = require "mcp.openapi.arguments"
local call = require "mcp.openapi.call"
local core = require "mcp.core"
local cut = require("mcp.text").cut
local gate = require "mcp.server.feature.gate"
local metadata = require "mcp.server.feature.metadata"
local tool_name = require "mcp.server.feature.tool_name"
local outputs = require "mcp.openapi.outputs"
local pages = require "mcp.openapi.pages"
local results = require "mcp.openapi.results"
local value = require "mcp.value"

local entries = {}

-- What is written about an operation, in bytes: lists of tools are read by models.
entries.DESCRIPTION = 4096

---A function that says which parameters the server sets itself.
---@param api table
---@param op mcp.openapi.Operation
---@param settings table
---@return fun(parameter: mcp.openapi.Parameter): boolean
function entries.hides(api, op, settings)
  local fixed = settings.fixed or {}
  return function(parameter)
    if fixed[parameter.name] ~= nil or api.security:sets(op, parameter) then return true end
    return parameter.location == "header" and api.field_names[parameter.name:lower()] == true
  end
end

---The plan of an entry, made when it is needed.
---@param entry table
---@return mcp.openapi.Plan
function entries.plan(entry)
  local plan = rawget(entry, "plan")
  if plan then return plan end
  local api, op = entry.api, entry.operation
  local fixed = entry.settings.fixed or {}
  plan = arguments.plan(api.schemas, op, entries.hides(api, op, entry.settings), fixed)
  plan.fixed = {}
  for _, parameter in ipairs(op.parameters) do
    local v = fixed[parameter.name]
    if v ~= nil then plan.fixed[#plan.fixed + 1] = { parameter = parameter, value = v } end
  end
  rawset(entry, "plan", plan)
  return plan
end

local function compile(entry, schema, what)
  local made, message = require("mcp.schema").compile(schema)
  if made then return made end
  core.log("warning", ("%s %q: its %s is not checked: %s"):format(entry.kind, entry.name, what,
    message))
  return false
end

local function output_of(entry)
  local found = rawget(entry, "output")
  if found == nil then
    found = entry.api.validate and outputs.of(entry.api.schemas, entry.operation) or false
    rawset(entry, "output", found)
  end
  return found or nil
end

-- The parts of an entry that are made at first use.
local MAKE = {}

function MAKE.input(entry) return entries.plan(entry).schema end

function MAKE.wrapped(entry)
  local output = output_of(entry)
  return output ~= nil and output.type ~= "object"
end

function MAKE.definition(entry)
  local definition = { name = entry.name, inputSchema = entries.plan(entry).schema,
    outputSchema = output_of(entry) }
  for key, member in next, entry.base do definition[key] = member end
  return definition
end

function MAKE.check(entry)
  return compile(entry, entries.plan(entry).schema, "input") or function(args)
    if value.is_object(args) then return true end
    return false, { { path = "", keyword = "type", message = "expected an object" } }
  end
end

function MAKE.check_answer(entry)
  local output = output_of(entry)
  return output and compile(entry, output, "output") or false
end

local Entry = { __index = function(entry, key)
  local make = MAKE[key]
  if not make then return nil end
  local made = make(entry)
  rawset(entry, key, made)
  return made
end }

---One call of the API.
---@param entry table
---@param args table
---@return mcp.FetchResponse? response
---@return table|string request or a text for the model
---@return any decoded its JSON, or the status of an error
function entries.perform(entry, args)
  local api, op = entry.api, entry.operation
  local request, text = call.prepare(api, op, entries.plan(entry), args)
  if not request then return nil, ("%s %s: %s"):format(op.method, op.path, text) end
  local response, code
  response, text, code = call.send(api, op, request)
  if not response then
    return nil, results.hide(results.unanswered(op, text, code, api.limit), request.secrets)
  end
  if response.status < 200 or response.status > 299 then
    return nil, results.failure(api, op, response, request.secrets), response.status
  end
  return response, request, results.decode(response, entry.check_answer and true)
end

local function handle(entry, args)
  local response, request, decoded = entries.perform(entry, args)
  if not response then return nil, request end
  local note = decoded ~= nil and entry.operation.method == "GET"
    and pages.follow(entry.api, entry.pages, request, response, decoded) or nil
  return results.success(entry.operation, response, decoded, entry.check_answer or nil, note)
end

local HINTS = {
  GET = { readOnlyHint = true, openWorldHint = true },
  HEAD = { readOnlyHint = true, openWorldHint = true },
  QUERY = { readOnlyHint = true, openWorldHint = true },
  PUT = { idempotentHint = true, openWorldHint = true },
  DELETE = { destructiveHint = true, idempotentHint = true, openWorldHint = true },
}

---What is said of an operation.
---@param op mcp.openapi.Operation
---@param settings table
---@return string
function entries.description(op, settings)
  local text = settings.description or op.description or op.summary
    or ("%s %s"):format(op.method, op.path)
  if op.deprecated and not settings.description then text = "Deprecated. " .. text end
  return cut(text, entries.DESCRIPTION, "…")
end

---An entry of an import, not registered.
---@param api table
---@param op mcp.openapi.Operation
---@param settings table
---@param name string
---@return table entry
function entries.new(api, op, settings, name)
  return setmetatable({ name = name, kind = "tool", at = api.at, api = api, operation = op,
    settings = settings, pages = pages.check(settings.pages) or api.pages }, Entry)
end

---Registers a tool. Raises (level 0) what is wrong.
---@param api table
---@param op mcp.openapi.Operation
---@param settings table
---@param name string
function entries.add(api, op, settings, name)
  local app = api.app
  tool_name.check(name)
  metadata.check_texts(settings, "title", "description")
  local entry = entries.new(api, op, settings, name)
  entry.base = { title = settings.title or op.summary,
    description = entries.description(op, settings),
    annotations = metadata.tool_annotations(settings.annotations) or HINTS[op.method]
      or { openWorldHint = true },
    icons = metadata.icons(settings.icons), _meta = metadata.meta(settings.meta) }
  entry.defaults = function(args) return arguments.without_nulls(entries.plan(entry), args) end
  entry.handler = function(args) return handle(entry, args) end
  gate.add(entry, settings)
  if app.budget then require("mcp.server.feature.budget").put(app, entry, nil) end
  if entry.scopes then
    if not app.auth then
      error("scopes: this server has no authorization (mcp.server { auth = … })", 0)
    end
    app.scoped = app.scoped + 1
  end
  app.tools:add(name, entry)
end

return entries
