-- SPDX-License-Identifier: MIT
-- replay: questions of the revisions without sessions (protocol, Multi round-trip requests). The
-- first question that has no answer ends the call with `input_required`; the client repeats the
-- call with the answers, the handler runs again from the top, and finds them. What is remembered
-- between the rounds goes through the client, sealed, so any process that has the key can serve the
-- next one.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local principal = require "mcp.auth.server.principal"
local seal = require "mcp.server.seal"

local replay = {}

---Rounds that one call may take: a handler, or a client, that never comes to an end.
replay.ROUNDS = 10

-- Raised to end a handler. It is remembered in its context, so catching it is of no use.
local ENDED = failure.new(errors.INTERNAL_ERROR,
  "The call ends here; it runs again when the client has answered")

local REFUSED = "Invalid or expired requestState"

-- Texts are good for one server only, and for nothing but this.
local function purpose(app) return "requestState of " .. app.name end

-- Other processes are to open what is sealed here: keys of their own are in the store.
local function ring_of(app, x)
  local shared = app.shared
  if shared and not shared.number and not (app.ring and app.ring.secrets) then
    local joined, err = shared:need(x)
    if not joined then return nil, err end
  end
  app.ring = app.ring or seal.ring()
  return app.ring
end

---Opens what was remembered in the rounds before.
---@param ctx table
---@param asking mcp.Asking
---@param text any requestState
---@return table|nil err
function replay.open(ctx, asking, text)
  local app = asking.app
  local ring, err = ring_of(app, ctx.exchange)
  if not ring then return err end
  local plain = ring:open(purpose(app), text)
  if not plain or plain.method ~= ctx.method or plain.target ~= asking.target
    or plain.principal ~= principal.key(ctx)
    or plain.arguments ~= seal.digest(asking.arguments) then
    return failure.new(errors.INVALID_PARAMS, REFUSED)
  end
  asking.answers, asking.kept, asking.round = plain.answers, plain.once, plain.round
  return nil
end

---Ends the call with what has no answer.
---@param ctx table
---@param asking mcp.Asking
---@param missing table[] each with key, method, params
function replay.stop(ctx, asking, missing)
  if asking.round >= replay.ROUNDS then
    error(failure.new(errors.INVALID_PARAMS,
      ("%s: still without an answer after %d rounds"):format(ctx.method, replay.ROUNDS)))
  end
  local requests = {}
  for _, item in ipairs(missing) do
    requests[item.key] = { method = item.method, params = item.params }
  end
  local ring, err = ring_of(asking.app, ctx.exchange)
  if not ring then error(err) end
  local text, message = ring:seal(purpose(asking.app), {
    method = ctx.method, target = asking.target, principal = principal.key(ctx),
    arguments = seal.digest(asking.arguments), round = asking.round + 1,
    answers = asking.answers, once = asking.kept,
  })
  if not text then
    error(failure.new(errors.INTERNAL_ERROR,
      ("%s: the answers and what ctx:once remembers are too large to be sent along: %s")
        :format(ctx.method, message)))
  end
  asking.result = { resultType = "input_required", inputRequests = requests, requestState = text,
    _meta = asking.app.server_meta }
  error(ENDED)
end

---Raises again what has ended the handler, if it did not listen.
---@param asking mcp.Asking
function replay.check(asking)
  if asking.result then error(ENDED) end
end

---The answers, or the end of the handler.
---@param ctx table
---@param asking mcp.Asking
---@param list table[] each with key, question, method, params
---@return table answers by key
function replay.run(ctx, asking, list)
  local answers, missing = {}, {}
  for _, item in ipairs(list) do
    local key = item.key
    local came = asking.answers[key]
    if came == nil then came = asking.given[key] end
    local answer, message
    if came ~= nil then answer, message = item.question:read(ctx.revision, came) end
    if message then
      core.log("info", ("%s: a bad answer to %q, which is asked again: %s"):format(ctx.method, key,
        message))
    end
    if answer then
      asking.answers[key], answers[key] = came, answer
    else
      asking.answers[key] = nil
      missing[#missing + 1] = item
    end
  end
  if missing[1] then replay.stop(ctx, asking, missing) end
  return answers
end

return replay
