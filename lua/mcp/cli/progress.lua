-- SPDX-License-Identifier: MIT
-- progress: the progress of a call on standard error: a bar that is rewritten on a terminal, and
-- elsewhere a line each 10 % or 5 seconds, so that a log stays short.
local core = require "mcp.core"
local terminal = require "mcp.cli.terminal"

local progress = {}

---Elsewhere than on a terminal: a line after this many seconds, or this part of the whole.
progress.SECONDS, progress.PART = 5, 0.1

-- A server may say anything, such as 1e308 of 1e-308.
local function describe(done, total)
  if total and total > 0 and math.abs(done / total) < 1e9 then
    return ("%3d %%"):format(math.floor(done / total * 100 + 0.5))
  end
  return ("%g"):format(done)
end

local function bar(done, total, text, width)
  local words = describe(done, total)
  if not (total and total > 0) then return (words .. " " .. text) end
  local room = math.max(10, math.min(30, width - 30))
  local full = math.floor(math.max(0, math.min(room, done / total * room)))
  return ("[%s%s] %s %s"):format(("#"):rep(full), (" "):rep(room - full), words, text)
end

-- The beginning of a text that fits a number of columns.
local function fit(text, columns)
  local at = utf8.offset(text, columns + 1)
  return at and text:sub(1, at - 1) or text
end

---What shows the progress of one call.
---@return fun(done: number, total: number|nil, text: string|nil) on_progress
---@return fun() clear removes the bar, before anything else is printed
function progress.new()
  local on_terminal = terminal.is_terminal(2) and os.getenv "TERM" ~= "dumb"
  local shown, last, last_part = false, -math.huge, -math.huge
  local function clear()
    if shown then io.stderr:write "\r\27[K" end
    shown = false
  end
  return function(done, total, text)
    text = terminal.clean(text or ""):gsub("[\n\t]", " ")
    if on_terminal then
      local width = terminal.width(2)
      io.stderr:write("\r", fit(bar(done, total, text, width), width - 1), "\27[K")
      shown = true
      return
    end
    local now, part = core.now(), total and total > 0 and done / total
    if now - last < progress.SECONDS and not (part and part - last_part >= progress.PART) then
      return
    end
    last, last_part = now, part or last_part
    io.stderr:write(describe(done, total), text ~= "" and " " .. text or "", "\n")
  end, clear
end

return progress
