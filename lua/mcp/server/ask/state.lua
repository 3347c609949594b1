-- SPDX-License-Identifier: MIT
-- state: what one call has asked and remembered. Begun before the handler of a revision that asks
-- in rounds, since only then its arguments are as they came; otherwise by the first question.
-- Small: most calls never ask.
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local methods = require "mcp.protocol.methods"
local value = require "mcp.value"

local state = {}

---@class mcp.Asking
---@field app table|nil of a call that can ask in rounds
---@field target string|nil its name or uri
---@field arguments any as they came
---@field asked table<string, boolean> keys; the fields below exist after the first question
---@field automatic integer keys given by order
---@field kept table<string, table> what ctx:once remembers
---@field given table answers of the last round
---@field answers table those of the rounds before it
---@field round integer rounds so far
---@field result table|nil how the call ends
---@field sent table<table, true>|nil questions that are out

---The state of a call, complete for a question.
---@param ctx table
---@return mcp.Asking
function state.of(ctx)
  local asking = rawget(ctx, "asking")
  if not asking then
    asking = {}
    rawset(ctx, "asking", asking)
  end
  if not asking.asked then
    asking.asked, asking.automatic = {}, 0
    asking.kept, asking.given = asking.kept or {}, asking.given or {}
    asking.answers, asking.round = asking.answers or {}, asking.round or 0
  end
  return asking
end

local function copy(given)
  if type(given) ~= "table" then return given end
  local out, mt = {}, getmetatable(given)
  for key, member in next, given do
    out[key] = type(member) == "table" and copy(member) or member
  end
  return mt and setmetatable(out, mt) or out
end

-- How a client says that it cannot be asked anything.
local NOTHING = '/clientCapabilities":{}'

---Before a handler runs: takes the answers of the last round, and what was remembered, out of
---`params`.
---@param app table
---@param ctx table
---@param params table
---@return table|nil err
function state.begin(app, ctx, params)
  local given, text = params.inputResponses, params.requestState
  if given == nil and text == nil and ctx.meta_text
    and ctx.meta_text:find(NOTHING, 1, true) then
    return nil
  end
  -- A copy: handlers may change their arguments.
  local target = params[methods[ctx.method].target]
  if ctx.method == "resources/read" and type(target) == "string" then
    target = require("mcp.uri").normal(target)
  end
  local asking = { app = app, target = target, arguments = copy(params.arguments), given = given }
  rawset(ctx, "asking", asking)
  if given ~= nil then
    params.inputResponses = nil
    if type(given) ~= "table" or not value.is_object(given) then
      return failure.new(errors.INVALID_PARAMS,
        ("%s: inputResponses: expected an object, got %s"):format(ctx.method, value.kind(given)))
    end
  end
  if text ~= nil then
    params.requestState = nil
    return require("mcp.server.ask.replay").open(ctx, asking, text)
  end
  return nil
end

---After a handler has run: its result, if it was ended by a question.
---@param asking mcp.Asking
---@return table|nil result
function state.finish(asking)
  if asking.sent then require("mcp.server.ask.live").finish(asking.sent) end
  return asking.result
end

return state
