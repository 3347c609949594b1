-- SPDX-License-Identifier: MIT
-- Which failures of a spec file `make mutate` believes: those that repeat.
local failure = {}

-- Exit statuses of timeout(1): the command was ended, or had to be killed.
local TIMED_OUT = { [124] = true, [137] = true }

--- What failed, from what the run printed (spec/report.lua).
---@param status integer exit status
---@param log string
---@return "time"|"red" reason
---@return string place of the first test that failed, FILE:LINE, for tests made by a loop may have
---another order each time; without one (the process crashed) the exit status stands for it
function failure.of(status, log)
  if TIMED_OUT[status] then return "time", "time" end
  return "red", log:match "\n    at (%S+:%d+)\n" or "exit " .. status
end

--- Runs a spec file up to three times. A test that fails now and then, or because the machine is
--- busy, is seldom the same one twice. A time-out ends it: whether the machine was too busy is not
--- found out by waiting once more.
---@param run fun(): boolean, string|nil, string|nil  passed; or false, the reason and the place
---@return string|nil reason why it fails: a time-out, or the same test in two runs, none of which
---has passed
function failure.repeated(run)
  local seen = {}
  for _ = 1, 3 do
    local passed, reason, place = run()
    if passed then return nil end
    if reason == "time" or seen[place] then return reason end
    seen[place] = true
  end
end

return failure
