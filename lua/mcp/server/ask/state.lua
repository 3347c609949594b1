-- SPDX-License-Identifier: MIT
-- state: what one call has asked and remembered. Begun before the handler of a revision that asks
-- in rounds, since only then its arguments are as they came; otherwise by the first question.
-- Small: most calls never ask.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local value = require "mcp.value"

local state = {}

---@class mcp.Asking
---@field app table|nil of a call that can ask in rounds
---@field target string|nil its name or uri
---@field arguments string as they came: canonical JSON
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

-- How a client says that it cannot be asked anything. The name is searched for as it stands: a
-- pattern that may begin anywhere costs as much as a fifth of a call.
local NAME, NOTHING = '/clientCapabilities"', "^%s*:%s*{%s*}"

-- The last _meta is often the next one, too. A long one is not kept.
local KEPT = 1024
local last_meta, last_answer

-- The envelope has been checked, so the name stands there. Where it may stand twice (in another
-- member, or spelled with escapes), that is not the way to find out.
local function can_be_asked(meta)
  if meta == last_meta then return last_answer end
  local _, at = meta:find(NAME, 1, true)
  local answer = not (at and meta:find(NOTHING, at + 1))
    or meta:find(NAME, at + 1, true) ~= nil or meta:find("\\u", 1, true) ~= nil
  if #meta <= KEPT then last_meta, last_answer = meta, answer end
  return answer
end

---When does a request need a state: always (true); with answers, or what was remembered, among its
---params only ("answers"); or never? Depends on nothing that differs between requests with the same
---envelope.
---@param facts table of the revision
---@param row mcp.Method
---@param meta string|nil
---@return boolean|"answers"
function state.need(facts, row, meta)
  if not (facts.rounds and row.asks) then return false end
  return meta and not can_be_asked(meta) and "answers" or true
end

-- Texts from here on are charged to the connection, in bytes: what a message costs covers less.
local LARGE = 1024

-- What the answers of later rounds are bound to. A method of an extension has no arguments among
-- its params: all of them are.
local function subject_of(ctx, params)
  if not ctx.row.extension then return params.arguments == nil and {} or params.arguments end
  local subject = {}
  for key, member in pairs(params) do
    if key ~= "inputResponses" and key ~= "requestState" then subject[key] = member end
  end
  return subject
end

---Before a handler runs: takes the answers of the last round, and what was remembered, out of
---`params`. For a request that needs a state.
---@param app table
---@param ctx table
---@param params table
---@return table|nil err
function state.begin(app, ctx, params)
  local given, text = params.inputResponses, params.requestState
  -- Handlers may change their arguments. As text they take a fraction of the memory of a copy.
  local arguments = core.encode(subject_of(ctx, params), true)
  if #arguments >= LARGE and not ctx.exchange:charge(#arguments) then
    return failure.busy("memory", "Busy: memory is short, try again later", nil, 503)
  end
  local target = params[ctx.row.target]
  if ctx.method == "resources/read" and type(target) == "string" then
    target = require("mcp.uri").normal(target)
  end
  local asking = { app = app, target = target, arguments = arguments, given = given }
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
