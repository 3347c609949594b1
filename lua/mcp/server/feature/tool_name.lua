-- SPDX-License-Identifier: MIT
-- tool_name: what a tool may be called. Apart from metadata.lua, since every tool has a name and
-- few have icons or annotations. Raises without a position (level 0); the caller adds the line.
local tool_name = {}

---The longest name of a tool (protocol, Tools: SHOULD, from 2025-11-25).
tool_name.LENGTH = 128

---@param name string
function tool_name.check(name)
  if #name > tool_name.LENGTH then
    error(("name: expected at most %d characters, got %d"):format(tool_name.LENGTH, #name), 0)
  end
  local odd = name:match "[^A-Za-z0-9_.%-]"
  if odd then
    local shown = odd:find "[%g ]" and ('"%s"'):format(odd) or ("the byte %d"):format(odd:byte())
    error(('name: expected A-Z, a-z, 0-9, "_", "." and "-" alone, got %s')
      :format(shown), 0)
  end
end

return tool_name
