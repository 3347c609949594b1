-- SPDX-License-Identifier: MIT
-- diff: what changes between two texts, as `diff -u` shows it. For changes in one place: everything
-- from the first line that differs to the last is one block.
local terminal = require "mcp.cli.terminal"

local diff = {}

---Lines shown before and after a change.
diff.AROUND = 3

---Columns of a line that are shown: some hosts write a file as one line.
diff.COLUMNS = 200

local function lines_of(text)
  local list = {}
  for line in text:gmatch "[^\n]*\n?" do
    if line ~= "" then list[#list + 1] = line end
  end
  return list
end

local function shown(mark, line)
  local text = terminal.clean((line:gsub("\r?\n$", "")))
  if terminal.columns(text) > diff.COLUMNS then
    text = text:sub(1, (utf8.offset(text, diff.COLUMNS) or diff.COLUMNS) - 1) .. "…"
  end
  return mark .. text .. (line:find "\n$" and "\n" or "\n\\ No newline at end of file\n")
end

---@param path string
---@param old string|nil nil: there is no file
---@param new string|nil nil: there is no file any more
---@return string text "" if they are equal
function diff.text(path, old, new)
  if old == new then return "" end
  local a, b = lines_of(old or ""), lines_of(new or "")
  local first = 0
  while first < #a and first < #b and a[first + 1] == b[first + 1] do first = first + 1 end
  local same = 0
  while same < #a - first and same < #b - first and a[#a - same] == b[#b - same] do
    same = same + 1
  end
  local from = math.max(first - diff.AROUND, 0)
  local after = math.min(same, diff.AROUND)
  local function range(list)
    local count = #list - same + after - from
    return ("%d,%d"):format(count > 0 and from + 1 or from, count)
  end
  path = terminal.clean(path)
  local out = { ("--- %s\n"):format(old and path or "/dev/null"),
    ("+++ %s\n"):format(new and path or "/dev/null"),
    terminal.paint(1, "cyan", ("@@ -%s +%s @@"):format(range(a), range(b))) .. "\n" }
  for i = from + 1, first do out[#out + 1] = shown(" ", a[i]) end
  for i = first + 1, #a - same do
    out[#out + 1] = terminal.paint(1, "red", shown("-", a[i]):sub(1, -2)) .. "\n"
  end
  for i = first + 1, #b - same do
    out[#out + 1] = terminal.paint(1, "green", shown("+", b[i]):sub(1, -2)) .. "\n"
  end
  for i = #a - same + 1, #a - same + after do out[#out + 1] = shown(" ", a[i]) end
  return table.concat(out)
end

return diff
