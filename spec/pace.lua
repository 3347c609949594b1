-- SPDX-License-Identifier: MIT
-- How much slower than usual the program under test runs. MCP_SLOW is the factor: 1 if it is
-- not set, 20 under memcheck. Every time limit of a spec is multiplied by it, here and nowhere
-- else, so that a slow tool does not look like a hang.
local pace = {}

--- The factor.
pace.FACTOR = tonumber(os.getenv "MCP_SLOW" or 1) or error "MCP_SLOW: expected a number"

--- A time limit in seconds, as long as it has to be for this run.
---@param seconds number
---@return number
function pace.limit(seconds) return seconds * pace.FACTOR end

return pace
