-- SPDX-License-Identifier: MIT
-- resources.lua: operations that are read as resources: GET, by a URI that is the path, with the
-- query as optional variables.
local entries = require "mcp.openapi.entries"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local results = require "mcp.openapi.results"

local resources = {}

-- The URI of a resource: the path, and the query as optional variables; and from variables to
-- parameters. Or nil and a text.
local function template_of(api, op, settings)
  if op.method ~= "GET" then return nil, "only GET can be a resource" end
  local variables, query, hidden = {}, {}, entries.hides(api, op, settings)
  local function variable(parameter)
    local name = parameter.name:gsub("[^%w_]", "_")
    if variables[name] then return nil end
    variables[name] = parameter
    return name
  end
  local path = {}
  for _, parameter in ipairs(op.parameters) do
    if not hidden(parameter) then
      if parameter.location == "path" then
        path[parameter.name] = variable(parameter)
      elseif parameter.location == "query" then
        query[#query + 1] = variable(parameter)
      elseif parameter.required then
        return nil, ("the %s parameter %q is required"):format(parameter.location, parameter.name)
      end
    end
  end
  local uri = api.scheme .. "://" .. op.path:gsub("{([^{}]+)}", function(name)
    return "{" .. (path[name] or name) .. "}"
  end)
  if query[1] then uri = uri .. "{?" .. table.concat(query, ",") .. "}" end
  return settings.uri or uri, variables
end

---Registers a resource. Raises (level 0) what is wrong.
---@param api table
---@param op mcp.openapi.Operation
---@param settings table
---@param name string
---@return string uri or its template
function resources.add(api, op, settings, name)
  local uri, variables = template_of(api, op, settings)
  if not uri then
    error(("%s %s cannot be a resource: %s"):format(op.method, op.path, variables), 0)
  end
  local entry = entries.new(api, op, settings, name)
  local options = { name = name, title = settings.title or op.summary,
    description = entries.description(op, settings), icons = settings.icons, meta = settings.meta,
    visible = settings.visible, scopes = settings.scopes, timeout = settings.timeout }
  api.app:resource(uri)(options)(function(vars, ctx)
    local args = {}
    for _, each in ipairs(entries.plan(entry).parameters) do
      for variable, parameter in next, variables do
        if parameter == each.parameter then args[each.argument] = vars[variable] end
      end
    end
    local response, text, status = entries.perform(entry, args)
    if response then return results.contents(ctx.uri, response) end
    if status == 404 then return nil end
    error(failure.new(errors.INTERNAL_ERROR, text), 0)
  end)
  return uri
end

return resources
