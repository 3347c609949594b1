-- SPDX-License-Identifier: MIT
-- checked: what `luamcp check` says about a script.
local helper = require "spec.helper"

local quote = helper.quote

---@param text string of the script; its file is one of helper.remove_files
---@param ... string options, as the shell takes them
---@return string out
---@return string err in which the file is called FILE
---@return integer status
return function(text, ...)
  local file, errors = helper.file(text, ".lua"), helper.file ""
  local words = { quote(helper.program()), "check", quote(file), ... }
  local out, status = helper.shell(("timeout 20 %s 2>%s </dev/null"):format(
    table.concat(words, " "), quote(errors)))
  local said <close> = assert(io.open(errors))
  return out, (said:read "a":gsub(file:gsub("%p", "%%%0"), "FILE")), status
end
