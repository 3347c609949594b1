-- SPDX-License-Identifier: MIT
-- heartbeat: progress of calls whose handler waits and has not told of any, so that the client
-- does not give up (protocol, Progress: the value MUST increase with each notification). It
-- stands for nothing: the last value that the handler told of and a trifle more, which grows with
-- each beat and never reaches a millionth. Without a token nothing goes out.
local heartbeat = {}

---What all beats between two values of the handler's stay below, in proportion to the first.
heartbeat.TRIFLE = 1e-6

---The value of beat number `count` after the handler's `last`; the first one of all is 0.
---@param last number|nil
---@param count integer
---@return number
function heartbeat.value(last, count)
  if not last then
    last, count = 0, count - 1
  end
  if count == 0 then return 0 end
  return last + heartbeat.TRIFLE * math.max(1, math.abs(last)) * (1 - 1 / (count + 1))
end

---Sends one.
---@param ctx table
function heartbeat.send(ctx)
  local token = ctx.token
  if token == nil or type(token) == "boolean" then return end
  local session = ctx.own_session
  if session and not session.initialized then return end -- IO-41
  local count = (rawget(ctx, "beats") or 0) + 1
  local done = heartbeat.value(rawget(ctx, "reported"), count)
  -- A number so large that a trifle is nothing to it.
  if rawget(ctx, "beaten") and done <= ctx.beaten then return end
  if ctx.exchange:send("notifications/progress", { progressToken = token, progress = done }) then
    ctx.beats, ctx.beaten = count, done
  end
end

---What goes out for a value of the handler's after a beat: it too must be more than what went out
---before.
---@param ctx table
---@param done number
---@return number
function heartbeat.reported(ctx, done)
  if done > ctx.beaten then
    ctx.reported, ctx.beats, ctx.beaten = done, 0, nil
    return done
  end
  -- No more than a beat has told already: it counts as one.
  ctx.beats = ctx.beats + 1
  ctx.beaten = heartbeat.value(rawget(ctx, "reported"), ctx.beats)
  return ctx.beaten
end

return heartbeat
