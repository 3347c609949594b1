-- SPDX-License-Identifier: MIT
-- interrupt: Ctrl-C during a call: the first one cancels the call, so that the server can clean
-- up; a second one ends the program.
local core = require "mcp.core"
local exit = require "mcp.cli.exit"

local interrupt = {}

local Interrupt = {}
Interrupt.__index = Interrupt

-- The one that catches signals now.
local current

Interrupt.__close = function()
  core.catch_signals(nil)
  current = nil
end

local function catch(self)
  core.catch_signals(function()
    if self.happened then os.exit(exit.INTERRUPTED) end
    self.happened = true
    self.canceller:cancel "interrupted by the user"
  end)
end

---Catches signals until it is closed.
---@return table interrupt `canceller` for the call, `happened`: whether it was used
function interrupt.new()
  local self = setmetatable({
    canceller = require("mcp.client.call").canceller(), happened = false,
  }, Interrupt)
  catch(self)
  current = self
  return self
end

---Runs a function that blocks the loop, such as reading from the terminal. Signals are seen by the
---loop only, so meanwhile they have their usual effect: Ctrl-C ends the program.
---@param fn fun(): ...
---@return any ... its results
function interrupt.paused(fn)
  if not current then return fn() end
  core.catch_signals(nil)
  local results = table.pack(fn())
  catch(current)
  return table.unpack(results, 1, results.n)
end

return interrupt
