-- SPDX-License-Identifier: MIT
-- What the system says of a process, by its number: proc(5), /proc/N/stat. A process can end
-- between the opening of that file and the reading of it (ESRCH), which counts as ended.
local M = {}

-- The fields after its name, which may hold blanks and parentheses; "" for a process that is gone.
function M.of(pid)
  local file <close> = io.open(("/proc/%s/stat"):format(pid), "rb")
  return (file and file:read "a" or ""):match "^.*%) (.*)$" or ""
end

-- The letter of its state, such as "S"; nil when it is gone.
function M.state(pid) return M.of(pid):match "^%a" end

-- The number of its parent; nil when it is gone.
function M.parent(pid) return math.tointeger(tonumber(M.of(pid):match "^%a (%d+)")) end

-- Whether it runs: one that ended and was not waited for yet (a zombie) does not.
function M.is_running(pid)
  local state = M.state(pid)
  return state ~= nil and state ~= "Z"
end

return M
