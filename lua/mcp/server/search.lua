-- SPDX-License-Identifier: MIT
-- search: an app that lists two tools in place of all of them:
--
--   app:search { pinned = { "help" } }
--
-- search_tools finds tools, call_tool calls one. A call through call_tool is not a call inside a
-- call: the request is read as the call of the tool that it names, before scopes, middleware and
-- limits are looked at, so nothing can differ from a direct call.
local catalog = require "mcp.server.catalog"
local gate = require "mcp.server.feature.gate"
local tool = require "mcp.server.feature.tool"
local value = require "mcp.value"

local search = {}

---The name of the tool that searches.
search.SEARCH = "search_tools"
---The name of the tool that calls what was found.
search.CALL = "call_tool"

local OPTIONS = { pinned = "table|function", limit = "number" }

local function count_of(n) return n == 1 and "1 tool" or ("%d tools"):format(n) end

local function searching(app, limit)
  return tool.new(search.SEARCH, {
    title = "Search tools",
    description = ("Finds tools of this server by what they do. Most tools are not listed: "
      .. "describe the task in a few words, such as \"create calendar event\". Returns names, "
      .. "descriptions and input schemas, best match first. Call a tool found with %s.")
      :format(search.CALL),
    input_schema = {
      type = "object", required = { "query" }, additionalProperties = false,
      properties = {
        query = { type = "string", minLength = 1, maxLength = catalog.QUERY,
          description = "Words for what the tool does, or its name" },
        limit = { type = "integer", minimum = 1, maximum = catalog.RESULTS_MAX,
          description = ("At most so many tools; %d by default"):format(limit) },
      },
    },
    annotations = { read_only = true, open_world = false },
  }, function(args, ctx)
    local found, count = catalog.find(app, ctx, args.query, args.limit or limit)
    if count == 0 then
      return ("No tool fits %q. Try other words for the action or the thing it is done to."):format(
        args.query)
    end
    return {
      found = #found < count and ("%d of %s"):format(#found, count_of(count)) or count_of(count),
      tools = value.array(catalog.described(found)),
    }
  end)
end

local function calling()
  return tool.new(search.CALL, {
    title = "Call a tool",
    description = ("Calls a tool that %s has found, with arguments as its input schema says.")
      :format(search.SEARCH),
    input_schema = {
      type = "object", required = { "name" }, additionalProperties = false,
      properties = {
        name = { type = "string", description = "The name of the tool" },
        arguments = { type = "object", description = "Its arguments" },
      },
    },
  }, function(args)
    -- What comes here was not read as the call of another tool.
    return nil, ("%s cannot call %q: give the name of a tool that %s has found"):format(search.CALL,
      args.name, search.SEARCH)
  end)
end

-- The parameters of tools/call, as those of the tool that call_tool is to call. Others are left as
-- they are: call_tool itself says what is wrong with them.
local function redirect(app, params)
  local given = params.name == search.CALL and params.arguments
  if type(given) ~= "table" or type(given.name) ~= "string" or given.name == search.CALL then
    return params
  end
  local arguments = given.arguments
  if arguments ~= nil and (type(arguments) ~= "table" or not value.is_object(arguments)) then
    return params
  end
  for key in pairs(given) do
    if key ~= "name" and key ~= "arguments" then return params end
  end
  -- A model calls this, and tools for pages alone are not for models.
  local entry = app.tools.by_name[given.name]
  if entry and not gate.for_model(entry) then return params end
  local out = {}
  for key, member in pairs(params) do out[key] = member end
  out.name, out.arguments = given.name, arguments
  return out
end

---Makes an app list search_tools and call_tool in place of its tools. Raises (at the caller's line)
---what is wrong with the options.
---@param app mcp.App
---@param options table|nil
---@param at string where it was written
function search.open(app, options, at)
  require("mcp.options").check("app:search", options or {}, OPTIONS, 2)
  options = options or {}
  local ok, text = pcall(function()
    if app.redirect then error("this app has a search already", 0) end
    local limit = require("mcp.budget").whole("limit", options.limit, catalog.RESULTS, 1,
      catalog.RESULTS_MAX)
    local own = { searching(app, limit), calling() }
    for _, entry in ipairs(own) do entry.at = at end
    catalog.open(app, own, options)
  end)
  if not ok then error("app:search: " .. text, 2) end
  app.redirect, app.handlers = function(params) return redirect(app, params) end, {}
end

return search
