-- SPDX-License-Identifier: MIT
-- heartbeat: progress notifications for a handler that sends none while it waits, so that the
-- client does not time out. The value must increase with each notification (protocol, Progress): it
-- is the last value of the handler plus a small amount, which grows with each heartbeat and stays
-- below a millionth. Without a progress token nothing is sent.
local heartbeat = {}

---The bound of what heartbeats add to a value of the handler, relative to that value.
heartbeat.TRIFLE = 1e-6

---The value of heartbeat number `count` after the handler's value `last`. Without one it begins at
---0.
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
  -- The number is so large that the sum does not differ.
  if rawget(ctx, "beaten") and done <= ctx.beaten then return end
  if ctx.exchange:send("notifications/progress", { progressToken = token, progress = done }) then
    ctx.beats, ctx.beaten = count, done
  end
end

---The value to send for a value of the handler after a heartbeat: it must exceed the one sent
---before.
---@param ctx table
---@param done number
---@return number
function heartbeat.reported(ctx, done)
  if done > ctx.beaten then
    ctx.reported, ctx.beats, ctx.beaten = done, 0, nil
    return done
  end
  -- Not more than a heartbeat has sent: counts as a heartbeat.
  ctx.beats = ctx.beats + 1
  ctx.beaten = heartbeat.value(rawget(ctx, "reported"), ctx.beats)
  return ctx.beaten
end

return heartbeat
