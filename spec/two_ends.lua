-- SPDX-License-Identifier: MIT
-- two_ends.lua: a socket of a spec whose other end is under test in this process. It speaks plain
-- TCP or TLS, sends bytes right or wrong, and ends in each way a peer can: closed, reset, half
-- closed, cut without TLS's own end. Waiting turns the loop under test.
--
-- TLS lies between a pair of streams in memory and the socket, so that the socket can be cut
-- without TLS knowing.
local core = require "mcp.core"
local system = require "codecs.system"

local two_ends = {}

-- So much of what comes is kept: its beginning.
local MOST = 64 << 10

local End = {}
End.__index = End
End.__close = function(self) self:stop "close" end

--- Wraps a connected socket. `wrap(stream)` gives a TLS stream over one, or is nil: plain.
---@param socket userdata codecs.system's
---@param loop userdata|nil codecs.stream's, for TLS
---@param wrap function|nil
function two_ends.over(socket, loop, wrap)
  local self = setmetatable({ socket = socket, loop = loop, buffer = "" }, End)
  if wrap then
    local inner, outer = loop:pair()
    self.tls, self.outer = assert(wrap(inner)), outer
    assert(outer:start())
    assert(self.tls:start())
    -- TLS's first words, if it is a client.
    for _ = 1, 3 do loop:step(0) end
  end
  return self
end

---@param port integer
function two_ends.connect(port, loop, wrap)
  return two_ends.over(assert(system.connect("127.0.0.1", port)), loop, wrap)
end

--- Moves what there is to move, in both directions, and turns the loop under test once.
function End:turn()
  core.step(0)
  if self.stopped then return end
  if self.tls then
    self.loop:step(0)
    local out = self.outer:take()
    if out ~= "" then self.socket:send(out, 1) end
  end
  -- One that does not read leaves it all in the kernel.
  if self.deaf then return end
  local piece, why = self.socket:receive(0)
  if piece and self.tls then
    self.outer:send(piece)
    self.loop:step(0)
    self.loop:step(0)
  elseif piece then
    self.buffer = self.buffer .. piece
  elseif why ~= "timeout" then
    self.ended = true
  end
  if self.tls then self.buffer = self.buffer .. self.tls:take() end
  if #self.buffer > MOST then self.buffer = self.buffer:sub(1, MOST) end
end

function End:send(bytes)
  if self.tls then
    self.tls:send(bytes)
    self:turn()
  else
    self.socket:send(bytes, 1)
  end
end

--- Bytes below TLS.
function End:send_raw(bytes) self.socket:send(bytes, 1) end

--- Ends it: "close" (TLS says so first), "cut" (it does not), "reset", "half".
function End:stop(way)
  if self.stopped then return end
  if self.tls then
    if way == "close" then
      self.tls:close(true)
      for _ = 1, 3 do self.loop:step(0) end
      local out = self.outer:take()
      if out ~= "" then self.socket:send(out, 1) end
    end
  end
  if way == "half" then
    self.socket:shutdown_write()
    return
  end
  self.stopped = true
  if way == "reset" then self.socket:reset() else self.socket:close() end
  if self.tls then
    self.tls:close(false)
    self.outer:close(false)
    for _ = 1, 3 do self.loop:step(0) end
  end
end

--- Turns all of `ends` until `condition()` gives something true, and returns that; nil after
--- `limit` seconds.
---@param ends table[]
---@param condition fun(): any
---@param limit number
function two_ends.wait(ends, condition, limit)
  local deadline = system.now() + limit
  while true do
    for _, one in ipairs(ends) do one:turn() end
    core.step(#ends > 0 and 0 or 0.001)
    local found = condition()
    if found then return found end
    local left = deadline - system.now()
    if left <= 0 then return nil end
    core.step(math.min(left, 0.002))
  end
end

--- The same for one end, which must come; `what` names it.
function End:wait(condition, what, limit)
  local found = two_ends.wait({ self }, condition, limit or 5)
  if not found then
    error(("waited in vain for %s; there is %q"):format(what, self.buffer:sub(1, 200)), 2)
  end
  return found
end

--- The status of the answer that has come, if one has.
function End:status() return math.tointeger(tonumber(self.buffer:match "^HTTP/1%.1 (%d%d%d) ")) end

return two_ends
