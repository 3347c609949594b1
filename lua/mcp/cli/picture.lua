-- SPDX-License-Identifier: MIT
-- picture: shows a picture in terminals that can: kitty's graphics protocol and iTerm2's inline
-- images take a PNG as it is, so nothing is decoded here.
local core = require "mcp.core"
local terminal = require "mcp.cli.terminal"

local picture = {}

---Bytes of Base64 in one escape sequence of kitty (its protocol's own limit).
picture.CHUNK = 4096

local function kitty(encoded)
  local first = true
  for at = 1, #encoded, picture.CHUNK do
    local chunk = encoded:sub(at, at + picture.CHUNK - 1)
    local more = at + picture.CHUNK <= #encoded and 1 or 0
    io.stdout:write("\27_G", first and "a=T,f=100," or "", "m=", more, ";", chunk, "\27\\")
    first = false
  end
  io.stdout:write "\n"
end

local function iterm(bytes, encoded)
  io.stdout:write("\27]1337;File=inline=1;size=", #bytes, ":", encoded, "\7\n")
end

-- Which protocol the terminal has, by what it says of itself in the environment.
local function protocol()
  local term, name = os.getenv "TERM" or "", os.getenv "TERM_PROGRAM" or ""
  if os.getenv "KITTY_WINDOW_ID" or term:find "kitty" or name == "ghostty" then return "kitty" end
  if name == "iTerm.app" or name == "WezTerm" or os.getenv "WEZTERM_PANE" then return "iterm" end
  return nil
end

---Draws a picture on standard output.
---@param bytes string
---@param mime string|nil
---@return boolean drawn false: this terminal, or this kind of picture, cannot
function picture.draw(bytes, mime)
  if not terminal.is_terminal(1) then return false end
  local how = protocol()
  if how == "kitty" and mime == "image/png" then
    kitty(core.base64(bytes))
    return true
  elseif how == "iterm" then
    iterm(bytes, core.base64(bytes))
    return true
  end
  return false
end

return picture
