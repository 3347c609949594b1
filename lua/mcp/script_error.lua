-- SPDX-License-Identifier: MIT
-- script_error: an error of a user's script as its author reads it.

-- Frames of the runtime are hidden: they do not help the author of the script.
local OURS = debug.getinfo(1, "S").short_src:match "^(.*)script_error%.lua$" or ""

---The message handler for a script: the text, and the script's own frames where there is more than
---the place that the text names already. An error in our own files keeps all.
---@param raised any
---@return string
return function(raised)
  local text = type(raised) == "string" and raised
  if not text then
    local meta = getmetatable(raised)
    text = type(meta) == "table" and meta.__tostring and tostring(raised)
      or ("(an error of type %s)"):format(type(raised))
  end
  local whole = debug.traceback(text, 2)
  if os.getenv "MCP_LOG" == "debug" or text:sub(1, #OURS) == OURS then return whole end
  local lines, frames, first, in_trace = {}, {}, nil, false
  for line in whole:gmatch "[^\n]+" do
    local frame = in_trace and line:match "^\t(.*)"
    if line == "stack traceback:" then
      in_trace = true
    elseif not frame then
      lines[#lines + 1] = line
    elseif not frame:find "^%[C%]" and not frame:find "^%(%.%.%." then
      local ours = frame:sub(1, #OURS) == OURS
      first = first or (ours and "ours" or "theirs")
      frame = frame:gsub("in %a+ 'main'$", "in main chunk")
      if not ours then frames[#frames + 1] = "\t" .. frame end
    end
  end
  text = table.concat(lines, "\n")
  local place = text:match "^[^\n]-:%d+: "
  -- What the machine refuses is not the script's fault.
  local what = place and text:sub(#place + 1) or text
  if what:find "^pid_file: " or what:find "^cannot listen on " then return text end
  -- `error(text, 0)` of the script: it wants to say this and no more.
  local alone = not place and first == "theirs" and type(raised) == "string"
  if alone or place and #frames < 2 or #frames == 0 then return text end
  return text .. "\nstack traceback:\n" .. table.concat(frames, "\n")
end
