-- SPDX-License-Identifier: MIT
-- budget: limits what handlers in the server use: the time that they run, the bytes that they
-- return. The core stops them (src/lua/lbudget.h); this file makes the error for the client and the
-- line of the log. Loaded by servers with such handlers.
local core = require "mcp.core"
local errors = require "mcp.protocol.errors"
local failure = require "mcp.failure"
local read = require("mcp.budget").read
local tool = require "mcp.server.feature.tool"

local budget = {}

local NONE = { time = 0, output = 0 }

---Reads the budget of a server, the default of its handlers. Raises (level 0) what is wrong.
---@param given table|nil
---@return table budget time, output: 0 for none
function budget.of_server(given) return read(given, NONE) end

-- What the call of a handler has come to.
local function finish(app, entry, limits, ok, kind, ...)
  if ok then return kind, ... end
  if kind == "error" then error((...), 0) end
  local what, place, line = ("%s %q exceeded its "):format(entry.kind, entry.name), "", ""
  local code
  if kind == "time" then
    local at, number = ...
    code = errors.TIMED_OUT
    what = ("%stime budget of %.14g s"):format(what, limits.time)
    -- Peers see no paths.
    if number > 0 then place, line = " at " .. at, (" in line %d"):format(number) end
    app.counts.stopped = app.counts.stopped + 1
  else
    code = errors.INTERNAL_ERROR
    what = ("%soutput budget of %d bytes"):format(what, limits.output)
    app.counts.oversized = app.counts.oversized + 1
  end
  core.log("warning", what .. place)
  local err = failure.new(code, what .. line)
  err.for_model = true -- a tool's is a result
  error(err, 0)
end

---Puts the handler of an entry under its budget, if it has one. Raises (level 0) what is wrong.
---@param app table
---@param entry table
---@param given table|nil the entry's own; what it does not say is the server's
function budget.put(app, entry, given)
  local limits = read(given, app.budget or NONE)
  local handler = entry.handler
  if limits.time == 0 and limits.output == 0 then return end
  if limits.time > 0 then core.prepare_budgets() end
  entry.handler = function(...)
    return finish(app, entry, limits, core.within(limits.time, limits.output, tool.raised, handler,
      ...))
  end
end

return budget
