-- SPDX-License-Identifier: MIT
-- dispatch: method to handler, and the one place where an error becomes what
-- goes over the wire. Which message may come when is the fronts' business
-- (front/http.lua, front/duplex.lua).
local core = require "mcp.core"
local failure = require "mcp.failure"
local protocol = require "mcp.protocol"
local prompt = require "mcp.feature.prompt"
local resource = require "mcp.feature.resource"
local tool = require "mcp.feature.tool"

local dispatch = {}

local EMPTY = {}

-- Every result of these revisions says what kind it is and who speaks.
local function stamp(app, facts, result)
  if not facts.stamp or type(result) ~= "table" then return result end
  if result.resultType == nil then result.resultType = "complete" end
  if result._meta == nil then
    result._meta = app.server_meta
  elseif result._meta[protocol.KEY_SERVER] == nil then
    local meta = {}
    for key, member in pairs(result._meta) do meta[key] = member end
    meta[protocol.KEY_SERVER] = app.server_info
    result._meta = meta
  end
  return result
end
dispatch.stamp = stamp

local both = {
  ["tools/list"] = tool.list,
  ["tools/call"] = tool.call,
  ["resources/list"] = resource.list,
  ["resources/templates/list"] = resource.list_templates,
  ["resources/read"] = resource.read,
  ["prompts/list"] = prompt.list,
  ["prompts/get"] = prompt.get,
}

local legacy = setmetatable({
  ping = function() return {} end,
  ["logging/setLevel"] = function(_, ctx, params)
    local rank = protocol.LOG_RANK[params.level]
    if not rank then
      return nil, failure.new(protocol.INVALID_PARAMS,
        ("logging/setLevel: unknown level %s"):format(tostring(params.level)))
    end
    ctx.session.log_rank = rank
    return {}
  end,
}, { __index = both })

local modern = setmetatable({
  ["server/discover"] = function(app, ctx)
    return app:cacheable(ctx.revision, {
      supportedVersions = protocol.names,
      capabilities = app:capabilities(ctx.revision),
      instructions = app.instructions,
    })
  end,
}, { __index = both })

---Handlers by era and method.
dispatch.methods = { legacy = legacy, modern = modern }

-- Which capability a method belongs to: what has not been registered is not
-- there (HTTP and JSON-RPC alike: method not found).
local NEEDS = {
  ["tools/list"] = "tools", ["tools/call"] = "tools",
  ["resources/list"] = "resources", ["resources/templates/list"] = "resources",
  ["resources/read"] = "resources",
  ["prompts/list"] = "prompts", ["prompts/get"] = "prompts",
}

---The handler of a method, or nil and the error.
---@param app table
---@param era "legacy"|"modern"
---@param method string
function dispatch.find(app, era, method)
  local handler = dispatch.methods[era][method]
  if handler then
    local need = NEEDS[method]
    if not need or app:has(need) then return handler end
  end
  return nil, failure.new(protocol.METHOD_NOT_FOUND, "Method not found: " .. method, nil,
    era == "modern" and 404 or nil)
end

-- The position that Lua's own error() put before the text, exactly as it wrote
-- it, so that nothing else is ever cut off.
local function without_position(text)
  for level = 3, 5 do
    local info = debug.getinfo(level, "Sl")
    if info and info.currentline > 0 then
      local prefix = ("%s:%d: "):format(info.short_src, info.currentline)
      if text:sub(1, #prefix) == prefix then return text:sub(#prefix + 1) end
    end
  end
  return text
end

-- What was raised, with all that can only be told while the stack is there.
local function raised(value)
  if failure.is(value) then return value end
  local text = value
  if type(value) == "string" then
    text = without_position(value)
  elseif type(value) == "table" and getmetatable(value) and getmetatable(value).__tostring then
    text = tostring(value)
  else
    text = ("(an error of type %s)"):format(type(value))
  end
  return { text = text, traceback = debug.traceback(tostring(value), 2) }
end

-- The judge. A handler's mcp.error goes out as it is; anything else is for the
-- log, and for the model as far as it comes from a tool.
local function judge(ctx, problem)
  if failure.is(problem) then return nil, problem end
  local what = ctx.entry and ("%s %q"):format(ctx.entry.kind, ctx.entry.name) or ctx.method
  for line in (what .. ": " .. problem.traceback):gmatch "[^\n]+" do core.log("error", line) end
  if ctx.entry and ctx.entry.kind == "tool" then return tool.failed(problem.text) end
  return nil, failure.new(protocol.INTERNAL_ERROR, "Internal error in " .. what)
end

---Runs one request to its end.
---@param app table
---@param ctx table
---@param handler function
---@param params any
---@return table|userdata|nil result
---@return table|nil err
function dispatch.request(app, ctx, handler, params)
  if params == nil then
    params = EMPTY
  elseif type(params) ~= "table" then
    return nil, failure.new(protocol.INVALID_PARAMS, "params: object expected")
  end
  local ok, result, err = xpcall(handler, raised, app, ctx, params)
  if not ok then result, err = judge(ctx, result) end
  if err then return nil, err end
  return stamp(app, ctx.revision, result)
end

return dispatch
